"""How fast the metrics run that need no network: frames per second of the two clip protocols."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.evaluation.clips import ClipScorer
from drn_core.evaluation.frames import FramePair
from drn_core.evaluation.protocols import REENACT, VIDEO
from drn_core.evaluation.readings import Reading
from drn_core.skeleton import JOINT_INDEX, NUM_JOINTS

PLACES = {
    "shoulder": (0.36, 0.25), "elbow": (0.30, 0.40), "wrist": (0.26, 0.54), "hip": (0.42, 0.55),
    "knee": (0.41, 0.74), "ankle": (0.41, 0.92), "index": (0.25, 0.58), "foot_index": (0.38, 0.95),
}  # fmt: skip


def standing_person(side: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return joints (33, 2) and mask of a person who fills most of the height."""
    joints = np.tile(np.array([0.5, 0.12], np.float32), (NUM_JOINTS, 1))
    for name, (x, y) in PLACES.items():
        joints[JOINT_INDEX[f"right_{name}"]], joints[JOINT_INDEX[f"left_{name}"]] = (x, y), (1 - x, y)
    mask = cv2.ellipse(
        np.zeros((side, side), np.uint8), (side // 2, side // 2), (side // 4, side * 47 // 100), 0, 0, 360, 1, -1
    )
    return (joints * side).astype(np.float32), mask > 0


def frame_pairs(side: int, count: int) -> Iterator[FramePair]:
    """Yield frames of a texture that drifts, beside a shifted and noisy copy."""
    generator = np.random.default_rng(0)
    wide = cv2.GaussianBlur(generator.integers(0, 256, (side, side + count, 3), dtype=np.uint8), (0, 0), 3)
    wide = np.asarray(cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX), np.uint8)  # type: ignore[call-overload]
    noise = generator.integers(0, 9, (side, side, 3), dtype=np.uint8)
    joints, mask = standing_person(side)
    sure = np.ones(NUM_JOINTS, np.float32)
    for index in range(count):
        real = np.ascontiguousarray(wide[:, index : index + side])
        generated = np.asarray(cv2.add(np.roll(real, 2, axis=1), noise), np.uint8)
        yield FramePair(index, real, generated, Reading(joints, sure, mask), Reading(joints + 1, sure))


def main() -> None:
    """Time both clip protocols."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="of the square frames, in pixels")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    pairs = list(frame_pairs(args.side, args.frames))
    for protocol in (REENACT, VIDEO):
        with ClipScorer(protocol, num_threads=args.threads) as warm:
            warm.add(pairs[0])
            warm.add(pairs[1])
            warm.finish()
        fresh = list(frame_pairs(args.side, args.frames))  # what a pair has worked out, it keeps
        began, cpu = time.perf_counter(), time.process_time()
        with ClipScorer(protocol, num_threads=args.threads) as scorer:
            for pair in fresh:
                scorer.add(pair)
            scorer.finish()
        wall, busy = time.perf_counter() - began, time.process_time() - cpu
        print(
            f"{protocol.id}: {args.frames / wall:.1f} frames/s at {args.side} px, {args.threads} threads; "
            f"{1000 * busy / args.frames:.0f} ms of processor time per frame"
        )


if __name__ == "__main__":
    main()
