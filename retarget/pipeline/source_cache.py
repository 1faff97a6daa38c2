"""Keeping what was read of a photo, so that every further job with it starts at once.

Kept are skeleton, matte and plate, which take most of the time; the layers are cut anew, which is quick. An entry
depends on the photo's pixels, the settings, the estimator's version and the very code that makes it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from retarget.cache import Cache, CacheResult, Payload, cache_key
from retarget.config import PoseConfig
from retarget.person.matte import Matte
from retarget.photo import Photo
from retarget.pipeline.source import SourceModel, build_source, fit_photo, layer_person
from retarget.records import FloatArray, Pose, UInt8Array

__all__ = ["cached_source", "source_of_photo"]

_KIND: Final = "source-model"
_CODE: Final = ("person/*.py", "pose/*.py", "pipeline/source.py", "../drn_core/fill/*.py")
_POSE_ARRAYS: Final = ("keypoints", "confidence", "depth", "world")


def cached_source(
    rgb: UInt8Array,
    *,
    photo_alpha: FloatArray | None = None,
    config: PoseConfig | None = None,
    where: str = "the photo",
    cache: Cache | None = None,
) -> CacheResult[SourceModel]:
    """Make the model of the person in a photo, or take it up from what is known of the photo.

    Args:
        rgb: (H, W, 3) uint8, the photo, already at the output's size.
        photo_alpha: (H, W) in [0, 1], the photo's own transparency.
        config: which person, how many readings.
        where: name of the photo for messages.
        cache: the store; None takes the user's.

    Returns:
        The source model, and whether it was stored.

    Raises:
        PersonNotFoundError: nobody is found.
    """
    config = config or PoseConfig()
    pixels = [rgb.shape, hashlib.sha256(rgb.tobytes()).hexdigest()]
    alpha = None if photo_alpha is None else hashlib.sha256(photo_alpha.tobytes()).hexdigest()
    key = cache_key(_KIND, _code_digest(), version("mediapipe"), pixels, alpha, config)
    return (cache or Cache()).get_or_compute(
        _KIND,
        key,
        lambda: build_source(rgb, photo_alpha=photo_alpha, config=config, where=where),
        encode=_encode,
        decode=lambda payload: _decode(payload, rgb),
    )


def source_of_photo(photo: Photo, where: str, *, person: str, pose: PoseConfig, max_side_px: int | None) -> SourceModel:
    """Make the model of a photo's person as a job asks for it, or take it up from what is known of the photo.

    Args:
        photo: the photo, as read.
        where: its name for messages.
        person: which person of the photo; see `PoseConfig.person`.
        pose: how the job reads poses; its own `person` is the driver's.
        max_side_px: longer side of the output; None keeps the photo's size.

    Returns:
        The source model.

    Raises:
        PersonNotFoundError: nobody is found.
    """
    rgb, alpha = fit_photo(photo.rgb, photo.alpha, max_side_px)
    config = PoseConfig(person=person, photo_reads=pose.photo_reads)
    return cached_source(rgb, photo_alpha=alpha, config=config, where=where).value


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Digest of the modules whose work is kept: changed code never meets old results."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for pattern in _CODE:
        for file in sorted(package.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _encode(source: SourceModel) -> Payload:
    pose = source.pose
    arrays = {name: getattr(pose, name) for name in _POSE_ARRAYS}
    arrays |= {name: points for name in ("hands", "face") if (points := getattr(pose, name)) is not None}
    arrays |= {"alpha": source.matte.alpha, "foreground": source.matte.foreground, "plate": source.plate}
    return Payload(arrays, {"num_others": source.num_others})


def _decode(payload: Payload, rgb: UInt8Array) -> SourceModel:
    arrays = payload.arrays
    size_hw = (rgb.shape[0], rgb.shape[1])
    pose = Pose(
        **{name: arrays[name] for name in _POSE_ARRAYS},
        size_hw=size_hw,
        hands=arrays.get("hands"),
        face=arrays.get("face"),
    )
    matte = Matte(alpha=arrays["alpha"], foreground=arrays["foreground"])
    if matte.alpha.shape != size_hw or matte.foreground.shape != rgb.shape or arrays["plate"].shape != rgb.shape:
        raise ValueError("sizes do not fit the photo")
    person = layer_person(matte, pose)
    return SourceModel(rgb, pose, matte, arrays["plate"], person, int(payload.facts["num_others"]))
