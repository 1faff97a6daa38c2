"""Who owns which pixel of the person: the masks of the sheets, and what each sheet needs beyond them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body, BodyFields, lap_mask, measure_fields
from drn_core.prior.geometry import segment_distance
from drn_core.prior.parts import LIMB_OF, LIMBS, Layer, Limb, Part

__all__ = ["Segmentation", "is_arm_in_front", "pixel_grid", "segment_layers"]

Mask = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

# Within this many half widths a sheet claims what lies under another one, and has it filled in.
_HIDDEN_REACH = 0.85
# Half widths within which pixels may belong to an arm before another sheet, if their colour agrees.
_FOREARM_REACH, _HAND_REACH = 1.25, 1.6
# Rim of an arm, in torso lengths, whose mixed colours don't count as the trunk's.
_MIXED_RIM = 0.008


@dataclass(frozen=True)
class Segmentation:
    """The sheets of one picture.

    Attributes:
        owned: per layer, (H, W) the pixels whose colour it shows in the photo.
        wanted: per layer, (H, W) the pixels it covers; what is wanted but not trusted must be filled in.
        trusted: per layer, (H, W) the pixels whose colour may be shown and used to fill the rest.
        expected_area: per part of a limb, the pixels it would show if nothing hid it.
        seen_area: per part of a limb, the pixels it does show.
    """

    owned: Mapping[Layer, Mask]
    wanted: Mapping[Layer, Mask]
    trusted: Mapping[Layer, Mask]
    expected_area: Mapping[Part, float]
    seen_area: Mapping[Part, float]


def pixel_grid(size_hw: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return the (x, y) of every pixel centre, (H, W, 2)."""
    height, width = size_hw
    return np.asarray(np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1), np.float32)


def _near(fields: BodyFields) -> dict[Layer, Field]:
    near = {Layer.TORSO: np.minimum(fields.torso, fields.parts[Part.HEAD])}
    for limb in LIMBS:
        near[limb.upper_layer] = fields.parts[limb.parts[0]]
        near[limb.lower_layer] = fields.lower(limb)
    return near


def _nearest_layer(body: Body, near: Mapping[Layer, Field], person: Mask) -> dict[Layer, Mask]:
    """Give each pixel to the sheet with the nearest part; well inside the trunk a limb has to be clearly nearer."""
    trunk_bias = 0.6 * (near[Layer.TORSO] < 0.05)
    limbs = [np.minimum(near[limb.upper_layer], near[limb.lower_layer]) + trunk_bias for limb in LIMBS]
    label = np.stack([near[Layer.TORSO], *limbs]).argmin(0)
    owned = {Layer.TORSO: (label == 0) & person}
    for index, limb in enumerate(LIMBS, start=1):
        own = (label == index) & person
        is_upper = _is_upper(body, near, limb)
        owned[limb.upper_layer], owned[limb.lower_layer] = own & is_upper, own & ~is_upper
    return owned


def _is_upper(body: Body, near: Mapping[Layer, Field], limb: Limb) -> Mask:
    """Whether a pixel of a limb is nearer to its upper bone, in pixels: half widths would favour the thicker part."""
    upper_px = near[limb.upper_layer] * body.radii[limb.parts[0]]
    return np.asarray(upper_px <= near[limb.lower_layer] * body.radii[limb.parts[1]])


def is_arm_in_front(body: Body, limb: Limb) -> bool:
    """Whether an arm lies before the trunk (a quarter torso of doubt goes to the front: more arms do)."""
    arm_depth = 0.4 * body.depth[limb.middle] + 0.6 * body.depth[limb.tip]
    return bool(arm_depth < body.trunk_depth + 0.25 * body.torso_length)


