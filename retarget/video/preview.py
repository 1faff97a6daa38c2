"""Small previews of finished videos: animated GIFs for pages and messages."""

from __future__ import annotations

import os
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from retarget.config import DecodeLimits
from retarget.errors import InputError, OutputError
from retarget.video.container import CONTAINER_FORMATS, check_input_file
from retarget.video.output_path import PendingOutput, check_writable, output_errors
from retarget.video.reader import probe

__all__ = ["gif_preview"]


def gif_preview(
    video: str | Path,
    path: str | Path,
    *,
    height: int = 240,
    frames_per_second: float = 12.0,
    max_seconds: float = 10.0,
    overwrite: bool = False,
    limits: DecodeLimits | None = None,
) -> None:
    """Write the beginning of a video as an animated GIF with a palette of its own.

    Args:
        video: a local video file.
        path: the GIF.
        height: of the GIF in pixels, if the video is not lower; the width follows.
        frames_per_second: of the GIF.
        max_seconds: how much of the video is shown.
        overwrite: replace an existing file.
        limits: what the video may ask for; None takes the defaults.

    Raises:
        InputError: the video can't be read.
        OutputError: the GIF can't be written.
    """
    file = Path(path)
    if file.suffix.lower() != ".gif":
        raise OutputError(f"{path}: unknown extension {file.suffix!r}", hint="name it .gif")
    check_writable(file, overwrite=overwrite)
    info = probe(video, limits=limits)
    source = ffmpeg.input(
        os.fspath(check_input_file(video)),
        t=max_seconds,
        protocol_whitelist="file",
        format_whitelist=",".join(CONTAINER_FORMATS),
    )
    halves = (
        source.video.filter("fps", fps=frames_per_second)
        .filter("scale", w=-2, h=min(height, info.size_hw[0]), flags="lanczos")
        .split()
    )
    palette = halves[0].filter("palettegen", stats_mode="diff")
    preview = ffmpeg.filter([halves[1], palette], "paletteuse", dither="sierra2_4a")
    with PendingOutput(file, overwrite=overwrite) as pending, output_errors(file):
        command = preview.output(str(pending.temporary), format="gif", loop=0).global_args("-nostdin")
        try:
            command.run(
                cmd=imageio_ffmpeg.get_ffmpeg_exe(), overwrite_output=True, capture_stdout=True, capture_stderr=True
            )
        except ffmpeg.Error as error:
            last_line = error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise InputError(f"{os.fspath(video)}: no preview could be made ({' '.join(last_line)})") from error
        pending.commit()
