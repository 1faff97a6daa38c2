"""Limbs that the photo hides, rebuilt from their mirror twins."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body
from drn_core.prior.face_mirror import distance_to
from drn_core.prior.geometry import perpendicular, unit
from drn_core.prior.parts import ARM_LAYERS, LIMB_OF, LIMBS, Layer, Limb, Part
from drn_core.prior.segmentation import Segmentation
from drn_core.skeleton import JOINT_INDEX, MIRROR

__all__ = [
    "Rebuild",
    "absorbed",
    "limb_visibility",
    "overhang",
    "plan_rebuilds",
    "rebuilt_body",
    "rebuilt_texture",
    "tucked_joints",
]

_SHOULDERS = (JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"])

# Shares of a limb's capsule that the photo shows; a limb in full view fills 0.5 to 0.8 of it (development photos).
# Below the first a limb counts as hidden, below the second if the estimator doubts its joints, too; a twin must show
# the third.
_HIDDEN, _DOUBTFUL, _WELL_SEEN = 0.25, 0.35, 0.45
# Shoulders narrower than this share of the torso's length mean a person seen from the side.
_PROFILE_WIDTH = 0.35

# Room that a hidden limb needs on either side of its joints, in half widths.
_TUCK = 1.3


@dataclass(frozen=True)
class Rebuild:
    """How a hidden limb is made from its twin.

    Attributes:
        limb: the limb that is hidden.
        affine: (2, 3), takes the twin's pixels to where the rebuilt limb lies.
    """

    limb: Limb
    affine: npt.NDArray[np.float64]


def limb_visibility(limb: Limb, seen: Mapping[Part, float], expected: Mapping[Part, float]) -> float:
    """Share of a limb's upper and lower part that the photo shows, the worse of the two, in [0, 1]."""
    return min(1.0, *(seen[part] / expected[part] for part in limb.parts[:2]))


def plan_rebuilds(body: Body, seen: Mapping[Part, float], expected: Mapping[Part, float]) -> list[Rebuild]:
    """Decide which limbs are hidden badly enough, and have a twin good enough, to be rebuilt.

    Args:
        body: the body in the photo.
        seen: pixels that each limb part shows.
        expected: pixels that it would show if nothing hid it.

    Returns:
        One entry per limb to rebuild; never both of a pair.
    """
    rebuilds = []
    for limb in LIMBS:
        twin = LIMBS[limb.twin]
        own, other = (limb_visibility(x, seen, expected) for x in (limb, twin))
        is_doubted = min(body.confidence[[limb.middle, limb.tip]]) < 0.5
        is_hidden = own < _HIDDEN or (is_doubted and own < _DOUBTFUL)
        is_cropped = min(body.confidence[[twin.middle, twin.tip]]) < 0.5
        if is_hidden and not is_cropped and other >= _WELL_SEEN:
            rebuilds.append(Rebuild(limb, _mirror_map(body, limb, twin)))
    return rebuilds


def _mirror_map(body: Body, limb: Limb, twin: Limb) -> npt.NDArray[np.float64]:
    """Reflection about the spine, then shoulder onto shoulder; a mere shift for a person seen from the side."""
    spine = unit(body.pelvis - body.neck)
    across = perpendicular(spine)
    width = abs(float((body.keypoints[_SHOULDERS[0]] - body.keypoints[_SHOULDERS[1]]) @ across))
    is_profile = width < _PROFILE_WIDTH * body.torso_length
    matrix = np.eye(2) if is_profile else np.eye(2) - 2 * np.outer(across, across)
    return np.column_stack([matrix, body.keypoints[limb.root] - matrix @ body.keypoints[twin.root]])


def rebuilt_body(body: Body, rebuilds: list[Rebuild]) -> Body:
    """Return the body with the joints of rebuilt limbs where their new pixels lie."""
    keypoints, confidence, off_middle = body.keypoints.copy(), body.confidence.copy(), dict(body.off_middle)
    for rebuild in rebuilds:
        for joint in rebuild.limb.joints:
            twin_joint = MIRROR[joint]
            keypoints[joint] = rebuild.affine[:, :2] @ body.keypoints[twin_joint] + rebuild.affine[:, 2]
            confidence[joint] = body.confidence[twin_joint]
        handedness = float(np.sign(np.linalg.det(rebuild.affine[:, :2])))
        for part, twin_part in zip(rebuild.limb.parts, LIMBS[rebuild.limb.twin].parts, strict=True):
            off_middle[part] = handedness * body.off_middle.get(twin_part, 0.0)
    return replace(body, keypoints=keypoints, confidence=confidence, off_middle=off_middle)


