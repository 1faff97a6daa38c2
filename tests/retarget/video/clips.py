"""Made-up clips for the tests: every frame shows its own number, so that a decoded one can be told."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

NUM_BITS = 12
BLOCK_PX = 8
SIZE_HW = (48, NUM_BITS * BLOCK_PX)
MEDIA = Path(__file__).resolve().parents[4] / "shared" / "media"


def numbered_picture(number: int, size_hw: tuple[int, int] = SIZE_HW) -> npt.NDArray[np.uint8]:
    """A picture whose top rows spell `number` in black and white blocks; below, moving colour."""
    height, width = size_hw
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = (np.arange(width) * 2 + number * 5) % 256
    picture[..., 1] = ((np.arange(height) * 3 + number * 2) % 256)[:, None]
    picture[..., 2] = 96
    for bit in range(NUM_BITS):
        picture[: 2 * BLOCK_PX, bit * BLOCK_PX : (bit + 1) * BLOCK_PX] = 255 if number >> bit & 1 else 0
    return picture


def number_in(rgb: npt.NDArray[np.uint8]) -> int:
    """The number that a picture of `numbered_picture` spells."""
    row = rgb[BLOCK_PX // 2, BLOCK_PX // 2 : NUM_BITS * BLOCK_PX : BLOCK_PX].mean(axis=-1)
    return sum(1 << bit for bit, level in enumerate(row) if level > 128)


def make_clip(
    path: Path,
    pts: Sequence[int],
    time_base: Fraction,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    size_hw: tuple[int, int] = SIZE_HW,
    container: str | None = None,
    encoder_options: dict[str, str] | None = None,
    muxer_options: dict[str, str] | None = None,
    pixel_aspect: Fraction | None = None,
    display_matrix: Sequence[int] | None = None,
    pictures: Sequence[npt.NDArray[np.uint8]] | None = None,
    audio: npt.NDArray[np.float32] | None = None,
    audio_codec: str = "aac",
    audio_rate: int = 48_000,
    audio_start: Fraction = Fraction(0),
) -> Path:
    """Encode numbered pictures at the given times; the last lasts as long as the one before."""
    rate = Fraction(30)
    if len(pts) > 1:
        rate = 1 / ((pts[-1] - pts[0]) * time_base / (len(pts) - 1))
    with av.open(str(path), "w", format=container, options=muxer_options or {}) as output:
        stream = output.add_stream(codec, rate=rate.limit_denominator(100_000), options=encoder_options or {})
        stream.height, stream.width = size_hw
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = stream.time_base = time_base
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if display_matrix is not None:
            stream.set_display_matrix(display_matrix)
        sound = output.add_stream(audio_codec, rate=audio_rate) if audio is not None else None
        if sound is not None:
            sound.codec_context.layout = "mono"
        for number, time in enumerate(pts):
            picture = numbered_picture(number, size_hw) if pictures is None else pictures[number]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24" if picture.shape[2] == 3 else "rgba")
            frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = time, time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if sound is not None and audio is not None:
            _encode_sound(output, sound, audio, audio_rate, audio_start)
    return path


def _encode_sound(
    output: av.container.OutputContainer,
    sound: av.audio.stream.AudioStream,
    samples: npt.NDArray[np.float32],
    rate: int,
    start: Fraction,
) -> None:
    sample_format = sound.codec_context.format.name
    resampler = av.AudioResampler(format=sample_format, layout="mono", rate=rate)
    for offset in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, offset : offset + 1024], format="fltp", layout="mono")
        frame.sample_rate = rate
        frame.pts = round(start * rate) + offset
        frame.time_base = Fraction(1, rate)
        for resampled in resampler.resample(frame):
            output.mux(sound.encode(resampled))
    output.mux(sound.encode(None))


def constant_pts(num_frames: int, step: int = 1001, start: int = 0) -> list[int]:
    """Times of a constant frame rate, in ticks."""
    return [start + step * index for index in range(num_frames)]


def uneven_pts(num_frames: int, seed: int = 3) -> list[int]:
    """Times of a variable frame rate in ticks, 10 to 130 ms apart at 1/30000."""
    steps = np.random.default_rng(seed).integers(300, 3900, num_frames)
    return [0, *np.cumsum(steps[:-1]).tolist()]


def decoded_times(path: Path) -> list[Fraction]:
    """Presentation times in seconds of all pictures of a file, as an independent reading finds them."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        return [frame.pts * frame.time_base for frame in source.decode(stream)]


def stream_ends(path: Path) -> dict[str, Fraction]:
    """Where each kind of stream ends, in seconds, by its last packet."""
    ends: dict[str, Fraction] = {}
    with av.open(str(path)) as source:
        for packet in source.demux():
            if packet.size and packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                ends[packet.stream.type] = max(ends.get(packet.stream.type, Fraction(0)), end)
    return ends
