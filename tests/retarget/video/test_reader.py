"""Sequential reading: exact times, exact ranges, upright square pixels, bounded memory."""

from __future__ import annotations

import subprocess
import sys
import threading
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from retarget.config import DecodeLimits
from retarget.errors import InputError, UsageError
from retarget.video.decoding import TimestampRepair
from retarget.video.reader import FrameReader, open_video, probe
from tests.retarget.video.clips import constant_pts, make_clip, number_in, numbered_picture, uneven_pts

TICK = Fraction(1, 30_000)
QUARTER = 1 << 16


@pytest.mark.parametrize(
    ("rate", "pts", "time_base"),
    [
        ("23.976", constant_pts(60), Fraction(1, 24_000)),
        ("29.97", constant_pts(60), TICK),
        ("59.94", constant_pts(60), Fraction(1, 60_000)),
        ("variable", uneven_pts(60), TICK),
        ("from 2002", constant_pts(60, start=2002), TICK),
    ],
)
def test_times_and_numbers_are_exact(tmp_path: Path, rate: str, pts: list[int], time_base: Fraction) -> None:
    path = make_clip(tmp_path / "clip.mp4", pts, time_base, muxer_options={"movie_timescale": "30000"})
    with open_video(path) as reader:
        frames = list(reader)
    assert [number_in(frame.rgb) for frame in frames] == list(range(60))
    assert [frame.pts * frame.time_base for frame in frames] == [time * time_base for time in pts]
    assert [frame.index for frame in frames] == list(range(60))
    assert not any(frame.is_concealed for frame in frames)
    assert reader.warnings == ()


