"""Folders of videos to packs: photo and frames of one person, tracks from our extractor, the prior rendered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from drn_core.data.packs import PACK_SUFFIX, write_pack
from drn_core.data.records import TrainingBatch
from drn_core.model.crops import CropBox, crop_maps, crop_source, person_crop_box
from drn_core.model.records import DRNInput
from drn_core.pictures import picture_tensor
from drn_core.prior.render import pose_vertices
from drn_core.prior_input import PriorInputRenderer
from retarget.config import PoseConfig
from retarget.errors import InputError, RetargetError
from retarget.pipeline.retargeter import MotionPlan, Retargeter
from retarget.pipeline.source import build_source
from retarget.pose.estimator import PoseEstimator
from retarget.pose.extractor import extract_track
from retarget.pose.photo import estimate_photo
from retarget.records import PoseTrack, UInt8Array
from retarget.video.decord_reader import RandomAccessReader

__all__ = ["PrepareOptions", "Prepared", "find_videos", "prepare_videos"]

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts"})
# A photo must show its person: mean confidence of the joints from here on.
_MIN_CONFIDENCE = 0.5


@dataclass(frozen=True)
class PrepareOptions:
    """How clips become packs.

    Attributes:
        size_hw: of the crops.
        photos_per_clip: frames of a clip that serve as its photo, one pack each.
        frames_per_photo: frames each of them is turned into.
        consecutive: the frames come in runs of this many successive ones.
        seed: of the choice of frames.
    """

    size_hw: tuple[int, int] = (256, 256)
    photos_per_clip: int = 3
    frames_per_photo: int = 12
    consecutive: int = 1
    seed: int = 0


@dataclass
class Prepared:
    """What became of the clips.

    Attributes:
        written: packs made now.
        kept: packs that were there already.
        skipped: clips (or photos of them) left out, with the reason.
    """

    written: int = 0
    kept: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)


def find_videos(folder: Path) -> list[Path]:
    """Return the video files below a folder, sorted.

    Raises:
        InputError: there is no such folder, or no video in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file())
    if not found:
        raise InputError(f"{folder}: holds no video", hint=f"looked for {', '.join(sorted(VIDEO_SUFFIXES))}")
    return found


def prepare_videos(
    videos: list[Path],
    output: Path,
    options: PrepareOptions,
    *,
    estimator: PoseEstimator,
    tell: Callable[[str], object] | None = None,
) -> Prepared:
    """Make packs of clips; unreadable ones are skipped and listed, finished ones kept.

    Args:
        videos: clips of one person each, from a camera that stands still.
        output: folder of the packs.
        options: sizes and numbers.
        estimator: reads skeletons and masks.
        tell: takes a line for each clip; None is silent.

    Returns:
        What was written, kept and skipped.
    """
    result = Prepared()
    for number, video in enumerate(videos, start=1):
        if tell is not None:
            tell(f"{number}/{len(videos)} {video.name}")
        try:
            _prepare_clip(video, output, options, estimator, result)
        except (RetargetError, ValueError) as error:
            result.skipped.append((str(video), str(error)))
    return result


def _prepare_clip(
    video: Path, output: Path, options: PrepareOptions, estimator: PoseEstimator, result: Prepared
) -> None:
    name = f"{video.stem}-{hashlib.sha256(str(video.resolve()).encode()).hexdigest()[:8]}"
    paths = [output / f"{name}-{i:02d}{PACK_SUFFIX}" for i in range(options.photos_per_clip)]
    if all(path.is_file() for path in paths):
        result.kept += len(paths)
        return
    track = extract_track(video, estimator=estimator).track
    rng = np.random.default_rng([options.seed, len(track)])
    with RandomAccessReader(video) as reader:
        count = min(len(reader), len(track))
        for path, photo_index in zip(paths, _photo_indices(track, count, options, rng), strict=False):
            indices = _frame_indices(count, photo_index, options, rng)
            pictures = reader.frames_at([photo_index, *indices])
            try:
                samples = list(_samples(pictures, track, indices, options, estimator, f"{video} frame {photo_index}"))
            except (RetargetError, ValueError) as error:
                result.skipped.append((f"{video} frame {photo_index}", str(error)))
                continue
            write_pack(path, samples, origin=video.name, rate_hz=_rate_hz(track) if options.consecutive > 1 else None)
            result.written += 1


