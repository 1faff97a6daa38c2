"""From the raw to the final track: gaps, smoothing and flow anchoring, shot by shot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
        hands=None if raw.hands is None else bridge(raw.hands),
        warnings=(*raw.warnings, *_warnings(raw, gaps, cuts)),
    )
    torso_px = float(np.median([torso_size_px(points) for points in raw.keypoints[raw.is_detected]]))
    parts = [_smooth_shot(filled, shot, config, links, torso_px) for shot in _shots(len(raw), cuts)]
    keypoints, depth, world = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return replace(filled, keypoints=keypoints, depth=depth, world=world)


def _shots(num_frames: int, cuts: Sequence[int]) -> list[slice]:
    return [slice(start, stop) for start, stop in pairwise([0, *cuts, num_frames])]


def _smooth_shot(
    track: PoseTrack, shot: slice, config: SmoothingConfig, links: MotionLinks, torso_px: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return keypoints, depth and world landmarks of one shot."""
    times, sigma = track.times_seconds[shot], config.sigma_seconds
    landmarks, confidence = track.keypoints[shot], track.confidence[shot] * track.is_detected[shot, None]
    weights = confidence + np.float32(_TRUST_FLOOR)
    keypoints = bilateral_smooth(landmarks, weights, times, sigma_seconds=sigma, sigma_px=_BILATERAL_SIGMA * torso_px)
    if config.anchor_to_flow and sigma > 0:
        keypoints = anchor_to_flow(landmarks, keypoints, confidence, links.within(shot), torso_px=torso_px)
    # Depth only orders layers and bone lengths only need the mean: both are too noisy for an edge-keeping filter.
    depth = gaussian_smooth(track.depth[shot][..., None], weights, times, sigma_seconds=sigma)[..., 0]
    world = gaussian_smooth(track.world[shot], weights, times, sigma_seconds=sigma)
    return keypoints, depth, world


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
