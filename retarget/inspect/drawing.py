"""Stages as pictures: labels, flow, meshes and differences in colours that can be read.

Drawn with OpenCV: torchvision's utilities do the same, but importing them takes four seconds.
"""

from __future__ import annotations

import colorsys
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.person import PersonLayers
from retarget.records import FloatArray, Pose, UInt8Array

__all__ = ["draw_difference", "draw_flow", "draw_labels", "draw_mesh", "draw_points", "draw_weight", "label_colours"]

_GOLDEN_RATIO: Final = 0.618034
_GREY: Final = 40
_DIFFERENCE_GAIN: Final = 4


def label_colours(count: int) -> UInt8Array:
    """Return (count, 3) colours that neighbours in number tell apart."""
    hues = [(index * _GOLDEN_RATIO) % 1.0 for index in range(count)]
    colours = [colorsys.hsv_to_rgb(hue, 0.65, 0.95 if index % 2 else 0.7) for index, hue in enumerate(hues)]
    return np.asarray(np.round(np.array(colours).reshape(-1, 3) * 255), np.uint8)


def draw_labels(labels: npt.NDArray[np.integer[Any]], count: int) -> UInt8Array:
    """Colour a label map.

    Args:
        labels: (H, W), -1 where nothing is.
        count: how many labels there are, at most 255.

    Returns:
        (H, W, 3) uint8.
    """
    table = np.full((256, 1, 3), _GREY, np.uint8)
    table[1 : count + 1, 0] = label_colours(count)
    numbers = np.clip(labels + 1, 0, count).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(numbers, table), np.uint8)


def draw_flow(flow: FloatArray, is_there: npt.NDArray[np.bool_]) -> UInt8Array:
    """Draw a flow on the colour wheel: hue is direction (red to the right), saturation length against the longest.

    Args:
        flow: (2, H, W), pixels.
        is_there: (H, W), where it means anything.

    Returns:
        (H, W, 3) uint8; white is no motion, grey nothing.
    """
    length, degrees = cv2.cartToPolar(flow[0], flow[1], angleInDegrees=True)
    longest = max(float(length[is_there].max(initial=0.0)), 1e-6)
    wheel = np.empty((*flow.shape[1:], 3), np.uint8)
    wheel[..., 0] = (degrees / 2).astype(np.uint8) % 180  # OpenCV counts hues in steps of two degrees
    wheel[..., 1] = np.clip(length * (255 / longest), 0, 255).astype(np.uint8)
    wheel[..., 2] = 255
    picture = cv2.cvtColor(wheel, cv2.COLOR_HSV2RGB)
    picture[~is_there] = _GREY
    return np.asarray(picture, np.uint8)


def draw_weight(weight: FloatArray) -> UInt8Array:
    """Draw a map in [0, 1] as (H, W, 3) grey."""
    grey = np.round(np.clip(weight, 0.0, 1.0) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def draw_difference(first: UInt8Array, second: UInt8Array) -> UInt8Array:
    """Draw how two pictures (H, W, 3) differ, four times as strong; black is equal."""
    return np.asarray(cv2.convertScaleAbs(cv2.absdiff(first, second), alpha=_DIFFERENCE_GAIN), np.uint8)


def draw_points(rgb: UInt8Array, pose: Pose) -> UInt8Array:
    """Return a copy of a picture with a pose's trusted joints as white dots."""
    canvas = rgb.copy()
    radius = max(2, round(min(rgb.shape[:2]) / 200))
    for x, y in np.round(pose.keypoints[pose.confidence > 0.05]).astype(int).tolist():
        cv2.circle(canvas, (x, y), radius, (255, 255, 255), -1, cv2.LINE_AA)
    return canvas


def draw_mesh(rgb: UInt8Array, person: PersonLayers) -> UInt8Array:
    """Return a copy of the photo with the person's mesh over it, one colour a part."""
    mesh = person.mesh
    canvas = rgb.copy()
    colours = label_colours(int(mesh.triangle_part.max()) + 1)
    corners = np.round(mesh.source_xy[mesh.triangles] * 4).astype(np.int32)
    for triangle, part in zip(corners, mesh.triangle_part, strict=True):
        colour = tuple(int(channel) for channel in colours[part])
        cv2.polylines(canvas, [triangle], True, colour, 1, cv2.LINE_AA, 2)
    return canvas