def _photo_indices(track: PoseTrack, count: int, options: PrepareOptions, rng: np.random.Generator) -> list[int]:
    """Choose photos: spread over the clip, where the skeleton is sure."""
    sure = np.flatnonzero(track.is_detected[:count] & (track.confidence[:count].mean(axis=1) >= _MIN_CONFIDENCE))
    if len(sure) == 0:
        raise InputError("no frame shows the person well enough to serve as the photo")
    parts = np.array_split(sure, min(options.photos_per_clip, len(sure)))
    return [int(rng.choice(part)) for part in parts]


def _frame_indices(count: int, photo_index: int, options: PrepareOptions, rng: np.random.Generator) -> list[int]:
    runs = max(1, options.frames_per_photo // options.consecutive)
    last = max(1, count - options.consecutive + 1)
    starts = [int(start) for start in np.linspace(0, last - 1, runs) + rng.uniform(-0.5, 0.5, runs) * last / runs]
    clipped = [min(max(start, 0), last - 1) for start in starts]
    indices = [start + offset for start in clipped for offset in range(options.consecutive)]
    # The photo itself as a frame would teach that nothing needs doing.
    kept = [index for index in indices if index != photo_index or options.consecutive > 1]
    if not kept:
        raise InputError("the clip is too short")
    return kept


def _samples(
    pictures: UInt8Array,
    track: PoseTrack,
    indices: list[int],
    options: PrepareOptions,
    estimator: PoseEstimator,
    where: str,
) -> Iterator[TrainingBatch]:
    source = build_source(pictures[0], estimator=estimator, where=where)
    retargeter = Retargeter(source)
    plan = retargeter.plan(track)
    plate = picture_tensor(source.plate)
    source_box = _box(source.pose.keypoints, source.pose.confidence, source.size_hw, options)
    points, sure = torch.from_numpy(source.pose.keypoints)[None], torch.from_numpy(source.pose.confidence)[None]
    source_input = crop_source(picture_tensor(source.rgb), points, sure, source_box, options.size_hw)
    texel_px = options.size_hw[0] / source_box.size_hw[0]
    renderer = PriorInputRenderer(source.person, source_box, options.size_hw, pixels_per_texel=texel_px)
    for index, picture in zip(indices, pictures[1:], strict=True):
        keypoints, confidence, depth, vertices = _posed(retargeter, plan, index)
        box = _box(keypoints, confidence, source.size_hw, options)
        driver = renderer.driver_input(
            vertices, keypoints, confidence, depth, plan.orders[index], background=plate, box=box
        )
        mask = _mask(picture, estimator, where)
        # The plate, not the room's noise of this moment, is what the product puts behind the person.
        target = mask * picture_tensor(picture) + (1 - mask) * plate
        yield TrainingBatch(
            inputs=DRNInput(source_input, driver),
            target=crop_maps(target, box, options.size_hw).clamp(0, 1),
            target_mask=crop_maps(mask, box, options.size_hw).clamp(0, 1),
        )


def _posed(
    retargeter: Retargeter, plan: MotionPlan, index: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    track, person = plan.track, retargeter.source.person
    keypoints, confidence = track.keypoints[index], track.confidence[index]
    vertices = pose_vertices(person, keypoints, confidence, float(track.scale[index]))
    return keypoints, confidence, track.depth[index], vertices


def _box(
    keypoints: npt.NDArray[np.float32],
    confidence: npt.NDArray[np.float32],
    frame_hw: tuple[int, int],
    options: PrepareOptions,
) -> CropBox:
    return person_crop_box(torch.from_numpy(keypoints), torch.from_numpy(confidence), frame_hw, options.size_hw)


def _mask(picture: UInt8Array, estimator: PoseEstimator, where: str) -> torch.Tensor:
    found = estimate_photo(picture, PoseConfig(photo_reads=1), estimator=estimator, where=where)
    if found.mask is None:
        raise InputError(f"{where}: the estimator gives no mask")
    return torch.from_numpy(np.ascontiguousarray(found.mask, np.float32))[None, None]


def _rate_hz(track: PoseTrack) -> float:
    steps = np.diff(track.times_seconds)
    return float(1 / np.median(steps)) if len(steps) else 0.0
