"""From the raw to the final track: gaps, smoothing and flow anchoring, shot by shot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from retarget.config import SmoothingConfig
from retarget.records import FloatArray, PoseTrack
from retarget.smoothing.filters import bilateral_smooth, gaussian_smooth
from retarget.smoothing.flow_anchor import anchor_to_flow
from retarget.smoothing.gaps import Gap, Times, bridge_gaps, find_gaps
from retarget.smoothing.links import MotionLinks
from retarget.smoothing.trunk import torso_size_px

__all__ = ["GAP_BRIDGED", "GAP_HELD", "SCENE_CUT", "smooth_track"]

_BILATERAL_SIGMA: Final = 0.02
"""Width in space against the size of the trunk."""
_FINAL_SIGMA: Final = 0.01
"""The same after anchoring: takes away the flow's own noise, below a pixel."""
_HAND_BILATERAL_SIGMA: Final = 0.01
_FACE_SIGMA_SHARE: Final = 0.5
"""Faces move fast and are read precisely: they are smoothed half as long."""
_TRUST_FLOOR: Final = 0.02

_MAX_RANGES_NAMED: Final = 8

GAP_BRIDGED: Final = "W201"
"""Short gaps, interpolated."""
GAP_HELD: Final = "W202"
"""Long gaps, held."""
SCENE_CUT: Final = "W203"
"""A new shot begins."""


def smooth_track(
    raw: PoseTrack,
    config: SmoothingConfig,
    *,
    links: MotionLinks,
    cuts: Sequence[int] = (),
) -> PoseTrack:
    """Fill, smooth and steady a raw track; nothing is smoothed across a cut.

    Args:
        raw: at least one frame with a person.
        config: widths and switches.
        links: motion of the picture at each joint between pairs of frames.
        cuts: frames that begin a new shot.

    Returns:
        The track, with warnings for gaps and cuts. A shot without anybody holds the pose of its neighbour.
    """
    times = raw.times_seconds
    gaps = find_gaps(raw.is_detected, times, max_gap_seconds=config.max_gap_seconds, cuts=cuts)

    def bridge(values: FloatArray) -> FloatArray:
        return bridge_gaps(values, gaps, times, max_gap_seconds=config.max_gap_seconds)

    filled = replace(
        raw,
        keypoints=bridge(raw.keypoints),
        confidence=bridge(raw.confidence),
        depth=bridge(raw.depth),
        world=bridge(raw.world),
        warnings=(*raw.warnings, *_warnings(raw, gaps, cuts)),
    )
    torso_px = float(np.median([torso_size_px(points) for points in raw.keypoints[raw.is_detected]]))
    parts = [_smooth_shot(filled, shot, config, links, torso_px) for shot in _shots(len(raw), cuts)]
    return replace(
        filled,
        keypoints=np.concatenate([part.keypoints for part in parts]),
        depth=np.concatenate([part.depth for part in parts]),
        world=np.concatenate([part.world for part in parts]),
        hands=None if raw.hands is None else np.concatenate([_given(part.hands) for part in parts]),
        face=None if raw.face is None else np.concatenate([_given(part.face) for part in parts]),
    )


def _shots(num_frames: int, cuts: Sequence[int]) -> list[slice]:
    return [slice(start, stop) for start, stop in pairwise([0, *cuts, num_frames])]


@dataclass(frozen=True)
class _Shot:
    """Smoothed arrays of one shot, as in `PoseTrack`."""

    keypoints: FloatArray
    depth: FloatArray
    world: FloatArray
    hands: FloatArray | None
    face: FloatArray | None


def _smooth_shot(track: PoseTrack, shot: slice, config: SmoothingConfig, links: MotionLinks, torso_px: float) -> _Shot:
    times, sigma = track.times_seconds[shot], config.sigma_seconds
    landmarks, confidence = track.keypoints[shot], track.confidence[shot] * track.is_detected[shot, None]
    weights = confidence + np.float32(_TRUST_FLOOR)
    keypoints = bilateral_smooth(landmarks, weights, times, sigma_seconds=sigma, sigma_px=_BILATERAL_SIGMA * torso_px)
    if config.anchor_to_flow and sigma > 0:
        keypoints = anchor_to_flow(keypoints, confidence, links.within(shot), torso_px=torso_px)
        keypoints = bilateral_smooth(keypoints, weights, times, sigma_seconds=sigma, sigma_px=_FINAL_SIGMA * torso_px)
    return _Shot(
        keypoints=keypoints,
        # Depth only orders layers and bone lengths only need the mean: both are too noisy for an edge-keeping filter.
        depth=gaussian_smooth(track.depth[shot][..., None], weights, times, sigma_seconds=sigma)[..., 0],
        world=gaussian_smooth(track.world[shot], weights, times, sigma_seconds=sigma),
        hands=None if track.hands is None else _smooth_hands(track.hands[shot], times, sigma, torso_px),
        face=None if track.face is None else _smooth_face(track.face[shot], times, sigma),
    )


def _smooth_hands(hands: FloatArray, times: Times, sigma_seconds: float, torso_px: float) -> FloatArray:
    """Smooth (T, 2, 21, 3); frames without a hand keep confidence 0 and count for nothing."""
    points = hands.reshape(len(hands), -1, 3)
    smooth = bilateral_smooth(
        np.ascontiguousarray(points[..., :2]),
        points[..., 2],
        times,
        sigma_seconds=sigma_seconds,
        sigma_px=_HAND_BILATERAL_SIGMA * torso_px,
    )
    return np.concatenate([smooth, points[..., 2:]], axis=-1).reshape(hands.shape)


def _smooth_face(face: FloatArray, times: Times, sigma_seconds: float) -> FloatArray:
    """Smooth (T, 468, 3); frames without a face stay NaN and count for nothing."""
    is_seen = ~np.isnan(face).any(axis=(1, 2))
    weights = np.repeat(is_seen[:, None].astype(np.float32), face.shape[1], axis=1)
    smooth = gaussian_smooth(np.nan_to_num(face), weights, times, sigma_seconds=_FACE_SIGMA_SHARE * sigma_seconds)
    smooth[~is_seen] = np.nan
    return smooth


def _given(points: FloatArray | None) -> FloatArray:
    if points is None:
        raise ValueError("every shot has to have the same parts")
    return points


def _warnings(raw: PoseTrack, gaps: Sequence[Gap], cuts: Sequence[int]) -> list[tuple[str, str]]:
    times = raw.times_seconds
    texts = []
    for code, is_bridged, remedy in ((GAP_BRIDGED, True, "interpolated"), (GAP_HELD, False, "held")):
        runs = [(gap.start, gap.stop - 1) for gap in gaps if gap.is_bridged == is_bridged]
        if runs:
            count = sum(last - first + 1 for first, last in runs)
            texts.append((code, f"no person in {count} of {len(raw)} frames, pose {remedy}: {_ranges(runs, times)}"))
    if cuts:
        texts.append((SCENE_CUT, f"the scene changes at {_ranges([(cut, cut) for cut in cuts], times)}"))
    return texts


def _ranges(runs: Sequence[tuple[int, int]], times: Times) -> str:
    """Name runs of frames (first, last) with their times; the first few of many."""
    names = [
        f"frame {first} ({times[first]:.2f} s)"
        if first == last
        else f"frames {first}-{last} ({times[first]:.2f}-{times[last]:.2f} s)"
        for first, last in runs[:_MAX_RANGES_NAMED]
    ]
    if len(runs) > len(names):
        names.append(f"and {len(runs) - len(names)} more")
    return ", ".join(names)
