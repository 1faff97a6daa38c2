"""The driver's sound: in sync to the sample, as long as the picture, whatever codec it came in."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from retarget.config import EncodeConfig
from retarget.video.writer import VideoWriter
from tests.retarget.video.clips import SIZE_HW, constant_pts, decoded_times, make_clip, numbered_picture, stream_ends

TICK = Fraction(1, 30_000)
RATE = 48_000
CLICKS_SECONDS = (0.25, 1.0, 1.6, 2.3)


def clicks(seconds: float, rate: int = RATE) -> npt.NDArray[np.float32]:
    """Silence with short bursts of noise at known times."""
    samples = np.zeros(int(seconds * rate), np.float32)
    burst = np.random.default_rng(0).uniform(-0.9, 0.9, rate // 100).astype(np.float32)
    for time in CLICKS_SECONDS:
        start = int(time * rate)
        samples[start : start + len(burst)] = burst[: max(0, len(samples) - start)]
    return samples


def heard(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    """The sound as a player puts it on the clock: sample i is heard at i / rate."""
    with av.open(str(path)) as source:
        stream = source.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=stream.rate)
        timeline = np.zeros(stream.rate * 8, np.float32)
        length = 0
        for frame in source.decode(stream):
            for mono in resampler.resample(frame):
                samples = mono.to_ndarray()[0]
                start = round(mono.pts * mono.time_base * stream.rate)
                samples = samples[max(0, -start) :]
                start = max(0, start)
                timeline[start : start + len(samples)] = samples
                length = max(length, start + len(samples))
        return timeline[:length], stream.rate


def click_times(path: Path) -> list[float]:
    samples, rate = heard(path)
    loud = np.flatnonzero(np.abs(samples) > 0.25)
    first = loud[np.insert(np.diff(loud) > rate // 20, 0, True)] if len(loud) else loud
    return [float(index / rate) for index in first]


def render(
    driver: Path,
    output: Path,
    codec: str = "h264",
    *,
    start: float | None = None,
    num_frames: int = 90,
    step: int = 1001,
) -> VideoWriter:
    """What a job does: pictures of the driver's times, sound from the driver's file."""
    first = 0 if start is None else int(np.ceil(start * 30_000 / step))
    config = EncodeConfig(codec=codec)  # type: ignore[arg-type]
    rate = Fraction(30_000, step)
    with VideoWriter(
        output, SIZE_HW, TICK, rate, config, audio_source=driver, audio_range=(start, None), overwrite=True
    ) as writer:
        for number in range(first, first + num_frames):
            writer.write(numbered_picture(number), number * step)
    return writer


DRIVERS = [
    ("driver.mp4", "libx264", "aac"),
    ("driver.mp4", "libx264", "mp3"),
    ("driver.mp4", "libx264", "ac3"),
    ("driver.mkv", "libx264", "libopus"),
    ("driver.mkv", "libx264", "flac"),
    ("driver.mov", "libx264", "pcm_s16le"),
    ("driver.avi", "mpeg4", "pcm_s16le"),
    ("driver.ts", "libx264", "aac"),
]


def make_driver(folder: Path, name: str, codec: str, audio_codec: str, seconds: float = 4.0) -> Path:
    time_base = Fraction(1001, 30_000) if name.endswith(".avi") else TICK
    pts = list(range(90)) if name.endswith(".avi") else constant_pts(90)
    return make_clip(folder / name, pts, time_base, codec=codec, audio=clicks(seconds), audio_codec=audio_codec)


@pytest.mark.parametrize(("name", "codec", "audio_codec"), DRIVERS)
@pytest.mark.parametrize(
    ("output", "output_codec"), [("out.mp4", "h264"), ("out.webm", "vp9"), ("out.mov", "prores4444")]
)
def test_clicks_stay_where_they_were(
    tmp_path: Path, name: str, codec: str, audio_codec: str, output: str, output_codec: str
) -> None:
    driver = make_driver(tmp_path, name, codec, audio_codec)
    before = click_times(driver)
    assert before == pytest.approx(CLICKS_SECONDS, abs=0.08)
    writer = render(driver, tmp_path / output, output_codec)
    assert writer.warnings == ()
    assert click_times(tmp_path / output) == pytest.approx(before, abs=0.004)


@pytest.mark.parametrize(("name", "codec", "audio_codec"), DRIVERS)
@pytest.mark.parametrize(("output", "output_codec"), [("out.mp4", "h264"), ("out.webm", "vp9")])
def test_a_range_with_a_start_stays_in_sync(
    tmp_path: Path, name: str, codec: str, audio_codec: str, output: str, output_codec: str
) -> None:
    driver = make_driver(tmp_path, name, codec, audio_codec)
    origin = float(decoded_times(driver)[0])
    start = 0.8
    first_time = np.ceil(start * 30_000 / 1001) * 1001 / 30_000
    expected = [time - first_time - origin for time in click_times(driver) if time - origin > first_time]
    config = EncodeConfig(codec=output_codec)  # type: ignore[arg-type]
    with VideoWriter(
        tmp_path / output, SIZE_HW, TICK, None, config, audio_source=driver, audio_range=(start, None)
    ) as writer:
        first_number = int(np.ceil(start * 30_000 / 1001))
        for number in range(first_number, 90):
            writer.write(numbered_picture(number), number * 1001 + round(origin * 30_000))
    assert click_times(tmp_path / output) == pytest.approx(expected, abs=0.004)
    assert stream_ends(tmp_path / output)["audio"] > Fraction(1)


@pytest.mark.parametrize("step", [500, 1001, 1251])
@pytest.mark.parametrize(("name", "codec", "audio_codec"), [DRIVERS[0], DRIVERS[1], DRIVERS[3], DRIVERS[4]])
@pytest.mark.parametrize(("output", "output_codec"), [("out.mp4", "h264"), ("out.webm", "vp9")])
def test_longer_sound_ends_with_the_picture(
    tmp_path: Path, name: str, codec: str, audio_codec: str, output: str, output_codec: str, step: int
) -> None:
    driver = make_driver(tmp_path, name, codec, audio_codec)
    render(driver, tmp_path / output, output_codec, num_frames=41, step=step)
    ends = stream_ends(tmp_path / output)
    assert ends["video"] == pytest.approx(41 * step * TICK, abs=0.001)
    assert abs(ends["audio"] - ends["video"]) <= step * TICK


def test_shorter_sound_stays_shorter(tmp_path: Path) -> None:
    driver = make_driver(tmp_path, "driver.mp4", "libx264", "aac", seconds=1.5)
    render(driver, tmp_path / "out.mp4")
    ends = stream_ends(tmp_path / "out.mp4")
    assert ends["video"] == 90 * 1001 * TICK
    assert float(ends["audio"]) == pytest.approx(1.5, abs=0.03)


def test_late_sound_stays_late(tmp_path: Path) -> None:
    for name, audio_codec in (("driver.mkv", "flac"), ("driver.mp4", "aac")):
        driver = make_clip(
            tmp_path / name,
            constant_pts(90),
            TICK,
            audio=clicks(2),
            audio_codec=audio_codec,
            audio_start=Fraction(1, 2),
        )
        render(driver, tmp_path / "out.mp4")
        expected = [time + 0.5 for time in CLICKS_SECONDS[:3]]
        assert click_times(tmp_path / "out.mp4") == pytest.approx(expected, abs=0.003)


def test_sound_is_copied_where_the_container_takes_it(tmp_path: Path) -> None:
    driver = make_driver(tmp_path, "driver.mp4", "libx264", "aac")
    render(driver, tmp_path / "out.mp4")

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as source:
            return [bytes(packet) for packet in source.demux(audio=0) if packet.size]

    copied = packets(tmp_path / "out.mp4")
    assert copied == packets(driver)[: len(copied)]


def test_no_sound_no_stream(tmp_path: Path) -> None:
    silent = make_clip(tmp_path / "silent.mp4", constant_pts(90), TICK)
    render(silent, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as source:
        assert not source.streams.audio


def test_sound_can_be_dropped(tmp_path: Path) -> None:
    driver = make_driver(tmp_path, "driver.mp4", "libx264", "aac")
    config = EncodeConfig(audio="drop")
    with VideoWriter(tmp_path / "out.mp4", SIZE_HW, TICK, None, config, audio_source=driver) as writer:
        writer.write(numbered_picture(0), 0)
    assert set(stream_ends(tmp_path / "out.mp4")) == {"video"}


def test_damaged_sound_does_not_stop_the_job(tmp_path: Path) -> None:
    noisy = clicks(4) + np.random.default_rng(1).normal(0, 0.02, 4 * RATE).astype(np.float32)
    driver = make_clip(tmp_path / "driver.mkv", constant_pts(90), TICK, audio=noisy, audio_codec="flac")
    with av.open(str(driver)) as source:
        spans = [(packet.pos, packet.size) for packet in source.demux(audio=0) if packet.size]
    data = bytearray(driver.read_bytes())
    for offset, size in spans[4:8]:
        data[offset + 64 : offset + size - 64] = b"\x5a" * (size - 128)
    driver.write_bytes(data)
    render(driver, tmp_path / "out.mp4")
    assert click_times(tmp_path / "out.mp4")[-1] == pytest.approx(CLICKS_SECONDS[-1], abs=0.004)
    assert stream_ends(tmp_path / "out.mp4")["audio"] == pytest.approx(90 * 1001 * TICK, abs=0.02)


def test_sound_that_cannot_be_found_again_ends_early(tmp_path: Path) -> None:
    """The container itself is damaged behind the first packets of sound; the picture is whole in `VideoWriter`."""
    driver = make_driver(tmp_path, "driver.mkv", "libx264", "flac")
    data = driver.read_bytes()
    driver.write_bytes(data[: len(data) // 3])
    render(driver, tmp_path / "out.mp4")
    ends = stream_ends(tmp_path / "out.mp4")
    assert ends["video"] == 90 * 1001 * TICK
    assert ends.get("audio", Fraction(0)) < 3
