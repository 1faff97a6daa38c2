"""Contact sheets of pairs: source, target, flow, warped source, visibility, parts, surface coordinates."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.correspondence import OCCLUDED, OUTSIDE, VISIBLE
from drn_core.data.synthetic.parts import NUM_PARTS
from drn_core.data.synthetic.records import SyntheticPair
from drn_core.skeleton import BONES

__all__ = ["COLUMNS", "colour_flow", "pair_strip", "warp_source"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
COLUMNS = ("source", "target", "flow", "warped source", "visibility", "parts", "surface", "joints")
_OFF_PERSON = 40


def colour_flow(flow: FloatArray, mask: npt.NDArray[np.bool_]) -> UInt8Array:
    """Flow (H, W, 2) as colours (H, W, 3): hue is the direction, saturation the length up to 64 px."""
    angle = np.arctan2(flow[..., 1], flow[..., 0])
    hsv = np.empty((*mask.shape, 3), np.uint8)
    hsv[..., 0] = np.round((angle / np.pi + 1) * 89.5)
    hsv[..., 1] = np.clip(np.hypot(flow[..., 0], flow[..., 1]) * 4, 0, 255)
    hsv[..., 2] = np.where(mask, 255, _OFF_PERSON)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), dtype=np.uint8)


def warp_source(pair: SyntheticPair) -> UInt8Array:
    """The source carried to the target's pose by the exact flow; (H, W, 3), dark off the person."""
    height, width = pair.visibility.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    warped = cv2.remap(
        pair.source_image,
        x + pair.flow[..., 0],
        y + pair.flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    warped[pair.visibility_codes != VISIBLE] = _OFF_PERSON
    return np.asarray(warped, dtype=np.uint8)


def _colour_codes(codes: UInt8Array) -> UInt8Array:
    image = np.full((*codes.shape, 3), _OFF_PERSON, np.uint8)
    image[codes == VISIBLE] = (90, 190, 110)
    image[codes == OCCLUDED] = (220, 70, 60)
    image[codes == OUTSIDE] = (90, 110, 220)
    return image


def _part_colours() -> UInt8Array:
    colours: list[tuple[int, ...]] = [(_OFF_PERSON,) * 3]
    for part in range(1, NUM_PARTS):
        rgb = colorsys.hsv_to_rgb((part * 0.381966) % 1, 0.55 + 0.3 * (part % 2), 0.95)
        colours.append(tuple(round(255 * value) for value in rgb))
    return np.array(colours, np.uint8)


def _colour_coords(coords: FloatArray, mask: npt.NDArray[np.bool_]) -> UInt8Array:
    scaled = (coords - [-0.6, -0.9, -0.15]) / [1.2, 2.0, 0.4]
    return np.where(mask[..., None], np.clip(scaled * 255, 0, 255), _OFF_PERSON).astype(np.uint8)


def _draw_joints(pair: SyntheticPair) -> UInt8Array:
    """The target with its joints: true ones as lines, observed ones as dots, brighter with confidence."""
    image = (pair.target_image * 0.5).astype(np.uint8)
    points = np.round(pair.target_keypoints).astype(int)
    for first, second in BONES:
        cv2.line(image, points[first].tolist(), points[second].tolist(), (120, 220, 255), 1, cv2.LINE_AA)
    observed = np.round(pair.target_observed).astype(int)
    for point, confidence in zip(observed, pair.target_confidence, strict=True):
        cv2.circle(image, point.tolist(), 1, (255, round(255 * float(confidence)), 0), -1, cv2.LINE_AA)
    return image


def pair_strip(pair: SyntheticPair) -> UInt8Array:
    """One row of the sheet, (H, 8 * W, 3) uint8, in the order of `COLUMNS`."""
    on_person = pair.visibility_codes > 0
    tiles = [
        pair.source_image, pair.target_image, colour_flow(pair.flow, on_person), warp_source(pair),
        _colour_codes(pair.visibility_codes), _part_colours()[pair.target_parts],
        _colour_coords(pair.target_coords, on_person), _draw_joints(pair),
    ]  # fmt: skip
    return np.concatenate(tiles, axis=1)
