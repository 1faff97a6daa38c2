"""What each output codec is made of: encoder, pixel format, container, defaults."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from retarget.config import Codec, EncodeConfig
from retarget.errors import OutputError, UsageError

__all__ = ["CODEC_SPECS", "SYNTHETIC_MEDIA_NOTE", "CodecSpec", "codec_spec", "container_of", "encoder_options"]

SYNTHETIC_MEDIA_NOTE: Final = "Synthetic media: made with retarget from one photo and a driving video; not a recording."
"""The tag that every output carries, so that software can tell what it is."""


@dataclass(frozen=True)
class CodecSpec:
    """How one codec is written.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        pixel_format: what pictures are converted to.
        alpha_pixel_format: the same with transparency; None where the codec has none.
        containers: file extension to FFmpeg's container format; the first is the default.
        default_crf: quality when none is asked for; None where the codec has no such scale.
        max_crf: largest (worst) value of that scale.
        presets: names that `--preset` may take, fastest first; empty where the codec has none.
        default_preset: preset when none is asked for.
        fixed_options: further encoder options.
        needs_even_size: colour is stored at half resolution and both sides must be even.
    """

    encoder: str
    pixel_format: str
    alpha_pixel_format: str | None
    containers: dict[str, str]
    default_crf: int | None = None
    max_crf: int = 51
    presets: tuple[str, ...] = ()
    default_preset: str | None = None
    fixed_options: tuple[tuple[str, str], ...] = ()
    needs_even_size: bool = False


_X26X_PRESETS: Final = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip

CODEC_SPECS: Final[dict[Codec, CodecSpec]] = {
    # Small faces suffer first: on seven clips veryfast takes .019 off a descriptor's likeness at 18, .013 at 14 and
    # .007 at 12, for 0.06, 0.10 and 0.13 bits a pixel and the same time. Medium at 14 is 0.2 dB better than veryfast
    # at 12 and over twice as slow. B-frames would save a sixth of the bytes for half as much CPU again, and pictures
    # decoded in another order than shown make containers vague about how long a track of variable rate lasts.
    "h264": CodecSpec(
        encoder="libx264",
        pixel_format="yuv420p",
        alpha_pixel_format=None,
        containers={".mp4": "mp4", ".mov": "mov", ".m4v": "mp4", ".mkv": "matroska"},
        default_crf=12,
        presets=_X26X_PRESETS,
        default_preset="veryfast",
        fixed_options=(("bf", "0"),),
        needs_even_size=True,
    ),
    "hevc": CodecSpec(
        encoder="libx265",
        pixel_format="yuv420p",
        alpha_pixel_format=None,
        containers={".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"},
        default_crf=14,
        presets=_X26X_PRESETS,
        default_preset="superfast",
        fixed_options=(("x265-params", "log-level=none:bframes=0"),),
        needs_even_size=True,
    ),
    "prores4444": CodecSpec(
        encoder="prores_ks",
        pixel_format="yuv444p10le",
        alpha_pixel_format="yuva444p10le",
        containers={".mov": "mov", ".mkv": "matroska"},
        fixed_options=(("profile", "4444"), ("alpha_bits", "16"), ("vendor", "apl0")),
    ),
    "vp9": CodecSpec(
        encoder="libvpx-vp9",
        pixel_format="yuv420p",
        alpha_pixel_format="yuva420p",
        containers={".webm": "webm", ".mkv": "matroska"},
        default_crf=24,
        max_crf=63,
        presets=("realtime", "good", "best"),
        default_preset="realtime",
        fixed_options=(("b", "0"), ("cpu-used", "6"), ("row-mt", "1")),
    ),
    "png": CodecSpec(encoder="png", pixel_format="rgb24", alpha_pixel_format="rgba", containers={"": "png"}),
}


def codec_spec(config: EncodeConfig, *, alpha: bool = False) -> CodecSpec:
    """Look up a codec and check that the settings suit it.

    Args:
        config: codec, quality and preset.
        alpha: whether the pictures carry transparency.

    Returns:
        The codec's description.

    Raises:
        UsageError: unknown codec, a quality or preset that it does not have, or no room for transparency.
    """
    spec = CODEC_SPECS.get(config.codec)
    if spec is None:
        raise UsageError(f"unknown codec {config.codec!r}", hint=f"one of {', '.join(CODEC_SPECS)}")
    if alpha and spec.alpha_pixel_format is None:
        raise UsageError(f"{config.codec} can't hold transparency", hint="use prores4444, vp9 or png")
    if config.crf is not None and (spec.default_crf is None or not 0 <= config.crf <= spec.max_crf):
        scale = "has no quality scale" if spec.default_crf is None else f"takes a quality from 0 to {spec.max_crf}"
        raise UsageError(f"{config.codec} {scale}, not --crf {config.crf}")
    if config.preset is not None and config.preset not in spec.presets:
        known = f"one of {', '.join(spec.presets)}" if spec.presets else "leave --preset away"
        raise UsageError(f"{config.codec} has no preset {config.preset!r}", hint=known)
    return spec


def container_of(path: Path, config: EncodeConfig) -> str:
    """Return FFmpeg's container format for an output name.

    Args:
        path: the output; a folder for "png".
        config: names the codec.

    Returns:
        E.g. "mp4"; "png" for a folder of pictures.

    Raises:
        OutputError: the extension is unknown, or its container doesn't go with the codec.
    """
    containers = CODEC_SPECS[config.codec].containers
    extension = path.suffix.lower()
    if config.codec == "png":
        if any(extension in spec.containers for spec in CODEC_SPECS.values() if extension):
            raise OutputError(
                f"{path}: png writes a folder of pictures", hint="give a folder name, without an extension"
            )
        return "png"
    if extension not in containers:
        is_known = any(extension in spec.containers for spec in CODEC_SPECS.values() if extension)
        problem = (
            f"{extension} files don't hold {config.codec}"
            if is_known
            else f"unknown extension {extension or '(none)'!r}"
        )
        raise OutputError(f"{path}: {problem}", hint=f"name it {' or '.join(containers)}")
    return containers[extension]


def encoder_options(config: EncodeConfig) -> dict[str, str]:
    """Return the encoder's options for the asked or default quality and speed."""
    spec = CODEC_SPECS[config.codec]
    options = dict(spec.fixed_options)
    crf = spec.default_crf if config.crf is None else config.crf
    preset = config.preset or spec.default_preset
    if crf is not None:
        options["crf"] = str(crf)
    if preset is not None:
        options["deadline" if config.codec == "vp9" else "preset"] = preset
    if config.codec == "h264" and _has_avx512():
        # x264's look-ahead for AVX-512 reads memory that was never written where a side is no multiple of 16: the same
        # pictures give other bytes in one file of twenty.
        options["x264-params"] = "asm=AVX2"
    return options


@lru_cache(maxsize=1)
def _has_avx512() -> bool:
    """Tell whether x264 would use AVX-512; known on Linux only."""
    try:
        return "avx512bw" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
