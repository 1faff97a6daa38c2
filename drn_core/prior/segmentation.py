"""Who owns which pixel of the person: the masks of the sheets, and what each sheet needs beyond them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from drn_core.prior.body import NO_HEM, Body, BodyFields, elbow_cap, measure_fields, middle_bones
from drn_core.prior.cloth import eroded, looks_like
from drn_core.prior.face_mirror import FaceMirror, distance_to, find_face_mirror, strangers
from drn_core.prior.geometry import smoothstep, unit
from drn_core.prior.hands import cut_hand
from drn_core.prior.ordering import layer_depths
from drn_core.prior.outline import ArmOutline, colour_space, trace_arm
from drn_core.prior.parts import ARM_LAYERS, LIMB_OF, LIMBS, Layer, Limb, Part
from drn_core.prior.skirt import find_hem, skirt_masks
from drn_core.prior.strays import blurred_rim, give, give_away, return_islands, return_slivers, take_own_colour
from drn_core.prior.trunk import clean_of_arms, joint_disc, neck_column, trunk_masks

__all__ = ["Segmentation", "is_arm_in_front", "pixel_grid", "segment_layers"]

Mask = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

# Within this many half widths a sheet claims what lies under another one, and has it filled in.
_HIDDEN_REACH = 0.85
# An arm before the trunk hides at least this share of its pixels of it.
_SHOWN_SHARE = 0.1
# Hands in motion blur what they pass over by up to this, in torso lengths.
_BLUR = 0.12
# Where the cap of a forearm fades out on the upper arm, in half widths past the bend's bisector.
_FADE = (0.15, 0.85)


@dataclass(frozen=True)
class Segmentation:
    """The sheets of one picture.

    Attributes:
        owned: per layer, (H, W) the pixels whose colour it shows in the photo.
        wanted: per layer, (H, W) the pixels it covers; what is wanted but not trusted must be filled in.
        trusted: per layer, (H, W) the pixels whose colour may be shown and used to fill the rest.
        expected_area: per part of a limb, the pixels it would show if nothing hid it.
        seen_area: per part of a limb, the pixels it does show.
        body: the body, with half widths and middles of arms as traced.
        fade: per sheet of a forearm, (H, W) opacity in [0, 1] of its round end on the upper arm; 1 elsewhere.
        skin: (H, W) head and neck; garment: (H, W) the trunk's cloth without them.
        mirror: what shows a half hidden face's other half; None where none is hidden, or the halves are not alike.
    """

    owned: Mapping[Layer, Mask]
    wanted: Mapping[Layer, Mask]
    trusted: Mapping[Layer, Mask]
    expected_area: Mapping[Part, float]
    seen_area: Mapping[Part, float]
    body: Body
    fade: Mapping[Layer, Field]
    skin: Mask
    garment: Mask
    mirror: FaceMirror | None = None

    @property
    def shown_layers(self) -> tuple[Layer, ...]:
        """The sheets of arms that are seen where the trunk would be seen without them."""
        under = self.wanted[Layer.TORSO] & ~self.trusted[Layer.TORSO]
        return tuple(
            layer
            for layer, own in self.owned.items()
            if layer in ARM_LAYERS and (own & under).sum() > _SHOWN_SHARE * max(int(own.sum()), 1)
        )


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


def _outlines(body: Body, person: Mask, rgb: UInt8) -> dict[int, ArmOutline]:
    """Outlines of the arms before the trunk, by index of the limb."""
    lab = colour_space(rgb)
    return {
        index: trace_arm(body, limb, person, lab)
        for index, limb in enumerate(LIMBS)
        if limb.is_arm and is_arm_in_front(body, limb) and body.has(limb.tip)
    }


def _fitted(body: Body, outlines: Mapping[int, ArmOutline]) -> Body:
    """The body with the half widths and middles of the arms that were traced."""
    radii, off_middle = dict(body.radii), dict(body.off_middle)
    for index, outline in outlines.items():
        parts = LIMBS[index].parts[:2]
        for part, half_width, offset in zip(parts, outline.half_widths, outline.off_middle, strict=True):
            radii[part], off_middle[part] = half_width, offset
    return replace(body, radii=radii, off_middle=off_middle)


def _claim_by_front_arm(
    owned: dict[Layer, Mask],
    limb: Limb,
    outline: ArmOutline,
    fields: BodyFields,
    near: Mapping[Layer, Field],
    wrist: Mask,
    person: Mask,
    rgb: UInt8,
) -> Mask:
    """Give an arm before other sheets what lies within its traced outline, and its hand.

    Returns:
        (H, W) what is cloth beside its bare skin.
    """
    twin = LIMBS[limb.twin]
    cut = cut_hand(limb, fields, near, wrist, outline.lower, person, rgb)
    lower = (outline.lower & ~cut.cloth & (near[limb.lower_layer] <= near[twin.lower_layer])) | cut.hand
    upper = outline.upper & ~lower & ~owned[twin.lower_layer]
    lost = (owned[limb.upper_layer] | owned[limb.lower_layer]) & ~upper & ~lower
    give(owned, limb.lower_layer, lower)
    give(owned, limb.upper_layer, upper)
    give_away(owned, limb, lost, cut.cloth, near, fields, rgb)
    return cut.cloth


def _yield_to_trunk(owned: dict[Layer, Mask], limb: Limb, near: Mapping[Layer, Field]) -> None:
    """An arm behind the trunk owns nothing that the trunk reaches."""
    for layer in limb.layers:
        hidden = owned[layer] & (near[Layer.TORSO] < 0.6)
        owned[layer] &= ~hidden
        owned[Layer.TORSO] |= hidden


def _cap(points: Field, body: Body, limb: Limb) -> Mask:
    """The round end at elbow or knee that both sheets of a limb have."""
    if not limb.is_arm:
        return joint_disc(points, body, limb.middle, 1.15 * body.radii[limb.parts[1]])
    centre, radius = elbow_cap(body, limb)
    return np.asarray(np.linalg.norm(points - centre.astype(np.float32), axis=-1) < radius)


def _fade(points: Field, body: Body, limb: Limb) -> Field:
    """Opacity of a forearm's sheet: its cap blends into the upper arm, that nobody sees where it ends."""
    root, middle, tip = middle_bones(body, body.keypoints, limb)
    across = unit(unit(middle - root) + unit(tip - middle)).astype(np.float32)
    past = (middle.astype(np.float32) - points) @ across / np.float32(body.radii[limb.parts[1]])
    return np.where(body.has(limb.tip), 1.0 - smoothstep(past, *_FADE), 1.0).astype(np.float32)


