"""Limbs that the photo hides or cuts off, rebuilt from their mirror twins."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body
from drn_core.prior.cloth import eroded, looks_like
from drn_core.prior.face_mirror import distance_to
from drn_core.prior.geometry import apply_affine, perpendicular, unit
from drn_core.prior.hands import told_apart
from drn_core.prior.lengthen import is_seen_end_on
from drn_core.prior.parts import ARM_LAYERS, LIMB_OF, LIMBS, SEGMENTS, Layer, Limb, Part
from drn_core.prior.segmentation import Segmentation
from drn_core.prior.transforms import part_transforms
from drn_core.skeleton import JOINT_INDEX, MIRROR

__all__ = [
    "Rebuild",
    "absorbed",
    "cropped_limbs",
    "limb_visibility",
    "overhang",
    "plan_rebuilds",
    "plan_regrowths",
    "rebuilt_body",
    "rebuilt_texture",
    "trim_root",
    "tucked_joints",
    "without_ends",
]

_SHOULDERS = (JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"])

# Shares of a limb's capsule that the photo shows; a limb in full view fills 0.5 to 0.8 of it (development photos).
# Below the first a limb counts as hidden, below the second if the estimator doubts its joints, too; a twin must show
# the third.
_HIDDEN, _DOUBTFUL, _WELL_SEEN = 0.25, 0.35, 0.45
# Shoulders narrower than this share of the torso's length mean a person seen from the side.
_PROFILE_WIDTH = 0.35

# Around a limb's lower part that the photo shows end on, in half widths, its upper part may be the hand's blurred edge.
_END_ON_REACH = 1.5
# The root of a rebuilt limb, in half widths about its joint, that must not stick out of the silhouette.
_ROOT_REACH = 2.2
# Room that a hidden limb needs on either side of its joints, in half widths.
_TUCK = 1.3


@dataclass(frozen=True)
class Rebuild:
    """How a hidden limb is made from its twin.

    Attributes:
        limb: the limb that is hidden.
        affine: (2, 3), takes the twin's pixels to where the rebuilt limb lies.
        is_whole: the whole limb; else what lies beyond elbow or knee.
    """

    limb: Limb
    affine: npt.NDArray[np.float64]
    is_whole: bool = True

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The sheets that are made anew."""
        return self.limb.layers if self.is_whole else (self.limb.lower_layer,)

    @property
    def part(self) -> Part:
        """The first part that is made anew."""
        return self.limb.parts[0 if self.is_whole else 1]

    @property
    def joints(self) -> tuple[int, ...]:
        """The joints that move."""
        return self.limb.joints if self.is_whole else tuple(j for j in self.limb.joints if j != self.limb.middle)


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
            rebuilds.append(Rebuild(limb, _mirror_map(body, limb.root, twin.root)))
    return rebuilds


def plan_regrowths(
    body: Body,
    true_lengths: Mapping[Part, float],
    seen: Mapping[Part, float],
    expected: Mapping[Part, float],
    cropped: Collection[Limb],
) -> list[Rebuild]:
    """Decide of which limbs the photo shows too little: end on, or cut off by the frame beyond elbow or knee.

    Args:
        body: the body in the photo.
        true_lengths: length of limb parts laid flat, pixels; parts that are missing are not seen end on.
        seen: pixels that each limb part shows.
        expected: pixels that it would show if nothing hid it.
        cropped: from `cropped_limbs`.

    Returns:
        One entry per limb that is to be made from its twin's: whole, or the lower part and the end.
    """
    regrowths = []
    for limb in LIMBS:
        twin = LIMBS[limb.twin]
        end_on = [_is_end_on(body, part, true_lengths) for part in limb.parts[:2]]
        is_cropped = limb in cropped
        needed = [limb.middle, twin.middle, twin.tip] + ([] if is_cropped else [limb.tip])
        is_sure = min(body.confidence[needed]) >= 0.5 and twin not in cropped
        parts = zip(limb.parts[:2], twin.parts[:2], strict=True)
        is_twin_good = all(
            seen[other] >= _WELL_SEEN * expected[other]
            and _length(body, other) >= _WELL_SEEN * max(true_lengths.get(x, 0.0) for x in (part, other))
            for part, other in (parts if end_on[0] else list(parts)[1:])
        )
        if (any(end_on) or is_cropped) and is_sure and is_twin_good:
            joint, other_joint = (x.root if end_on[0] else x.middle for x in (limb, twin))
            regrowths.append(Rebuild(limb, _mirror_map(body, joint, other_joint), is_whole=end_on[0]))
    return regrowths


