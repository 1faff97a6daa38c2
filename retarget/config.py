"""The one home of the app's defaults: frozen dataclasses, from which the command line derives its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DecodeLimits", "EncodeConfig", "PoseConfig", "SmoothingConfig"]

Codec = Literal["h264", "hevc", "prores4444", "vp9", "png"]


@dataclass(frozen=True)
class DecodeLimits:
    """What an untrusted media file may ask for before it is refused.

    Attributes:
        max_pixels: pixels of one picture (width x height).
        max_side_px: longest side of one picture.
        max_duration_seconds: length of a clip.
        max_streams: streams in a container.
    """

    max_pixels: int = 100_000_000
    max_side_px: int = 16_384
    max_duration_seconds: float = 6 * 3600.0
    max_streams: int = 64


@dataclass(frozen=True)
class EncodeConfig:
    """How the result is written.

    Attributes:
        codec: video codec, or "png" for numbered pictures in a folder.
        crf: constant rate factor of the codec; None takes the codec's default.
        preset: speed preset of the encoder; None takes the default.
        audio: carry the driver's sound over, or not.
        metadata: container tags; a synthetic-media tag is always added.
    """

    codec: Codec = "h264"
    crf: int | None = None
    preset: str | None = None
    audio: Literal["keep", "drop"] = "keep"
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PoseConfig:
    """How skeletons are read from pictures.

    Attributes:
        hands: read the 21 points of each hand.
        face: read the face mesh.
        person: which person: "largest", "index:N" (left to right) or "point:X,Y" (box nearest to it, in pixels).
        photo_reads: number of jittered readings of a photo whose median is taken.
    """

    hands: bool = False
    face: bool = False
    person: str = "largest"
    photo_reads: int = 8


@dataclass(frozen=True)
class SmoothingConfig:
    """How a whole driver track is smoothed (zero-phase; nothing lags).

    Attributes:
        sigma_seconds: width of the temporal filter; 0 switches smoothing off.
        max_gap_seconds: gaps up to this length are interpolated, longer ones held and reported.
        anchor_to_flow: steady slow joints with the driver's own optical flow.
    """

    sigma_seconds: float = 0.067
    max_gap_seconds: float = 0.5
    anchor_to_flow: bool = True
