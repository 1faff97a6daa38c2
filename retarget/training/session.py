"""One call of `retarget train`: recipe, data, processes, the run; the core's errors as the user's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from drn_core.config import PackData, TrainConfig
from drn_core.config_json import to_json
from drn_core.data.packs import PACK_SUFFIX
from drn_core.data.synthetic_packs import MadePacks, write_synthetic_packs
from drn_core.errors import CheckpointError, ConfigError, DataError, TrainingError, WeightsMissingError
from drn_core.losses.flow import Features
from drn_core.losses.perceptual import Vgg19Features
from drn_core.model.checkpoint import ModelCard, load_checkpoint
from drn_core.training.distributed import Processes, join_processes, leave_processes
from drn_core.training.loop import Progress, TrainingRun
from drn_core.training.recipe import estimate_cost, load_recipe, open_data, recipe_names, with_data_folders
from retarget.errors import InputError, ModelError, OutputError, UsageError

__all__ = ["TrainOptions", "core_errors", "describe", "list_recipes", "train"]

Tell = Callable[[str], object]


@dataclass(frozen=True)
class TrainOptions:
    """What the user asked for.

    Attributes:
        recipe: name or JSON file.
        folder: of the run.
        data_folders: packs; empty takes the recipe's own, or `folder/packs`.
        initial: weights to start from, or None.
        device: "auto", "cpu" or "cuda".
        num_workers: processes that make and load data; None takes the recipe's.
        num_threads: of the arithmetic on a CPU; None takes all.
        max_seconds: of this call, or None.
        tell: takes lines of progress; None is silent.
    """

    recipe: str
    folder: Path
    data_folders: tuple[Path, ...] = ()
    initial: Path | None = None
    device: str = "auto"
    num_workers: int | None = None
    num_threads: int | None = None
    max_seconds: float | None = None
    tell: Tell | None = None


@contextmanager
def core_errors() -> Iterator[None]:
    """Turn errors of the network package into those with exit codes."""
    try:
        yield
    except ConfigError as error:
        raise UsageError(str(error)) from None
    except (CheckpointError, WeightsMissingError) as error:
        raise ModelError(str(error)) from None
    except DataError as error:
        raise InputError(str(error)) from None
    except TrainingError as error:
        raise OutputError(str(error)) from None


def list_recipes() -> list[str]:
    """Return a line for each recipe that comes with the program."""
    lines = []
    for name in recipe_names():
        config = load_recipe(name)
        phases = ", ".join(f"{phase.name} {phase.steps}" for phase in config.phases)
        lines.append(f"{name:<16}{config.network.pose_branch.kind}, {config.total_steps} steps ({phases})")
    return lines


def describe(options: TrainOptions) -> list[str]:
    """Return what `--dry-run` shows: the resolved recipe and its cost.

    Raises:
        UsageError: the recipe is unknown or wrong.
    """
    with core_errors():
        config = _recipe(options)
        cost = estimate_cost(config)
    batch = max(phase.batch_size for phase in config.phases)
    memory = cost.state_bytes + batch * cost.activation_bytes
    return [
        json.dumps(to_json(config), indent=2),
        f"network          {cost.parameters / 1e6:.2f} M parameters, {cost.macs_per_frame / 1e9:.2f} G multiply-adds"
        " a frame",
        f"memory           about {memory / 2**30:.1f} GiB (batch {batch}; adversaries and data not counted)",
        f"steps            {cost.steps} in {len(config.phases)} phases, {cost.samples} samples a process",
    ]


def train(options: TrainOptions) -> bool:
    """Run a recipe, or go on with it.

    Returns:
        Whether it is finished.

    Raises:
        UsageError: the recipe is unknown or wrong.
        InputError: there is no usable data.
        ModelError: weights to start from, or for a loss term, are missing or unfit.
        OutputError: a loss is not finite, or the state can't be saved.
    """
    tell = options.tell or _silent
    if options.num_threads is not None:
        torch.set_num_threads(options.num_threads)
    with core_errors():
        config = _recipe(options)
        processes = join_processes(options.device)
        try:
            _fill_packs(config, tell)
            train_data, held_out, warnings = open_data(config)
            for warning in warnings:
                tell(f"left out: {warning}")
            tell(f"{len(train_data)} samples to train on, {0 if held_out is None else len(held_out)} held out")

            def report(progress: Progress) -> None:
                tell(_progress_line(progress))

            run = TrainingRun(
                config,
                options.folder,
                train_data,
                held_out,
                processes=processes,
                features=_features(config, processes),
                card=ModelCard(data=_data_line(config), commit=_commit()),
                initial=None if options.initial is None else load_checkpoint(options.initial).model.state_dict(),
                on_progress=report,
            )
            return run.run(max_seconds=options.max_seconds)
        finally:
            leave_processes()


def _silent(_: str) -> None:
    return None


def _recipe(options: TrainOptions) -> TrainConfig:
    config = load_recipe(options.recipe)
    if options.num_workers is not None:
        config = replace(config, num_workers=options.num_workers)
    if options.data_folders:
        return with_data_folders(config, list(options.data_folders))
    if isinstance(config.data, PackData) and not config.data.folders:
        return with_data_folders(config, [options.folder / "packs"])
    return config


def _fill_packs(config: TrainConfig, tell: Tell) -> None:
    if not isinstance(config.data, PackData) or config.data.synthetic is None:
        return
    folder, wanted = Path(config.data.folders[0]), config.data.synthetic
    if len(list(folder.glob(f"*{PACK_SUFFIX}"))) >= wanted.num_clips + wanted.num_pairs:
        return
    tell(f"making synthetic people in {folder}")

    def report(made: MadePacks, total: int) -> None:
        tell(f"packs {made.written + made.kept} of {total}, {made.failed} without a usable person")

    write_synthetic_packs(
        folder, wanted, config.network.size_hw, num_workers=max(config.num_workers, 1), on_progress=report
    )


def _features(config: TrainConfig, processes: Processes) -> Features | None:
    if config.perceptual == "none":
        return None
    path = Path(config.perceptual_weights) if config.perceptual_weights else None
    return Vgg19Features(path).to(processes.device)


def _data_line(config: TrainConfig) -> str:
    if isinstance(config.data, PackData) and config.data.synthetic is not None:
        made = config.data.synthetic
        return f"synthetic people: {made.num_clips} clips, {made.num_pairs} pairs, seed {made.seed}"
    return config.data.kind


def _commit() -> str:
    """Return the commit of a checkout, or nothing for an installed package."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def _progress_line(progress: Progress) -> str:
    terms = "  ".join(f"{name} {value:.4g}" for name, value in progress.terms.items())
    minutes = progress.remaining_seconds / 60
    return (
        f"{progress.step}/{progress.total_steps} {progress.phase}: {progress.samples_per_second:.1f} samples/s "
        f"(data {100 * progress.data_share:.0f} %), {minutes:.0f} min left  {terms}"
    )