def _free_face(
    body: Body, fields: BodyFields, points: Field, owned: dict[Layer, Mask], person: Mask, rgb: UInt8
) -> FaceMirror | None:
    """Find what shows the other half of a face behind a hand, and give to the arm what it tells to be the arm's."""
    sheets = [layer for layer in ARM_LAYERS if owned[layer].any()]
    if not sheets:
        return None
    arms, away = np.logical_or.reduce([owned[layer] for layer in sheets]), fields.parts[Part.HEAD]
    mirror = find_face_mirror(body, rgb, person, arms, away, points)
    if mirror is not None:
        stray = strangers(body, mirror, owned[Layer.TORSO], person, arms, away, points)
        nearest = np.stack([distance_to(owned[layer]) for layer in sheets]).argmin(0)
        for index, layer in enumerate(sheets):
            give(owned, layer, stray & (nearest == index))
    return mirror


def _skin_and_garment(body: Body, fields: BodyFields, points: Field) -> tuple[Mask, Mask]:
    """Head and neck, and the trunk below them down to the hips."""
    skin = (fields.parts[Part.HEAD] < 1.0) | (neck_column(body, points) & (fields.along_trunk < 0.0))
    return skin, (fields.torso < 1.5) & (fields.along_trunk < 1.0) & ~skin


