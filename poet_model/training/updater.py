"""Updater: one step of the optimizer on one batch, however the batch is split. Knows no schedule."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from .config import TrainingConfig
from .objective import BatchSize, Objective


class Updater:
    """Computes gradients in parts, over all processes, and applies them.

    Args:
        objective: what learns; it is moved to the accelerator's device.
        config: the recipe.
        accelerator: where and in which precision to compute.

    Attributes:
        optimizer: AdamW over the objective's parameters.
    """

    def __init__(self, objective: Objective, config: TrainingConfig, accelerator: Accelerator):
        self.config, self.accelerator = config, accelerator
        self.objective = objective.to(accelerator.device)
        self.optimizer = _adamw(self.objective, config)
        # in several processes a wrapper that averages the gradients, with the same parameters
        self._parallel, self._prepared_optimizer = accelerator.prepare(self.objective, self.optimizer)
        self._losses: dict[str, torch.Tensor] = {}  # of this process, summed since `mean_losses`
        self._targets = 0  # of all processes

    def update(self, batch: Any, rate: float, step: int) -> BatchSize:
        """Makes one step; it never waits for the device, so that the CPU can run ahead of a GPU.

        Args:
            batch: the whole batch, of which this process takes its part.
            rate: the learning rate.
            step: its number, which seeds whatever is random in it.
        """
        config, accelerator = self.config, self.accelerator
        rank, passes = accelerator.process_index, config.gradient_accumulation_steps
        size = self.objective.size(batch)
        # Dropout is seeded anew each step: nothing of a generator's state need be kept to resume exactly.
        torch.manual_seed(int(np.random.SeedSequence([config.seed, step, rank]).generate_state(1)[0]))
        for group in self._prepared_optimizer.param_groups:
            group["lr"] = rate
        for number in range(passes):
            prepared = self.objective.prepare(
                batch,
                part=rank * passes + number,
                parts=accelerator.num_processes * passes,
                rng=np.random.default_rng([config.seed, step, rank, number]),
                device=accelerator.device,
            )
            is_last = number == passes - 1
            with contextlib.nullcontext() if is_last else accelerator.no_sync(self._parallel):
                losses = self._parallel(prepared)
                # Processes average their gradients; times their number: the mean over the batch's targets.
                accelerator.backward(losses.total * (accelerator.num_processes / size.targets))
            for name, loss in losses.named.items():
                self._losses[name] = self._losses.get(name, 0) + loss.detach()
        accelerator.clip_grad_norm_(self._parallel.parameters(), config.max_grad_norm)
        self._prepared_optimizer.step()
        self._prepared_optimizer.zero_grad(set_to_none=True)
        self._targets += size.targets
        return size

    def mean_losses(self) -> dict[str, float]:
        """Each loss, a target, over the updates since this was last called; {} if there were none.

        All processes must call it together.
        """
        if not self._targets:
            return {}
        names = list(self._losses)
        summed = self.accelerator.reduce(torch.stack(list(self._losses.values())))
        means = (summed / self._targets).tolist()
        self._losses, self._targets = {}, 0
        return dict(zip(names, means, strict=True))


def _adamw(module: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW over all parameters, with weight decay on the matrices."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
