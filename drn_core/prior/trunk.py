"""The sheet of the trunk: what it covers, also behind the arms, and which of it shows its own colour."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body, BodyFields, lap_mask
from drn_core.prior.cloth import around, eroded, extend_colours, looks_like
from drn_core.prior.face_mirror import FaceMirror, distance_to, hidden_head
from drn_core.prior.geometry import segment_distance, unit
from drn_core.prior.ordering import layer_depths
from drn_core.prior.parts import ARM_LAYERS, LIMBS, Layer, Part
from drn_core.skeleton import JOINT_INDEX

__all__ = ["clean_of_arms", "joint_disc", "neck_column", "trunk_masks"]

Mask = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

_EARS = (JOINT_INDEX["left_ear"], JOINT_INDEX["right_ear"])
# Half width of the neck against that of the head.
_NECK_WIDTH = 0.45
# Pixels of an arm's rim whose colour is off the trunk's by less than this share of the distance to the arm's are clean.
_UNMIXED = 0.5
# A share of the arm's hue in a pixel of the rim from which it is not clean, where the hues differ by as much (Lab).
_BLED, _LEAST_HUE_STEP = 0.15, 10.0
# Within so many half widths about its quadrangle the trunk covers what limbs hide.
_COVERED = 0.9
# By how much a trunk may widen upwards.
_LEAN = 0.5
# Rim of a hand before a face that can be completed, in half widths of the head.
_SEAM = 0.05
# By about so many pixels the trunk runs on under the limbs beside it.
_OVERLAP = 9
# Radius in torso lengths of the disc that rolls along the trunk's outline; notches narrower than it are the arms'.
_BRIDGE = 0.25
# Half width in torso lengths below which a piece of the trunk no larger than a square of such a side is a wedge, if so
# much of its rim touches arms.
_WEDGE, _WEDGE_SIDE, _AMONG_ARMS = 0.1, 0.15, 0.7
# Rim of an arm, in torso lengths, whose mixed colours don't count as the trunk's.
_MIXED_RIM = 0.008


def joint_disc(points: Field, body: Body, joint: int, radius: float) -> Mask:
    """Return (H, W) the pixels within `radius` of a joint."""
    return np.asarray(np.linalg.norm(points - body.keypoints[joint].astype(np.float32), axis=-1) < radius)


def _arms(owned: Mapping[Layer, Mask]) -> Mask:
    return np.asarray(np.logical_or.reduce([owned[layer] for layer in ARM_LAYERS]))


def _legs(owned: Mapping[Layer, Mask]) -> Mask:
    return np.asarray(
        np.logical_or.reduce([owned[layer] for limb in LIMBS if not limb.is_arm for layer in limb.layers])
    )


def trunk_masks(
    body: Body, fields: BodyFields, points: Field, owned: Mapping[Layer, Mask], person: Mask, rgb: UInt8,
    mirror: FaceMirror | None = None,
) -> tuple[Mask, Mask]:  # fmt: skip
    """Find what the torso sheet covers, and which of it shows its own colour.

    Args:
        body: the body, measured on this picture.
        fields: distances to its parts.
        points: (H, W, 2) the pixels' places.
        owned: per sheet, (H, W) the pixels it shows in the photo.
        person: (H, W).
        rgb: (H, W, 3).
        mirror: what shows a half hidden face's other half.

    Returns:
        (H, W) the pixels it covers; (H, W) those whose colour may be shown and used to fill the rest.
    """
    wedges = _wedges(body, fields, owned)
    own, arms = owned[Layer.TORSO] & ~wedges, _arms(owned) | wedges
    away = fields.parts[Part.HEAD]
    head = person & hidden_head(body, away, points, own, mirror)
    wanted = (
        own | head | (person & ((fields.torso < _COVERED) | neck_column(body, points))) | _under_arms(body, own, owned)
    )
    wanted = (wanted & _standing(body, fields, points, own | _legs(owned), arms)) | head | _bridged(body, own, arms)
    rim, trusted = clean_of_arms(body, rgb, own, arms)
    for limb in LIMBS:
        if body.confidence[limb.middle] < 0.3:
            continue
        joint = joint_disc(points, body, limb.root, (0.85 if limb.is_arm else 1.0) * body.radii[limb.parts[0]])
        joint &= own | owned[limb.upper_layer]
        if limb.is_arm:  # the arm's own skin below a sleeve is no shoulder
            at_root = (own | owned[limb.upper_layer]) & (fields.roots[limb.parts[0]] < 1.0)
            beyond = at_root & ~own & ~joint_disc(points, body, limb.root, body.radii[limb.parts[0]])
            joint |= at_root & ~looks_like(rgb, eroded(owned[limb.lower_layer]), own, beyond)
        wanted |= joint
        trusted |= joint if limb.is_arm else joint & ~rim
    covers, shows = _seat(body, fields, points, owned, person)
    wanted, trusted = wanted | covers, trusted | shows
    if mirror is not None:  # nothing of a hand's edge need stay
        trusted &= (away > 1.0) | (distance_to(arms) > _SEAM * body.radii[Part.HEAD])
    return wanted, trusted


def _wedges(body: Body, fields: BodyFields, owned: Mapping[Layer, Mask]) -> Mask:
    """Small thin pieces (H, W) that stand out from the trunk among arms: the shadow in the bend of a hanging arm.

    Left to the trunk they would stand out from its side when the arm is raised, and the cloth behind the arm with them.
    """
    radius = max(round(_WEDGE * body.torso_length), 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    own, arms = owned[Layer.TORSO].astype(np.uint8), _arms(owned)
    thin = (own > 0) & (cv2.morphologyEx(own, cv2.MORPH_OPEN, kernel) == 0) & (fields.torso > 0.0)
    num, label = cv2.connectedComponents(thin.astype(np.uint8), connectivity=4)
    wedges = np.zeros_like(thin)
    for index in range(1, num):
        piece = label == index
        ring = (cv2.dilate(piece.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & (own == 0)
        is_small = piece.sum() < (_WEDGE_SIDE * body.torso_length) ** 2
        if is_small and (ring & arms).sum() > _AMONG_ARMS * ring.sum() and fields.torso[piece].max() > _COVERED:
            wedges |= piece
    return np.asarray(wedges & ~_bridged(body, (own > 0) & ~wedges, wedges))


def _seat(
    body: Body, fields: BodyFields, points: Field, owned: Mapping[Layer, Mask], person: Mask
) -> tuple[Mask, Mask]:
    """What the torso sheet has of hips and lap, and which of it shows its own colour."""
    legs = [limb for limb in LIMBS if not limb.is_arm]
    thigh_pixels = np.logical_or.reduce([owned[limb.upper_layer] for limb in legs])
    if body.has_legs:  # legs that part must not open a gap at the crotch
        between = segment_distance(points, *(body.keypoints[limb.root] for limb in legs))
        seat = (between < 1.1 * body.radii[legs[0].parts[0]]) & person
        return seat, seat & thigh_pixels
    # a cropped photo: what the hands hid of the hips and the lap
    thighs = np.minimum.reduce([fields.parts[limb.parts[0]] for limb in legs])
    lap = person & ((thighs < 0.95) | lap_mask(body, (person.shape[0], person.shape[1])))
    return lap, lap & thigh_pixels


def _standing(body: Body, fields: BodyFields, points: Field, seen: Mask, arms: Mask) -> Mask:
    """Where a trunk can be (H, W): it stands on its own lower part and the legs.

    What an arm hides is covered only where a way down and a little inwards, along the arm, leads to what is seen of
    them. Where it leads to background, the trunk's side is seen further in; what were covered there would hang on
    below the armpit when the arm is raised.
    """
    down = unit(body.pelvis - body.neck)
    across = np.array((-down[1], down[0]))
    is_left = (points - body.neck.astype(np.float32)) @ across.astype(np.float32) < 0.0
    stands = seen.copy()
    if not body.has_legs:
        stands[-1] |= arms[-1]  # the frame cuts trunk and arms
    kernels = [_steps(down, unit(down + inwards * _LEAN)) for inwards in (across, -across)]
    for _ in range(round(body.torso_length)):
        left, right = (cv2.dilate(stands.astype(np.uint8), kernel) > 0 for kernel in kernels)
        more = arms & np.where(is_left, left, right)
        if (more <= stands).all():
            break
        stands |= more
    return np.asarray(stands | (fields.along_trunk < 0.0) | ~arms)


def _bridged(body: Body, own: Mask, arms: Mask) -> Mask:
    """Pixels (H, W) of the arms that the trunk's outline runs across, from where it goes under an arm to where it ends.

    A morphological closing: a disc of the trunk's own size does not fit into the notch that an arm cuts.
    """
    radius = _BRIDGE * body.torso_length
    margin = round(radius) + 1  # beyond the frame nothing is known
    beyond = np.pad(distance_to(own) > radius, margin, constant_values=True)
    return np.asarray(arms & (distance_to(beyond)[margin:-margin, margin:-margin] > radius))


def _steps(*ways: npt.NDArray[np.float64]) -> UInt8:
    """A structuring element that takes from the pixels two steps along the given unit vectors."""
    kernel = np.zeros((5, 5), np.uint8)
    for x, y in np.rint(2.0 * np.stack(ways)).astype(int):
        kernel[2 + y, 2 + x] = 1
    return kernel


def _under_arms(body: Body, own: Mask, owned: Mapping[Layer, Mask]) -> Mask:
    """A margin of the trunk under the arms before it: sheets that only touch show the background at their edges."""
    depths = layer_depths(body, body.depth[None])[0]
    front = [owned[layer] for layer in ARM_LAYERS if depths[layer] < 0.0]
    if not front:
        return np.zeros_like(own)
    core = cv2.erode(own.astype(np.uint8), np.ones((_OVERLAP, _OVERLAP), np.uint8))
    margin = cv2.dilate(core, np.ones((2 * _OVERLAP, 2 * _OVERLAP), np.uint8)) > 0
    return np.asarray(margin & np.logical_or.reduce(front))


def neck_column(body: Body, points: Field) -> Mask:
    """The column between shoulders and head."""
    head = body.keypoints[list(_EARS)].mean(0)
    return segment_distance(points, body.neck, head) < _NECK_WIDTH * body.radii[Part.HEAD]


def clean_of_arms(body: Body, rgb: UInt8, own: Mask, arms: Mask) -> tuple[Mask, Mask]:
    """Find the rim of the arms, whose colours are mixed, and which pixels of the trunk have their own colour.

    Pixels of the rim that look like the trunk nearby, not like the arm, may keep their colour. Videos and JPEGs store
    hue at half size: a dark shirt is reddish beside a bare arm, twice as far.

    Returns:
        (H, W) the rim, (H, W) the trunk's clean pixels.
    """
    reach = round(_MIXED_RIM * body.torso_length)
    rim, wide_rim = (
        cv2.dilate(arms.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        for side in (2 * reach + 1, 4 * reach + 1)
    )
    clean = own.copy()
    beside = own & wide_rim
    if beside.any():
        window = around(beside)
        has_bled, looks_like_trunk = _mixing(np.ascontiguousarray(rgb[window]), (own & ~wide_rim)[window], arms[window])
        kept = np.where(rim[window], looks_like_trunk & ~has_bled, ~(looks_like_trunk & has_bled))
        clean[window] &= kept | ~wide_rim[window]
    return rim, clean


def _mixing(rgb: UInt8, trunk: Mask, arms: Mask) -> tuple[Mask, Mask]:
    """Where (H, W) the arm's hue has bled into the trunk's, and where a colour is rather the trunk's than the arm's."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    of_arm, of_trunk = (extend_colours(lab, known).astype(np.float32) for known in (eroded(arms), trunk))
    off, step = lab.astype(np.float32) - of_trunk, of_arm - of_trunk
    looks_like_trunk = np.linalg.norm(off, axis=2) < _UNMIXED * np.linalg.norm(off - step, axis=2)
    hue, hue_step = off[..., 1:], step[..., 1:]
    share, full = (hue * hue_step).sum(2), (hue_step * hue_step).sum(2)
    return (full > _LEAST_HUE_STEP**2) & (share > _BLED * full), looks_like_trunk