def _length(body: Body, part: Part) -> float:
    """Length of a limb part's bone in the photo, pixels."""
    start, end = SEGMENTS[part]
    return float(np.linalg.norm(body.keypoints[end] - body.keypoints[start]))


def _is_end_on(body: Body, part: Part, true_lengths: Mapping[Part, float]) -> bool:
    return is_seen_end_on(_length(body, part), true_lengths.get(part, 0.0), body.radii[part])


def cropped_limbs(keypoints: npt.NDArray[np.floating[Any]], size_hw: tuple[int, int]) -> tuple[Limb, ...]:
    """Find the limbs whose elbow or knee is in the photo and most of whose hand or foot is beyond its frame.

    Args:
        keypoints: (33, 2) pixels of the photo.
        size_hw: size of the photo.

    Returns:
        The limbs.
    """

    def is_inside(point: npt.NDArray[np.floating[Any]]) -> bool:
        return bool(0 <= point[0] < size_hw[1] and 0 <= point[1] < size_hw[0])

    return tuple(
        limb
        for limb in LIMBS
        if is_inside(keypoints[limb.middle]) and not is_inside(keypoints[[limb.tip, *limb.ends]].mean(0))
    )


def _mirror_map(body: Body, joint: int, twin_joint: int) -> npt.NDArray[np.float64]:
    """Reflection about the spine, then joint onto joint; a mere shift for a person seen from the side."""
    spine = unit(body.pelvis - body.neck)
    across = perpendicular(spine)
    width = abs(float((body.keypoints[_SHOULDERS[0]] - body.keypoints[_SHOULDERS[1]]) @ across))
    is_profile = width < _PROFILE_WIDTH * body.torso_length
    matrix = np.eye(2) if is_profile else np.eye(2) - 2 * np.outer(across, across)
    return np.column_stack([matrix, body.keypoints[joint] - matrix @ body.keypoints[twin_joint]])


def rebuilt_body(body: Body, rebuilds: list[Rebuild]) -> Body:
    """Return the body with the joints of rebuilt limbs where their new pixels lie."""
    keypoints, confidence, off_middle = body.keypoints.copy(), body.confidence.copy(), dict(body.off_middle)
    for rebuild in rebuilds:
        for joint in rebuild.joints:
            twin_joint = MIRROR[joint]
            keypoints[joint] = rebuild.affine[:, :2] @ body.keypoints[twin_joint] + rebuild.affine[:, 2]
            confidence[joint] = body.confidence[twin_joint]
        handedness = float(np.sign(np.linalg.det(rebuild.affine[:, :2])))
        first = 0 if rebuild.is_whole else 1
        for part, twin_part in zip(rebuild.limb.parts[first:], LIMBS[rebuild.limb.twin].parts[first:], strict=True):
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


