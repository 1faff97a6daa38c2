"""Packs of synthetic people: clips of one motion and pairs of any two poses, made by several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch

from drn_core.config import SyntheticData
from drn_core.data.groups import FramePicture, MeshPrior, PhotoPicture, training_samples
from drn_core.data.packs import PACK_SUFFIX, write_pack
from drn_core.data.synthetic.config import SyntheticConfig
from drn_core.data.synthetic.correspondence import VISIBLE
from drn_core.data.synthetic.people import SyntheticPeople
from drn_core.data.synthetic.records import SyntheticClip, SyntheticPair

__all__ = ["MadePacks", "clip_pictures", "pair_pictures", "write_synthetic_packs"]

# Motions are sampled a few times a second: neighbouring video frames would teach the same thing over again.
_SLOW_RATE_HZ = (2.0, 8.0)
# Successive indices share a person, whose making costs as much as several pairs: a process takes them together.
_SAME_PERSON = 6


@dataclass(frozen=True)
class MadePacks:
    """What was written.

    Attributes:
        written: packs made now.
        kept: packs that were there already.
        failed: packs that could not be made (nobody in the picture), with the reason of the first.
    """

    written: int = 0
    kept: int = 0
    failed: int = 0
    first_reason: str = ""

    def __add__(self, other: MadePacks) -> MadePacks:
        """Add counts up; the first reason stays."""
        return MadePacks(
            self.written + other.written,
            self.kept + other.kept,
            self.failed + other.failed,
            self.first_reason or other.first_reason,
        )


def write_synthetic_packs(
    folder: Path,
    data: SyntheticData,
    size_hw: tuple[int, int],
    *,
    num_workers: int = 1,
    on_progress: Callable[[MadePacks, int], None] | None = None,
) -> MadePacks:
    """Fill a folder with packs; those that are there already are kept, so a broken-off run goes on.

    Args:
        folder: where the packs go.
        data: how many of what, and the seed.
        size_hw: of the pictures.
        num_workers: processes.
        on_progress: called with the sum so far and the number of packs wanted.

    Returns:
        What was written, kept and failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = list(_jobs(folder, data, size_hw))
    total, wanted = MadePacks(), data.num_clips + data.num_pairs
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(num_workers, 1), mp_context=context, initializer=_one_thread) as pool:
        for future in as_completed([pool.submit(_run_job, job) for job in jobs]):
            total += future.result()
            if on_progress is not None:
                on_progress(total, wanted)
    return total


@dataclass(frozen=True)
class _Job:
    folder: Path
    data: SyntheticData
    size_hw: tuple[int, int]
    kind: str
    indices: range


def _jobs(folder: Path, data: SyntheticData, size_hw: tuple[int, int]) -> Iterator[_Job]:
    counts = {"clip": data.num_clips, "pair": data.num_pairs}
    # Both kinds in turn: a folder that is filled in part holds some of each.
    for start in range(0, max(counts.values()), _SAME_PERSON):
        for kind, count in counts.items():
            if start < count:
                yield _Job(folder, data, size_hw, kind, range(start, min(start + _SAME_PERSON, count)))


def _one_thread() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


@lru_cache(maxsize=1)
def _people(size_hw: tuple[int, int], seed: int) -> SyntheticPeople:
    # One background for photo and frame: the plate is then known exactly, as the product assumes.
    config = SyntheticConfig(size_hw=size_hw, shared_camera_probability=1.0, pairs_per_identity=_SAME_PERSON)
    return SyntheticPeople(config, seed)


def _run_job(job: _Job) -> MadePacks:
    total = MadePacks()
    for index in job.indices:
        path = job.folder / f"{job.kind}-{job.data.seed:04d}-{index:06d}{PACK_SUFFIX}"
        if path.is_file():
            total += MadePacks(kept=1)
            continue
        try:
            _make_pack(path, job, index)
        except ValueError as error:
            total += MadePacks(failed=1, first_reason=f"{path.name}: {error}")
        else:
            total += MadePacks(written=1)
    return total


def _make_pack(path: Path, job: _Job, index: int) -> None:
    people, rate_hz = _people(job.size_hw, job.data.seed), job.data.rate_hz
    if job.kind == "pair":
        photo, frames = pair_pictures(people.pair(index))
        rate_hz = 0.0
    else:
        rng = np.random.default_rng([job.data.seed, 7, index])
        rate_hz = rate_hz or float(rng.uniform(*_SLOW_RATE_HZ))
        photo, frames = clip_pictures(people.clip(index, job.data.frames_per_clip, rate_hz=rate_hz))
    samples = training_samples(photo, frames, MeshPrior(build_height_px=job.data.build_height_px))
    write_pack(path, samples, origin=f"synthetic people, seed {job.data.seed}", rate_hz=rate_hz or None)


def clip_pictures(clip: SyntheticClip) -> tuple[PhotoPicture, list[FramePicture]]:
    """Take photo and frames of a synthetic clip, joints as a detector would read them."""
    photo = PhotoPicture(
        image=clip.source_image,
        mask=clip.source_mask,
        background=clip.background,
        keypoints=clip.source_observed,
        confidence=clip.source_confidence,
        depth=clip.source_depths,
    )
    frames = [
        FramePicture(
            image=clip.images[t],
            mask=clip.masks[t],
            keypoints=clip.observed[t],
            confidence=clip.confidence[t],
            depth=clip.depths[t],
            flow=clip.flow[t],
            visibility=(clip.visibility_codes[t] == VISIBLE).astype(np.float32),
        )
        for t in range(len(clip.images))
    ]
    return _without_unusable_joints(photo), frames


def pair_pictures(pair: SyntheticPair) -> tuple[PhotoPicture, list[FramePicture]]:
    """Take the photo and the one frame of a synthetic pair."""
    photo = PhotoPicture(
        image=pair.source_image,
        mask=pair.source_mask,
        background=pair.background,
        keypoints=pair.source_observed,
        confidence=pair.source_confidence,
        depth=pair.source_depths,
    )
    frame = FramePicture(
        image=pair.target_image,
        mask=pair.target_mask,
        keypoints=pair.target_observed,
        confidence=pair.target_confidence,
        depth=pair.target_depths,
        flow=pair.flow,
        visibility=pair.visibility,
    )
    return _without_unusable_joints(photo), [frame]


def _without_unusable_joints(photo: PhotoPicture) -> PhotoPicture:
    """Give joints far outside of the photo no confidence, as the product does."""
    height, width = photo.mask.shape
    x, y = photo.keypoints[:, 0] / width, photo.keypoints[:, 1] / height
    is_near = (x > -0.15) & (x < 1.15) & (y > -0.15) & (y < 1.15)
    return replace(photo, confidence=(photo.confidence * is_near).astype(np.float32))
