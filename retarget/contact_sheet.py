"""Contact sheets: a few frames of one or several clips side by side, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from retarget.photo import write_photo
from retarget.records import UInt8Array
from retarget.video.reader import open_video

__all__ = ["contact_sheet", "write_contact_sheet"]


def _row(path: Path, num_frames: int, height: int) -> UInt8Array:
    """Evenly spread frames of a clip, scaled to one height, side by side."""
    with open_video(path, max_height=2 * height, keep_partial=True) as reader:
        total = sum(1 for _ in reader)
    chosen = set(np.linspace(0, total - 1, num_frames).round().astype(int).tolist())
    with open_video(path, max_height=2 * height, keep_partial=True) as reader:
        pictures = [frame.rgb for frame in reader if frame.index in chosen]
    width = max(2, round(pictures[0].shape[1] * height / pictures[0].shape[0]))
    return np.hstack([cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in pictures])


def contact_sheet(clips: Sequence[Path], *, num_frames: int = 8, height: int = 240) -> UInt8Array:
    """Lay clips under each other, frames across.

    Args:
        clips: video files.
        num_frames: frames per clip, evenly spread.
        height: of each frame, in pixels.

    Returns:
        (H, W, 3) uint8.

    Raises:
        InputError: a clip can't be read.
    """
    rows = [_row(clip, num_frames, height) for clip in clips]
    width = max(row.shape[1] for row in rows)
    sheet = np.zeros((len(rows) * (height + 4) - 4, width, 3), np.uint8)
    for index, row in enumerate(rows):
        sheet[index * (height + 4) :][:height, : row.shape[1]] = row
    return sheet


def write_contact_sheet(path: Path, clips: Sequence[Path], *, num_frames: int = 8, height: int = 240) -> None:
    """Write a contact sheet as a picture; an existing one is replaced.

    Args:
        path: PNG or JPEG.
        clips: video files.
        num_frames: frames per clip.
        height: of each frame, in pixels.
    """
    write_photo(path, contact_sheet(clips, num_frames=num_frames, height=height), overwrite=True)
