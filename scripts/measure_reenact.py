"""Self-reenactment over a folder of clips: make each clip again from one of its own frames, measure, print a table."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from drn_core.evaluation.reenactment import CORE_METRICS
from retarget.evaluation.clip import compare_clips, decode, save_frame
from retarget.evaluation.observers import PersonObserver
from retarget.evaluation.truth import default_cache_folder

PIPELINE = (
    "{python} -m retarget video --source {source} --driver {driver} --output {output} --model {model} --overwrite"
)
COLUMNS = (*CORE_METRICS, "seconds", "peak_mb")


def generate(command: str, names: dict[str, str], log: Path) -> tuple[float, float]:
    """Run one method; return wall seconds and peak memory in MB."""
    arguments = [part.format(**names) for part in shlex.split(command)]
    began = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(arguments, stdout=stream, stderr=subprocess.STDOUT)  # noqa: S603 - the caller's own command
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{shlex.join(arguments)}\nfailed:\n{log.read_text(errors='replace')[-2000:]}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def static_copy(source: Path, clip: Path, output: Path) -> None:
    """Repeat the photo for the length of the clip (lossless): what any method must beat."""
    import av
    import cv2

    photo = cv2.cvtColor(cv2.imread(str(source)), cv2.COLOR_BGR2RGB)
    with av.open(str(output), "w") as container:
        stream = container.add_stream("ffv1", rate=25, width=photo.shape[1], height=photo.shape[0], pix_fmt="bgr0")
        for _ in decode(clip):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(photo, format="rgb24")))
        container.mux(stream.encode())


def measure(
    clip: Path, fraction: float, folder: Path, observer: PersonObserver, args: argparse.Namespace
) -> dict[str, Any]:
    """Generate and score one clip from one source frame."""
    source_index = int(sum(1 for _ in decode(clip)) * fraction)
    name = f"{clip.stem}@{source_index}"
    source, output = folder / f"{name}.png", folder / f"{name}.mkv" if args.static else folder / f"{name}.mp4"
    save_frame(clip, source_index, source)
    row: dict[str, Any] = {"clip": name}
    if args.static:
        static_copy(source, clip, output)
    elif not (args.reuse and output.exists()):
        names = {"python": sys.executable, "source": source, "driver": clip, "output": output, "model": args.model}
        seconds, peak = generate(args.command, {k: str(v) for k, v in names.items()}, folder / f"{name}.log")
        row |= {"seconds": seconds, "peak_mb": peak}
    result = compare_clips(
        clip, output, observer,
        step=args.step, source_index=source_index, face=not args.no_face, readings_folder=default_cache_folder(),
    )  # fmt: skip
    if result.num_real != result.num_generated:
        print(f"warning: {name}: {result.num_real} real frames, {result.num_generated} generated", file=sys.stderr)
    return row | result.pooled


def line(name: str, row: dict[str, Any]) -> str:
    """Lay out one row of the table."""
    return f"{name:34}" + "".join(f"{row[k]:9.3f}" if k in row else f"{'-':>9}" for k in COLUMNS)


def median_row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Take the median over the clips, column by column."""
    return {k: statistics.median(values) for k in COLUMNS if (values := [row[k] for row in rows if k in row])}


def main() -> None:
    """Parse, measure clip by clip, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="video files or folders of them")
    parser.add_argument("--model", default="prior")
    parser.add_argument("--command", default=PIPELINE, help="how a video is made: {source} {driver} {output} {model}")
    parser.add_argument("--static", action="store_true", help="measure a static copy of the photo instead")
    parser.add_argument(
        "--fractions", type=float, nargs="+", default=[1 / 3], help="source frames, as parts of the clip"
    )
    parser.add_argument("--step", type=int, default=4, help="measure every n-th frame")
    parser.add_argument("--no-face", action="store_true", help="skip faces (the slowest part)")
    parser.add_argument("--work", type=Path, help="keep sources, videos and logs here")
    parser.add_argument("--reuse", action="store_true", help="do not make again the videos that are in --work")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--compare", type=Path, help="rows of an earlier run: print the differences of the same clips")
    args = parser.parse_args()
    clips = [p for given in args.clips for p in (sorted(given.iterdir()) if given.is_dir() else [given])]
    rows: list[dict[str, Any]] = []
    print(" " * 34 + "".join(f"{k:>9}" for k in COLUMNS))
    with TemporaryDirectory() as temporary:
        folder = args.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        observer = PersonObserver()
        for clip in clips:
            for fraction in args.fractions:
                rows.append(measure(clip, fraction, folder, observer, args))
                print(line(rows[-1]["clip"], rows[-1]), flush=True)
                if args.json:
                    args.json.write_text(
                        json.dumps({"step": args.step, "rows": rows, "median": median_row(rows)}, indent=1)
                    )
    print(line("median", median_row(rows)))
    if args.compare:
        old = {row["clip"]: row for row in json.loads(args.compare.read_text())["rows"]}
        pairs = [(row, old[row["clip"]]) for row in rows if row["clip"] in old]
        for now, then in pairs:
            print(line(now["clip"], {k: now[k] - then[k] for k in COLUMNS if k in now and k in then}))
        print(line("median of the older run", median_row([then for _, then in pairs])))
        print(line("median of these, same clips", median_row([now for now, _ in pairs])))


if __name__ == "__main__":
    main()
