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
from retarget.smoothing.gaps import Gap, bridge_gaps, find_gaps
from retarget.smoothing.trunk import torso_size_px

__all__ = ["smooth_track"]

_BILATERAL_SIGMA: Final = 0.02
"""Width in space against the size of the trunk."""
_TRUST_FLOOR: Final = 0.02

CODE_GAP_BRIDGED: Final = "W201"
CODE_GAP_HELD: Final = "W202"
CODE_SCENE_CUT: Final = "W203"
CODE_LOW_CONFIDENCE: Final = "W204"


def smooth_track(
    raw: PoseTrack,
    config: SmoothingConfig,
    *,
    shift: FloatArray,
    shift_quality: FloatArray,
    cuts: Sequence[int] = (),
) -> PoseTrack:
    """Fill, smooth and steady a raw track; nothing is smoothed across a cut.

    Args:
        raw: at least one frame with a person.
        config: widths and switches.
        shift: (T - 1, 33, 2), motion of the picture at each joint to the next frame, pixels.
        shift_quality: (T - 1, 33) in [0, 1].
        cuts: frames that begin a new shot.

    Returns:
        The track, with warnings for gaps and cuts. A shot without anybody holds the pose of its neighbour.
    """
    times = raw.times_seconds
    gaps = find_gaps(raw.is_detected, times, max_gap_seconds=config.max_gap_seconds)

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
    shots = [slice(start, stop) for start, stop in pairwise([0, *cuts, len(raw)])]
    parts = [
        _smooth_shot(
            filled, shot, config, shift[shot.start : shot.stop - 1], shift_quality[shot.start : shot.stop - 1], torso_px
        )
        for shot in shots
    ]
    keypoints, depth, world = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return replace(filled, keypoints=keypoints, depth=depth, world=world)


def _smooth_shot(
    track: PoseTrack, shot: slice, config: SmoothingConfig, shift: FloatArray, quality: FloatArray, torso_px: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return keypoints, depth and world landmarks of one shot."""
    times, sigma = track.times_seconds[shot], config.sigma_seconds
    landmarks, confidence = track.keypoints[shot], track.confidence[shot] * track.is_detected[shot, None]
    weights = confidence + np.float32(_TRUST_FLOOR)
    keypoints = bilateral_smooth(landmarks, weights, times, sigma_seconds=sigma, sigma_px=_BILATERAL_SIGMA * torso_px)
    if config.anchor_to_flow and sigma > 0:
        keypoints = anchor_to_flow(landmarks, keypoints, confidence, shift, quality, torso_px=torso_px)
    # Depth only orders layers and bone lengths only need the mean: both are too noisy for an edge-keeping filter.
    depth = gaussian_smooth(track.depth[shot][..., None], weights, times, sigma_seconds=sigma)[..., 0]
    world = gaussian_smooth(track.world[shot], weights, times, sigma_seconds=sigma)
    return keypoints, depth, world


def _warnings(raw: PoseTrack, gaps: Sequence[Gap], cuts: Sequence[int]) -> list[tuple[str, str]]:
    times = raw.times_seconds
    warnings = []
    for gap in gaps:
        frames = f"frames {gap.start}-{gap.stop - 1} ({times[gap.start]:.2f}-{times[gap.stop - 1]:.2f} s)"
        if gap.is_bridged:
            warnings.append((CODE_GAP_BRIDGED, f"no person in {frames}: pose interpolated"))
        else:
            warnings.append((CODE_GAP_HELD, f"no person in {frames}: pose held"))
    for cut in cuts:
        warnings.append((CODE_SCENE_CUT, f"the scene changes at frame {cut} ({times[cut]:.2f} s)"))
    return warnings
