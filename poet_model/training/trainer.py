"""Trainer: one training loop with schedule, log, checkpoints and exact resume. Knows batches, not poems."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn
from tqdm import tqdm

from ..corpus.batches import IGNORE, Batch, Epoch
from ..errors import CheckpointError
from ..files import append_json_line, read_json, read_json_lines, replaced_folder, write_text
from ..model_folder import LOG_NAME, SAMPLES_NAME
from ..tokenizer import UNK
from .checkpoint import CHECKPOINT_NAME, _differences, find_checkpoint
from .config import TrainingConfig
from .malloc import return_freed_memory
from .objective import Objective, Questions, RhymeMemory


class EpochSource(Protocol):
    """Gives the batches of each epoch, the same in every process."""

    def epoch(self, number: int) -> Epoch:
        """The batches of epoch `number`, counted from 0."""


class Interrupted(Exception):
    """Training was asked to stop (Ctrl-C, SIGTERM); all is saved. `signum` says by what."""

    def __init__(self, signum: int):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class Trainer:
    """Trains a model and keeps the best one by validation loss.

    Args:
        model: has `embedding`, `lstm` and `bias` (see PoetModel); for a rhyme memory also `config` and
            `tokenizer`.
        batches: the training batches by epoch.
        evaluate: called on the main process with the model in eval mode; returns at least `loss` (nats a
            token).
        save_best: called on the main process when a validation loss is the lowest so far.
        config: the recipe.
        output: folder of the log and the checkpoint.
        accelerator: where and in which precision to compute.
        identity: what must be equal for a checkpoint to be continued (corpus, architecture …).
    """

    def __init__(
        self,
        model: nn.Module,
        batches: EpochSource,
        *,
        evaluate: Callable[[nn.Module], dict],
        save_best: Callable[[nn.Module, dict], None],
        config: TrainingConfig,
        output: str | Path,
        accelerator: Accelerator | None = None,
        identity: dict | None = None,
    ):
        self.config, self.output, self.batches = config, Path(output), batches
        self.accelerator = accelerator or Accelerator(cpu=True)
        self.evaluate, self.save_best = evaluate, save_best
        self.identity = json.loads(json.dumps({"training": asdict(config), **(identity or {})}))
        self.model = model
        memory = RhymeMemory(model.config.hidden_size, model.tokenizer) if config.rhyme_memory else None
        objective = Objective(model, config.softmax_frequent, config.softmax_sampled, memory)
        self._objective = objective.to(self.accelerator.device)
        matrices = [p for p in self._objective.parameters() if p.ndim > 1]
        vectors = [p for p in self._objective.parameters() if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
        self._loss, self._optimizer = self.accelerator.prepare(self._objective, optimizer)
        self.step = self.epoch = self.index = 0
        self.best: dict = {}
        self._tokens = self._seconds = 0.0
        self._stop_signal = self._plan_length = 0
        self._last_evaluated = -1
        self._losses, self._targets = self._no_losses(), 0  # since the last log line

    def train(self) -> dict:
        """Trains to the end of the schedule; returns the record of the best validation.

        Raises:
            Interrupted: asked to stop; the checkpoint holds everything needed to go on.
            CheckpointError: the loss is no longer a number.
        """
        handlers = {
            number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            self._train()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self.best

    def _on_signal(self, number: int, frame) -> None:
        if self._stop_signal and number == signal.SIGINT:  # Ctrl-C twice: do not make the person wait
            raise KeyboardInterrupt
        self._stop_signal = number

    def _train(self) -> None:
        config, started = self.config, time.perf_counter() - self._seconds
        self.model.train()
        self._mark = (time.perf_counter(), self._tokens)
        with tqdm(
            total=1.0,
            initial=0.0,
            desc="training",
            disable=not self.accelerator.is_main_process,
            bar_format="{percentage:3.0f}% |{bar}| {desc}",
            file=sys.stderr,
            mininterval=0.5,
            dynamic_ncols=True,
        ) as bar:
            ended = False
            while self.epoch < config.epochs and not ended:
                plan = self.batches.epoch(self.epoch)
                self._plan_length = len(plan)
                while self.index < len(plan):
                    progress, stop = self._agree(
                        (self.epoch + self.index / len(plan)) / config.epochs, started
                    )
                    if stop:
                        self._log(progress, bar)
                        self.save_checkpoint()
                        if self._never_evaluated():  # leave a model that can be loaded, however early it is
                            self._evaluate()
                            self.save_checkpoint()
                        raise Interrupted(stop)
                    if progress >= 1:
                        ended = True
                        break
                    sampled = config.samples_softmax(progress)
                    self.update(plan.batch(self.index), config.rate(progress), sampled)
                    self.index += 1
                    if self.step % config.log_every == 0 or self.step % config.eval_every == 0:
                        self._log(progress, bar)
                    if self.step % config.eval_every == 0:
                        self._evaluate()
                    if self.step % config.checkpoint_every == 0:
                        self.save_checkpoint()
                        return_freed_memory()
                if not ended:
                    self.epoch, self.index = self.epoch + 1, 0
            self._log(1.0, bar)
            self._evaluate()
        self.save_checkpoint()

    def _never_evaluated(self) -> bool:
        """The same in every process, though only the main one knows the best record."""
        return self._last_evaluated < 0 and not self.best

    def _agree(self, progress: float, started: float) -> tuple[float, int]:
        """Progress by epochs or by time, whichever is further; and the signal to stop by, if there was one.

        Processes agree on both: a rate or a stop of one alone would tear them apart.
        """
        self._seconds = time.perf_counter() - started
        stop = self._stop_signal
        by_time = self._seconds / (60 * self.config.max_minutes) if self.config.max_minutes else 0.0
        if self.accelerator.num_processes > 1:
            told = torch.tensor([by_time, float(stop)], device=self.accelerator.device)
            by_time, stop = self.accelerator.gather(told[None]).max(dim=0).values.tolist()
        return min(1.0, max(progress, by_time)), int(stop)

    def update(self, batch: Batch, rate: float, sampled: bool = False) -> None:
        """One step of the optimizer; it never waits for the device, so that the CPU can run ahead of a GPU.

        Args:
            batch: the whole batch, of which this process takes its rows.
            rate: the learning rate.
            sampled: whether the softmax is sampled.
        """
        config, accelerator = self.config, self.accelerator
        rank, parts = accelerator.process_index, config.gradient_accumulation_steps
        num_targets = int((batch.targets != IGNORE).sum())
        # Dropout is seeded anew each step: nothing of a generator's state need be kept to resume exactly.
        torch.manual_seed(int(np.random.SeedSequence([config.seed, self.step, rank]).generate_state(1)[0]))
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        for part in range(parts):
            questions = self._questions(batch, part, sampled)
            apart = accelerator.no_sync(self._loss) if part < parts - 1 else contextlib.nullcontext()
            with apart:
                losses = self._loss(questions)
                weighted = losses[0] + config.rhyme_memory * losses[1] if len(losses) > 1 else losses[0]
                # Processes average their gradients; times their number: the mean over the batch's targets.
                accelerator.backward(weighted * (accelerator.num_processes / num_targets))
            self._losses += losses.detach()
        accelerator.clip_grad_norm_(self._loss.parameters(), config.max_grad_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._tokens += batch.inputs.size
        self._targets += num_targets

    def _questions(self, batch: Batch, part: int, sampled: bool) -> Questions:
        """What one part of this process's share of a batch asks, on its device, with inputs masked."""
        config, accelerator = self.config, self.accelerator
        rank, ranks = accelerator.process_index, accelerator.num_processes
        parts = config.gradient_accumulation_steps
        inputs, targets = (side[rank * parts + part :: ranks * parts] for side in batch)
        if not len(inputs):  # fewer rows than processes: join in with a row that scores nothing
            inputs, targets = batch.inputs[:1], np.full_like(batch.targets[:1], IGNORE)
        rng = np.random.default_rng([config.seed, self.step, rank, part])
        questions = self._objective.ask(Batch(inputs, targets), sampled, rng).to(accelerator.device)
        if not config.input_mask:
            return questions
        masked = torch.rand(questions.inputs.shape, device=accelerator.device) < config.input_mask
        return questions._replace(inputs=questions.inputs.masked_fill(masked, UNK))

    def _no_losses(self) -> torch.Tensor:
        return torch.zeros(2 if self.config.rhyme_memory else 1, device=self.accelerator.device)

    def _log(self, progress: float, bar: tqdm) -> None:
        if not self._targets:
            return
        loss, *more = (self.accelerator.reduce(self._losses) / self._targets).tolist()
        more = {"rhyme_loss": round(more[0], 6)} if more else {}
        if self.accelerator.device.type == "cuda":
            more["gpu_memory_mb"] = torch.cuda.max_memory_allocated() >> 20
        self._losses, self._targets = self._no_losses(), 0
        self._check_finite(math.isfinite(loss), f"the training loss is {loss}")
        now = time.perf_counter()
        speed = (self._tokens - self._mark[1]) / max(1e-9, now - self._mark[0])
        self._mark = (now, self._tokens)
        rate = self.config.rate(progress)
        self._record(split="train", loss=loss, learning_rate=rate, tokens_per_second=round(speed), **more)
        left = self._seconds * (1 - progress) / max(progress, 1e-9)
        bar.n = progress
        bar.set_description_str(
            f"epoch {min(self.epoch + 1, self.config.epochs)} step {self.step} loss {loss:.3f} "
            f"perplexity {math.exp(min(loss, 50)):.1f} "
            f"{speed:,.0f} tokens/s ETA {tqdm.format_interval(left)}"
        )

    def _evaluate(self) -> None:
        """Validates on the main process, and keeps the model if it is the best so far."""
        if self._last_evaluated == self.step:
            return
        self._last_evaluated = self.step
        if self.accelerator.is_main_process:
            self.model.eval()
            with torch.inference_mode():
                found = self.evaluate(self.model)
            self._check_finite(math.isfinite(found["loss"]), f"the validation loss is {found['loss']}")
            record = self._record(split="valid", **found)
            if record["loss"] < self.best.get("loss", math.inf):
                self.best = record
                self.save_best(self.model, record)
            tqdm.write(
                f"step {self.step}: validation loss {record['loss']:.4f}, "
                f"perplexity {record['perplexity']:.2f}"
                f"{' (best)' if self.best is record else ''}",
                file=sys.stderr,
            )
        self.accelerator.wait_for_everyone()
        self.model.train()
        self._mark = (time.perf_counter(), self._tokens)

    def _record(self, **values) -> dict:
        epoch = self.epoch + self.index / max(1, self._plan_length)
        record = {"step": self.step, "epoch": round(epoch, 4), **values}
        record["loss"] = round(values["loss"], 6)
        record["perplexity"] = round(math.exp(min(values["loss"], 50)), 4)
        record["minutes"] = round(self._seconds / 60, 2)
        if self.accelerator.is_main_process:
            append_json_line(self.output / LOG_NAME, record)
            self.accelerator.log(
                {f"{values['split']}/{k}": v for k, v in record.items() if isinstance(v, (int, float))},
                step=self.step,
            )
        return record

    def _modules(self) -> nn.ModuleDict:
        """All that learns, by the names in a checkpoint."""
        modules = {"model": self.model}
        if self._objective.rhyme_memory is not None:
            modules["rhyme_memory"] = self._objective.rhyme_memory
        return nn.ModuleDict(modules)

    def _check_finite(self, is_finite: bool, what: str) -> None:
        if not is_finite:
            saved = self.output / CHECKPOINT_NAME
            kept = f"{saved} holds the last sound state" if saved.is_dir() else "nothing was saved yet"
            raise CheckpointError(
                f"{what} at step {self.step}: start anew with a lower --learning-rate than "
                f"{self.config.learning_rate:g}; {kept}"
            )

    def save_checkpoint(self) -> None:
        """Writes weights, optimizer and place in the schedule to `output/checkpoint`, in one step.

        Raises:
            CheckpointError: a weight is no longer a number; the checkpoint before stays.
        """
        for name, value in self._modules().state_dict().items():
            self._check_finite(bool(value.isfinite().all()), f"{name} is not finite")
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return
        tensors = self._modules().state_dict()
        for name, parameter in self._modules().named_parameters():
            for key, value in self._optimizer.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{key}.{name}"] = value
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        scaler = self.accelerator.scaler
        state = {
            "step": self.step,
            "epoch": self.epoch,
            "index": self.index,
            "seconds": self._seconds,
            "tokens": self._tokens,
            "best": self.best,
            "scaler": scaler.state_dict() if scaler is not None else None,
            "identity": self.identity,
        }
        with replaced_folder(self.output / CHECKPOINT_NAME) as fresh:
            (fresh / "state.safetensors").write_bytes(save(tensors))
            write_text(fresh / "state.json", json.dumps(state, ensure_ascii=False, indent=2) + "\n")

    def load_checkpoint(self) -> None:
        """Goes back to the state that `save_checkpoint` wrote.

        Raises:
            CheckpointError: there is none, it is damaged, or it belongs to a training with other settings.
        """
        folder = find_checkpoint(self.output)
        state = read_json(folder / "state.json", dict, "start without --resume")
        if different := _differences(self.identity, state.get("identity")):
            raise CheckpointError(
                f"{folder} was made with other settings ({'; '.join(different)}): give the options that the "
                "training was begun with, besides --resume, or start anew"
            )
        try:
            self._restore(state, load_file(folder / "state.safetensors"))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{folder} is damaged ({type(error).__name__}: {str(error)[:300]}); start without --resume"
            ) from error
        if self.accelerator.is_main_process:
            self._cut_records()

    def _restore(self, state: dict, tensors: dict[str, torch.Tensor]) -> None:
        """Takes over a checkpoint's content; raises what a damaged one happens to raise."""
        self._modules().load_state_dict({n: t for n, t in tensors.items() if not n.startswith("optimizer.")})
        raw = self._optimizer.optimizer
        if any(name.startswith("optimizer.") for name in tensors):  # no update yet: there are none
            for name, parameter in self._modules().named_parameters():
                own = {key: tensors[f"optimizer.{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
                # the fused optimizer counts its steps where the parameter is
                raw.state[parameter] = {key: value.to(parameter.device) for key, value in own.items()}
        if self.accelerator.scaler is not None and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.step, self.epoch, self.index = (int(state[name]) for name in ("step", "epoch", "index"))
        self._seconds, self._tokens = float(state["seconds"]), float(state["tokens"])
        self.best = dict(state["best"])
        self._last_evaluated = -1

    def _cut_records(self) -> None:
        """Drops lines of the log and the samples from after the checkpoint: they will be written again."""
        for path in filter(Path.is_file, (self.output / LOG_NAME, self.output / SAMPLES_NAME)):
            lines = [record for record in read_json_lines(path) if record.get("step", 0) <= self.step]
            write_text(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in lines))

    def remove_checkpoint(self) -> None:
        """Deletes the checkpoint of a finished training."""
        if self.accelerator.is_main_process:
            shutil.rmtree(self.output / CHECKPOINT_NAME, ignore_errors=True)
