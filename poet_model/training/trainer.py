"""Trainer: a training loop with schedule, log, checkpoints and exact resume. It knows nothing about poems."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from ..errors import CheckpointError
from ..model_folder import LOG_NAME
from .checkpoint import CHECKPOINT_NAME, Checkpoint
from .config import TrainingConfig
from .epochs import EpochSource
from .log import TrainingLog, cut_log
from .malloc import return_freed_memory
from .objective import Objective
from .output_lock import OutputLock
from .state import TrainingState
from .stopping import Interrupted, StopRequest
from .time_limit import TimeLimit
from .updater import Updater


class Trainer:
    """Minimizes an objective, and saves the model with the lowest validation loss.

    Args:
        objective: the modules to train and their losses; see Objective.
        batches: the training batches by epoch.
        evaluate: called on the main process with the objective's model in eval mode; returns a dict with at
            least `loss` (nats per target).
        save_best: called on the main process with the model and its log record when the validation loss is
            the lowest so far.
        config: the training configuration.
        output: folder for the log and the checkpoint.
        accelerator: determines device, precision and processes; None for the CPU in float32.
        identity, content: settings besides `config`, such as the architecture, and hashes of the data that
            must be unchanged when training resumes; see Checkpoint.
        validation_tokens: about how many tokens `evaluate` reads; see TimeLimit.
        lock: the lock on `output` if the caller holds it; otherwise `train` takes one.
        release_memory: called after each regular checkpoint.

    Attributes:
        state: the progress of the training run.
    """

    def __init__(
        self,
        objective: Objective,
        batches: EpochSource,
        *,
        evaluate: Callable[[Any], dict[str, Any]],
        save_best: Callable[[Any, dict[str, Any]], None],
        config: TrainingConfig,
        output: str | Path,
        accelerator: Accelerator | None = None,
        identity: dict[str, Any] | None = None,
        content: dict[str, str] | None = None,
        validation_tokens: int = 0,
        lock: OutputLock | None = None,
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
        self.checkpoint = Checkpoint(self.output / CHECKPOINT_NAME, identity, content)
        self._limit = TimeLimit(config.max_minutes, validation_tokens)
        self._stop, self._lock = StopRequest(), lock or OutputLock(self.output)
        self._epoch_length = 0

    @property
    def model(self) -> nn.Module:
        """The model that is validated and saved."""
        return self.objective.model

    def train(self) -> dict[str, Any]:
        """Trains to the end of the schedule and returns the log record of the best validation.

        Raises:
            Interrupted: a signal requested a stop; the checkpoint has everything needed to resume.
            InvalidValueError: another training run writes to `output`.
            CheckpointError: the loss or a weight is not finite, `output` was deleted, or the system
                failed, as when the disk is full; the message says what is saved.
        """
        try:
            with self._stop.listening(), self._lock.for_process(self.accelerator.is_main_process):
                self.objective.train()
                if not self.state.step:
                    self.save_checkpoint()  # so that a kill at any time can be resumed from
                self.log.restart_clock(self.state.tokens)
                with self.log.progress_bar():
                    self._run_schedule()
                    self._log_losses(1.0)
                    self._evaluate()
                self.save_checkpoint()
        except OSError as error:
            if error.errno is None:  # not from the system
                raise
            raise self.checkpoint.ended_by(error, self.state) from error
        return self.state.best

    def _run_schedule(self) -> None:
        """Runs all steps, until the last epoch or the time limit ends."""
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
        """Logs, validates and saves a checkpoint when the step is a multiple of their intervals."""
        step, config = self.state.step, self.config
        if step % config.log_every == 0 or step % config.eval_every == 0:
            self._log_losses(progress)
        if step % config.eval_every == 0:
            self._evaluate()
        if step % config.checkpoint_every == 0:
            self.save_checkpoint()
            self.release_memory()

    def _interrupt(self, progress: float, signum: int) -> None:
        """Saves a checkpoint and raises Interrupted."""
        self.save_checkpoint()
        self._log_losses(progress)  # this record, and the first model, are discarded by a resumed run
        if self.state.validated < 0:  # so that there is a model to load even after an early stop
            self._evaluate()
        raise Interrupted(signum)

    def _agree(self, progress: float, started: float) -> tuple[float, int]:
        """The progress by epochs or by time, whichever is larger; and the number of a stop signal, or 0.

        Both are synchronized across processes, which must use the same learning rate and stop together.
        """
        self.state.seconds = time.perf_counter() - started
        stop, by_time = self._stop.signum, self._limit.share(self.state.seconds, self.state.tokens)
        if self.accelerator.num_processes > 1:
            values = torch.tensor([by_time, float(stop)], device=self.accelerator.device)
            by_time, stop = self.accelerator.gather(values[None]).max(dim=0).values.tolist()
        return min(1.0, max(progress, by_time)), int(stop)

    def update(self, batch: Any, rate: float) -> None:
        """Makes one optimizer step, without waiting for the device.

        Args:
            batch: the whole batch; each process uses its own part of it.
            rate: the learning rate.
        """
        size = self.updater.update(batch, rate, self.state.step)
        self.state.step += 1
        self.state.tokens += size.tokens

    def _log_losses(self, progress: float) -> None:
        """Logs the mean losses since the last record."""
        self._lock.check()
        means, state = self.updater.mean_losses(), self.state
        if not means:
            return
        state.logged = state.step
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
        """The number of epochs done, as a fraction."""
        return self.state.epoch + self.state.index / max(1, self._epoch_length)

    def _evaluate(self) -> None:
        """Validates on the main process, and saves the model if it is the best so far."""
        if self.state.validated == self.state.step:
            return
        self.state.validated, started = self.state.step, time.perf_counter()
        if self.accelerator.is_main_process:
            self.objective.eval()
            with torch.inference_mode():
                values = self.evaluate(self.model)
            self._lock.check()
            self._check_finite(math.isfinite(values["loss"]), f"the validation loss is {values['loss']}")
            record = self.log.record("valid", self.state, self._epoch, values)
            is_best = record["loss"] < self.state.best.get("loss", math.inf)
            if is_best:
                self.state.best = record
                self.save_best(self.model, record)
            self.log.say_validation(record, is_best)
        self.accelerator.wait_for_everyone()
        self._limit.validation_took(time.perf_counter() - started)
        self.objective.train()
        self.log.restart_clock(self.state.tokens)

    def _check_finite(self, is_finite: bool, what: str) -> None:
        """Raises CheckpointError unless `is_finite`; the message begins with `what`."""
        if not is_finite:
            raise CheckpointError(
                f"{what} at step {self.state.step}: start again with a --learning-rate lower than "
                f"{self.config.learning_rate:g}; {self.checkpoint.saved(self.state)}"
            )

    def save_checkpoint(self) -> None:
        """Writes the weights, the optimizer and the progress to `output/checkpoint`, atomically.

        Raises:
            CheckpointError: a weight is not finite; the previous checkpoint is kept.
        """
        for name, value in self.objective.state_dict().items():
            self._check_finite(bool(value.isfinite().all()), f"{name} is not finite")
        self._lock.check()
        self.state.losses = self.updater.pending_losses()
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.checkpoint.save(self.state, self.objective, self.updater.optimizer, self.accelerator.scaler)

    def load_checkpoint(self) -> None:
        """Restores the state written by `save_checkpoint`, and removes later records from the log.

        Raises:
            CheckpointError: the checkpoint is missing, damaged, or was made with other settings or data.
        """
        self.state = self.checkpoint.load(self.objective, self.updater.optimizer, self.accelerator.scaler)
        self.updater.restore_losses(self.state.losses)
        if self.accelerator.is_main_process:
            cut_log(self.log.path, self.state)

    def remove_checkpoint(self) -> None:
        """Deletes the checkpoint, once training has finished."""
        if self.accelerator.is_main_process:
            self.checkpoint.remove()
