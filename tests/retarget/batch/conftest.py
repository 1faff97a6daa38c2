"""Fixtures of real batches: small inputs, one cache, and processes that don't outlive a test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.retarget.batch.real_batch import ASSETS, ROOT, Start


@pytest.fixture(scope="package")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos of 240 px, a driver, a cut driver and a text that claims to be a photo."""
    folder = tmp_path_factory.mktemp("inputs")
    with Image.open(ASSETS / "demo_source.jpg") as photo:
        small = photo.resize((240, 320))
    small.save(folder / "a.jpg")
    small.crop((10, 0, 230, 320)).save(folder / "b.jpg")
    shutil.copy(ASSETS / "demo_driver.mp4", folder / "d.mp4")
    (folder / "cut.mp4").write_bytes((folder / "d.mp4").read_bytes()[:3000])
    (folder / "text.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="package")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cache = tmp_path_factory.mktemp("cache") / "retarget"
    return {**os.environ, "RETARGET_CACHE": str(cache), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start `retarget batch`; whatever still runs afterwards is ended."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "retarget", "batch", *map(str, arguments)]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
