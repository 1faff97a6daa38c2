"""One photo cut into textured, skinned layers: all that rendering needs of the source, built once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body, measure_body
from drn_core.prior.cloth import extend_colours, fill_cloth, fill_garment, fill_pieces, fill_plain
from drn_core.prior.face_mirror import fill_mirrored
from drn_core.prior.head import HeadRelief, measure_head
from drn_core.prior.lengthen import Lengthening, lengthened_body, lengthened_sheets, plan_lengthenings
from drn_core.prior.ordering import keep_hidden, keep_shown, layer_depths, stable_orders
from drn_core.prior.parts import ARM_LAYERS, LIMBS, Layer, Limb, Part
from drn_core.prior.segmentation import Segmentation, segment_layers
from drn_core.prior.skinning import LayerMesh, join_meshes, mesh_layer
from drn_core.prior.twins import (
    Rebuild,
    absorbed,
    cropped_limbs,
    overhang,
    plan_rebuilds,
    plan_regrowths,
    rebuilt_body,
    rebuilt_texture,
    trim_root,
    tucked_joints,
    without_ends,
)

__all__ = ["PersonLayers", "SourceImage", "build_person"]

UInt8 = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]

# Height of the crop at which pixels are given to layers; colours stay at the photo's own resolution.
_WORKING_HEIGHT = 512
_GRID_SPACING = 8
_MIN_LAYER_PIXELS = 20
# Texels with less alpha (of 255) need no mesh under them.
_COVERED = 5
# A person cut by the frame is continued beyond it, or moving inwards would open a gap at the frame's edge.
_PAD_FRACTION = 0.15


@dataclass(frozen=True)
class SourceImage:
    """What is known of the photo before it is cut into layers.

    Attributes:
        foreground: (H, W, 3) uint8, the person's colour, free of background and extended beyond the silhouette.
        alpha: (H, W) float32 in [0, 1], the person's matte.
        keypoints: (33, 2) pixels.
        confidence: (33,) in [0, 1], 0 for joints outside the picture that can't be used.
        depth: (33,) pixels, smaller is nearer.
        true_lengths: length in pixels of limb parts laid flat in the picture plane; parts that point at the camera
            are drawn on to it. Parts that are missing are left as they are.
    """

    foreground: UInt8
    alpha: Float
    keypoints: Float
    confidence: Float
    depth: Float
    true_lengths: Mapping[Part, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PersonLayers:
    """The layered person.

    Attributes:
        textures: (9, h, w, 4) uint8 RGBA, straight alpha, indexed by `Layer`; empty layers are transparent.
        origin_xy: photo position of textures[:, 0, 0].
        mesh: the mesh over all layers, in photo pixels.
        body: the body in photo pixels; limbs that were rebuilt are where their pixels lie, not where the photo
            shows or hides them.
        head: relief of the head, in photo pixels.
        size_hw: size of the photo.
        rebuilt: the limbs that the photo hides; they were rebuilt from their mirror twins.
        lengthened: the limb parts that point at the camera in the photo; they were drawn on to their true length.
        regrown: those that show too little to be drawn on; they and what lies beyond were made from their mirror twins.
        photo_joints: (33, 2) the joints in the photo's own pose, those of hidden limbs where they are hidden wholly;
            None takes the body's.
        shown_layers: sheets of arms that the photo shows where the trunk would be seen without them.
    """

    textures: UInt8
    origin_xy: tuple[int, int]
    mesh: LayerMesh
    body: Body
    head: HeadRelief
    size_hw: tuple[int, int]
    rebuilt: tuple[Limb, ...] = ()
    lengthened: tuple[Part, ...] = ()
    regrown: tuple[Part, ...] = ()
    photo_joints: npt.NDArray[np.float64] | None = None
    shown_layers: tuple[Layer, ...] = ()

    @property
    def hidden_layers(self) -> tuple[Layer, ...]:
        """The sheets of the limbs that the photo hides."""
        return tuple(layer for limb in self.rebuilt for layer in limb.layers)

    @property
    def redrawn_layers(self) -> tuple[Layer, ...]:
        """The sheets that do not lie where the photo shows them: of limbs made anew and of lengthened parts."""
        lengthened = (
            layer for part in (*self.lengthened, *self.regrown) for limb in LIMBS if part in limb.parts
            for layer in (limb.layers if part == limb.parts[0] else (limb.lower_layer,))
        )  # fmt: skip
        return (*self.hidden_layers, *lengthened)

    def drawing_orders(self, depth: npt.NDArray[np.floating[Any]], reference: int) -> npt.NDArray[np.int64]:
        """Sort the sheets back to front in every frame of a motion, as the photo shows them where it begins.

        Args:
            depth: (T, 33) depth of the joints, pixels of the photo.
            reference: the frame that is laid onto the photo.

        Returns:
            (T, 9) layer ids, back to front.
        """
        depths = keep_shown(layer_depths(self.body, depth), self.shown_layers, reference)
        return stable_orders(keep_hidden(depths, self.hidden_layers, reference))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that hold anything."""
        return tuple(Layer(i) for i in np.unique(self.mesh.triangle_layer))