def _cut_by_colour(rgb: UInt8, sure: Mask, candidate: Mask) -> Mask:
    """Cut a limb out of the sheet below it by colour and edges (GrabCut), within the candidate pixels.

    Args:
        rgb: (H, W, 3).
        sure: (H, W) pixels certainly of the limb.
        candidate: (H, W) pixels possibly of the limb; contains `sure`.

    Returns:
        (H, W) the limb, a part of `candidate`.
    """
    rest = candidate & ~sure
    if sure.sum() < 20 or rest.sum() < 20:
        return candidate
    ys, xs = np.nonzero(candidate)
    margin = 6
    window = np.s_[
        max(int(ys.min()) - margin, 0) : int(ys.max()) + margin + 1,
        max(int(xs.min()) - margin, 0) : int(xs.max()) + margin + 1,
    ]
    labels = np.where(sure, cv2.GC_FGD, np.where(candidate, cv2.GC_PR_FGD, cv2.GC_BGD))[window].astype(np.uint8)
    if not (labels == cv2.GC_BGD).any():
        return candidate
    cv2.setRNGSeed(0)  # GrabCut's mixtures start from k-means
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(rgb[window]), labels, None, *models, 2, cv2.GC_INIT_WITH_MASK)
    cut = np.zeros_like(candidate)
    cut[window] = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    smooth = cv2.medianBlur(cut.astype(np.uint8), 5) > 0
    return np.asarray((smooth | sure) & candidate)


def _claim_by_front_arm(
    owned: dict[Layer, Mask], limb: Limb, fields: BodyFields, near: Mapping[Layer, Field], person: Mask, rgb: UInt8
) -> None:
    """A forearm before another sheet owns what has its colour within its width, an upper arm its shoulder."""
    twin = LIMBS[limb.twin]
    lower, upper = near[limb.lower_layer], near[limb.upper_layer]
    nearer_than_twin = lower <= near[twin.lower_layer]
    # fingers spread beyond any capsule; their colour tells where they end, but not before a face of the same colour
    spread = (fields.parts[limb.parts[2]] < _HAND_REACH) & (fields.parts[Part.HEAD] > 1.0)
    within = (lower < np.where(fields.parts[Part.HEAD] > 1.0, _FOREARM_REACH, 1.0)) | spread
    reach = person & within & nearer_than_twin
    is_over_other = np.minimum.reduce([near[layer] for layer in Layer if layer not in limb.layers]) < 1.15
    cut = _cut_by_colour(rgb, reach & (lower < 0.5), reach)
    forearm = np.where(is_over_other, cut, reach & (lower < 1.0)) & person
    _give(owned, limb.lower_layer, forearm & ((lower <= upper) | (lower < 0.6)))
    lost = owned[limb.lower_layer] & ~forearm & is_over_other & nearer_than_twin & within
    owned[limb.lower_layer] &= ~lost
    owned[Layer.TORSO] |= lost & (near[Layer.TORSO] < 1.15)
    shoulder = person & (upper < 0.95) & (fields.torso > 0.0) & ~owned[limb.lower_layer] & ~owned[twin.lower_layer]
    _give(owned, limb.upper_layer, shoulder)


def _give(owned: dict[Layer, Mask], layer: Layer, pixels: Mask) -> None:
    for other, mask in owned.items():
        owned[other] = mask | pixels if other == layer else mask & ~pixels


def _yield_to_trunk(owned: dict[Layer, Mask], limb: Limb, near: Mapping[Layer, Field]) -> None:
    """An arm behind the trunk owns nothing that the trunk reaches."""
    for layer in limb.layers:
        hidden = owned[layer] & (near[Layer.TORSO] < 0.6)
        owned[layer] &= ~hidden
        owned[Layer.TORSO] |= hidden


def _disc(points: Field, body: Body, joint: int, radius: float) -> Mask:
    return np.asarray(np.linalg.norm(points - body.keypoints[joint].astype(np.float32), axis=-1) < radius)


def _arms(owned: Mapping[Layer, Mask]) -> Mask:
    return np.asarray(np.logical_or.reduce([owned[layer] for limb in LIMBS if limb.is_arm for layer in limb.layers]))


