"""Where the camera stands and what part of the person it frames."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.camera import Camera, look_at
from drn_core.data.synthetic.raster import bounds

__all__ = ["CROPS", "frame_person"]

FloatArray = npt.NDArray[np.float32]
CROPS = ("full", "knee", "waist")
# Height of the picture as a share of the person's, and where its middle lies below the top of the head.
_CROP_SPAN = {"full": (1.12, 0.50), "knee": (0.80, 0.36), "waist": (0.62, 0.27)}


def frame_person(rng: np.random.Generator, points: list[FloatArray], crop: str, size_hw: tuple[int, int]) -> Camera:
    """A camera that frames all the given poses of a person.

    Args:
        rng: source of chance for distance, height and slack.
        points: posed vertices (n, 3), one array per pose.
        crop: one of CROPS; "full" keeps every pose inside the picture.
        size_hw: of the picture.
    """
    boxes = np.stack([bounds(p) for p in points])
    low, high = boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)
    tall = float((boxes[:, 1, 1] - boxes[:, 0, 1]).mean())
    share, drop = _CROP_SPAN[crop]
    aspect = size_hw[1] / size_hw[0]
    slack = rng.uniform(0.97, 1.15)
    wide = high[0] - low[0]
    if crop == "full":
        span = max(share * (high[1] - low[1]), 1.06 * wide / aspect) * slack
        middle = (low[1] + high[1]) / 2
    else:
        span = max(share * tall, 0.85 * wide / aspect) * slack
        middle = high[1] - drop * span / share * (share / 0.62 if crop == "waist" else 1.0) * 0.9
    distance = rng.uniform(2.6, 5.0)
    elevation = float(np.clip(rng.normal(0.02, 0.07), -0.15, 0.3))
    target = np.array([(low[0] + high[0]) / 2 + rng.normal(0, 0.03), middle, (low[2] + high[2]) / 2])
    eye = target + distance * np.array([0.0, math.sin(elevation), math.cos(elevation)])
    return look_at(eye, target, size_hw[0] * distance / span, size_hw)
