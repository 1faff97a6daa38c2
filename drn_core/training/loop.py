"""The training loop: phases in order, logged, validated, saved, resumable to the same losses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from drn_core.atomic import replace_file
from drn_core.config import TrainConfig
from drn_core.config_json import to_json
from drn_core.data.feed import PairDataset, batches
from drn_core.data.records import TrainingBatch, collate
from drn_core.errors import CheckpointError, TrainingError
from drn_core.losses.adversarial import ImagePool
from drn_core.losses.flow import Features
from drn_core.model.build import build_drn
from drn_core.model.checkpoint import ModelCard, save_checkpoint
from drn_core.model.discriminator import DiscriminatorPair
from drn_core.model.drn import DRN
from drn_core.model.records import to_device
from drn_core.skeleton import NUM_JOINTS
from drn_core.training.distributed import Processes, is_true_anywhere
from drn_core.training.ema import WeightAverage
from drn_core.training.logbook import Logbook
from drn_core.training.schedule import locate_step
from drn_core.training.sheets import draw_sheet, save_sheet
from drn_core.training.state import RunState, load_state, read_step, save_state
from drn_core.training.steps import StepRunner
from drn_core.training.validation import validate

__all__ = ["Progress", "TrainingRun"]

STATE_NAME, WEIGHTS_NAME, BAD_BATCH_NAME = "state.safetensors", "weights.safetensors", "bad-batch.safetensors"


@dataclass(frozen=True)
class Progress:
    """How a run stands.

    Attributes:
        step: steps taken.
        total_steps: of the recipe.
        phase: name of the current phase.
        samples_per_second: over the last interval, all processes together.
        data_share: part of the time spent waiting for data, in [0, 1].
        remaining_seconds: at this speed.
        terms: mean of every loss term over the interval.
    """

    step: int
    total_steps: int
    phase: str
    samples_per_second: float
    data_share: float
    remaining_seconds: float
    terms: dict[str, float]


class TrainingRun:
    """One run of a recipe in a folder; continues where the folder's state stands.

    Args:
        config: the recipe.
        folder: of the run: state, averaged weights, log, sheets.
        train_data: samples to train on.
        validation_data: held-out samples, or None.
        processes: this process among its peers.
        features: extractor of feature terms, or None.
        card: what the weights file says of its origin; steps and metrics are filled in.
        initial: weights to start from, e.g. of another run or of a network with more parts; None starts at random.
        on_progress: called at every log interval, by the first process.
        tensorboard: mirror the log to TensorBoard if it is installed.

    Raises:
        CheckpointError: the weights to start from lack some of the network's.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        train_data: PairDataset,
        validation_data: PairDataset | None = None,
        *,
        processes: Processes,
        features: Features | None = None,
        card: ModelCard | None = None,
        initial: dict[str, torch.Tensor] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        tensorboard: bool = True,
    ) -> None:
        self.config, self.folder, self.processes = config, folder, processes
        self.train_data, self.validation_data = train_data, validation_data
        self.features, self.card, self.on_progress = features, card or ModelCard(), on_progress
        torch.manual_seed(config.seed)
        model = build_drn(config.network).to(processes.device)
        if initial is not None:
            _take_over(model, initial)
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        is_adversarial = any(phase.loss.adversarial for phase in config.phases)
        adversaries = DiscriminatorPair(_num_joints(train_data), base_channels=config.discriminator_channels)
        self.state = RunState(
            step=0,
            model=model,
            average=WeightAverage(model, config.ema_decay),
            discriminators=adversaries.to(processes.device) if is_adversarial else None,
            pools=(ImagePool(config.pool_size, seed=1), ImagePool(config.pool_size, seed=2)),
            optimizers={},
        )
        self.metrics: dict[str, float] = {}
        self.log = Logbook(folder, tensorboard=tensorboard) if processes.is_first else None

    def run(self, *, max_seconds: float | None = None) -> bool:
        """Train to the end of the recipe, or for some time.

        Args:
            max_seconds: stop, with the state saved, at the first step after this long; None runs to the end.

        Returns:
            Whether the recipe is finished.

        Raises:
            TrainingError: a loss is not finite (the batch is in `bad-batch.safetensors`, the last state is kept), or
                the state can't be saved.
        """
        deadline = None if max_seconds is None else time.monotonic() + max_seconds
        path = self.folder / STATE_NAME
        step = read_step(path) if path.is_file() else 0
        resumes = step > 0
        while step < self.config.total_steps:
            index, phase_step = locate_step(self.config.phases, step)
            runner = self._runner(index)
            if resumes:
                # At a phase's first step its optimisers are new; those in the file belong to the one before.
                self.state.optimizers = runner.optimizers if phase_step else {}
                load_state(path, self.state, self.config)
                resumes = False
            self.state.optimizers = runner.optimizers
            step = self._run_phase(runner, index, phase_step, deadline)
            self._save()
            if self._is_over(deadline):
                break
        self._finish()
        return step >= self.config.total_steps

    def _runner(self, index: int) -> StepRunner:
        state = self.state
        return StepRunner(
            self.config,
            self.config.phases[index],
            state.model,
            discriminators=state.discriminators,
            pools=state.pools,
            features=self.features,
            processes=self.processes,
        )

    def _run_phase(self, runner: StepRunner, index: int, first: int, deadline: float | None) -> int:
        """Make the steps of one phase, from `first` on; return the recipe's step reached."""
        config, phase, state = self.config, self.config.phases[index], self.state
        offset = sum(earlier.steps for earlier in config.phases[:index])
        position = _stream_position(config, index, first, self.processes.count)
        feed = batches(
            self.train_data,
            seed=config.seed,
            start=position,
            count=phase.steps - first,
            batch_size=phase.batch_size,
            rank=self.processes.rank,
            num_processes=self.processes.count,
            num_workers=config.num_workers,
        )
        meter = _Meter(phase.batch_size * self.processes.count)
        state.model.train()
        for phase_step, batch in enumerate(feed, start=first):
            meter.data_arrived()
            # Dropout follows from the step alone, so nothing of the generator's state needs saving.
            torch.manual_seed((config.seed * 1_000_003 + state.step) * 4_096 + self.processes.rank)
            moved = to_device(batch, self.processes.device)
            try:
                terms = runner.step(moved, phase_step)
            except FloatingPointError as error:
                raise self._diverged(batch, error) from None
            state.average.update(state.model, state.step)
            state.step = offset + phase_step + 1
            meter.stepped(terms)
            self._attend(meter, phase.name)
            if self._is_over(deadline):
                break
        return state.step

    def _is_over(self, deadline: float | None) -> bool:
        """Tell whether time is up; processes stop together, or the others would wait for gradients for ever."""
        return deadline is not None and is_true_anywhere(time.monotonic() >= deadline, self.processes)

    def _attend(self, meter: _Meter, phase_name: str) -> None:
        """Log, validate, draw and save where the step calls for it."""
        config, step = self.config, self.state.step
        if step % config.log_every == 0:
            self._report(meter, phase_name)
        if config.validate_every and step % config.validate_every == 0:
            self._validate()
        if config.sample_every and step % config.sample_every == 0:
            self._draw()
        if step % config.save_every == 0:
            self._save()
        meter.resume()

    def _report(self, meter: _Meter, phase_name: str) -> None:
        terms, rate, data_share = meter.read()
        if self.log is None:
            return
        step, total = self.state.step, self.config.total_steps
        remaining = (total - step) * meter.samples_per_step / max(rate, 1e-9)
        values = {
            "phase": phase_name,
            "samples_per_second": round(rate, 2),
            "data_share": round(data_share, 3),
            **terms,
        }
        self.log.write("train", step, values)
        if self.on_progress is not None:
            self.on_progress(Progress(step, total, phase_name, rate, data_share, remaining, terms))

    def _validation_batches(self, limit: int) -> list[TrainingBatch]:
        if self.validation_data is None:
            return []
        count = min(limit, len(self.validation_data))
        samples = [self.validation_data.sample(i, seed=i) for i in range(count)]
        return [collate(samples[i : i + 8]) for i in range(0, count, 8)]

    def _validate(self) -> None:
        if self.log is None or self.validation_data is None:
            return
        held_out = self._validation_batches(self.config.validation_samples)
        self.metrics = validate(self.state.average.model, held_out, self.processes.device)
        self.log.write("validate", self.state.step, self.metrics)

    def _draw(self) -> None:
        if self.log is None:
            return
        held_out = self._validation_batches(6) or [collate([self.train_data.sample(i, seed=i) for i in range(4)])]
        sheet = draw_sheet(self.state.average.model, to_device(held_out[0], self.processes.device))
        save_sheet(self.folder / "samples" / f"{self.state.step:07d}.png", sheet)
        self.log.write_sheet(self.state.step, sheet)

    def _save(self) -> None:
        if not self.processes.is_first:
            return
        save_state(self.folder / STATE_NAME, self.state, self.config)
        model = self.state.average.model
        card = ModelCard(
            recipe=self.config.name,
            data=self.card.data,
            seed=self.config.seed,
            steps=self.state.step,
            commit=self.card.commit,
            metrics=self.metrics,
            notes=self.card.notes,
        )
        try:
            save_checkpoint(self.folder / WEIGHTS_NAME, model, self.config.network, card, dtype=torch.float16)
            replace_file(self.folder / "recipe.json", self._write_recipe)
        except OSError as error:
            raise TrainingError(
                f"{self.folder}: weights can't be saved ({error}); the previous ones are kept"
            ) from None

    def _write_recipe(self, path: Path) -> None:
        path.write_text(json.dumps(to_json(self.config), indent=2) + "\n", encoding="utf-8")

    def _finish(self) -> None:
        if self.log is not None:
            self.log.close()

    def _diverged(self, batch: TrainingBatch, error: FloatingPointError) -> TrainingError:
        path = self.folder / BAD_BATCH_NAME
        tensors = {name: tensor.contiguous() for name, tensor in _flatten(batch).items()}
        replace_file(path, lambda temporary: save_file(tensors, temporary))
        return TrainingError(
            f"step {self.state.step}: {error}; the batch is kept in {path}, the last good state in "
            f"{self.folder / STATE_NAME}"
        )