@dataclass(frozen=True)
class _Crop:
    """The person's part of the photo, continued where the frame cuts the person.

    Attributes:
        foreground: (h, w, 3).
        alpha: (h, w).
        origin_xy: photo position of the crop's first pixel.
        photo_area: slices of the crop that lie in the photo.
    """

    foreground: UInt8
    alpha: Float
    origin_xy: tuple[int, int]
    photo_area: tuple[slice, slice]


def _crop(source: SourceImage, margin_px: int = 4) -> _Crop:
    height, width = source.alpha.shape
    ys, xs = np.nonzero(source.alpha > 0.02)
    if len(ys) == 0:
        raise ValueError("the matte is empty: no pixel of the person")
    pad = round(_PAD_FRACTION * (ys.max() - ys.min() + 1))
    x0, y0 = int(xs.min()), int(ys.min())
    x1, y1 = int(xs.max()) + 1, int(ys.max()) + 1
    # (left, top, right, bottom): pad beyond the frame where the person touches it
    pads = [pad if touches else 0 for touches in (x0 <= 1, y0 <= 1, x1 >= width - 1, y1 >= height - 1)]
    x0, y0 = max(x0 - margin_px, 0), max(y0 - margin_px, 0)
    x1, y1 = min(x1 + margin_px, width), min(y1 + margin_px, height)
    left, top, right, bottom = pads

    def continued(image: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return np.asarray(cv2.copyMakeBorder(image[y0:y1, x0:x1], top, bottom, left, right, cv2.BORDER_REPLICATE))

    return _Crop(
        foreground=np.asarray(continued(source.foreground), np.uint8),
        alpha=np.asarray(continued(source.alpha), np.float32),
        origin_xy=(x0 - left, y0 - top),
        photo_area=(slice(top, top + y1 - y0), slice(left, left + x1 - x0)),
    )


def _resize(image: Float, size_hw: tuple[int, int]) -> Float:
    shrinks = size_hw[0] < image.shape[0]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_hw[::-1], interpolation=interpolation), np.float32)


def _sharp_resize(mask: npt.NDArray[np.bool_], size_hw: tuple[int, int]) -> Float:
    """Enlarge a working-size mask to coverage at full size whose edge is about two pixels wide there."""
    enlarged = _resize(np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)), size_hw)
    gain = max(1.0, size_hw[0] / mask.shape[0])
    return np.clip((enlarged - 0.5) * gain + 0.5, 0.0, 1.0).astype(np.float32)


def _layer_alpha(crop: _Crop, coverage: Float, layer: Layer) -> Float:
    """The layer's own soft edge inside the person, the matte at the silhouette."""
    grown = cv2.dilate((coverage > 0.5).astype(np.float32), np.ones((5, 5), np.uint8))
    alpha = np.where(crop.alpha > 0.3, coverage, grown) * crop.alpha
    if layer in ARM_LAYERS:  # continued hands would become streaks
        inside = np.zeros_like(alpha)
        inside[crop.photo_area] = alpha[crop.photo_area]
        alpha = inside
    return np.asarray(alpha, np.float32)


def _clothed(
    colour: UInt8, alpha: Float, segmentation: Segmentation, trusted: npt.NDArray[np.bool_],
    hole: npt.NDArray[np.bool_],
) -> tuple[UInt8, Float, npt.NDArray[np.bool_]]:  # fmt: skip
    """Fill what limbs hide of face, neck and garment; the rim of their own pixels is left for marching.

    Returns:
        Colours, coverage and what was filled.
    """
    size_hw = (hole.shape[0], hole.shape[1])
    own, skin, garment = (
        _resize(mask.astype(np.float32), size_hw) > 0.5
        for mask in (segmentation.owned[Layer.TORSO], segmentation.skin, segmentation.garment)
    )
    mirrored = np.zeros_like(hole)
    if segmentation.mirror is not None:
        scale = size_hw[0] / len(segmentation.skin)
        mirror = segmentation.mirror.resized(scale, 0.5 * scale - 0.5)
        colour, alpha, mirrored = fill_mirrored(colour, alpha, trusted & skin, hole & skin, mirror)
    hidden = hole & ~own & ~mirrored
    colour = fill_plain(colour, trusted & skin, hidden & skin)
    colour = fill_garment(colour, trusted & garment, hidden & garment)
    return colour, alpha, mirrored | (hidden & (skin | garment))