def _with_skirt(body: Body, points: Field, owned: dict[Layer, Mask], person: Mask, rgb: UInt8) -> tuple[Body, Mask]:
    """Give to the trunk what the legs own of a skirt.

    Returns:
        The body, with the skirt's hem; (H, W) the skirt's pixels that legs run on under.
    """
    cloth = person & ~np.logical_or.reduce([owned[layer] for layer in ARM_LAYERS])
    body = replace(body, hem=find_hem(body, cloth))
    if body.hem == NO_HEM:
        return body, np.zeros_like(person)
    skirt, under = skirt_masks(body, cloth, points, rgb)
    give(owned, Layer.TORSO, skirt)
    return body, under


def _limb_masks(
    body: Body, fields: BodyFields, points: Field, owned: Mapping[Layer, Mask], person: Mask, rgb: UInt8, limb: Limb,
    under: Mask,
) -> dict[Layer, tuple[Mask, Mask]]:  # fmt: skip
    """What the two sheets of a limb cover, and which of it shows their own colour; legs run on `under` a skirt."""
    upper, lower = owned[limb.upper_layer], owned[limb.lower_layer]
    radius = body.radii[limb.parts[0]]
    at_root = joint_disc(points, body, limb.root, (1.1 if limb.is_arm else 1.2) * radius) & owned[Layer.TORSO]
    if limb.is_arm:  # hair on the shoulder is no sleeve
        head = owned[Layer.TORSO] & (fields.parts[Part.HEAD] < 1.0)
        at_root &= ~looks_like(rgb, eroded(head), eroded(upper), at_root)
    joint = _cap(points, body, limb)
    reach = {
        limb.upper_layer: fields.parts[limb.parts[0]] < _HIDDEN_REACH,
        limb.lower_layer: (fields.parts[limb.parts[1]] if limb.is_arm else fields.lower(limb)) < _HIDDEN_REACH,
    }
    # what may lie on top of this sheet: arms on legs, the other sheets of arms on arms
    others = [layer for other in LIMBS if other.is_arm for layer in other.layers]
    others += [] if limb.is_arm else [layer for other in LIMBS if not other.is_arm for layer in other.layers]
    hidden_by = {limb.upper_layer: others, limb.lower_layer: others}
    if limb.is_arm:  # a forearm lies on its upper arm, never under it; half a hand is better than a mitten
        hidden_by[limb.lower_layer] = [layer for layer in others if layer != limb.upper_layer]
    masks = {}
    for layer, own, neighbour in ((limb.upper_layer, upper, lower), (limb.lower_layer, lower, upper)):
        trusted = own | (joint & neighbour) | (at_root if layer == limb.upper_layer else False)
        covering = np.logical_or.reduce([owned[other] for other in hidden_by[layer] if other != layer])
        covering |= under & (not limb.is_arm)
        masks[layer] = (trusted | (person & reach[layer] & covering), trusted)
    return masks


def _show_owners(masks: dict[Layer, tuple[Mask, Mask]], owned: Mapping[Layer, Mask], body: Body) -> None:
    """Let no limb be continued over what the photo shows of a limb behind it: there it is not. Changes the masks."""
    depths = layer_depths(body, body.depth[None])[0]
    for limb, behind in permutations(LIMBS, 2):
        for layer, other in product(limb.layers, behind.layers):
            if (depths[other], -other) > (depths[layer], -layer):  # in the order that ties are drawn
                wanted, trusted = masks[layer]
                masks[layer] = wanted & (trusted | ~owned[other]), trusted


