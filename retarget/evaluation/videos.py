"""The suites for videos: one generated clip against the real one, and self-reenactment over a folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from drn_core.evaluation.protocol import Protocol
from drn_core.evaluation.report import Row, Skipped, summarise, summarise_frames
from retarget.errors import InputError, OutputError, RetargetError, UsageError
from retarget.evaluation.clip import ClipResult, measure_clip
from retarget.evaluation.frames import count_frames, decoding_of, save_frame
from retarget.evaluation.generate import PIPELINE_COMMAND, check_command, run_command
from retarget.evaluation.observers import Observer, PersonObserver
from retarget.evaluation.suite import Evaluation, FrameObserver, SuiteOptions, build_report, check_required

__all__ = ["ReenactOptions", "evaluate_reenactment", "evaluate_video", "list_clips"]

_FRAME_BLOCK = 10
"""Successive frames resampled together for the intervals of a single clip."""


def _check_lengths(result: ClipResult, name: str, options: SuiteOptions) -> list[Skipped]:
    if result.num_real == result.num_generated:
        return []
    reason = f"{result.num_generated} generated frames, {result.num_real} real ones"
    if not options.skip_bad:
        raise InputError(f"{name}: {reason}", hint="--skip-bad compares the frames that both have, and says so")
    return [Skipped(name, f"{reason}: only the frames that both have were compared")]


def evaluate_video(
    real: Path,
    generated: Path,
    protocol: Protocol,
    options: SuiteOptions,
    *,
    step: int = 1,
    source_index: int | None = None,
    observer: Observer | None = None,
) -> Evaluation:
    """Evaluate one generated clip against the real one; intervals are over its frames.

    Args:
        real: the truth.
        generated: the video to judge.
        protocol: "reenact" or "video".
        options: of all suites.
        step: every how many frames one is measured.
        source_index: frame the photo was taken from; frames near it are left out.
        observer: reads persons; None takes MediaPipe and dlib.

    Raises:
        InputError: a file can't be read, or the clips differ in length.
        ModelError: a required metric can't be computed.
    """
    networks, missing = check_required(protocol, options)
    extra = FrameObserver(networks, protocol)
    result = measure_clip(
        real, generated, observer or PersonObserver(), protocol,
        name=real.name, step=step, source_index=source_index, face=options.face and networks.has_dlib,
        cache=options.cache, on_scored=partial(extra.add, real.name),
    )  # fmt: skip
    skipped = _check_lengths(result, str(generated), options)
    report = build_report(
        protocol, [result.row],
        summarise_frames(result.row, protocol, block=_FRAME_BLOCK, set_figures=extra.set_figures()),
        subject={"real": str(real), "generated": str(generated)},
        settings={"step": step, "source_index": source_index, "interval": f"blocks of {_FRAME_BLOCK} frames"},
        missing=missing, skipped=skipped, require=options.require,
    )  # fmt: skip
    return Evaluation(report, extra.examples.best(), extra.examples.worst())


@dataclass(frozen=True)
class ReenactOptions:
    """How clips are made again.

    Attributes:
        model: for the command's field {model}.
        command: how a video is made; see `retarget.evaluation.generate`.
        fractions: source frames, as parts of each clip; one sample each.
        step: every how many frames one is measured.
        work: folder that keeps sources, videos and logs; None throws them away.
        generated: folder of finished videos, named as those in `work`; None runs the command.
    """

    model: str = "default"
    command: str = PIPELINE_COMMAND
    fractions: tuple[float, ...] = (1 / 3,)
    step: int = 1
    work: Path | None = None
    generated: Path | None = None

    def __post_init__(self) -> None:
        if not self.fractions or not all(0 <= fraction < 1 for fraction in self.fractions):
            raise UsageError(f"--sources: expected parts of the clip in [0, 1), got {list(self.fractions)}")
        if self.step < 1:
            raise UsageError(f"--step: expected at least 1, got {self.step}")
        check_command(self.command)


def list_clips(folders: Sequence[Path]) -> list[Path]:
    """List the clips to measure: files as given, and all files of folders that are not hidden.

    Args:
        folders: folders or files.

    Raises:
        InputError: a path does not exist, or there is no clip at all.
    """
    clips: list[Path] = []
    for path in folders:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        inside = (
            sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")) if path.is_dir() else [path]
        )
        clips += inside
    if not clips:
        raise InputError(f"{', '.join(map(str, folders))}: no clips", hint="put videos of one person there")
    return clips


@contextlib.contextmanager
def _working_folder(folder: Path | None) -> Iterator[Path]:
    if folder is None:
        with TemporaryDirectory(prefix="retarget-evaluate-") as temporary:
            yield Path(temporary)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be made: {error.strerror}") from error
    yield folder


def _make(
    clip: Path, name: str, source_index: int, how: ReenactOptions, folder: Path, decoding: str
) -> tuple[Path, dict[str, float]]:
    """Return the generated video and what it cost."""
    if how.generated is not None:
        found = sorted(p for p in how.generated.glob(f"{_escaped(name)}.*") if p.suffix not in {".png", ".log"})
        if len(found) != 1:
            raise InputError(f"{how.generated}: expected one video named {name}.*, found {len(found)}")
        return found[0], {}
    source, output = folder / f"{name}.png", folder / f"{name}.mp4"
    save_frame(clip, source_index, source, decoding)
    cost = run_command(how.command, source=source, driver=clip, output=output, model=how.model)
    figures = {"seconds": cost.seconds, "fps": count_frames(output, decoding) / cost.seconds}
    return output, figures if cost.peak_mb is None else {**figures, "peak_mb": cost.peak_mb}


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def evaluate_reenactment(
    clips: Sequence[Path],
    protocol: Protocol,
    options: SuiteOptions,
    how: ReenactOptions,
    *,
    observer: Observer | None = None,
    tell: Callable[[str], None] | None = None,
) -> Evaluation:
    """Make each clip again from one of its own frames, measure it, and take medians over the clips.

    Args:
        clips: video files.
        protocol: "reenact" or "video".
        options: of all suites.
        how: how clips are made again.
        observer: reads persons; None takes MediaPipe and dlib.
        tell: gets a line of progress after each clip.

    Raises:
        RetargetError: a clip can't be read, made or measured, unless bad ones are skipped.
        InputError: no clip could be measured.
    """
    networks, missing = check_required(protocol, options)
    extra = FrameObserver(networks, protocol)
    rows: list[Row] = []
    skipped: list[Skipped] = []
    with _working_folder(how.work) as folder:
        run = _Reenactment(protocol, options, how, observer or PersonObserver(), folder, extra, networks.has_dlib)
        for clip in clips:
            for fraction in how.fractions:
                try:
                    row, result = run.measure(clip, fraction)
                    skipped += _check_lengths(result, row.name, options)
                except RetargetError as error:
                    if not options.skip_bad:
                        raise
                    skipped.append(Skipped(f"{clip.name} from {fraction:.3g}", str(error)))
                    continue
                rows.append(row)
                if tell is not None:
                    tell(f"{row.name}: {_brief(row)}")
    if not rows:
        raise InputError("no clip could be measured", hint="; ".join(f"{s.name}: {s.reason}" for s in skipped[:3]))
    report = build_report(
        protocol, rows, summarise(rows, protocol, set_figures=extra.set_figures()),
        subject={"model": how.model, "command": how.command, "generated": how.generated and str(how.generated)},
        settings={"step": how.step, "sources": list(how.fractions), "interval": "clips"},
        missing=missing, skipped=skipped, require=options.require,
    )  # fmt: skip
    return Evaluation(report, extra.examples.best(), extra.examples.worst())


@dataclass(frozen=True)
class _Reenactment:
    """What stays the same from clip to clip."""

    protocol: Protocol
    options: SuiteOptions
    how: ReenactOptions
    observer: Observer
    folder: Path
    extra: FrameObserver
    has_dlib: bool

    def measure(self, clip: Path, fraction: float) -> tuple[Row, ClipResult]:
        """Make one clip from one source frame and measure it."""
        decoding = decoding_of(self.protocol)
        source_index = int(count_frames(clip, decoding) * fraction)
        name = f"{clip.stem}@{source_index}"
        video, cost = _make(clip, name, source_index, self.how, self.folder, decoding)
        result = measure_clip(
            clip, video, self.observer, self.protocol,
            name=name, step=self.how.step, source_index=source_index, face=self.options.face and self.has_dlib,
            cache=self.options.cache, on_scored=partial(self.extra.add, name),
        )  # fmt: skip
        return _with_cost(result.row, cost, self.protocol), result


def _with_cost(row: Row, cost: dict[str, float], protocol: Protocol) -> Row:
    known = {name: value for name, value in cost.items() if name in protocol.names}
    return Row(row.name, {**row.values, **known}, row.weights, row.series, row.indices)


def _brief(row: Row) -> str:
    shown = ("psnr", "ssim", "tpsnr", "pck", "face", "sharp", "flick")
    return ", ".join(f"{name} {row.values[name]:.4g}" for name in shown if name in row.values)