def _layer_texture(crop: _Crop, segmentation: Segmentation, layer: Layer) -> UInt8:
    size_hw = crop.alpha.shape
    coverage = _sharp_resize(segmentation.wanted[layer], (size_hw[0], size_hw[1]))
    trusted = _sharp_resize(segmentation.trusted[layer], (size_hw[0], size_hw[1])) > 0.5
    alpha = _layer_alpha(crop, coverage, layer)
    if layer in segmentation.fade:
        is_own = _resize(segmentation.owned[layer].astype(np.float32), (size_hw[0], size_hw[1])) > 0.0
        alpha = np.where(is_own, alpha, alpha * _resize(segmentation.fade[layer], (size_hw[0], size_hw[1])))
    hole = (alpha > 0.02) & ~trusted & (crop.alpha > 0.3)
    colour = crop.foreground
    if layer == Layer.TORSO:
        colour, alpha, is_filled = _clothed(colour, alpha, segmentation, trusted, hole)
        trusted |= is_filled
    colour = (fill_cloth if layer == Layer.TORSO else fill_pieces)(colour, trusted, hole & ~trusted)
    colour = extend_colours(colour, (trusted | hole) & (alpha > 0.02))
    return np.dstack([colour, np.round(alpha * 255).astype(np.uint8)])


def _textures(crop: _Crop, segmentation: Segmentation, hidden: set[Layer]) -> UInt8:
    """Paint the sheets that the photo shows."""
    textures = np.zeros((len(Layer), *crop.alpha.shape, 4), np.uint8)
    for layer in Layer:
        if layer not in hidden and segmentation.owned[layer].sum() >= _MIN_LAYER_PIXELS:
            textures[layer] = _layer_texture(crop, segmentation, layer)
    return textures


def _completed(
    textures: UInt8, lengthenings: list[Lengthening], rebuilds: list[Rebuild]
) -> tuple[UInt8, tuple[int, int]]:
    """Draw foreshortened parts at length and hidden limbs from their twins, on a canvas large enough for them.

    Args:
        textures: (9, h, w, 4), the sheets that the photo shows.
        lengthenings: parts to lengthen, in pixels of the textures.
        rebuilds: limbs to rebuild, affines in pixels of the textures.

    Returns:
        The textures and how far (x, y) their first pixel moved to the left and up.
    """
    reach = np.zeros(2)
    for item in lengthenings:
        reach = reach + np.abs(item.shift)
    more = [int(np.ceil(value)) for value in reach]
    textures = np.pad(textures, ((0, 0), (more[1], more[1]), (more[0], more[0]), (0, 0)))
    moved = np.array(more, np.float64)
    lengthened_sheets(textures, [item.moved(moved, 1.0) for item in lengthenings])
    shifted = [_shifted(rebuild, moved) for rebuild in rebuilds]
    left, top, right, bottom = (max(sides) for sides in zip((0, 0, 0, 0), *(
        overhang(textures, rebuild) for rebuild in shifted
    ), strict=True))  # fmt: skip
    canvas = np.pad(textures, ((0, 0), (top, bottom), (left, right), (0, 0)))
    for rebuild in shifted:
        final = _shifted(rebuild, np.array([left, top], np.float64))
        for layer in rebuild.layers:
            canvas[layer] = rebuilt_texture(canvas, final, layer)
    return canvas, (left + more[0], top + more[1])


def _shifted(rebuild: Rebuild, shift: npt.NDArray[np.float64]) -> Rebuild:
    """The same map on a canvas whose origin moved by -shift."""
    affine = rebuild.affine.copy()
    affine[:, 2] += shift - affine[:, :2] @ shift
    return replace(rebuild, affine=affine)