def absorbed(segmentation: Segmentation, layers: Collection[Layer], rgb: npt.NDArray[np.uint8]) -> Segmentation:
    """Leave to others what little the photo shows of some sheets: arms to the trunk, thighs to what lies nearest.

    A hand or bare arm is left to nobody: on the trunk it would be a third one.

    Args:
        segmentation: the sheets.
        layers: sheets that are made anew from elsewhere; of a leg's lower sheet the pixels are left alone.
        rgb: (H, W, 3).

    Returns:
        The sheets, those of arms and thighs empty.
    """
    result = segmentation
    for layer in layers:
        limb = LIMB_OF[layer]
        if layer in ARM_LAYERS:
            arm, cloth = segmentation.owned[LIMBS[limb.twin].lower_layer], segmentation.owned[Layer.TORSO]
            is_bare = told_apart(rgb, eroded(arm), eroded(cloth & segmentation.garment))
            pixels = result.owned[layer] & (True if is_bare is None else ~is_bare)
            result = _given(result, layer, pixels, (Layer.TORSO,))
        elif layer == limb.upper_layer:
            result = _given(result, layer, result.owned[layer], (Layer.TORSO, LIMBS[limb.twin].upper_layer))
    return result


def without_ends(
    segmentation: Segmentation, regrowths: Collection[Rebuild], rgb: npt.NDArray[np.uint8]
) -> Segmentation:
    """Take what is seen end on off the sheet it lies on: a hand or foot off the upper one, a whole limb off the trunk.

    Args:
        segmentation: the sheets.
        regrowths: from `plan_regrowths`.
        rgb: (H, W, 3).

    Returns:
        The sheets; near the lower ones the upper ones keep only what is of their own colour.
    """
    result = segmentation
    for regrowth in regrowths:
        if regrowth.is_whole:
            limb = np.logical_or.reduce([result.owned[layer] for layer in regrowth.layers])
            result = replace(result, trusted={**result.trusted, Layer.TORSO: result.trusted[Layer.TORSO] & ~limb})
            continue
        upper, lower = regrowth.limb.upper_layer, result.owned[regrowth.limb.lower_layer]
        reach = _END_ON_REACH * result.body.radii[regrowth.limb.parts[1]]
        own, near = result.trusted[upper] & ~lower, distance_to(lower) < reach
        kept = own & (~near | looks_like(rgb, eroded(own & ~near), eroded(lower), own & near))
        result = replace(result, trusted={**result.trusted, upper: kept})
    return result


def _given(
    segmentation: Segmentation, layer: Layer, pixels: npt.NDArray[np.bool_], takers: tuple[Layer, ...]
) -> Segmentation:
    """Empty a sheet and give the nearest of others these pixels of it."""
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


def trim_root(
    texture: npt.NDArray[np.uint8],
    origin_xy: tuple[int, int],
    body: Body,
    limb: Limb,
    photo_joints: npt.NDArray[np.float64],
    alpha: npt.NDArray[np.float32],
) -> None:
    """Take off, in place, what of a rebuilt limb's root would stick out of the silhouette in the photo's own pose.

    Args:
        texture: (H, W, 4) the sheet of its upper part; changed.
        origin_xy: photo position of its first pixel.
        body: the body; the limb is where its pixels lie.
        limb: the limb.
        photo_joints: (33, 2) the joints in the photo's own pose.
        alpha: (h, w) the person's matte, whole photo.
    """
    radius = _ROOT_REACH * body.radii[limb.parts[0]]
    low = np.floor(body.keypoints[limb.root] - radius - origin_xy).astype(int)
    x0, y0 = np.maximum(low, 0)
    x1, y1 = np.minimum(low + int(2 * radius) + 2, (texture.shape[1], texture.shape[0]))
    if x1 <= x0 or y1 <= y0:
        return
    points = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), -1) + np.array(origin_xy)
    in_photo = apply_affine(part_transforms(body, photo_joints)[limb.parts[0]], points).astype(np.float32)
    inside = cv2.remap(alpha, in_photo[..., 0], in_photo[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    is_root = np.linalg.norm(points - body.keypoints[limb.root], axis=-1) < radius
    part = texture[y0:y1, x0:x1, 3]
    part[...] = np.where(is_root, np.round(part * np.clip(2.0 * inside - 1.0, 0.0, 1.0)), part).astype(np.uint8)
