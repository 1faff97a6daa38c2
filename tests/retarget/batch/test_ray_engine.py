"""The Ray engine on a real local Ray: the same manifest, the same outputs; a killed worker is replaced."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from retarget.batch.ray_engine import run_on_ray
from retarget.batch.settings import BatchSettings
from retarget.batch.state import BatchState
from retarget.errors import RetargetError
from tests.helpers.require import skip_or_fail
from tests.retarget.batch.real_batch import Start, finish, hidden, manifest, statuses, summary, wait_for

pytestmark = [pytest.mark.mediapipe, pytest.mark.slow]

if importlib.util.find_spec("ray") is None:
    skip_or_fail("ray", "Ray is not installed: pip install 'retarget[ray]'")


@contextlib.contextmanager
def ray_node(environment: dict[str, str], log_file: Path, *where: str) -> Iterator[psutil.Process]:
    """A Ray node of two processors."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *where, "--node-ip-address=127.0.0.1",
               "--num-cpus=2", "--disable-usage-stats", "--object-store-memory=80000000"]  # fmt: skip
    with log_file.open("wb") as log:
        node = psutil.Popen(command, env=environment, stdout=log, stderr=log)
        wait_for(lambda: b"Ray runtime started" in log_file.read_bytes())
        try:
            yield node
        finally:
            kill_family(node)


def kill_family(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [process, *process.children(recursive=True)]
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family, timeout=10)


@pytest.fixture(scope="module")
def address(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Ray of one node, for all tests of the file."""
    environment["RAY_AUTH_MODE"] = "disabled"  # it listens on this machine only, for a minute
    port = 20_000 + os.getpid() % 20_000
    log = tmp_path_factory.mktemp("ray") / "log.txt"
    with ray_node(environment, log, "--head", f"--port={port}", "--include-dashboard=false"):
        yield f"127.0.0.1:{port}"


def ray_workers() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if line.startswith("ray::") and ".mp4" in line:
            found.append(process)
    return found


def test_the_same_outputs_as_the_local_engine(tmp_path: Path, inputs: Path, start: Start, address: str) -> None:
    rows = ("a.jpg,d.mp4,{0}/1.mp4,0.2", "b.jpg,d.mp4,{0}/2.mp4,0.2", "a.jpg,cut.mp4,{0}/3.mp4,0.2")
    outputs = {}
    for engine, options in (("local", ()), ("ray", ("--engine", "ray", "--address", address))):
        folder = tmp_path / engine
        folder.mkdir()
        path = manifest(folder, inputs, *(row.format("out") for row in rows))
        code, _, err = finish(start(path, "--workers", 1, *options))
        assert code == 7, err
        assert statuses(folder) == ["done", "done", "failed"]
        assert "cut.mp4" in summary(folder)["jobs"][2]["error"]
        assert hidden(folder / "out") == []
        outputs[engine] = {name: (folder / "out" / name).read_bytes() for name in ("1.mp4", "2.mp4")}
    assert outputs["ray"] == outputs["local"]
    # What Ray has finished, the local engine leaves alone.
    code, _, err = finish(start(tmp_path / "ray" / "m.csv"))
    assert code == 7, err
    assert statuses(tmp_path / "ray") == ["skipped", "skipped", "failed"]


def test_a_killed_ray_worker_is_replaced(tmp_path: Path, inputs: Path, start: Start, address: str) -> None:
    path = manifest(tmp_path, inputs, "b.jpg,d.mp4,out/k.mp4,2.2")
    process = start(path, "--engine", "ray", "--address", address, "--retries", 2)
    wait_for(lambda: list((tmp_path / "out").glob(".retarget-*.part")), process)
    for worker in wait_for(ray_workers, process):
        worker.kill()
    code, _, err = finish(process)
    assert code == 0, err
    assert "was lost" in err
    assert summary(tmp_path)["jobs"][0]["tries"] == 2
    assert hidden(tmp_path / "out") == []


def test_jobs_of_a_lost_node_go_on_elsewhere(
    tmp_path: Path, inputs: Path, start: Start, address: str, environment: dict[str, str]
) -> None:
    path = manifest(tmp_path, inputs, "a.jpg,d.mp4,out/1.mp4,2.2", "b.jpg,d.mp4,out/2.mp4,2.2")
    with ray_node(environment, tmp_path / "log.txt", f"--address={address}") as second:
        process = start(path, "--engine", "ray", "--address", address, "--retries", 2, "--workers", 2)
        wait_for(lambda: len(ray_workers()) == 2 and list((tmp_path / "out").glob(".retarget-*.part")), process)
        kill_family(second)
        code, _, err = finish(process)
    assert code == 0, err
    assert "was lost" in err
    assert statuses(tmp_path) == ["done", "done"]
    assert sorted(job["tries"] for job in summary(tmp_path)["jobs"]) == [1, 2]
    assert hidden(tmp_path / "out") == []


def test_no_cluster_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(**options: object) -> None:
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(RetargetError, match=r"no Ray can be reached \(nobody there\) - start one"):
        run_on_ray(BatchState([]), [], BatchSettings(engine="ray", address="10.0.0.1:6379"))
