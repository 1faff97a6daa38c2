"""From rows to jobs: everything is checked first, every bad row is told, nothing leaves the root."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from retarget.batch.plan import BatchJob, BatchPlan, Places, plan_jobs
from retarget.batch.row_options import options_from_args, parse_options
from retarget.batch.rows import Row, read_rows
from retarget.batch.run import BatchRequest, run_batch
from retarget.batch.settings import BatchSettings
from retarget.cli import batch as batch_command
from retarget.errors import InputError, UsageError
from tests.retarget.batch.real_batch import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a photo and a clip; nothing looks into them before a job starts."""
    for name in ("a.jpg", "d.mp4"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def plan(folder: Path, rows: Iterable[dict[str, str]], root: Path | None = None, **defaults: str) -> BatchPlan:
    full = [Row(line, {"source": "a.jpg", "driver": "d.mp4", **row}) for line, row in enumerate(rows, start=2)]
    return plan_jobs(full, defaults, Places(folder, folder / "out", root))


def test_rows_override_the_command_line(folder: Path) -> None:
    found = plan(folder, [{"output": "1.mp4"}, {"output": "2.mp4", "crf": "30", "hands": "no"}], crf="18", hands="true")
    assert not found.problems
    first, second = (job.video_job() for job in found.jobs)
    assert (first.encode.crf, first.pose.hands) == (18, True)
    assert (second.encode.crf, second.pose.hands) == (30, False)
    assert first.source == folder / "a.jpg"
    assert first.output == folder / "out" / "1.mp4"


def test_a_job_survives_json(folder: Path) -> None:
    (job,) = plan(folder, [{"output": "1.mp4", "watermark": "-- \u821e --"}]).jobs
    assert BatchJob.from_json(job.to_json()) == job
    assert job.video_job().render.watermark == "-- \u821e --"


def test_outputs_are_named_after_their_inputs(folder: Path) -> None:
    found = plan(folder, [{}, {"codec": "vp9"}, {"background": "transparent"}])
    assert [job.name for job in found.jobs] == ["a_d.mp4", "a_d.webm", "a_d.mov"]


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"colour": "red"}, "unknown column 'colour'"),
        ({"crf": "high"}, "--crf: invalid int value"),
        ({"start": "soon"}, "is no time"),
        ({"start": "2", "end": "1"}, "end 1 is not after start 2"),
        ({"hands": "maybe"}, "neither true nor false"),
        ({"codec": "h265"}, "invalid choice"),
        ({"smooth": "-1"}, "can't be negative"),
        ({"person": "the tall one"}, "not understood"),
        ({"background": "missing.png"}, "no such file"),
        ({"background": "#12345"}, "no such file"),
        ({"model": "missing.safetensors"}, "no such model or file"),
        ({"output": "o.xyz"}, "xyz"),
        ({"output": "o.webm", "codec": "h264"}, "webm"),
        ({"output": "same.mp4"}, "line 2 writes the same output"),
        ({"output": "a\0.mp4"}, "not a file name"),
    ],
)
def test_every_bad_row_is_told(folder: Path, row: dict[str, str], match: str) -> None:
    rows = [{"output": "same.mp4"}, {"output": "other.mp4", **row}, {"output": "third.mp4", "crf": "?"}]
    found = plan(folder, rows)
    assert [problem.line for problem in found.problems] == [3, 4]
    assert match in found.problems[0].text


def test_missing_inputs_fail_their_own_job_only(folder: Path) -> None:
    found = plan(folder, [{"output": "1.mp4"}, {"output": "2.mp4", "driver": "https://example.org/d.mp4"}])
    assert not found.problems
    assert list(found.unreadable) == [2]
    assert "example.org" in found.unreadable[2]


def test_an_output_must_not_be_an_input(folder: Path) -> None:
    found = plan_jobs([Row(2, {"source": "a.jpg", "driver": "d.mp4", "output": "d.mp4"})], {}, Places(folder, folder))
    assert "is the input of a job" in found.problems[0].text


