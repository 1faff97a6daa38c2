"""Command line of the benchmark: one table, and a JSON file on request."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from kernels.bench.cases import CASES, build_cases
from kernels.bench.timing import Result, measure_copy, run_case


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m kernels.bench", description=main.__doc__)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="cases to run (default: all)")
    parser.add_argument("--seconds", type=float, default=2.0, help="time per case (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="CPU threads, for torch and our ops alike (default: torch's)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--scale", type=float, default=1.0, help="shrink the sizes, to try the benchmark itself")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    copy = measure_copy(device, options.scale)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print(f"{name}; plain copy of 64 MB: {copy:.1f} GB/s read and written; torch {torch.__version__}\n")
    print(f"{'case':<26}{'implementation':<26}{'ms':>9}{'GB/s':>8}{'of copy':>9}{'x torch':>9}")
    results: list[Result] = []
    for case in build_cases(options.only, device, options.scale):
        for result in run_case(case, copy, options.seconds):
            results.append(result)
            print(result.line(), flush=True)
    if options.json:
        record = {"device": name, "torch": torch.__version__, "copy_gb_per_s": copy}
        options.json.write_text(json.dumps({**record, "results": [result.__dict__ for result in results]}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
