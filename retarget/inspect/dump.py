"""One frame's stages as files: a PNG each, the arrays in one npz, an index in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from retarget.errors import OutputError
from retarget.inspect.clip import InspectedFrame
from retarget.video.output_path import output_errors

if TYPE_CHECKING:  # it imports what draws
    from retarget.inspect.stages import Stage

__all__ = ["dump_frames", "write_stages"]


def write_stages(folder: Path, stages: Iterable[Stage]) -> None:
    """Write stages into a folder: "NN_name.png", "arrays.npz" ("name.array"), "stages.json".

    Args:
        folder: made where it is missing; files of the same names are replaced.
        stages: in order.

    Raises:
        OutputError: they can't be written.
    """
    arrays, index = {}, []
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for number, stage in enumerate(stages):
            file = folder / f"{number:02d}_{stage.name}.png"
            if not cv2.imwrite(str(file), stage.picture[..., ::-1]):
                raise OutputError(f"{file}: can't be written", hint="choose another folder, or free some space")
            arrays.update({f"{stage.name}.{name}": array for name, array in stage.arrays.items()})
            index.append({"file": file.name, "name": stage.name, "title": stage.title, "note": stage.note})
        np.savez_compressed(folder / "arrays.npz", **arrays)
        (folder / "stages.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def dump_frames(folder: Path, frames: Iterable[InspectedFrame]) -> Iterator[InspectedFrame]:
    """Write the stages of frames into "frame_NNNNNN" folders as they pass by.

    Args:
        folder: what holds those folders.
        frames: as `InspectedClip.frames` yields them.

    Yields:
        The same frames.

    Raises:
        OutputError: they can't be written.
    """
    for frame in frames:
        write_stages(folder / f"frame_{frame.index:06d}", frame.stages())
        yield frame
