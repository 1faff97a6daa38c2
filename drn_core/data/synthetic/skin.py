"""Skin: a painted texture over the whole body, with lips, brows, shading around the eyes, and stubble.

Features are placed on the mean body at rest (metres), whose surface every texel knows, so one painting fits every
body shape. All places were read off the mean body; the neutral mouth closes at y = 0.826, the eyes lie at
(±0.031, 0.900, 0.131).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from drn_core.data.synthetic.body import load_body_pack
from drn_core.data.synthetic.correspondence import gather_surface
from drn_core.data.synthetic.prints import smooth_noise
from drn_core.data.synthetic.raster import rasterize
from drn_core.data.synthetic.textures import as_bytes

__all__ = ["Complexion", "draw_complexion", "eye_texture", "hairline_height", "skin_texture"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]

EYE = (0.0313, 0.8997, 0.1314)
MOUTH_LINE = 0.8259
HEAD_AXIS_Z = 0.045
HAIR_COLOURS = (
    (0.07, 0.06, 0.06), (0.16, 0.10, 0.07), (0.32, 0.20, 0.12),
    (0.62, 0.46, 0.27), (0.42, 0.18, 0.09), (0.60, 0.59, 0.57),
)  # fmt: skip
_HAIR_SHARES = {
    "african": (0.85, 0.10, 0.02, 0.0, 0.0, 0.03),
    "asian": (0.75, 0.20, 0.03, 0.0, 0.0, 0.02),
    "caucasian": (0.10, 0.30, 0.28, 0.17, 0.08, 0.07),
}
_TONES = {"african": (0.36, 0.23, 0.165), "asian": (0.86, 0.68, 0.55), "caucasian": (0.90, 0.72, 0.62)}
_IRIS = {
    "dark": (0.10, 0.06, 0.04), "brown": (0.20, 0.12, 0.07), "blue": (0.24, 0.35, 0.46), "green": (0.24, 0.29, 0.19),
}  # fmt: skip
_EDGE = 0.0009


@dataclass(frozen=True)
class Complexion:
    """Colours and features of a face; colours are RGB, 0 to 1.

    Attributes:
        tone: skin.
        lips: lips.
        hair: hair and brows.
        iris: eyes.
        brow_thickness: metres.
        stubble: strength of a beard shadow, 0 to 1.
        makeup: strength of lipstick and eye line, 0 to 1.
        freckles: strength, 0 to 1.
    """

    tone: FloatArray
    lips: FloatArray
    hair: FloatArray
    iris: FloatArray
    brow_thickness: float
    stubble: float
    makeup: float
    freckles: float


def draw_complexion(rng: np.random.Generator, origins: FloatArray, *, is_female: bool) -> Complexion:
    """Draw the colours of a person whose shape has the given African, Asian and Caucasian shares."""
    tones = np.array([_TONES[name] for name in ("african", "asian", "caucasian")])
    tone = np.exp(origins @ np.log(tones)) * rng.uniform(0.84, 1.06) * (1 + rng.normal(0, 0.02, 3))
    origin = ("african", "asian", "caucasian")[int(np.argmax(origins))]
    hair = np.array(HAIR_COLOURS[rng.choice(6, p=_HAIR_SHARES[origin])]) * rng.uniform(0.8, 1.2)
    light_eyes = origin == "caucasian" and rng.random() < 0.55
    iris = _IRIS[str(rng.choice(["blue", "green"] if light_eyes else ["dark", "brown"]))]
    makeup = float(rng.uniform(0.2, 1.0)) if is_female and rng.random() < 0.6 else 0.0
    natural = tone * np.array([0.88, 0.66, 0.66])
    painted = np.array([rng.uniform(0.55, 0.8), rng.uniform(0.12, 0.3), rng.uniform(0.2, 0.35)])
    return Complexion(
        tone=np.clip(tone, 0.05, 0.97).astype(np.float32),
        lips=(natural + 0.7 * makeup * (painted - natural)).astype(np.float32),
        hair=np.clip(hair, 0.03, 0.9).astype(np.float32),
        iris=np.array(iris, np.float32),
        brow_thickness=rng.uniform(0.0030, 0.0042) if is_female else rng.uniform(0.0040, 0.0058),
        stubble=0.0 if is_female or rng.random() < 0.45 else float(rng.uniform(0.15, 0.8)),
        makeup=makeup,
        freckles=float(rng.uniform(0.2, 0.7)) if origin == "caucasian" and rng.random() < 0.2 else 0.0,
    )


@lru_cache(maxsize=4)
def _texel_positions(size: int) -> FloatArray:
    """(size, size, 3) position on the mean body of every texel of the skin; nearest one outside the islands."""
    pack = load_body_pack()
    triangles, uv = pack.triangles["skin"], pack.uv
    screen = np.ones((uv.shape[0] * 3, 3), np.float32)
    screen[:, 0] = uv[..., 0].ravel() * size - 0.5
    screen[:, 1] = (1 - uv[..., 1].ravel()) * size - 0.5
    faces = np.arange(len(screen), dtype=np.int32).reshape(-1, 3)
    depth, face_at = np.empty((size, size), np.float32), np.empty((size, size), np.int32)
    no_flags = np.zeros(len(faces), np.int32)
    rasterize(screen, faces, no_flags, no_flags, uv, np.zeros(4, np.uint8), np.zeros((1, 7), np.int64), 1.0, depth,
              face_at)  # fmt: skip
    positions, part_map = np.empty((size, size, 3), np.float32), np.empty((size, size), np.uint8)
    rest = np.ascontiguousarray(pack.mean[triangles].reshape(-1, 3))
    gather_surface(screen, faces, face_at, np.zeros(len(faces), np.uint8), rest, part_map, positions)
    nearest = ndimage.distance_transform_edt(face_at < 0, return_distances=False, return_indices=True)
    filled: FloatArray = positions[nearest[0], nearest[1]]
    return filled


def _step(low: float, high: float, values: FloatArray) -> FloatArray:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _spot(points: FloatArray, centre: tuple[float, float, float], radius: float) -> FloatArray:
    """Gaussian spots of standard deviation `radius` at `centre` and its mirror image."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    square = (np.abs(x) - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
    return np.asarray(np.exp(-square / (2 * radius**2)), dtype=np.float32)