def tucked_joints(body: Body, limbs: list[Limb], person: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Move the joints of hidden limbs to where the limbs are hidden indeed: wholly inside the silhouette.

    What the photo does not show an estimator can only guess; a guess at which the rebuilt limb would stick out of the
    silhouette is wrong.

    Args:
        body: the body; the hidden limbs' joints are the estimator's.
        limbs: the hidden limbs.
        person: (H, W) the person's pixels, in the body's pixels.

    Returns:
        (33, 2) the joints in the photo's own pose.
    """
    keypoints = body.keypoints.copy()
    room = cv2.distanceTransform(np.pad(person, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    for limb in limbs:
        shift = np.zeros(2)
        hand = [joint for joint in limb.joints if joint not in (limb.middle, limb.tip)]
        for joint, part in ((limb.middle, limb.parts[0]), (limb.tip, limb.parts[1])):
            needed = min(_TUCK * body.radii[part], 0.8 * float(room.max()))
            rows, columns = np.nonzero(room >= needed)
            places = np.stack([columns, rows], 1).astype(np.float64)
            nearest = places[np.linalg.norm(places - keypoints[joint], axis=1).argmin()]
            shift = nearest - keypoints[joint]
            keypoints[joint] = nearest
        keypoints[hand] += shift
    return keypoints


def absorbed(segmentation: Segmentation, layers: Collection[Layer]) -> Segmentation:
    """Leave to others what little the photo shows of some sheets: arms to the trunk, thighs to what lies nearest.

    Args:
        segmentation: the sheets.
        layers: sheets that are made anew from elsewhere; of a leg's lower sheet the pixels are left alone.

    Returns:
        The sheets, those of arms and thighs empty.
    """
    result = segmentation
    for layer in layers:
        limb = LIMB_OF[layer]
        if layer in ARM_LAYERS:
            result = _given(result, layer, (Layer.TORSO,))
        elif layer == limb.upper_layer:
            result = _given(result, layer, (Layer.TORSO, LIMBS[limb.twin].upper_layer))
    return result


def _given(segmentation: Segmentation, layer: Layer, takers: tuple[Layer, ...]) -> Segmentation:
    """Give the pixels of a sheet to the nearest of others."""
    pixels = segmentation.owned[layer]
    away = [distance_to(segmentation.owned[taker]) for taker in takers]
    nearest = np.stack(away).argmin(0)
    gains = {taker: pixels & (nearest == index) for index, taker in enumerate(takers)}

    def moved(masks: Mapping[Layer, npt.NDArray[np.bool_]]) -> dict[Layer, npt.NDArray[np.bool_]]:
        changed = {taker: masks[taker] | gain for taker, gain in gains.items()}
        return {**masks, layer: np.zeros_like(pixels), **changed}

    return replace(
        segmentation,
        owned=moved(segmentation.owned),
        wanted=moved(segmentation.wanted),
        trusted=moved(segmentation.trusted),
    )


def overhang(textures: npt.NDArray[np.uint8], rebuild: Rebuild) -> tuple[int, int, int, int]:
    """How far a rebuilt limb reaches beyond the textures.

    Args:
        textures: (9, H, W, 4) uint8 RGBA; the twin's sheets are finished.
        rebuild: the limb, its map in pixels of the textures.

    Returns:
        Pixels on the left, top, right and bottom, 0 where there is room.
    """
    height, width = textures.shape[1:3]
    twin = LIMBS[rebuild.limb.twin]
    ys, xs = np.nonzero(textures[list(twin.layers), ..., 3].max(0))
    if len(ys) == 0:
        return 0, 0, 0, 0
    corners = np.array([(x, y) for x in (xs.min(), xs.max()) for y in (ys.min(), ys.max())], np.float64)
    moved = corners @ rebuild.affine[:, :2].T + rebuild.affine[:, 2]
    low, high = np.floor(moved.min(0)), np.ceil(moved.max(0))
    sides = (-low[0], -low[1], high[0] - width + 1, high[1] - height + 1)
    left, top, right, bottom = (max(0, int(side)) for side in sides)
    return left, top, right, bottom


def rebuilt_texture(textures: npt.NDArray[np.uint8], rebuild: Rebuild, layer: Layer) -> npt.NDArray[np.uint8]:
    """Make one sheet of a rebuilt limb from its twin's.

    Args:
        textures: (9, H, W, 4) uint8 RGBA; the twin's sheets are finished.
        rebuild: the limb and where its pixels come from, in the textures' pixels.
        layer: one of the limb's two sheets.

    Returns:
        (H, W, 4) uint8.
    """
    twin = LIMBS[rebuild.limb.twin]
    source = twin.upper_layer if layer == rebuild.limb.upper_layer else twin.lower_layer
    height, width = textures.shape[1:3]
    colour = cv2.warpAffine(
        textures[source, ..., :3],
        rebuild.affine,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    alpha = cv2.warpAffine(textures[source, ..., 3], rebuild.affine, (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(np.dstack([colour, alpha]), np.uint8)