@dataclass(frozen=True)
class _Working:
    """The working copy of a crop: photo positions to working positions and back."""

    scale: float
    origin_xy: tuple[int, int]

    def inward(self, points: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        return np.asarray((points - np.array(self.origin_xy) + 0.5) * self.scale - 0.5)

    def outward(self, points: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        return np.asarray((points + 0.5) / self.scale - 0.5 + np.array(self.origin_xy))

    def native(self, rebuild: Rebuild) -> Rebuild:
        """The same map between pixels of the crop."""
        affine = rebuild.affine.copy()
        half = np.full(2, 0.5)
        affine[:, 2] = (affine[:, 2] + half - affine[:, :2] @ half) / self.scale - half + affine[:, :2] @ half
        return replace(rebuild, affine=affine)


def _meshes(body: Body, textures: UInt8, working: _Working, moved_xy: tuple[int, int], hidden: set[Layer]) -> LayerMesh:
    """Mesh every painted sheet; vertices in photo pixels. Hidden limbs don't carry the trunk's cloth."""
    confidence = body.confidence.copy()
    confidence[[limb.middle for limb in LIMBS if limb.upper_layer in hidden]] = 0.0
    trunk = replace(body, confidence=confidence)
    height, width = textures.shape[1:3]
    size_hw = (max(round(height * working.scale), 8), max(round(width * working.scale), 8))
    start = working.inward(np.array(working.origin_xy) - np.array(moved_xy))
    meshes = []
    for layer in Layer:
        coverage = _resize((textures[layer, ..., 3] > _COVERED).astype(np.float32), size_hw) > 0.0
        if coverage.sum() >= _MIN_LAYER_PIXELS:
            carrier = trunk if layer == Layer.TORSO else body
            meshes.append(mesh_layer(carrier, layer, coverage, _GRID_SPACING, (float(start[0]), float(start[1]))))
    mesh = join_meshes(meshes)
    return replace(mesh, source_xy=working.outward(mesh.source_xy).astype(np.float32))


def build_person(source: SourceImage) -> PersonLayers:
    """Cut a photo into textured, skinned layers.

    Args:
        source: photo, matte and skeleton.

    Returns:
        The layered person.

    Raises:
        ValueError: the matte is empty.
    """
    crop = _crop(source)
    height, width = crop.alpha.shape
    working = _Working(min(1.0, _WORKING_HEIGHT / height), crop.origin_xy)
    working_hw = (max(round(height * working.scale), 8), max(round(width * working.scale), 8))
    alpha = _resize(crop.alpha, working_hw)
    rgb = np.asarray(cv2.resize(crop.foreground, working_hw[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    body = measure_body(working.inward(source.keypoints), source.confidence, source.depth * working.scale, alpha > 0.5)
    segmentation = segment_layers(body, alpha > 0.3, rgb)
    body = segmentation.body
    lengths = {part: length * working.scale for part, length in source.true_lengths.items()}
    areas = segmentation.seen_area, segmentation.expected_area
    rebuilds, lengthenings = plan_rebuilds(body, *areas), plan_lengthenings(body, lengths, *areas)
    limbs = [rebuild.limb for rebuild in rebuilds]
    size_hw = source.alpha.shape[0], source.alpha.shape[1]
    planned = plan_regrowths(body, lengths, *areas, cropped_limbs(source.keypoints, size_hw))
    busy = {*limbs, *(item.limb for item in lengthenings)}
    regrowths = [item for item in planned if item.limb not in limbs and LIMBS[item.limb.twin] not in busy]
    lengthenings = [item for item in lengthenings if item.limb not in [each.limb for each in regrowths]]
    body = rebuilt_body(lengthened_body(body, lengthenings), rebuilds + regrowths)
    hidden = {layer for limb in limbs for layer in limb.layers}
    regrown = {layer for regrowth in regrowths for layer in regrowth.layers}
    textures, moved = _completed(
        _textures(crop, without_ends(absorbed(segmentation, hidden, rgb), regrowths, rgb), hidden | regrown),
        [item.moved(np.full(2, 0.5 / working.scale - 0.5), 1 / working.scale) for item in lengthenings],
        [working.native(rebuild) for rebuild in rebuilds + regrowths],
    )
    origin_xy = crop.origin_xy[0] - moved[0], crop.origin_xy[1] - moved[1]
    photo_body = Body(
        keypoints=working.outward(body.keypoints),
        confidence=body.confidence,
        depth=np.asarray(source.depth, np.float64),
        torso_length=body.torso_length / working.scale,
        radii={part: radius / working.scale for part, radius in body.radii.items()},
        off_middle={part: offset / working.scale for part, offset in body.off_middle.items()},
        hem=body.hem,
    )
    as_estimated = replace(photo_body, keypoints=np.asarray(source.keypoints, np.float64))
    photo_joints = tucked_joints(as_estimated, limbs, source.alpha > 0.5)
    for limb in limbs:
        trim_root(textures[limb.upper_layer], origin_xy, photo_body, limb, photo_joints, source.alpha)
    mesh = _meshes(body, textures, working, moved, hidden)
    return PersonLayers(
        textures=textures,
        origin_xy=origin_xy,
        mesh=mesh,
        body=photo_body,
        head=measure_head(photo_body, mesh),
        size_hw=size_hw,
        rebuilt=tuple(limbs),
        lengthened=tuple(item.part for item in lengthenings),
        regrown=tuple(item.part for item in regrowths),
        photo_joints=photo_joints,
        shown_layers=tuple(layer for layer in segmentation.shown_layers if layer not in hidden | regrown),
    )
