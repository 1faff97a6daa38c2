"""Writing: exact times, true colours, whole files or none."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from retarget.config import EncodeConfig
from retarget.errors import OutputError, UsageError
from retarget.video.output_path import (
    PendingOutput,
    check_output_path,
    remove_stale_temporaries,
    write_text_output,
)
from retarget.video.reader import open_video
from retarget.video.writer import VideoWriter
from tests.retarget.video.clips import (
    SIZE_HW,
    constant_pts,
    decoded_times,
    number_in,
    numbered_picture,
    stream_ends,
    uneven_pts,
)
from tests.retarget.video.test_colour import CHART

TICK = Fraction(1, 30_000)
BT709 = 1
REPOSITORY = Path(__file__).resolve().parents[3]


def write_clip(
    path: Path, pts: list[int], time_base: Fraction = TICK, *, last: int | None = None, **options: object
) -> Path:
    config = EncodeConfig(**{key: options.pop(key) for key in ("codec", "crf", "preset") if key in options})  # type: ignore[arg-type]
    rate = 1 / (time_base * (pts[1] - pts[0])) if len(pts) > 1 else None
    with VideoWriter(path, SIZE_HW, time_base, rate, config, **options) as writer:  # type: ignore[arg-type]
        for number, ticks in enumerate(pts):
            writer.write(numbered_picture(number), ticks, last if ticks == pts[-1] else None)
    return path


CLOCKS = [
    pytest.param(constant_pts(50), Fraction(1, 24_000), id="23.976"),
    pytest.param(constant_pts(50), TICK, id="29.97"),
    pytest.param(constant_pts(50), Fraction(1, 60_000), id="59.94"),
    pytest.param(list(range(50)), Fraction(1001, 30_000), id="a tick per frame"),
    pytest.param(list(range(50)), Fraction(1, 10), id="10 Hz"),
    pytest.param(constant_pts(50, 33), Fraction(1, 1000), id="milliseconds"),
    pytest.param(constant_pts(50, 3003), Fraction(1, 90_000), id="90 kHz"),
    pytest.param(uneven_pts(50), TICK, id="variable"),
    pytest.param([ticks + 7 for ticks in uneven_pts(50)], TICK, id="variable from 7 ticks"),
    pytest.param(constant_pts(50, 41_708_333), Fraction(1, 1_000_000_000), id="nanoseconds"),
]


@pytest.mark.parametrize("codec", ["h264", "hevc", "prores4444"])
@pytest.mark.parametrize(("pts", "time_base"), CLOCKS)
def test_times_are_exact(tmp_path: Path, codec: str, pts: list[int], time_base: Fraction) -> None:
    last = 2 * (pts[-1] - pts[-2])
    path = write_clip(tmp_path / "clip.mov", pts, time_base, last=last, codec=codec)
    times = decoded_times(path)
    assert len(times) == len(pts)
    error = max(abs(time - ticks * time_base) for time, ticks in zip(times, pts, strict=True))
    assert error <= (0 if time_base.denominator <= 1_000_000 else Fraction(1, 1_000_000))
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        end = (stream.start_time + stream.duration) * stream.time_base
    expected_end = (pts[-1] + last) * time_base
    assert abs(end - expected_end) <= Fraction(1, 1_000_000)
    assert abs(stream_ends(path)["video"] - expected_end) <= Fraction(1, 1_000_000)


@pytest.mark.parametrize(("codec", "name"), [("vp9", "clip.webm"), ("vp9", "clip.mkv"), ("h264", "clip.mkv")])
def test_matroska_rounds_to_milliseconds(tmp_path: Path, codec: str, name: str) -> None:
    path = write_clip(tmp_path / name, uneven_pts(40), codec=codec)
    errors = [abs(time - ticks * TICK) for time, ticks in zip(decoded_times(path), uneven_pts(40), strict=True)]
    assert max(errors) <= Fraction(1, 2000)


@pytest.mark.parametrize(
    ("codec", "preset"),
    [
        ("h264", "ultrafast"),
        ("h264", "medium"),
        ("h264", "slower"),
        ("hevc", "ultrafast"),
        ("hevc", "medium"),
        ("vp9", "good"),
    ],
)
def test_every_preset_decodes_in_the_order_shown(tmp_path: Path, codec: str, preset: str) -> None:
    path = write_clip(tmp_path / "clip.mkv", constant_pts(60, 33), Fraction(1, 1000), codec=codec, preset=preset)
    with av.open(str(path)) as source:
        packets = [packet for packet in source.demux(video=0) if packet.size]
    assert [packet.dts for packet in packets] == [packet.pts for packet in packets] == constant_pts(60, 33)
    assert [number_in(frame.rgb) for frame in open_video(path)] == list(range(60))


@pytest.mark.parametrize(
    ("codec", "name"), [("h264", "c.mp4"), ("hevc", "c.mp4"), ("vp9", "c.webm"), ("prores4444", "c.mov")]
)
@pytest.mark.parametrize("rate", [Fraction(90_000), Fraction(1, 1000), Fraction(10**12 + 1, 10**11 + 7)])
def test_absurd_rate_hints_do_no_harm(tmp_path: Path, codec: str, name: str, rate: Fraction) -> None:
    config = EncodeConfig(codec=codec)  # type: ignore[arg-type]
    with VideoWriter(tmp_path / name, SIZE_HW, Fraction(1, 25), rate, config) as writer:
        for number in range(5):
            writer.write(numbered_picture(number), number)
    assert decoded_times(tmp_path / name) == [Fraction(number, 25) for number in range(5)]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", uneven_pts(40), last=1234)
    frames = list(open_video(path))
    assert [number_in(frame.rgb) for frame in frames] == list(range(40))
    assert [frame.pts for frame in frames] == uneven_pts(40)
    assert frames[-1].duration == 1234


@pytest.mark.parametrize("first", [-3003, 90_000 * 7])
def test_clocks_that_start_elsewhere_are_moved_to_0(tmp_path: Path, first: int) -> None:
    path = write_clip(tmp_path / "clip.mp4", constant_pts(20, start=first))
    assert decoded_times(path) == [ticks * TICK for ticks in constant_pts(20)]


def test_a_range_with_a_start_begins_at_0(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", constant_pts(20, start=15_000), audio_range=(0.5, None))
    assert decoded_times(path) == [ticks * TICK for ticks in constant_pts(20)]


def test_one_picture(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", [0], last=3000)
    assert stream_ends(path)["video"] == Fraction(1, 10)


@pytest.mark.parametrize(
    ("codec", "name", "limit"),
    [
        ("h264", "c.mp4", (10, 2.0)),
        ("hevc", "c.mp4", (12, 2.5)),
        ("vp9", "c.webm", (12, 2.5)),
        ("prores4444", "c.mov", (6, 1.5)),
    ],
)
def test_colours_survive(tmp_path: Path, codec: str, name: str, limit: tuple[float, float]) -> None:
    chart = CHART.astype(np.uint8).repeat(2, 0).repeat(2, 1)
    crf = None if codec == "prores4444" else 4
    with VideoWriter(tmp_path / name, chart.shape[:2], TICK, None, EncodeConfig(codec=codec, crf=crf)) as writer:
        for ticks in constant_pts(4):
            writer.write(chart, ticks)
    rgb = next(iter(open_video(tmp_path / name, exact_colour=True))).rgb
    error = np.abs(rgb[8::16, 8::16].astype(float) - CHART[4::8, 4::8])
    assert error.max() <= limit[0]
    assert error.mean() <= limit[1]
    with av.open(str(tmp_path / name)) as source:
        context = source.streams.video[0].codec_context
        assert context.colorspace == context.color_primaries == context.color_trc == BT709
        assert context.color_range == 1


@pytest.mark.parametrize(
    ("codec", "name", "expected"),
    [
        ("h264", "c.mp4", (46, 92)),
        ("hevc", "c.mp4", (46, 92)),
        ("vp9", "c.webm", (45, 91)),
        ("prores4444", "c.mov", (45, 91)),
    ],
)
def test_odd_sizes(tmp_path: Path, codec: str, name: str, expected: tuple[int, int]) -> None:
    picture = np.full((45, 91, 3), (200, 60, 20), np.uint8)
    with VideoWriter(tmp_path / name, (45, 91), TICK, None, EncodeConfig(codec=codec)) as writer:
        writer.write(picture, 0)
        writer.write(picture, 1001)
    rgb = next(iter(open_video(tmp_path / name))).rgb
    assert rgb.shape[:2] == expected
    assert np.abs(rgb.astype(int) - (200, 60, 20)).max() <= 8


def alpha_picture() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = np.full((48, 64, 4), (180, 40, 90, 255), np.uint8)
    picture[:, 32:, 3] = np.linspace(0, 255, 32).astype(np.uint8)
    return picture


@pytest.mark.parametrize(
    ("codec", "name", "decoder", "tolerance"),
    [("prores4444", "c.mov", "prores", 1), ("vp9", "c.webm", "libvpx-vp9", 8)],
)
def test_alpha_survives(tmp_path: Path, codec: str, name: str, decoder: str, tolerance: int) -> None:
    picture = alpha_picture()
    with VideoWriter(tmp_path / name, (48, 64), TICK, None, EncodeConfig(codec=codec), alpha=True) as writer:
        writer.write(picture, 0)
        writer.write(picture, 1001)
    with av.open(str(tmp_path / name)) as source:
        context = av.CodecContext.create(decoder, "r")
        frames = [frame for packet in source.demux(video=0) if packet.size for frame in context.decode(packet)]
        frames += context.decode(None)
    rgba = frames[0].to_ndarray(format="rgba", src_colorspace=1)
    assert np.abs(rgba[..., 3].astype(int) - picture[..., 3]).max() <= tolerance
    assert np.abs(rgba[:, :28, :3].astype(int) - picture[:, :28, :3]).max() <= 8


def test_png_folder(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    picture = alpha_picture()
    with VideoWriter(folder, (48, 64), TICK, None, EncodeConfig(codec="png"), alpha=True) as writer:
        for ticks in constant_pts(3):
            writer.write(picture, ticks)
    assert sorted(path.name for path in folder.iterdir()) == [
        "frame_000000.png", "frame_000001.png", "frame_000002.png", "timestamps.txt",
    ]  # fmt: skip
    with Image.open(folder / "frame_000002.png") as image:
        assert np.array_equal(np.asarray(image), picture)
        assert "Synthetic media" in image.text["Comment"]  # type: ignore[attr-defined]
    assert (folder / "timestamps.txt").read_text().splitlines() == [
        "# timestamp format v2", "0.000000", "33.366667", "66.733333",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("codec", "name"), [("h264", "c.mp4"), ("hevc", "c.mov"), ("vp9", "c.webm"), ("prores4444", "c.mov")]
)
def test_every_container_says_that_it_is_synthetic(tmp_path: Path, codec: str, name: str) -> None:
    config = EncodeConfig(codec=codec, metadata=(("title", "A dance"), ("comment", "take 2")))  # type: ignore[arg-type]
    with VideoWriter(tmp_path / name, SIZE_HW, TICK, None, config) as writer:
        writer.write(numbered_picture(0), 0)
    with av.open(str(tmp_path / name)) as source:
        tags = {key.lower(): value for key, value in source.metadata.items()}
    assert tags["comment"].startswith("take 2 | Synthetic media")
    assert tags["title"] == "A dance"


def test_mp4_starts_with_its_index(tmp_path: Path) -> None:
    data = write_clip(tmp_path / "clip.mp4", constant_pts(5)).read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


# ---- whole files or none ----


def assert_nothing_in(folder: Path) -> None:
    assert list(folder.iterdir()) == []


def write_until(error: BaseException, path: Path, *, codec: str = "h264", overwrite: bool = False) -> None:
    config = EncodeConfig(codec=codec)  # type: ignore[arg-type]
    with VideoWriter(path, SIZE_HW, TICK, None, config, overwrite=overwrite) as writer:
        for number, ticks in enumerate(constant_pts(80)):
            writer.write(numbered_picture(number), ticks)
        raise error


@pytest.mark.parametrize(("codec", "name"), [("h264", "clip.mp4"), ("prores4444", "clip.mov"), ("png", "frames")])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_nothing(tmp_path: Path, codec: str, name: str, error: type[BaseException]) -> None:
    with pytest.raises(error):
        write_until(error(), tmp_path / name, codec=codec)
    assert_nothing_in(tmp_path)


def test_no_picture_is_no_video(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="nothing to write"),
        VideoWriter(tmp_path / "c.mp4", SIZE_HW, TICK, None, EncodeConfig()),
    ):
        pass
    assert_nothing_in(tmp_path)


def test_an_existing_file_is_kept_and_left_alone_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        VideoWriter(path, SIZE_HW, TICK, None, EncodeConfig())
    with pytest.raises(RuntimeError):
        write_until(RuntimeError(), path, overwrite=True)
    assert path.read_text() == "precious"
    write_clip(path, constant_pts(3), overwrite=True)
    assert len(decoded_times(path)) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    writer = VideoWriter(path, SIZE_HW, TICK, None, EncodeConfig())
    writer.write(numbered_picture(0), 0)
    path.write_text("somebody else's")
    with pytest.raises(OutputError, match="exists already"):
        writer.close()
    assert path.read_text() == "somebody else's"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_of_frames_is_replaced_whole(tmp_path: Path) -> None:
    folder = write_clip(tmp_path / "frames", constant_pts(9), codec="png")
    write_clip(folder, constant_pts(4), codec="png", overwrite=True)
    assert len(list(folder.glob("*.png"))) == 4
    (folder / "notes.txt").write_text("precious")
    with pytest.raises(OutputError, match="holds other things"):
        write_clip(folder, constant_pts(4), codec="png", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames"]


@pytest.mark.parametrize(
    ("name", "config", "alpha", "error", "told"),
    [
        ("clip.xyz", EncodeConfig(), False, OutputError, "unknown extension '.xyz'"),
        ("clip", EncodeConfig(), False, OutputError, "unknown extension"),
        ("clip.webm", EncodeConfig(), False, OutputError, ".webm files don't hold h264"),
        ("clip.mp4", EncodeConfig(codec="prores4444"), False, OutputError, ".mp4 files don't hold prores4444"),
        ("clip.mp4", EncodeConfig(codec="png"), False, OutputError, "png writes a folder"),
        ("missing/clip.mp4", EncodeConfig(), False, OutputError, "does not exist"),
        ("folder.mp4", EncodeConfig(), False, OutputError, "is a folder"),
        ("clip.mp4", EncodeConfig(), True, UsageError, "can't hold transparency"),
        ("clip.mp4", EncodeConfig(crf=99), False, UsageError, "from 0 to 51, not --crf 99"),
        ("clip.mov", EncodeConfig(codec="prores4444", crf=9), False, UsageError, "no quality scale"),
        ("clip.mp4", EncodeConfig(preset="warp"), False, UsageError, "no preset 'warp'"),
        ("clip.mp4", EncodeConfig(codec="divx"), False, UsageError, "unknown codec 'divx'"),  # type: ignore[arg-type]
    ],
)
def test_bad_outputs_are_refused_before_any_work(
    tmp_path: Path, name: str, config: EncodeConfig, alpha: bool, error: type[Exception], told: str
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(error, match=told):
        check_output_path(tmp_path / name, config, alpha=alpha)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.mp4"]


def test_devices_are_never_replaced() -> None:
    with pytest.raises(OutputError, match="is a pipe or device"):
        check_output_path("/dev/null", EncodeConfig(codec="png"), overwrite=True)


def test_a_folder_without_permission() -> None:
    script = (
        "import os, sys\n"
        "from retarget.config import EncodeConfig\n"
        "from retarget.errors import OutputError\n"
        "from retarget.video.output_path import check_output_path\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try:\n    check_output_path(sys.argv[1], EncodeConfig())\n"
        "except OutputError as error:\n    print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's own can't be entered by another user
        Path(folder).chmod(0o555)
        result = subprocess.run(
            [sys.executable, "-c", script, Path(folder, "clip.mp4")],
            capture_output=True, text=True, cwd=REPOSITORY, check=False,
        )  # fmt: skip
    assert "no permission to write" in result.stdout, result.stderr


WRITE_FOREVER = """
import signal
import sys
from fractions import Fraction
import numpy as np
from retarget.config import EncodeConfig
from retarget.errors import RetargetError
from retarget.video.writer import VideoWriter
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell starts in the background
codec = sys.argv[2]
noise = np.random.default_rng(0)
try:
    with VideoWriter(sys.argv[1], (96, 128), Fraction(1, 25), None, EncodeConfig(codec=codec)) as writer:
        for index in range(int(sys.argv[3])):
            writer.write(noise.integers(0, 255, (96, 128, 3)).astype(np.uint8), index)
            if index == 40:
                print("running", flush=True)
