"""`inspect.html`: one self-contained page with a frame slider, stages, joint plots, warnings and timings."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.skeleton import JOINT_NAMES
from retarget import __version__
from retarget.inspect.clip import InspectedClip, InspectedFrame, warnings_of_frame
from retarget.pipeline.conveyor import consume_behind
from retarget.records import UInt8Array
from retarget.video.output_path import write_text_output

if TYPE_CHECKING:  # it imports what draws
    from retarget.inspect.stages import Stage

__all__ = ["MAX_PAGE_BYTES", "PageLimits", "encode_picture", "write_inspect_page"]

MAX_PAGE_BYTES: Final = 15_000_000
_PICTURE_SHARE: Final = 0.8
_MAX_PICTURES_PER_FRAME: Final = 15
_MAX_PICTURE_BYTES: Final = 400_000
_QUALITIES: Final = (85, 75, 60, 45, 30)
_MAX_PLOTTED_FRAMES: Final = 3000
_MIN_HEIGHT: Final = 48


class PageLimits:
    """How large pictures may be, so that the page stays under its limit.

    Args:
        num_frames: frames with pictures.
        height: wanted height of the pictures, pixels.
    """

    def __init__(self, num_frames: int, height: int) -> None:
        self.height = height
        share = _PICTURE_SHARE * MAX_PAGE_BYTES * 3 / 4  # base64 makes four bytes of three
        self.picture_bytes = min(int(share / ((num_frames + 1) * _MAX_PICTURES_PER_FRAME)), _MAX_PICTURE_BYTES)


def encode_picture(rgb: UInt8Array, limits: PageLimits) -> str:
    """Return a picture as a JPEG in base64, made coarser until it fits.

    Args:
        rgb: (H, W, 3) uint8.
        limits: height and size.
    """
    height = min(limits.height, rgb.shape[0])
    while True:
        width = max(1, round(rgb.shape[1] * height / rgb.shape[0]))
        small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        for quality in _QUALITIES:
            _, content = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
            if len(content) <= limits.picture_bytes or (height <= _MIN_HEIGHT and quality == _QUALITIES[-1]):
                return base64.b64encode(content.tobytes()).decode("ascii")
        height = max(_MIN_HEIGHT, round(0.7 * height))


def write_inspect_page(path: Path, clip: InspectedClip, frames: Iterable[InspectedFrame], *, height: int = 360) -> None:
    """Write the page, whole or not at all; pictures are held as compressed text only.

    Args:
        path: the file; replaced.
        clip: what is inspected.
        frames: the chosen frames; they are drawn and packed while the next ones are rendered.
        height: of the pictures, pixels; smaller where the page would outgrow its limit.

    Raises:
        OutputError: it can't be written.
    """
    import jinja2

    limits = PageLimits(len(clip.chosen), height)
    shown: list[dict[str, Any]] = []
    consume_behind(frames, lambda frame: shown.append(_frame_values(frame, clip.warnings, limits)))
    source = [_stage_values(stage, limits) for stage in clip.source_stages()]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("retarget.inspect"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    pieces = environment.get_template("inspect.html.jinja").generate(
        source_name=clip.job.source.name,
        driver_name=clip.job.driver.name,
        source_stages=source,
        frames=shown,
        warnings=clip.warnings,
        timings=_timings(clip.seconds),
        tracks=_script_json(_track_values(clip)),
        facts=_facts(clip),
        version=__version__,
    )
    write_text_output(path, pieces)


def _stage_values(stage: Stage, limits: PageLimits) -> dict[str, str]:
    picture = encode_picture(stage.picture, limits)
    return {"name": stage.name, "title": stage.title, "note": stage.note, "picture": picture}


def _frame_values(frame: InspectedFrame, warnings: Sequence[tuple[str, str]], limits: PageLimits) -> dict[str, Any]:
    return {
        "index": frame.index,
        "seconds": frame.seconds,
        "warnings": warnings_of_frame(warnings, frame.index),
        "stages": [_stage_values(stage, limits) for stage in frame.stages(limits.height)],
    }


def _script_json(values: object) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")


def _tenths(values: npt.NDArray[np.floating[Any]]) -> list[int]:
    return [int(value) for value in np.round(np.nan_to_num(values) * 10)]


def _track_values(clip: InspectedClip) -> dict[str, Any]:
    """The joints' courses, raw and smoothed, in tenths of a pixel; long clips are thinned out."""
    raw, smoothed = clip.result.raw, clip.result.track
    step = -(-len(smoothed) // _MAX_PLOTTED_FRAMES)
    chosen = slice(None, None, step)
    joints = [
        {
            "raw": [_tenths(raw.keypoints[chosen, joint, axis]) for axis in range(2)],
            "smooth": [_tenths(smoothed.keypoints[chosen, joint, axis]) for axis in range(2)],
            "out": [_tenths(clip.plan.track.keypoints[chosen, joint, axis]) for axis in range(2)],
            "confidence": _tenths(10 * raw.confidence[chosen, joint]),
        }
        for joint in range(len(JOINT_NAMES))
    ]
    return {
        "names": list(JOINT_NAMES),
        "times": [round(float(time), 4) for time in clip.times_seconds[chosen]],
        "frames": list(range(len(smoothed)))[chosen],
        "seen": [int(seen) for seen in raw.is_detected[chosen]],
        "cuts": list(clip.result.cuts),
        "joints": joints,
    }


def _timings(seconds: dict[str, float]) -> list[tuple[str, float, float]]:
    longest = max(seconds.values(), default=0.0) or 1.0
    return [(name, value, 100 * value / longest) for name, value in seconds.items()]


def _facts(clip: InspectedClip) -> list[tuple[str, str]]:
    height, width = clip.source.size_hw
    driver_height, driver_width = clip.result.track.size_hw
    seen = int(clip.result.track.is_detected.sum())
    return [
        ("photo", f"{width}x{height}"),
        ("driver", f"{driver_width}x{driver_height}, {len(clip.plan)} frames, {clip.times_seconds[-1]:.2f} s"),
        ("person seen", f"{seen} of {len(clip.plan)} frames"),
        ("reference frame", str(clip.plan.track.reference_index)),
        ("model", clip.job.render.model),
    ]
