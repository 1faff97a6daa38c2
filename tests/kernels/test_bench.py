"""The benchmark runs through, small, and writes down what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from kernels.bench.__main__ import main
from kernels.bench.cases import CASES
from kernels.bench.timing import Case, run_case


def test_every_case_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bench.json"
    assert main(["--device", "cpu", "--scale", "0.05", "--seconds", "0", "--json", str(path)]) == 0
    record = json.loads(path.read_text())
    assert {result["case"] for result in record["results"]} == set(CASES)
    assert record["copy_gb_per_s"] > 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in CASES)


def test_figures_follow_from_the_times() -> None:
    slow, fast = {"count": 0}, {"count": 0}

    def work(counter: dict[str, int], size: int) -> None:
        counter["count"] += 1
        torch.ones(size).sin_().sum()

    implementations = {"ours": lambda: work(fast, 10), "torch": lambda: work(slow, 3_000_000)}
    case = Case("case", 1000, implementations, torch.device("cpu"))
    ours, torch_own = run_case(case, copy_gb_per_s=2.0, seconds=0.0)
    assert fast["count"] == slow["count"] >= 5
    assert torch_own.times_torch == 1.0
    assert ours.times_torch is not None
    assert ours.times_torch > 1.0
    assert ours.gb_per_s == pytest.approx(1000 / ours.milliseconds / 1e6)
    assert ours.share_of_copy == pytest.approx(ours.gb_per_s / 2.0)
    assert ours.line().startswith("case")