class _Meter:
    """Means of terms, speed, and the share of time spent waiting for data."""

    def __init__(self, samples_per_step: int) -> None:
        self.samples_per_step = samples_per_step
        self._clock = time.perf_counter()
        self._reset()

    def _reset(self) -> None:
        self._sums: dict[str, float] = {}
        self._steps = 0
        self._waiting = self._working = 0.0

    def data_arrived(self) -> None:
        """A batch is there."""
        self._waiting += self._lap()

    def stepped(self, terms: dict[str, float]) -> None:
        """A step is made."""
        self._working += self._lap()
        self._steps += 1
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def resume(self) -> None:
        """Start the clock again after time that counts for nothing (validation, saving)."""
        self._lap()

    def read(self) -> tuple[dict[str, float], float, float]:
        """Return mean terms, samples per second and the data share since the last reading."""
        elapsed = max(self._waiting + self._working, 1e-9)
        means = {name: value / max(self._steps, 1) for name, value in self._sums.items()}
        result = means, self._steps * self.samples_per_step / elapsed, self._waiting / elapsed
        self._reset()
        return result

    def _lap(self) -> float:
        now = time.perf_counter()
        lap, self._clock = now - self._clock, now
        return lap


def _stream_position(config: TrainConfig, index: int, phase_step: int, num_processes: int) -> int:
    """Samples consumed before a step, over all processes."""
    before = sum(phase.steps * phase.batch_size for phase in config.phases[:index])
    return (before + phase_step * config.phases[index].batch_size) * num_processes


def _flatten(record: Any, prefix: str = "") -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for name, value in vars(record).items():
        if isinstance(value, torch.Tensor):
            tensors[prefix + name] = value
        elif hasattr(value, "__dataclass_fields__"):
            tensors |= _flatten(value, f"{prefix}{name}.")
    return tensors


def _take_over(model: DRN, initial: dict[str, torch.Tensor]) -> None:
    """Start from weights; parts that only their network has are left out."""
    own = model.state_dict()
    unfit = [name for name, value in own.items() if name not in initial or initial[name].shape != value.shape]
    if unfit:
        raise CheckpointError(f"the weights to start from lack {len(unfit)} of {len(own)} values, such as {unfit[0]}")
    model.load_state_dict({name: initial[name] for name in own})


def _num_joints(data: PairDataset) -> int:
    return data.sample(0, seed=0).inputs.driver.keypoints.shape[1] if len(data) else NUM_JOINTS