def test_durations_lead_from_frame_to_frame(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", uneven_pts(30), TICK)
    frames = list(open_video(path))
    for frame, following in pairwise(frames):
        assert frame.duration == following.pts - frame.pts
    assert frames[-1].duration is not None
    assert frames[-1].duration > 0


def test_every_iteration_starts_anew(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", constant_pts(10), TICK)
    with open_video(path) as reader:
        next(iter(reader))
        assert [frame.index for frame in reader] == [frame.index for frame in reader] == list(range(10))


def test_closing_ends_iterations(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", constant_pts(10), TICK)
    with open_video(path) as reader:
        frames = iter(reader)
        next(frames)
    assert next(frames, None) is None
    with pytest.raises(ValueError, match="the reader is closed"):
        iter(reader)


def drain(reader: FrameReader, has_begun: threading.Event) -> None:
    for _ in reader:
        has_begun.set()


def test_closing_while_another_thread_reads(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", constant_pts(400), TICK)
    for _ in range(5):
        has_begun = threading.Event()
        with open_video(path) as reader:
            thread = threading.Thread(target=drain, args=(reader, has_begun))
            thread.start()
            assert has_begun.wait(10)
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mp4", "libx264", {"g": "24", "bf": "3", "x264-params": "open-gop=1"}),
        ("clip.mkv", "libx264", {"g": "24"}),
        ("clip.ts", "libx264", {"g": "24"}),
        ("clip.avi", "mpeg4", {"g": "12", "bf": "2"}),
        ("clip.webm", "libvpx-vp9", {"g": "30", "deadline": "realtime", "cpu-used": "8"}),
        ("clip.gif", "gif", {}),
    ],
)
def test_ranges_are_exact_and_half_open(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    pixel_format = "rgb8" if codec == "gif" else "yuv420p"
    path = make_clip(
        tmp_path / name,
        list(range(240)),
        Fraction(1, 25),
        codec=codec,
        encoder_options=options,
        pixel_format=pixel_format,
    )
    for start in (0, 1, 23, 24, 60, 125, 199, 239):
        reader = open_video(path, start_seconds=start / 25, end_seconds=(start + 3) / 25)
        numbers = [number_in(frame.rgb) for frame in reader]
        assert numbers == list(range(start, min(start + 3, 240))), start
        assert reader.warnings == ()


def test_a_printed_time_finds_its_frame(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", constant_pts(60), TICK)
    for number in (1, 2, 29, 58):
        printed = float(f"{number * 1001 / 30_000:.6f}")
        assert number_in(next(iter(open_video(path, start_seconds=printed))).rgb) == number


def test_times_count_from_the_first_picture(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.ts", constant_pts(60, 3600, start=90_000 * 50), Fraction(1, 90_000))
    frames = list(open_video(path, start_seconds=1.0, end_seconds=1.2))
    assert [number_in(frame.rgb) for frame in frames] == [25, 26, 27, 28, 29]
    assert frames[0].time_seconds > 50


@pytest.mark.parametrize(("start", "end"), [(-1.0, None), (2.0, 2.0), (3.0, 1.0), (None, 0.0)])
def test_empty_ranges_are_refused(tmp_path: Path, start: float | None, end: float | None) -> None:
    path = make_clip(tmp_path / "clip.mp4", constant_pts(5), TICK)
    with pytest.raises(UsageError, match="is empty"):
        open_video(path, start_seconds=start, end_seconds=end)


def test_a_start_behind_the_end_is_told(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", constant_pts(5), TICK)
    with pytest.raises(UsageError, match="has no picture from 9 s on"):
        list(open_video(path, start_seconds=9))


QUADRANTS = np.zeros((32, 64, 3), np.uint8)
QUADRANTS[:16, :32], QUADRANTS[:16, 32:] = (230, 30, 30), (30, 230, 30)
QUADRANTS[16:, :32], QUADRANTS[16:, 32:] = (30, 30, 230), (230, 230, 230)
DISPLAYS = {
    "as it is": ((1, 0, 0, 1), QUADRANTS),
    "90 clockwise": ((0, 1, -1, 0), np.rot90(QUADRANTS, -1)),
    "180": ((-1, 0, 0, -1), np.rot90(QUADRANTS, 2)),
    "270 clockwise": ((0, -1, 1, 0), np.rot90(QUADRANTS, 1)),
    "mirrored": ((-1, 0, 0, 1), QUADRANTS[:, ::-1]),
    "upside down": ((1, 0, 0, -1), QUADRANTS[::-1]),
    "transposed": ((0, 1, 1, 0), QUADRANTS.transpose(1, 0, 2)),
    "anti-transposed": ((0, -1, -1, 0), np.rot90(QUADRANTS, 2).transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", DISPLAYS)
def test_all_eight_display_matrices(tmp_path: Path, name: str) -> None:
    (a, b, c, d), expected = DISPLAYS[name]
    matrix = [a * QUARTER, b * QUARTER, 0, c * QUARTER, d * QUARTER, 0, 0, 0, 1 << 30]
    path = make_clip(
        tmp_path / "clip.mp4", [0], TICK, size_hw=(32, 64), pictures=[QUADRANTS], display_matrix=matrix,
        encoder_options={"crf": "4"},
    )  # fmt: skip
    with open_video(path) as reader:
        rgb = next(iter(reader)).rgb
    assert reader.info.size_hw == rgb.shape[:2] == expected.shape[:2]
    corners = np.ix_([6, -7], [6, -7])
    assert np.abs(rgb[corners].astype(int) - expected[corners]).max() < 12


@pytest.mark.parametrize(
    ("aspect", "expected"), [(Fraction(2), (48, 192)), (Fraction(1, 2), (96, 96)), (Fraction(40, 33), (48, 116))]
)
def test_pixels_become_square(tmp_path: Path, aspect: Fraction, expected: tuple[int, int]) -> None:
    path = make_clip(tmp_path / "clip.mp4", [0, 1001], TICK, pixel_aspect=aspect)
    assert probe(path).size_hw == expected
    assert next(iter(open_video(path))).rgb.shape[:2] == expected


def test_max_height_scales_frames_but_not_facts(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", constant_pts(3), TICK, size_hw=(120, 200))
    with open_video(path, max_height=60) as reader:
        assert reader.info.size_hw == (120, 200)
        assert next(iter(reader)).rgb.shape == (60, 100, 3)
    with open_video(path, max_height=500) as reader:
        assert next(iter(reader)).rgb.shape == (120, 200, 3)


def test_probe_tells_the_facts(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", constant_pts(30), TICK, audio=np.zeros(9600, np.float32))
    info = probe(path)
    assert info.average_rate == Fraction(30_000, 1001)
    assert info.time_base == TICK
    assert info.num_frames == 30
    assert info.duration_seconds == pytest.approx(30 * 1001 / 30_000)
    assert (info.codec, info.has_audio, info.rotation_degrees) == ("h264", True, 0)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (DecodeLimits(max_pixels=1000), "larger than"),
        (DecodeLimits(max_side_px=64), "larger than"),
        (DecodeLimits(max_streams=1), "more than 1 streams"),
        (DecodeLimits(max_duration_seconds=0.5), "at most 0 s|at most 1 s"),
    ],
)
def test_limits(tmp_path: Path, limits: DecodeLimits, told: str) -> None:
    path = make_clip(tmp_path / "clip.mp4", constant_pts(30), TICK, audio=np.zeros(9600, np.float32))
    with pytest.raises(InputError, match=told):
        open_video(path, limits=limits)


def test_pixel_aspect_counts_against_the_limits(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", [0, 1001], TICK, pixel_aspect=Fraction(8))
    with pytest.raises(InputError, match="768x48 are larger"):
        open_video(path, limits=DecodeLimits(max_side_px=700))


@pytest.mark.parametrize(
    ("given", "expected", "num_repaired"),
    [
        ([0, 10, 20, 30], [0, 10, 20, 30], 0),
        ([-20, -10, 0], [-20, -10, 0], 0),
        ([None, None, 20], [0, 10, 20], 2),
        ([0, None, 20, 30], [0, 10, 20, 30], 1),
        ([0, 10, 10, 20], [0, 10, 11, 20], 1),
        ([0, 10, 8, 20], [0, 10, 11, 20], 1),
        ([0, 10, 20, 0, 10, 20], [0, 10, 20, 30, 40, 50], 1),
        ([0, 10, 500, 510], [0, 10, 500, 510], 0),
    ],
)
def test_timestamp_repair(given: list[int | None], expected: list[int], num_repaired: int) -> None:
    times = TimestampRepair(nominal_ticks=10)
    assert [times.repair(pts) for pts in given] == expected
    assert times.num_repaired == num_repaired


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    script = (
        "import resource, sys\n"
        "from retarget.video.reader import open_video\n"
        "count = sum(1 for _ in open_video(sys.argv[1]))\n"
        "print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for num_frames in (300, 1200):
        size_hw = (96, 160)
        pictures = [numbered_picture(number, size_hw) for number in range(8)]
        path = make_clip(
            tmp_path / f"{num_frames}.mp4", constant_pts(num_frames), TICK, size_hw=size_hw,
            pictures=[pictures[number % 8] for number in range(num_frames)], encoder_options={"preset": "ultrafast"},
        )  # fmt: skip
        result = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
        count, peak_kib = map(int, result.stdout.split())
        assert count == num_frames
        peaks.append(peak_kib)
    assert peaks[1] < 1.1 * peaks[0]
