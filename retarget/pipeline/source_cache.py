"""Keeping what was made of a photo, so that every further job with it starts at once.

Two entries: what was read of the photo (skeleton, matte, plate), and the person cut into layers from that. An entry
depends on the photo's pixels, the settings, the estimator's version and the very code that makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from drn_core.prior.person import PersonLayers
from retarget.cache import Cache, Payload
from retarget.config import PoseConfig
from retarget.digests import array_digest, cache_key, code_digest
from retarget.packed_picture import pack_map, pack_picture, unpack_map, unpack_picture
from retarget.person.matte import Matte
from retarget.photo import Photo
from retarget.pipeline.layers_store import pack_layers, unpack_layers
from retarget.pipeline.source import SourceModel, build_source, fit_photo, layer_person
from retarget.records import FloatArray, Pose, UInt8Array

__all__ = ["cached_source", "source_of_photo"]

_READING: Final = "photo-reading"
_LAYERS: Final = "person-layers"
_READING_CODE: Final = (
    "retarget/person/*.py", "retarget/pose/*.py", "retarget/pipeline/source.py", "drn_core/fill/*.py",
)  # fmt: skip
_LAYERS_CODE: Final = (
    "retarget/pipeline/layers_store.py", "retarget/pipeline/proportions.py", "retarget/pipeline/source.py",
    "drn_core/prior/*.py", "drn_core/fill/*.py", "drn_core/skeleton.py",
)  # fmt: skip
_POSE_ARRAYS: Final = ("keypoints", "confidence", "depth", "world")


@dataclass(frozen=True)
class _Reading:
    """What was read of a photo; the layers only where they have just been made."""

    pose: Pose
    matte: Matte
    plate: UInt8Array
    num_others: int
    person: PersonLayers | None = None

    @classmethod
    def of(cls, source: SourceModel) -> _Reading:
        return cls(source.pose, source.matte, source.plate, source.num_others, source.person)


def cached_source(
    rgb: UInt8Array,
    *,
    photo_alpha: FloatArray | None = None,
    config: PoseConfig | None = None,
    where: str = "the photo",
    cache: Cache | None = None,
) -> SourceModel:
    """Make the model of the person in a photo, or take it up from what is known of the photo.

    Args:
        rgb: (H, W, 3) uint8, the photo, already at the output's size.
        photo_alpha: (H, W) in [0, 1], the photo's own transparency.
        config: which person, how many readings.
        where: name of the photo for messages.
        cache: the store; None takes the user's.

    Returns:
        The source model.

    Raises:
        PersonNotFoundError: nobody is found.
    """
    config, cache = config or PoseConfig(), cache or Cache()
    pixels = array_digest(rgb, *([] if photo_alpha is None else [photo_alpha]))
    key = cache_key(code_digest(*_READING_CODE), version("mediapipe"), pixels, config)
    reading = cache.get_or_compute(
        _READING,
        key,
        lambda: _Reading.of(build_source(rgb, photo_alpha=photo_alpha, config=config, where=where)),
        encode=_pack_reading,
        decode=lambda payload: _unpack_reading(payload, (rgb.shape[0], rgb.shape[1])),
    ).value
    person = cache.get_or_compute(
        _LAYERS,
        cache_key(code_digest(*_LAYERS_CODE), key),
        lambda: reading.person or layer_person(reading.matte, reading.pose),
        encode=pack_layers,
        decode=unpack_layers,
    ).value
    return SourceModel(rgb, reading.pose, reading.matte, reading.plate, person, reading.num_others)


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
    return cached_source(rgb, photo_alpha=alpha, config=config, where=where)


def _pack_reading(reading: _Reading) -> Payload:
    pose = reading.pose
    arrays = {name: getattr(pose, name) for name in _POSE_ARRAYS}
    arrays |= {name: points for name in ("hands", "face") if (points := getattr(pose, name)) is not None}
    arrays |= {
        "alpha": pack_map(reading.matte.alpha),
        "foreground": pack_picture(reading.matte.foreground),
        "plate": pack_picture(reading.plate),
    }
    return Payload(arrays, {"num_others": reading.num_others})


def _unpack_reading(payload: Payload, size_hw: tuple[int, int]) -> _Reading:
    arrays = payload.arrays
    pose = Pose(
        **{name: arrays[name] for name in _POSE_ARRAYS},
        size_hw=size_hw,
        hands=arrays.get("hands"),
        face=arrays.get("face"),
    )
    matte = Matte(unpack_map(arrays["alpha"], size_hw), unpack_picture(arrays["foreground"], (*size_hw, 3)))
    return _Reading(pose, matte, unpack_picture(arrays["plate"], (*size_hw, 3)), int(payload.facts["num_others"]))
