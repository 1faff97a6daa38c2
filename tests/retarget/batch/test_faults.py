"""Whole batches with the real pipeline, and what stops them: kills, full and read-only disks, replaced drivers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from retarget.batch.execute import execute_job
from retarget.batch.plan import BatchJob
from retarget.batch.settings import ExecuteOptions
from retarget.cache import Cache
from retarget.errors import InputChangedError
from retarget.pipeline.video_job import JobProgress
from retarget.pose.extractor import extract_track
from tests.helpers.require import skip_or_fail
from tests.retarget.batch.real_batch import Start, finish, hidden, manifest, statuses, summary, wait_for, workers

pytestmark = [pytest.mark.mediapipe, pytest.mark.slow]


def test_broken_inputs_fail_by_name_and_a_second_run_does_nothing_again(
    tmp_path: Path, inputs: Path, environment: dict[str, str], start: Start
) -> None:
    rows = ("a.jpg,d.mp4,out/1.mp4,0.2", "b.jpg,d.mp4,out/2.mp4,0.2", "a.jpg,cut.mp4,out/3.mp4,0.2",
            "text.jpg,d.mp4,out/4.mp4,0.2", "a.jpg,gone.mp4,out/5.mp4,0.2")  # fmt: skip
    path = manifest(tmp_path, inputs, *rows)
    code, out, err = finish(start(path, "--workers", 2, "--log-json", tmp_path / "log.jsonl"))
    assert code == 7, err
    assert "3 of 5 jobs failed" in err
    assert "5 jobs: 2 done, 3 failed" in out
    assert statuses(tmp_path) == ["done", "done", "failed", "failed", "failed"]
    jobs = summary(tmp_path)["jobs"]
    assert [job["frames"] for job in jobs] == [6, 6, 0, 0, 0]
    for job, name in zip(jobs[2:], ("cut.mp4", "text.jpg", "gone.mp4"), strict=True):
        assert name in job["error"]
    results = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in results] == ["1.mp4", "1.mp4.json", "2.mp4", "2.mp4.json"]
    page = (tmp_path / "index.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events].count("job done") == 2
    cache = Path(environment["RETARGET_CACHE"])
    assert len(list(cache.glob("pose-reading/*/*.npz"))) == 1, "one driver, one reading"
    assert len(list(cache.glob("photo-reading/*/*.npz"))) == 2
    assert cache.stat().st_mode & 0o077 == 0

    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in results}
    results[0].write_bytes(b"damaged")
    code, out, err = finish(start(path))
    assert code == 7, err
    assert statuses(tmp_path)[:2] == ["done", "skipped"]
    assert {path: path.read_bytes() for path in results[:1]} == {results[0]: before[results[0]][0]}
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in results[2:]} == {
        path: before[path] for path in results[2:]
    }


def test_a_killed_parent_loses_nothing(tmp_path: Path, inputs: Path, start: Start) -> None:
    path = manifest(tmp_path, inputs, "a.jpg,d.mp4,out/1.mp4,0.2", "b.jpg,d.mp4,out/2.mp4,2.5")
    process = start(path, "--workers", 1)
    out = tmp_path / "out"
    # The second job is being written when the parent dies without a word.
    wait_for(lambda: (out / "1.mp4").exists() and list(out.glob(".retarget-*.part")), process)
    children = workers(process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(child.is_running() for child in children))
    assert hidden(out) == []
    assert not (out / "2.mp4").exists()
    first = ((out / "1.mp4").read_bytes(), (out / "1.mp4").stat().st_mtime_ns)

    code, _, err = finish(start(path))
    assert code == 0, err
    assert statuses(tmp_path) == ["skipped", "done"]
    assert ((out / "1.mp4").read_bytes(), (out / "1.mp4").stat().st_mtime_ns) == first
    assert hidden(out) == []


def test_a_killed_worker_is_replaced(tmp_path: Path, inputs: Path, start: Start) -> None:
    path = manifest(tmp_path, inputs, "a.jpg,d.mp4,out/1.mp4,2.4", "b.jpg,d.mp4,out/2.mp4,0.2")
    process = start(path, "--workers", 1, "--retries", 2)
    out = tmp_path / "out"
    wait_for(lambda: list(out.glob(".retarget-*.part")), process)
    (worker,) = workers(process)
    worker.kill()
    code, _, err = finish(process)
    assert code == 0, err
    assert "killed by SIGKILL; trying again" in err
    assert [job["tries"] for job in summary(tmp_path)["jobs"]] == [2, 1]
    assert hidden(out) == []


def test_full_and_read_only_disks(tmp_path: Path, inputs: Path, start: Start) -> None:
    mounts = {"full": "size=8k,mode=700", "fixed": "ro,size=64k"}
    try:
        for name, options in mounts.items():
            (tmp_path / name).mkdir()
            command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(tmp_path / name)]
            if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
                skip_or_fail("mount", "mounting small disks needs root")
        rows = [f"a.jpg,d.mp4,{name}/1.mp4,0.2" for name in ("full", "fixed", "out")]
        code, _, err = finish(start(manifest(tmp_path, inputs, *rows), "--workers", 1, "--retries", 0))
        assert code == 7, err
        assert statuses(tmp_path) == ["failed", "failed", "done"]
        errors = [job["error"] for job in summary(tmp_path)["jobs"][:2]]
        assert "full/1.mp4: can't be written (No space left" in errors[0]
        assert "no permission to write" in errors[1]
        assert [job["exit_code"] for job in summary(tmp_path)["jobs"][:2]] == [5, 5]
        assert list((tmp_path / "full").iterdir()) == []
    finally:
        for name in mounts:
            subprocess.run(["umount", str(tmp_path / name)], capture_output=True, check=False)


def test_two_batches_on_one_manifest_share_the_work(tmp_path: Path, inputs: Path, start: Start) -> None:
    rows = [f"{photo}.jpg,d.mp4,out/{photo}{end}.mp4,{end}" for photo in "ab" for end in ("0.1", "0.3")]
    path = manifest(tmp_path, inputs, *rows)
    logs = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    both = [start(path, "--workers", 1, "--log-json", log) for log in logs]
    assert [finish(process)[0] for process in both] == [0, 0]
    done = [json.loads(line)["output"] for log in logs for line in log.read_text().splitlines() if "job done" in line]
    assert sorted(done) == sorted(str(tmp_path / "out" / row.split(",")[2][4:]) for row in rows)
    assert hidden(tmp_path / "out") == []


def test_interrupting_leaves_no_half_and_says_so(tmp_path: Path, inputs: Path, start: Start) -> None:
    path = manifest(tmp_path, inputs, "a.jpg,d.mp4,out/1.mp4,2.3")
    process = start(path)
    wait_for(lambda: list((tmp_path / "out").glob(".retarget-*.part")), process)
    process.send_signal(signal.SIGTERM)
    code, out, err = finish(process)
    assert code == 130, err
    assert "1 stopped" in out
    assert list((tmp_path / "out").iterdir()) == []
    assert statuses(tmp_path) == ["stopped"]


def test_a_driver_that_is_replaced_makes_the_job_start_over(
    tmp_path: Path, inputs: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETARGET_CACHE", environment["RETARGET_CACHE"])
    driver, new = tmp_path / "d.mp4", tmp_path / "new.mp4"
    shutil.copy(inputs / "d.mp4", driver)
    new.write_bytes((inputs / "d.mp4").read_bytes() + b"\0" * 8)

    class Replacing(JobProgress):
        def begin(self, stage: str, total: int | None) -> None:
            if stage == "rendering" and new.exists():
                new.replace(driver)

    job = BatchJob(1, 2, str(inputs / "a.jpg"), str(driver), str(tmp_path / "out" / "o.mp4"), {"end": "0.2"})
    with pytest.raises(InputChangedError, match="was replaced while the job ran"):
        execute_job(job, ExecuteOptions(), progress=Replacing())
    assert list((tmp_path / "out").iterdir()) == []
    assert execute_job(job, ExecuteOptions(), progress=Replacing())["status"] == "done"
    assert execute_job(job, ExecuteOptions())["status"] == "skipped"


def test_a_driver_replaced_while_it_is_read_leaves_no_false_reading(tmp_path: Path, inputs: Path) -> None:
    driver, new = tmp_path / "d.mp4", tmp_path / "new.mp4"
    shutil.copy(inputs / "d.mp4", driver)
    new.write_bytes((inputs / "d.mp4").read_bytes() + b"\0" * 8)
    cache = Cache(tmp_path / "cache")

    def replace(num_frames: int) -> None:
        if new.exists():
            new.replace(driver)

    with pytest.raises(InputChangedError, match="was replaced while it was read"):
        extract_track(driver, end_seconds=0.1, cache=cache, progress=replace)
    assert not list(cache.folder.glob("pose-reading/*/*.npz"))


def test_damaged_cache_entries_are_made_again(
    tmp_path: Path, inputs: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("RETARGET_CACHE", str(cache))
    shutil.copytree(environment["RETARGET_CACHE"], cache, ignore=shutil.ignore_patterns("locks", "batch-locks"))
    entries = sorted(cache.glob("*/??/*.npz"))
    kinds = {entry.parts[-3] for entry in entries}
    assert kinds >= {"person-layers", "photo-reading", "pose-reading", "surface-track"}
    for entry in entries:
        content = bytearray(entry.read_bytes())
        content[len(content) // 2] ^= 0xFF
        entry.write_bytes(content)
    job = BatchJob(1, 2, str(inputs / "a.jpg"), str(inputs / "d.mp4"), str(tmp_path / "o.mp4"), {"end": "0.2"})
    made = execute_job(job, ExecuteOptions())
    assert made["status"] == "done"
    assert [warning["code"] for warning in made["warnings"]].count("W501") == 4
    fresh = tmp_path / "fresh.mp4"
    monkeypatch.setenv("RETARGET_CACHE", environment["RETARGET_CACHE"])
    execute_job(BatchJob(1, 2, job.source, job.driver, str(fresh), {"end": "0.2"}), ExecuteOptions())
    assert fresh.read_bytes() == Path(job.output).read_bytes()