except RetargetError as error:
    print(error, flush=True)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(("codec", "name"), [("h264", "clip.mp4"), ("prores4444", "clip.mov"), ("png", "frames")])
def test_a_file_size_limit_is_an_output_error(tmp_path: Path, codec: str, name: str) -> None:
    limit = 8_000 if codec == "png" else 200_000
    result = subprocess.run(
        [sys.executable, "-c", WRITE_FOREVER, tmp_path / name, codec, "120"],
        capture_output=True, text=True, cwd=REPOSITORY, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert result.returncode == OutputError.exit_code, result.stdout + result.stderr
    assert "can't be written (File too large)" in result.stdout
    assert result.stderr == ""
    assert_nothing_in(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        yield folder  # type: ignore[misc]
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(("codec", "name"), [("h264", "clip.mp4"), ("prores4444", "clip.mov"), ("png", "frames")])
def test_a_full_disk_is_an_output_error(small_disk: Path, codec: str, name: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WRITE_FOREVER, small_disk / name, codec, "120"],
        capture_output=True, text=True, cwd=REPOSITORY, check=False,
    )  # fmt: skip
    assert result.returncode == OutputError.exit_code, result.stdout + result.stderr
    assert "can't be written (No space left on device)" in result.stdout
    assert "free some space" in result.stdout
    assert result.stderr == ""
    assert_nothing_in(small_disk)


def start_endless(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, path, "h264", "100000"], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    return process


def test_what_a_killed_process_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with start_endless(path) as process:
        process.send_signal(signal.SIGKILL)
    leftovers = list(tmp_path.iterdir())
    assert [leftover.suffix for leftover in leftovers] == [".part"]
    write_clip(path, constant_pts(3))
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_process_leaves_nothing(tmp_path: Path) -> None:
    with start_endless(tmp_path / "clip.mp4") as process:
        process.send_signal(signal.SIGINT)
        process.wait(120)
    assert_nothing_in(tmp_path)


def test_temporaries_of_living_processes_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with PendingOutput(path, overwrite=False) as pending:
        assert remove_stale_temporaries(path) == 0
        assert pending.temporary.exists()
    assert_nothing_in(tmp_path)


def test_a_text_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "text.json"
    write_text_output(path, ["a", "\udcff\n"])
    assert path.read_bytes() == b"a\\udcff\n"

    def broken() -> Iterator[str]:
        yield "b" * 100_000
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"text\.json: can't be written \(No space"):
        write_text_output(path, broken())
    with pytest.raises(OutputError, match="exists already"):
        write_text_output(path, ["c"], overwrite=False)
    with pytest.raises(OutputError, match="can't be written"):
        write_text_output(tmp_path, ["c"])
    assert path.read_bytes() == b"a\\udcff\n"
    assert list(tmp_path.iterdir()) == [path]


def test_the_result_has_usual_permissions(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        path = write_clip(tmp_path / "clip.mp4", constant_pts(2))
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o640


def test_misuse_is_told_to_the_programmer(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip.mp4", SIZE_HW, TICK, None, EncodeConfig()) as writer:
        writer.write(numbered_picture(0), 100)
        with pytest.raises(ValueError, match="times must rise"):
            writer.write(numbered_picture(1), 100)
        with pytest.raises(ValueError, match="expected shape"):
            writer.write(numbered_picture(1, (20, 20)), 200)


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    script = WRITE_FOREVER + "\nimport resource\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    peaks = []
    for num_frames in (150, 500):
        path = tmp_path / f"{num_frames}.mp4"
        result = subprocess.run(
            [sys.executable, "-c", script, path, "h264", str(num_frames)],
            capture_output=True, text=True, cwd=REPOSITORY, check=True,
        )  # fmt: skip
        peaks.append(int(result.stdout.split()[-1]))
    assert peaks[1] < 1.1 * peaks[0]