def test_nothing_leaves_the_root(folder: Path) -> None:
    root = folder / "root"
    (root / "in").mkdir(parents=True)
    (root / "in" / "a.jpg").write_bytes(b"x")
    (root / "in" / "link.mp4").symlink_to(folder / "d.mp4")
    (root / "outside").symlink_to(folder)
    inside = {"source": "in/a.jpg", "driver": "in/a.jpg"}
    rows = [
        {**inside, "output": "ok.mp4"},
        {**inside, "source": "../a.jpg"},
        {**inside, "source": "in/../in/a.jpg"},
        {**inside, "driver": "in/link.mp4"},
        {**inside, "source": str(folder / "a.jpg")},
        {**inside, "output": "outside/o.mp4"},
        {**inside, "output": str(folder / "o.mp4")},
        {**inside, "background": str(folder / "a.jpg")},
    ]
    found = plan_jobs([Row(line, row) for line, row in enumerate(rows, start=2)], {}, Places(root, root, root))
    assert [job.line for job in found.jobs] == [2]
    assert [problem.line for problem in found.problems] == list(range(3, 10))
    assert "'..'" in found.problems[0].text
    assert "outside of --root" in found.problems[2].text


def test_nothing_starts_while_rows_are_bad(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = folder / "m.csv"
    manifest.write_text("source,driver,output,crf\na.jpg,d.mp4,1.mp4,18\na.jpg,d.mp4,2.mp4,x\na.jpg,,3.mp4,\n")
    with pytest.raises(UsageError, match="2 bad rows, nothing was started"):
        run_batch(BatchRequest(manifest=manifest), BatchSettings())
    told = capsys.readouterr().err
    assert "line 3: " in told
    assert "line 4: no driver is given" in told
    assert sorted(path.name for path in folder.iterdir()) == ["a.jpg", "d.mp4", "m.csv"]


def test_checking_alone_tells_of_missing_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = folder / "m.jsonl"
    manifest.write_text('{"source": "gone.jpg", "driver": "d.mp4"}\n')
    with pytest.raises(InputError, match="inputs of 1 job can't be read"):
        run_batch(BatchRequest(manifest=manifest, check_only=True), BatchSettings())
    assert "line 1: " in capsys.readouterr().err


def test_options_survive_the_way_through_text() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    batch_command.configure(parser)
    args = parser.parse_args(["m.csv", "--start", "0:01.5", "--size", "640", "--hands", "--watermark=-x"])
    texts = options_from_args(args)
    assert texts == {"start": "1.5", "size": "640", "hands": "true", "watermark": "-x"}
    again = parse_options(texts, source="a", driver="b", output="c.mp4")
    assert (again.start, again.size, again.hands, again.watermark) == (1.5, 640, True, "-x")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".yaml"])
def test_ten_thousand_rows(folder: Path, suffix: str) -> None:
    line = {
        ".csv": "a.jpg,d.mp4,out/{0}.mp4,{1}\n",
        ".jsonl": '{{"source": "a.jpg", "driver": "d.mp4", "output": "out/{0}.mp4", "crf": {1}}}\n',
        ".yaml": "- {{source: a.jpg, driver: d.mp4, output: out/{0}.mp4, crf: {1}}}\n",
    }[suffix]
    manifest = folder / f"m{suffix}"
    head = "source,driver,output,crf\n" if suffix == ".csv" else ""
    manifest.write_text(head + "".join(line.format(number, number % 50) for number in range(10_000)))
    began = time.process_time()
    found = plan_jobs(read_rows(manifest), {}, Places(folder, folder))
    assert time.process_time() - began < 5.0
    assert len(found.jobs) == 10_000
    assert not found.problems


MEASURE_PLAN = """
import sys, tracemalloc
from pathlib import Path
from retarget.batch.plan import Places, plan_jobs
from retarget.batch.rows import Row
folder = Path(sys.argv[1])
def rows(count):
    for number in range(count):
        yield Row(number + 2, {"source": "a.jpg", "driver": "d.mp4", "output": f"{number}.mp4", "crf": "20"})
plan_jobs(rows(10), {}, Places(folder, folder))
tracemalloc.start()
found = plan_jobs(rows(10_000), {}, Places(folder, folder))
print(len(found.jobs), *tracemalloc.get_traced_memory())
"""


def test_memory_of_ten_thousand_rows_is_that_of_the_jobs(folder: Path) -> None:
    # in a process of its own: threads that other tests have left would be counted, too
    command = [sys.executable, "-c", MEASURE_PLAN, str(folder)]
    count, held, peak = map(int, subprocess.check_output(command, cwd=ROOT, timeout=120).split())
    assert count == 10_000
    assert held < 12e6
    assert peak < held + 2e6