def _distrust_blur(
    masks: dict[Layer, tuple[Mask, Mask]], owned: Mapping[Layer, Mask], fields: BodyFields, garment: Mask, reach: int,
    rgb: UInt8,
) -> None:  # fmt: skip
    """Have filled in what moving hands have blurred into the garment: trunk and upper arms. Changes the masks."""
    arms = [limb for limb in LIMBS if limb.is_arm]
    uppers = [owned[limb.upper_layer] for limb in arms]
    cloth, blurred = np.logical_or.reduce([owned[Layer.TORSO] & garment, *uppers]), np.zeros_like(garment)
    for limb in arms:
        hand = owned[limb.lower_layer] & (fields.parts[limb.parts[2]] < fields.parts[limb.parts[1]])
        blurred |= blurred_rim(rgb, cloth, hand, reach)
    for layer in (Layer.TORSO, *(limb.upper_layer for limb in arms)):
        wanted, trusted = masks[layer]
        masks[layer] = wanted, trusted & ~blurred


def _distrust_rims(masks: dict[Layer, tuple[Mask, Mask]], owned: Mapping[Layer, Mask], body: Body, rgb: UInt8) -> None:
    """Have filled in what the arms' rims leave of their colour on the legs. Changes the masks."""
    arms = np.logical_or.reduce([owned[layer] for layer in ARM_LAYERS])
    for layer, limb in LIMB_OF.items():
        if not limb.is_arm:
            wanted, trusted = masks[layer]
            clean = clean_of_arms(body, rgb, owned[layer], arms)[1]
            masks[layer] = wanted, trusted & ~(owned[layer] & ~clean)


def _areas(body: Body, fields: BodyFields, owned: Mapping[Layer, Mask]) -> tuple[dict[Part, float], dict[Part, float]]:
    """Pixels of each limb part that would show and that do; an upper arm behind its own forearm is not hidden."""
    expected, seen = {}, {}
    for limb in LIMBS:
        own = owned[limb.lower_layer] | owned[limb.upper_layer]
        for part, shows in zip(limb.parts, (own, owned[limb.lower_layer], owned[limb.lower_layer]), strict=True):
            inside = fields.parts[part] < 1.0
            expected[part] = float(max(inside.sum(), np.pi * body.radii[part] ** 2))
            seen[part] = float((shows & inside).sum()) if body.has(limb.middle) else 0.0
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
    outlines = _outlines(body, person, rgb)
    body = _fitted(body, outlines)
    fields = measure_fields(body, points)
    near = _near(fields)
    owned = _nearest_layer(body, near, person)
    for limb in LIMBS:
        if limb.is_arm and not is_arm_in_front(body, limb):
            _yield_to_trunk(owned, limb, near)
    cloth = {}
    for index, outline in outlines.items():
        limb = LIMBS[index]
        wrist = joint_disc(points, body, limb.tip, outline.half_widths[1])
        cloth[limb.lower_layer] = _claim_by_front_arm(owned, limb, outline, fields, near, wrist, person, rgb)
    if outlines:
        return_slivers(body, owned, near, fields)
        return_islands(body, owned, near)
    take_own_colour(owned, body, fields, rgb, cloth)
    mirror = _free_face(body, fields, points, owned, person, rgb)
    body, under = _with_skirt(body, points, owned, person, rgb)
    wanted, trusted = trunk_masks(body, fields, points, owned, person, rgb, mirror)
    masks = {Layer.TORSO: (wanted, trusted)}
    for limb in LIMBS:
        masks |= _limb_masks(body, fields, points, owned, person, rgb, limb, under)
    _show_owners(masks, owned, body)
    skin, garment = _skin_and_garment(body, fields, points)
    _distrust_blur(masks, owned, fields, garment, round(_BLUR * body.torso_length), rgb)
    _distrust_rims(masks, owned, body, rgb)
    expected, seen = _areas(body, fields, owned)
    return Segmentation(
        owned=owned,
        wanted={layer: wanted for layer, (wanted, _) in masks.items()},
        trusted={layer: trusted for layer, (_, trusted) in masks.items()},
        expected_area=expected,
        seen_area=seen,
        body=body,
        fade={limb.lower_layer: _fade(points, body, limb) for limb in LIMBS if limb.is_arm},
        skin=skin,
        garment=garment,
        mirror=mirror,
    )
