"""What the doctor says of machines, and of photos on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import retarget
from retarget.cli.main import main
from retarget.doctor import machine
from retarget.doctor.machine import check_machine


def test_this_machine_can_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RETARGET_CACHE", str(tmp_path / "not" / "made"))
    checks = check_machine()
    assert {check.group for check in checks} == {"system", "packages", "devices", "codecs", "models", "cache"}
    assert [check for check in checks if check.state == "broken"] == []
    assert all(check.advice for check in checks if check.state == "absent")
    assert {"h264", "hevc", "prores4444", "vp9"} <= {check.name for check in checks if check.group == "codecs"}
    assert not (tmp_path / "not").exists()


def test_a_broken_library_hides_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> list[machine.Check]:
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setitem(machine._GROUPS, "codecs", broken)
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "BROKEN  codecs: ImportError: libGL.so.1" in told
    assert "models" in told
    assert "1 broken" in told


@pytest.mark.mediapipe
def test_a_photo_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    photo = Path(retarget.__file__).parent / "assets" / "demo_source.jpg"
    assert main(["doctor", "--source", str(photo), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["format"] == "retarget-photo/1"
    assert told["verdict"] == "good"


def test_no_photo_is_told_in_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["doctor", "--source", str(tmp_path / "gone.jpg")]) == 3
    assert "no such file" in capsys.readouterr().err
