"""The one home of the app's defaults: frozen dataclasses, from which the command line derives its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = [
    "BACKGROUND_NAMES",
    "MODEL_NAMES",
    "DecodeLimits",
    "EncodeConfig",
    "PoseConfig",
    "RenderConfig",
    "SmoothingConfig",
    "TransferConfig",
]

BACKGROUND_NAMES: Final = frozenset({"source", "driver", "transparent"})
MODEL_NAMES: Final = frozenset({"prior", "default", "fast"})
"""What `RenderConfig` takes for a background or a model that is no file."""

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


@dataclass(frozen=True)
class TransferConfig:
    """How the driver's motion is carried over to the source's body.

    Attributes:
        align: "body" lays the driver frame whose pose is nearest to the photo's onto the photo's person, "none" keeps
            the driver's place and size in its picture.
        bias_angle_degrees: differences of direction between photo and reference frame well below this are taken for
            the estimator's bias and removed; larger ones are real differences of pose.
        bias_tilt_degrees: the same for the bone's direction in space; where photo and reference frame agree in it,
            the two lengths give the ratio of the bodies directly.
        bias_length_limit: such a ratio changes a length at most by this factor.
        bone_ratio_limit: a single bone's size ratio stays within this factor of the whole body's.
        stretch_limit: a part is drawn out at most by this factor of what the photo shows of it; past it the limb
            stays shorter than the driver asks.
        scale_seconds: smoothing of the person's size (distance to the camera).
        surface: the driver's cloth and limbs move the person beyond what the skeletons say (see
            `drn_core.prior.surface`).
    """

    align: Literal["body", "none"] = "body"
    bias_angle_degrees: float = 20.0
    bias_tilt_degrees: float = 30.0
    bias_length_limit: float = 2.0
    bone_ratio_limit: float = 1.3
    stretch_limit: float = 1.8
    scale_seconds: float = 0.4
    surface: bool = True


@dataclass(frozen=True)
class RenderConfig:
    """How the output is drawn.

    Attributes:
        model: "prior" (geometry alone), "default" (the shipped network), "fast" (the same on smaller crops) or a
            checkpoint file.
        device: "auto", "cpu" or "cuda[:N]".
        max_side_px: longer photos are scaled down to this before anything else; None keeps the default limit.
        background: "source", "driver", "transparent", "#rrggbb", or the path of an image or video.
        watermark: text drawn into a corner; empty for none.
    """

    model: str = "default"
    device: str = "auto"
    max_side_px: int | None = None
    background: str = "source"
    watermark: str = ""