def hairline_height(points: FloatArray, *, front: float = 0.985) -> FloatArray:
    """Height of the hairline (...,) in the direction of points (..., 3) from the head's axis, on the mean body."""
    azimuth = np.arctan2(np.abs(points[..., 0]), points[..., 2] - HEAD_AXIS_Z)
    lift = front - 0.985
    angles = (0.0, 0.45, 0.75, 1.0, 1.25, 1.50, 1.62, 1.95, 2.3, 3.15)
    heights = (0.985 + lift, 0.984 + lift, 0.975 + lift, 0.953, 0.936, 0.902, 0.912, 0.915, 0.862, 0.832)
    return np.interp(azimuth, angles, heights).astype(np.float32)


@dataclass(frozen=True)
class _FaceMasks:
    """Masks over the skin texture, each (S, S), 0 to 1."""

    lips: FloatArray
    mouth_line: FloatArray
    socket: FloatArray
    lid_edge: FloatArray
    blush: FloatArray
    beard: FloatArray
    nostril: FloatArray
    scalp: FloatArray
    brow_distance: FloatArray  # metres from the brow's middle line, along y; large off the brow
    brow_taper: FloatArray
    hands: FloatArray


@lru_cache(maxsize=4)
def _face_masks(size: int) -> _FaceMasks:
    points = _texel_positions(size)
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    is_front = _step(0.115, 0.13, z) * (y > 0.76)
    bow = 0.0100 + 0.0012 * np.exp(-(((x - 0.006) / 0.004) ** 2))
    across = np.clip(x / 0.0275, 0, 1)
    corner = MOUTH_LINE + 0.0022 * across**2
    upper = corner + (bow - 0.001) * (1 - across**1.7)
    lower = corner - 0.0125 * (1 - across**2.2)
    inside = _step(-_EDGE, _EDGE, upper - y) * _step(-_EDGE, _EDGE, y - lower) * _step(-_EDGE, _EDGE, 0.0270 - x)
    line = np.exp(-(((y - corner) / 0.0010) ** 2)) * _step(-0.002, 0.002, 0.0265 - x)
    eye_distance = np.sqrt((x - EYE[0]) ** 2 + (y - EYE[1]) ** 2 + (z - EYE[2]) ** 2)
    cheek_line = 0.842 + 0.55 * np.clip(x - 0.015, 0, 1)
    jaw = _step(-0.012, 0.022, cheek_line - y) * _step(0.760, 0.790, y) * _step(0.015, 0.06, z)
    lips = inside * is_front
    t = np.clip((x - 0.0125) / 0.043, 0, 1)
    middle = 0.9205 + 0.0085 * np.sin(np.pi * np.clip(t * 0.62 + 0.06, 0, 1)) - 0.004 * t**3
    on_brow = (x > 0.0115) & (x < 0.0565) & (z > 0.08) & (y > 0.89) & (y < 0.96)
    return _FaceMasks(
        lips=lips.astype(np.float32),
        mouth_line=(line * is_front).astype(np.float32),
        socket=_spot(points, (0.030, 0.906, 0.142), 0.013),
        lid_edge=(_step(0.0190, 0.0170, eye_distance) * (z > 0.13)).astype(np.float32),
        blush=_spot(points, (0.046, 0.862, 0.125), 0.018) + 0.8 * _spot(points, (0.0, 0.857, 0.176), 0.011),
        beard=(jaw * (1 - lips)).astype(np.float32),
        nostril=_spot(points, (0.0075, 0.8478, 0.160), 0.0030),
        scalp=_step(-0.004, 0.006, y - hairline_height(points)) * (x < 0.0775),
        brow_distance=np.where(on_brow, np.abs(y - middle), 1.0).astype(np.float32),
        brow_taper=(_step(0.0, 0.10, t) * (1 - 0.75 * t**1.5)).astype(np.float32),
        hands=_step(0.475, 0.53, x),
    )