def _torso_masks(
    body: Body, fields: BodyFields, points: Field, owned: Mapping[Layer, Mask], person: Mask
) -> tuple[Mask, Mask]:
    """What the torso sheet covers, and which of it shows its own colour."""
    own, arms = owned[Layer.TORSO], _arms(owned)
    wanted = own | (person & ((fields.torso < 0.9) | (fields.parts[Part.HEAD] < 0.75)))
    side = 2 * round(_MIXED_RIM * body.torso_length) + 1
    rim = cv2.dilate(arms.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    trusted = own & ~rim
    for limb in LIMBS:
        if body.confidence[limb.middle] < 0.3:
            continue
        joint = _disc(points, body, limb.root, (0.85 if limb.is_arm else 1.0) * body.radii[limb.parts[0]])
        if limb.is_arm:
            joint |= fields.roots[limb.parts[0]] < 1.0
        joint &= own | owned[limb.upper_layer]
        wanted |= joint
        trusted |= joint if limb.is_arm else joint & ~rim
    if body.has_legs:  # legs that part must not open a gap at the crotch
        hips = [limb for limb in LIMBS if not limb.is_arm]
        between = segment_distance(points, *(body.keypoints[limb.root] for limb in hips))
        seat = (between < 1.1 * body.radii[hips[0].parts[0]]) & person
        wanted |= seat
        trusted |= seat & np.logical_or.reduce([owned[limb.upper_layer] for limb in hips])
    else:  # a cropped photo: what the hands hid of the hips and the lap
        thighs = [fields.parts[limb.parts[0]] for limb in LIMBS if not limb.is_arm]
        wanted |= person & ((np.minimum.reduce(thighs) < 0.95) | lap_mask(body, (person.shape[0], person.shape[1])))
    return wanted, trusted


def _limb_masks(
    body: Body, fields: BodyFields, points: Field, owned: Mapping[Layer, Mask], person: Mask, limb: Limb
) -> dict[Layer, tuple[Mask, Mask]]:
    """What the two sheets of a limb cover, and which of it shows their own colour."""
    upper, lower = owned[limb.upper_layer], owned[limb.lower_layer]
    radius = body.radii[limb.parts[0]]
    at_root = _disc(points, body, limb.root, (1.1 if limb.is_arm else 1.2) * radius) & owned[Layer.TORSO]
    joint = _disc(points, body, limb.middle, 1.15 * body.radii[limb.parts[1]])
    reach = {
        limb.upper_layer: fields.parts[limb.parts[0]] < _HIDDEN_REACH,
        limb.lower_layer: fields.lower(limb) < _HIDDEN_REACH,
    }
    # what may lie on top of this sheet: arms on legs, the other sheets of arms on arms
    others = [layer for other in LIMBS if other.is_arm for layer in other.layers]
    others += [] if limb.is_arm else [layer for other in LIMBS if not other.is_arm for layer in other.layers]
    masks = {}
    for layer, own, neighbour in ((limb.upper_layer, upper, lower), (limb.lower_layer, lower, upper)):
        trusted = own | (joint & neighbour) | (at_root if layer == limb.upper_layer else False)
        covering = np.logical_or.reduce([owned[other] for other in others if other != layer])
        masks[layer] = (trusted | (person & reach[layer] & covering), trusted)
    return masks


def _areas(body: Body, fields: BodyFields, owned: Mapping[Layer, Mask]) -> tuple[dict[Part, float], dict[Part, float]]:
    expected, seen = {}, {}
    for limb in LIMBS:
        for part, layer in zip(limb.parts, (limb.upper_layer, limb.lower_layer, limb.lower_layer), strict=True):
            inside = fields.parts[part] < 1.0
            expected[part] = float(max(inside.sum(), np.pi * body.radii[part] ** 2))
            seen[part] = float((owned[layer] & inside).sum()) if body.has(limb.middle) else 0.0
    return expected, seen


def segment_layers(body: Body, person: Mask, rgb: UInt8) -> Segmentation:
    """Cut the person's pixels into sheets.

    Args:
        body: the body, measured on this picture.
        person: (H, W) the person's pixels.
        rgb: (H, W, 3) colours, for cuts inside the person.

    Returns:
        The sheets' masks.
    """
    points = pixel_grid((person.shape[0], person.shape[1]))
    fields = measure_fields(body, points)
    near = _near(fields)
    owned = _nearest_layer(body, near, person)
    for limb in LIMBS:
        if limb.is_arm and is_arm_in_front(body, limb):
            _claim_by_front_arm(owned, limb, fields, near, person, rgb)
        elif limb.is_arm:
            _yield_to_trunk(owned, limb, near)
    masks = {Layer.TORSO: _torso_masks(body, fields, points, owned, person)}
    for limb in LIMBS:
        masks |= _limb_masks(body, fields, points, owned, person, limb)
    expected, seen = _areas(body, fields, owned)
    return Segmentation(
        owned=owned,
        wanted={layer: wanted for layer, (wanted, _) in masks.items()},
        trusted={layer: trusted for layer, (_, trusted) in masks.items()},
        expected_area=expected,
        seen_area=seen,
    )


def is_arm_layer(layer: Layer) -> bool:
    """Whether the sheet belongs to an arm."""
    return layer in LIMB_OF and LIMB_OF[layer].is_arm
