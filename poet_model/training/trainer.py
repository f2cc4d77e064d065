"""Trainer: one training loop with schedule, log, checkpoints and exact resume. Knows batches, not poems."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import nn

from ..errors import CheckpointError
from ..model_folder import LOG_NAME
from .checkpoint import CHECKPOINT_NAME, Checkpoint, TrainingState
from .config import TrainingConfig
from .log import TrainingLog, drop_records_after
from .malloc import return_freed_memory
from .objective import Objective
from .stopping import Interrupted, StopRequest
from .updater import Updater


class Epoch(Protocol):
    """The batches of one epoch, in order."""

    def __len__(self) -> int: ...

    def batch(self, index: int) -> Any:
        """The batch at one place, as the objective takes it."""


class EpochSource(Protocol):
    """Gives the batches of each epoch, the same in every process."""

    def epoch(self, number: int) -> Epoch:
        """The batches of epoch `number`, counted from 0."""


class Trainer:
    """Minimizes an objective, and keeps the model with the lowest validation loss.

    Args:
        objective: what learns, and the losses; see Objective.
        batches: the training batches by epoch.
        evaluate: called on the main process with the objective's model in eval mode; returns at least `loss`
            (nats a target).
        save_best: called on the main process with the model and its log record when a validation loss is the
            lowest so far.
        config: the recipe.
        output: folder of the log and the checkpoint.
        accelerator: where and in which precision to compute.
        identity: what must be equal, besides the recipe, for a checkpoint to be continued (corpus,
            architecture …).
        release_memory: called after each regular checkpoint.

    Attributes:
        state: where the training stands.
    """

    def __init__(
        self,
        objective: Objective,
        batches: EpochSource,
        *,
        evaluate: Callable[[nn.Module], dict],
        save_best: Callable[[nn.Module, dict], None],
        config: TrainingConfig,
        output: str | Path,
        accelerator: Accelerator | None = None,
        identity: dict | None = None,
        release_memory: Callable[[], None] = return_freed_memory,
    ):
        self.config, self.output, self.batches = config, Path(output), batches
        self.accelerator = accelerator or Accelerator(cpu=True)
        self.evaluate, self.save_best, self.release_memory = evaluate, save_best, release_memory
        self.updater = Updater(objective, config, self.accelerator)
        self.objective = self.updater.objective
        self.state = TrainingState()
        self.log = TrainingLog(self.output / LOG_NAME, self.accelerator)
        identity = {"training": asdict(config), **(identity or {})}
        self.checkpoint = Checkpoint(self.output / CHECKPOINT_NAME, identity)
        self._stop = StopRequest()
        self._epoch_length = 0
        self._last_evaluated = -1

    @property
    def model(self) -> nn.Module:
        """What is validated and kept."""
        return self.objective.model

    def train(self) -> dict:
        """Trains to the end of the schedule; returns the record of the best validation.

        Raises:
            Interrupted: asked to stop; the checkpoint holds everything needed to go on.
            CheckpointError: the loss is no longer a number.
        """
        with self._stop.listening():
            self.objective.train()
            self.log.restart_clock(self.state.tokens)
            with self.log.progress_bar():
                self._run_schedule()
                self._log_losses(1.0)
                self._evaluate()
            self.save_checkpoint()
        return self.state.best

    def _run_schedule(self) -> None:
        """All updates, to the end of the epochs or of the time."""
        state, config = self.state, self.config
        started = time.perf_counter() - state.seconds
        while state.epoch < config.epochs:
            plan = self.batches.epoch(state.epoch)
            self._epoch_length = len(plan)
            while state.index < len(plan):
                by_epochs = (state.epoch + state.index / len(plan)) / config.epochs
                progress, stop = self._agree(by_epochs, started)
                if stop:
                    self._interrupt(progress, stop)
                if progress >= 1:
                    return
                self.objective.begin_step(progress)
                self.update(plan.batch(state.index), config.rate(progress))
                state.index += 1
                self._after_update(progress)
            state.epoch, state.index = state.epoch + 1, 0

    def _after_update(self, progress: float) -> None:
        """Logs, validates and saves when it is time to."""
        step, config = self.state.step, self.config
        if step % config.log_every == 0 or step % config.eval_every == 0:
            self._log_losses(progress)
        if step % config.eval_every == 0:
            self._evaluate()
        if step % config.checkpoint_every == 0:
            self.save_checkpoint()
            self.release_memory()

    def _interrupt(self, progress: float, signum: int) -> None:
        """Saves everything and raises Interrupted."""
        self._log_losses(progress)
        self.save_checkpoint()
        # the same in every process, though only the main one knows the best record
        if self._last_evaluated < 0 and not self.state.best:
            self._evaluate()  # leave a model that can be loaded, however early it is
            self.save_checkpoint()
        raise Interrupted(signum)

    def _agree(self, progress: float, started: float) -> tuple[float, int]:
        """Progress by epochs or by time, whichever is further; and the signal to stop by, if there was one.

        Processes agree on both: a rate or a stop of one alone would tear them apart.
        """
        self.state.seconds = time.perf_counter() - started
        stop, limit = self._stop.signum, self.config.max_minutes
        by_time = self.state.seconds / (60 * limit) if limit else 0.0
        if self.accelerator.num_processes > 1:
            told = torch.tensor([by_time, float(stop)], device=self.accelerator.device)
            by_time, stop = self.accelerator.gather(told[None]).max(dim=0).values.tolist()
        return min(1.0, max(progress, by_time)), int(stop)

    def update(self, batch: Any, rate: float) -> None:
        """One step of the optimizer; it never waits for the device.

        Args:
            batch: the whole batch, of which this process takes its part.
            rate: the learning rate.
        """
        size = self.updater.update(batch, rate, self.state.step)
        self.state.step += 1
        self.state.tokens += size.tokens

    def _log_losses(self, progress: float) -> None:
        """Writes the mean losses since the last line."""
        means, state = self.updater.mean_losses(), self.state
        if not means:
            return
        loss = means.pop("loss")
        self._check_finite(math.isfinite(loss), f"the training loss is {loss}")
        values = {
            "loss": loss,
            "learning_rate": self.config.rate(progress),
            "tokens_per_second": round(self.log.speed(state.tokens)),
            **{name: round(value, 6) for name, value in means.items()},
        }
        if self.accelerator.device.type == "cuda":
            values["gpu_memory_mb"] = torch.cuda.max_memory_allocated() >> 20
        record = self.log.record("train", state, self._epoch, values)
        self.log.show(progress, min(state.epoch + 1, self.config.epochs), record, state.seconds)

    @property
    def _epoch(self) -> float:
        """The epoch that is under way, with its fraction."""
        return self.state.epoch + self.state.index / max(1, self._epoch_length)

    def _evaluate(self) -> None:
        """Validates on the main process, and keeps the model if it is the best so far."""
        if self._last_evaluated == self.state.step:
            return
        self._last_evaluated = self.state.step
        if self.accelerator.is_main_process:
            self.objective.eval()
            with torch.inference_mode():
                values = self.evaluate(self.model)
            self._check_finite(math.isfinite(values["loss"]), f"the validation loss is {values['loss']}")
            record = self.log.record("valid", self.state, self._epoch, values)
            is_best = record["loss"] < self.state.best.get("loss", math.inf)
            if is_best:
                self.state.best = record
                self.save_best(self.model, record)
            self.log.say(
                f"step {record['step']}: validation loss {record['loss']:.4f}, "
                f"perplexity {record['perplexity']:.2f}{' (best)' if is_best else ''}"
            )
        self.accelerator.wait_for_everyone()
        self.objective.train()
        self.log.restart_clock(self.state.tokens)

    def _check_finite(self, is_finite: bool, what: str) -> None:
        if not is_finite:
            saved = self.checkpoint.folder
            kept = f"{saved} holds the last sound state" if saved.is_dir() else "nothing was saved yet"
            raise CheckpointError(
                f"{what} at step {self.state.step}: start anew with a lower --learning-rate than "
                f"{self.config.learning_rate:g}; {kept}"
            )

    def save_checkpoint(self) -> None:
        """Writes weights, optimizer and place in the schedule to `output/checkpoint`, in one step.

        Raises:
            CheckpointError: a weight is no longer a number; the checkpoint before stays.
        """
        for name, value in self.objective.state_dict().items():
            self._check_finite(bool(value.isfinite().all()), f"{name} is not finite")
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.checkpoint.save(self.state, self.objective, self.updater.optimizer, self.accelerator.scaler)

    def load_checkpoint(self) -> None:
        """Goes back to the state that `save_checkpoint` wrote, and cuts the log there.

        Raises:
            CheckpointError: there is none, it is damaged, or it belongs to a training with other settings.
        """
        self.state = self.checkpoint.load(self.objective, self.updater.optimizer, self.accelerator.scaler)
        self._last_evaluated = -1
        if self.accelerator.is_main_process:
            drop_records_after(self.log.path, self.state.step)

    def remove_checkpoint(self) -> None:
        """Deletes the checkpoint of a finished training."""
        if self.accelerator.is_main_process:
            self.checkpoint.remove()