def _blend(image: FloatArray, colour: FloatArray, share: FloatArray) -> None:
    image += (colour - image) * share[..., None]


def skin_texture(rng: np.random.Generator, complexion: Complexion, size: int) -> UInt8Array:
    """Paint the skin of one person.

    Args:
        rng: source of chance for mottling and strokes.
        complexion: colours and features.
        size: side in texels; a power of two.

    Returns:
        (size, size, 3) uint8 RGB for the pack's skin coordinates.
    """
    masks = _face_masks(size)
    tone = complexion.tone
    image = np.empty((size, size, 3), np.float32)
    image[:] = tone
    mottle = smooth_noise(rng, size, 24) - 0.5 + 0.7 * (smooth_noise(rng, size, 64) - 0.5)
    pores = cv2.GaussianBlur(rng.standard_normal((size, size)).astype(np.float32), (0, 0), max(0.6, size / 1500))
    image *= (1 + 0.035 * mottle + 0.012 * pores)[..., None]
    ruddy = tone * np.array([1.02, 0.80, 0.78], np.float32)
    _blend(image, ruddy, np.clip(0.38 * masks.blush, 0, 0.6))
    _blend(image, ruddy, 0.25 * masks.hands)
    _blend(image, tone * np.array([0.72, 0.60, 0.58], np.float32), 0.42 * masks.socket)
    if complexion.freckles > 0:
        spots = _step(0.70, 0.82, smooth_noise(rng, size, size // 6))
        _blend(image, tone * np.array([0.72, 0.55, 0.45], np.float32), complexion.freckles * spots * masks.blush)
    _paint_hair_on_skin(rng, complexion, masks, image)
    _blend(image, complexion.lips, 0.85 * masks.lips)
    _blend(image, complexion.lips * 0.38, 0.75 * masks.mouth_line)
    _blend(image, tone * 0.30, 0.8 * masks.nostril)
    _blend(image, complexion.hair * 0.5, (0.70 + 0.25 * complexion.makeup) * masks.lid_edge)
    return as_bytes(np.clip(image, 0.02, 0.98))


def _paint_hair_on_skin(rng: np.random.Generator, complexion: Complexion, masks: _FaceMasks, image: FloatArray) -> None:
    size = image.shape[0]
    strokes = 0.65 + 0.7 * (cv2.blur(rng.random((size, size)).astype(np.float32), (3, 1)) - 0.15)
    reach = complexion.brow_thickness * masks.brow_taper + 1e-6
    brow = np.clip(1.25 - masks.brow_distance / reach, 0, 1) * (masks.brow_taper > 0)
    _blend(image, complexion.hair * 0.7, np.clip(brow * strokes, 0, 0.92))
    _blend(image, complexion.hair * 0.8, masks.scalp * 0.9)
    if complexion.stubble > 0:
        shade = complexion.stubble * masks.beard * np.clip(0.45 + 0.5 * strokes, 0, 1)
        _blend(image, 0.5 * complexion.hair + 0.2 * complexion.tone, np.clip(0.75 * shade, 0, 0.85))


def eye_texture(complexion: Complexion, size: int = 128) -> UInt8Array:
    """An eyeball seen from the front, (size, size, 3) uint8: white, iris with dark rim, pupil, glint."""
    y, x = (np.mgrid[0:size, 0:size].astype(np.float32) + 0.5) / size - 0.5
    radius = np.hypot(x, y)
    image = np.empty((size, size, 3), np.float32)
    image[:] = (0.90, 0.88, 0.86)
    # The upper lid and its lashes shade the ball.
    image *= (0.74 + 0.26 * _step(-0.24, 0.02, y))[..., None]
    fibres = 1 + 0.25 * np.sin(np.arctan2(y, x) * 23) * _step(0.09, 0.19, radius)
    iris = complexion.iris * fibres[..., None] * (1.15 - 1.9 * (radius[..., None] / 0.235 - 0.5).clip(0, 1) ** 2)
    _blend_with(image, iris, _step(0.242, 0.226, radius))
    _blend_with(image, np.zeros(3, np.float32) + 0.02, _step(0.100, 0.086, radius))
    _blend_with(image, np.ones(3, np.float32), 0.9 * _step(0.040, 0.026, np.hypot(x + 0.055, y + 0.06)))
    return as_bytes(image)


def _blend_with(image: FloatArray, other: FloatArray, share: FloatArray) -> None:
    image += (other - image) * share[..., None]
