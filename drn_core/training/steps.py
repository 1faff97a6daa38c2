"""One training step: the joint schedule and the paper's three-step schedule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import RAdam

from drn_core.config import LossConfig, PhaseConfig, TrainConfig
from drn_core.data.records import TrainingBatch
from drn_core.losses.adversarial import ImagePool, lsgan_discriminator_loss, lsgan_generator_loss
from drn_core.losses.flow import Features
from drn_core.losses.total import LossTerms, picture_terms, pose_terms
from drn_core.model.discriminator import DiscriminatorPair, stack_conditions
from drn_core.model.drn import DRN, PoseBranch
from drn_core.model.records import DRNInput, DRNOutput
from drn_core.pose_maps import gaussian_maps
from drn_core.training.distributed import Processes, share
from drn_core.training.parts import parameters_of, select_trainable
from drn_core.training.schedule import rate_factor

__all__ = ["Generator", "StepRunner"]


class Generator(nn.Module):
    """The network as training calls it: only as far as the phase needs it.

    Args:
        model: the network.
    """

    def __init__(self, model: DRN) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: DRNInput, picture: str) -> DRNOutput:
        """Run the pose branch alone for "warped" and "coarse", everything for "output"."""
        if picture == "output":
            return cast(DRNOutput, self.model(inputs))
        features = self.model.encode_pose_source(inputs.source)
        pose = cast(PoseBranch, self.model.pose_branch)(features, inputs.driver)
        return DRNOutput(image=pose.coarse, pose=pose, detail=None, face=None, face_mask=None)


class StepRunner:
    """Holds optimisers and adversaries of one phase, and makes its steps.

    Args:
        config: the recipe.
        phase: the phase.
        model: the network.
        discriminators: the adversaries; None where no phase needs them.
        pools: the image pools of D_A and D_S.
        features: extractor of feature terms, or None.
        processes: gradients are averaged over them.
    """

    def __init__(
        self,
        config: TrainConfig,
        phase: PhaseConfig,
        model: DRN,
        *,
        discriminators: DiscriminatorPair | None,
        pools: tuple[ImagePool, ImagePool],
        features: Features | None,
        processes: Processes,
    ) -> None:
        self.config, self.phase = config, phase
        self.discriminators, self.pools, self.features = discriminators, pools, features
        chosen = select_trainable(model, phase)
        self.generator = share(Generator(model), processes)
        self.shared_discriminators = None if discriminators is None else share(discriminators, processes)
        self.optimizers = {"generator": self._optimizer(chosen, phase.learning_rate)}
        if phase.schedule == "three-step":
            pose = [p for p in parameters_of(model, ["pose"]) if p.requires_grad]
            self.optimizers["pose"] = self._optimizer(pose, phase.learning_rate)
        if discriminators is not None and phase.loss.adversarial:
            rate = phase.discriminator_rate
            self.optimizers["discriminators"] = self._optimizer(list(discriminators.parameters()), rate)

    def step(self, batch: TrainingBatch, phase_step: int) -> dict[str, float]:
        """Update the weights by one batch.

        Args:
            batch: on the device.
            phase_step: 0 for the phase's first.

        Returns:
            Every unweighted term by name, "total", and "pose/..." for L_1 of the three-step schedule. If any loss is
            not finite, the weights have not been touched by it.
        """
        factor = rate_factor(self.phase, phase_step)
        for name, optimizer in self.optimizers.items():
            rate = self.phase.discriminator_rate if name == "discriminators" else self.phase.learning_rate
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
        report: dict[str, float] = {}
        if self.phase.schedule == "three-step":
            report |= self._pose_step(batch)
        output, terms = self._generator_step(batch)
        report |= terms
        if "discriminators" in self.optimizers:
            for _ in range(self.phase.discriminator_steps):
                report |= self._discriminator_step(batch, self._picture(output).detach())
        return report

    def _optimizer(self, parameters: list[Parameter], rate: float) -> RAdam:
        return RAdam(parameters, lr=rate, betas=self.config.betas, weight_decay=self.config.weight_decay)

    def _pose_step(self, batch: TrainingBatch) -> dict[str, float]:
        """Step 1 of the paper's schedule: the pose branch alone, by L_1 on I_c."""
        with self._arithmetic(batch):
            output: DRNOutput = self.generator(batch.inputs, "coarse")
            terms = self._terms(output, output.pose.coarse, batch, self.phase.pose_loss)
        self._descend("pose", terms.total)
        return {f"pose/{name}": value for name, value in _report(terms).items()}

    def _generator_step(self, batch: TrainingBatch) -> tuple[DRNOutput, dict[str, float]]:
        """Update everything the phase trains, on a forward pass of its own (weights may just have changed)."""
        with self._arithmetic(batch):
            output: DRNOutput = self.generator(batch.inputs, self.phase.picture)
            picture = self._picture(output)
            terms = self._terms(output, picture, batch, self.phase.loss)
            if self.discriminators is not None and self.phase.loss.adversarial:
                with _frozen(self.discriminators):
                    scores = self._scores(batch, picture)
                adversarial = torch.stack([lsgan_generator_loss(score.float()) for score in scores]).mean()
                terms = terms.joined(
                    LossTerms({"adversarial": adversarial}, {"adversarial": self.phase.loss.adversarial})
                )
        self._descend("generator", terms.total)
        return output, _report(terms)

    def _discriminator_step(self, batch: TrainingBatch, picture: Tensor) -> dict[str, float]:
        maps, source = self._pose_maps(batch), batch.inputs.source.image
        real_a, real_s = stack_conditions(batch.target, source, maps)
        fake_a, fake_s = stack_conditions(picture.float(), source, maps)
        fake_a, fake_s = self.pools[0].exchange(fake_a), self.pools[1].exchange(fake_s)
        with self._arithmetic(batch):
            # One pass over real and fake together: distributed modules count their forward calls.
            scores = cast(nn.Module, self.shared_discriminators)(
                torch.cat((real_a, fake_a)), torch.cat((real_s, fake_s))
            )
        (good_a, bad_a), (good_s, bad_s) = (score.float().chunk(2) for score in scores)
        losses = {
            "d_appearance": lsgan_discriminator_loss(good_a, bad_a),
            "d_shape": lsgan_discriminator_loss(good_s, bad_s),
        }
        self._descend("discriminators", self.phase.loss.adversarial * torch.stack(list(losses.values())).sum())
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _scores(self, batch: TrainingBatch, picture: Tensor) -> tuple[Tensor, Tensor]:
        stacked = stack_conditions(picture, batch.inputs.source.image, self._pose_maps(batch))
        return cast(tuple[Tensor, Tensor], cast(nn.Module, self.discriminators)(*stacked))

    def _pose_maps(self, batch: TrainingBatch) -> Tensor:
        driver, size_hw = batch.inputs.driver, (batch.target.shape[-2], batch.target.shape[-1])
        return gaussian_maps(driver.keypoints, driver.confidence, size_hw, sigma_px=size_hw[0] / 42)

    def _terms(self, output: DRNOutput, picture: Tensor, batch: TrainingBatch, loss: LossConfig) -> LossTerms:
        terms = picture_terms(picture, batch, replace(loss, adversarial=0.0), self.features)
        return terms.joined(pose_terms(output.pose, batch, loss, self.features))

    def _picture(self, output: DRNOutput) -> Tensor:
        if self.phase.picture == "warped" and output.pose.warped is not None:
            return output.pose.warped
        return output.pose.coarse if self.phase.picture == "coarse" else output.image

    def _arithmetic(self, batch: TrainingBatch) -> torch.autocast:
        is_reduced = self.config.precision == "bfloat16"
        return torch.autocast(batch.target.device.type, dtype=torch.bfloat16, enabled=is_reduced)

    def _descend(self, name: str, loss: Tensor) -> None:
        if not torch.isfinite(loss.detach()):
            raise FloatingPointError(f"the loss of {name} is {float(loss.detach())}")
        optimizer = self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.clip_norm > 0:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, self.config.clip_norm)
        optimizer.step()


def _report(terms: LossTerms) -> dict[str, float]:
    report = {name: float(value.detach()) for name, value in terms.values.items()}
    return report | {"total": float(terms.total.detach())}


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)
