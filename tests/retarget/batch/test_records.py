"""Keys and records: what makes two jobs the same, and an output finished."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from retarget.batch.job_key import FileDigests, job_key
from retarget.batch.plan import BatchJob
from retarget.batch.sidecar import Sidecar, output_digest, read_sidecar, sidecar_path, write_sidecar
from retarget.batch.staging import remove_leftovers, staging_path
from retarget.batch.state import BatchState
from retarget.batch.summary import write_page, write_summary
from retarget.config import RenderConfig
from retarget.errors import InputError
from retarget.pipeline.video_job import VideoJob


@pytest.fixture
def job(tmp_path: Path) -> VideoJob:
    for name in ("a.jpg", "d.mp4", "room.png"):
        (tmp_path / name).write_bytes(name.encode())
    return VideoJob(tmp_path / "a.jpg", tmp_path / "d.mp4", tmp_path / "o.mp4")


def test_a_key_covers_contents_and_settings_not_places(job: VideoJob, tmp_path: Path) -> None:
    digests = FileDigests()
    key = job_key(job, digests)
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(b"a.jpg")
    assert job_key(replace(job, source=copy, output=tmp_path / "p.mp4", overwrite=True), digests) == key
    with_room = replace(job, render=RenderConfig(background=str(tmp_path / "room.png")))
    others = [
        replace(job, source=job.driver),
        replace(job, end_seconds=1.0),
        replace(job, output=tmp_path / "o.mov"),
        with_room,
    ]
    keys = {job_key(other, digests) for other in others}
    assert len(keys | {key}) == 5
    before = job_key(with_room, digests)
    (tmp_path / "room.png").write_bytes(b"another room")
    assert job_key(with_room, digests) != before


def test_a_replaced_file_has_another_digest(job: VideoJob) -> None:
    digests = FileDigests()
    first = digests.digest(job.driver)
    new = job.driver.with_name("new.mp4")
    new.write_bytes(b"D.mp4")  # the same size
    new.replace(job.driver)
    assert digests.digest(job.driver) != first
    job.driver.unlink()
    with pytest.raises(InputError, match="can't be read"):
        digests.digest(job.driver)


def test_a_record_describes_its_output_to_the_byte(tmp_path: Path) -> None:
    output = tmp_path / "o.mp4"
    output.write_bytes(b"frames")
    write_sidecar(output, Sidecar("key", output_digest(output), {"output": {"num_frames": 3}}, "abc"))
    found = read_sidecar(output)
    assert found is not None
    assert (found.key, found.report, found.thumbnail) == ("key", {"output": {"num_frames": 3}}, "abc")
    assert found.describes(output)
    output.write_bytes(b"Frames")
    assert not found.describes(output)
    output.unlink()
    assert not found.describes(output)


def test_a_folder_of_pictures_has_a_digest(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "frame_000000.png").write_bytes(b"1")
    first = output_digest(folder)
    (folder / "frame_000001.png").write_bytes(b"2")
    assert output_digest(folder) != first


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "retarget-job/1", "key": 3}', "\x00", "[" * 100_000])
def test_what_is_no_record_counts_as_none(tmp_path: Path, content: str) -> None:
    sidecar_path(tmp_path / "o.mp4").write_text(content)
    assert read_sidecar(tmp_path / "o.mp4") is None


def test_leftovers_go_and_outputs_stay(tmp_path: Path) -> None:
    output = tmp_path / "o.mp4"
    output.write_bytes(b"done")
    staging = staging_path(output)
    assert staging.suffix == ".mp4"
    staging.write_bytes(b"half")
    remove_leftovers(output)
    staging.mkdir()
    (staging / "frame_000000.png").touch()
    remove_leftovers(output)
    remove_leftovers(output)
    assert [path.name for path in tmp_path.iterdir()] == ["o.mp4"]


def test_summary_and_page_name_everything(tmp_path: Path) -> None:
    jobs = [BatchJob(n, n + 1, f"<s{n}>.jpg", "d.mp4", str(tmp_path / f"{n} #&.mp4")) for n in (1, 2)]
    state = BatchState(jobs)
    outcome = {"status": "done", "key": "k", "frames": 7, "seconds": 2.0, "stage_seconds": {"render": 1.5},
               "warnings": [{"code": "W201", "text": "gap <b>"}], "peak_memory_mb": 10.0}  # fmt: skip
    state.finished(1, outcome)
    state.failed(2, "<script>broken</script>", 3, is_final=True)
    (tmp_path / "1 #&.mp4").write_bytes(b"x")
    write_sidecar(tmp_path / "1 #&.mp4", Sidecar("k", "0", {}, "VEhVTUI="))
    write_summary(tmp_path / "summary.json", state, is_finished=True)
    write_page(tmp_path / "index.html", state, is_finished=True)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["format"] == "retarget-batch/1"
    assert (summary["counts"]["done"], summary["counts"]["failed"]) == (1, 1)
    assert summary["jobs"][0]["warnings"] == [{"code": "W201", "text": "gap <b>"}]
    assert summary["jobs"][1]["error"] == "<script>broken</script>"
    page = (tmp_path / "index.html").read_text()
    assert "data:image/jpeg;base64,VEhVTUI=" in page
    assert "1%20%23%26.mp4" in page
    assert "&lt;script&gt;broken" in page
    assert "<script>broken" not in page
    assert "http" not in page.replace("https://www.w3.org", "")
