"""Updater: one optimizer step on one batch, however the batch is split. It knows nothing about schedules."""

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
    """Computes gradients, for parts of a batch and across processes, and applies them.

    Args:
        objective: the modules to train; moved to the accelerator's device.
        config: the training configuration.
        accelerator: determines device, precision and processes.

    Attributes:
        optimizer: AdamW over the objective's parameters.
    """

    def __init__(self, objective: Objective, config: TrainingConfig, accelerator: Accelerator):
        self.config, self.accelerator = config, accelerator
        self.objective = objective.to(accelerator.device)
        self.optimizer = _adamw(self.objective, config)
        # with several processes, `_parallel` wraps the objective and averages the gradients across them
        self._parallel, self._prepared_optimizer = accelerator.prepare(self.objective, self.optimizer)
        self._losses: dict[str, torch.Tensor] = {}  # of this process, summed since the last mean_losses()
        self._targets = 0  # of all processes

    def update(self, batch: Any, rate: float, step: int) -> BatchSize:
        """Makes one optimizer step, without waiting for the device, so that the CPU can run ahead of a GPU.

        Args:
            batch: the whole batch; each process uses its own part of it.
            rate: the learning rate.
            step: the number of the step, which seeds everything random in it.

        Returns:
            The size of the whole batch.
        """
        config, accelerator = self.config, self.accelerator
        rank, passes = accelerator.process_index, config.gradient_accumulation_steps
        size = self.objective.size(batch)
        # Dropout is seeded in each step, so that an exact resume needs no generator state.
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
                # Gradients are averaged over processes. Multiplying by the number of processes makes them
                # the gradients of the mean over the targets of the whole batch.
                accelerator.backward(losses.total * (accelerator.num_processes / size.targets))
            for name, loss in losses.named.items():
                self._losses[name] = self._losses.get(name, 0) + loss.detach().float()
        accelerator.clip_grad_norm_(self._parallel.parameters(), config.max_grad_norm)
        self._prepared_optimizer.step()
        self._prepared_optimizer.zero_grad(set_to_none=True)
        self._targets += size.targets
        return size

    def mean_losses(self) -> dict[str, float]:
        """The mean of each loss per target over the steps since the last call; {} if there were none.

        All processes must call this together.
        """
        if not self._targets:
            return {}
        means = (self._summed() / self._targets).tolist()
        names = list(self._losses)
        self._losses, self._targets = {}, 0
        return dict(zip(names, means, strict=True))

    def pending_losses(self) -> dict[str, Any]:
        """What `mean_losses` would use, for a checkpoint. All processes must call this together."""
        if not self._targets:
            return {}
        return {
            "targets": self._targets,
            "sums": dict(zip(self._losses, self._summed().tolist(), strict=True)),
        }

    def restore_losses(self, pending: dict[str, Any]) -> None:
        """Goes on from a value of `pending_losses`."""
        is_main, device = self.accelerator.is_main_process, self.accelerator.device
        for name, value in pending.get("sums", {}).items():
            self._losses[name] = torch.tensor(value if is_main else 0.0, device=device)
        self._targets = pending.get("targets", 0)

    def _summed(self) -> torch.Tensor:
        """The losses, summed over the steps and the processes."""
        summed: torch.Tensor = self.accelerator.reduce(torch.stack(list(self._losses.values())))
        return summed


def _adamw(module: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW over all parameters, with weight decay only on matrices."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
