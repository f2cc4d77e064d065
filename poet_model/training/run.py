"""One run of train.py in five steps: settings, corpus, model, training, publishing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from ..config import PoetConfig
from ..corpus import load_corpus
from ..corpus.batches import HeaderRates, PoemBatches
from ..errors import InvalidValueError, unusable_variables
from ..evaluation.perplexity import score, without_header
from ..hub.push import check_can_push
from ..machine import machine
from ..model import PoetModel
from ..model_folder import CONFIG_NAME, SAMPLES_NAME, how_to_write
from ..paths import shown_path
from ..terminal import valid_text
from .checkpoint import find_checkpoint
from .data import TrainingData, prepare_data
from .log import cut_log
from .output import PREVIOUS_NAME, begin_folder, check_output, history, remove_previous
from .output_lock import OutputLock
from .poem_objective import PoemObjective
from .publish import publish
from .samples import write_samples
from .settings import ARCHITECTURE, Settings, read_settings
from .stopping import Interrupted
from .trainer import Trainer

GPU_BATCH_TOKENS, CPU_BATCH_TOKENS = 64 * 1024, 8192  # maximum number of tokens in a batch


def run(options: argparse.Namespace, typed: Sequence[str]) -> int:
    """Trains a model as the options describe and returns the exit status.

    Args:
        options: the options of train.py.
        typed: the arguments of the command line, which are recorded in metrics.json.

    Raises:
        PoetError: an error that the user can fix; the message says how.
    """
    return Run(options, read_settings(options)).all_steps(typed)


class Run:
    """The steps of one run, given its settings.

    Args:
        options: the options of train.py.
        settings: the settings that result from them.
    """

    def __init__(self, options: argparse.Namespace, settings: Settings):
        self.options, self.settings, self.output = options, settings, options.output
        self.lock = OutputLock(self.output)
        try:
            self.accelerator = Accelerator(
                mixed_precision=settings.precision,
                cpu=not settings.on_gpu,
                log_with=settings.report_to,
                project_dir=str(self.output),
            )
        except ValueError as error:  # a launcher sets them all; one set by hand misses the others
            names = ("ACCELERATE_", "LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_")
            raise unusable_variables("accelerate", error, *names) from error

    def say(self, text: object, flush: bool = False) -> None:
        """Prints a text in the main process, and does nothing in the others."""
        if self.accelerator.is_main_process:
            print(text, flush=flush)

    def all_steps(self, typed: Sequence[str]) -> int:
        """Runs all steps and returns the exit status: 0, or 128 + the signal if training was interrupted."""
        base = self.check_places()
        with self.lock.for_process(self.accelerator.is_main_process):
            return self.train_and_publish(base, typed)

    def train_and_publish(self, base: PoetModel | None, typed: Sequence[str]) -> int:
        """Runs all steps after `check_places`, while no other run can write to the output folder."""
        if self.accelerator.is_main_process:
            check_output(self.output, self.options.resume)
        data = self.read_data(base)
        model = self.make_model(data, base)
        self.begin_output(data)
        trainer = self.make_trainer(model, data)
        try:
            best = trainer.train()
        except Interrupted as interrupted:
            self.say(
                f"\nstopped by {interrupted}; everything is saved. To continue, add --resume to the command"
            )
            return 128 + interrupted.signum
        finally:
            self.accelerator.end_training()
        if self.accelerator.is_main_process:
            made_by, device = self.made_by(best, data), self.accelerator.device
            try:
                publish(self.options, made_by, data.corpus, device, typed)
            except OSError as error:
                if error.errno is None:  # not from the system
                    raise
                raise trainer.checkpoint.ended_by(error, trainer.state) from error
            remove_previous(self.output)
            trainer.remove_checkpoint()
            print(f"\n{how_to_write(self.output)}")
        return 0

    def check_places(self) -> PoetModel | None:
        """Checks paths and Hub access before any long work; returns the model to start from, or None."""
        options = self.options
        if options.resume:
            find_checkpoint(self.output)
        if self.output.exists() and not self.output.is_dir():
            raise InvalidValueError(f"--output {self.output} is a file; give a folder")
        base = PoetModel.from_pretrained(options.init_from) if options.init_from else None
        if options.push_to_hub and self.accelerator.is_main_process:
            check_can_push(options.push_to_hub, private=options.private)
        return base

    def read_data(self, base: PoetModel | None) -> TrainingData:
        """Loads the poems, builds the vocabulary, and prints a report on them."""
        if self.accelerator.is_main_process:
            print(f"reading the corpus {self.options.corpus} …", file=sys.stderr, flush=True)
        with self.accelerator.main_process_first():
            corpus = load_corpus(self.options.corpus, self.options.exclude)
        data = prepare_data(corpus, self.settings.limit, base.tokenizer if base else None)
        self.say(corpus.report, flush=True)
        if data.note:
            self.say(f"note: {data.note}")
        if data.is_small and not base:
            self.say(
                f"note: {len(data.train):,} poems are too few to learn to write verse: expect characters "
                "without sense, and a high perplexity, if only because the poems to validate on have other "
                "characters. --init-from MODEL starts from a model that has already learned it, such as "
                "assets/tang-lstm"
            )
        return data

    def make_model(self, data: TrainingData, base: PoetModel | None) -> PoetModel:
        """Creates a new model, or adapts the one to start from to the vocabulary of the data."""
        set_seed(self.options.seed)
        architecture = PoetConfig(vocab_size=len(data.tokenizer), **self.settings.model)
        if base is None:
            return PoetModel(architecture, data.tokenizer).to(self.accelerator.device)
        not_given = (name for name in ARCHITECTURE if getattr(self.options, name) is None)
        architecture = replace(architecture, **{name: getattr(base.config, name) for name in not_given})
        model = base.with_tokenizer(data.tokenizer, architecture)
        known = sum(character in base.tokenizer for character in data.tokenizer.ids)
        self.say(
            f"\nstarting from {self.options.init_from}, whose vocabulary has {known:,} of the "
            f"{len(data.tokenizer):,} tokens"
        )
        return model.to(self.accelerator.device)

    def begin_output(self, data: TrainingData) -> None:
        """Prepares the output folder, unless a training run in it is resumed."""
        output = self.output
        if not self.options.resume and self.accelerator.is_main_process:
            if (output / CONFIG_NAME).is_file():
                aside = output / PREVIOUS_NAME
                self.say(f"note: {output} contains a model; it is kept in {aside} until this training ends")
            begin_folder(output, data.corpus, *history(self.options.init_from, data.corpus))
        self.accelerator.wait_for_everyone()

    def make_trainer(self, model: PoetModel, data: TrainingData) -> Trainer:
        """Creates the Trainer, resumes it from its checkpoint if asked to, and announces the run."""
        settings, config, output = self.settings, self.settings.training, self.output
        held_out = without_header(data.valid)

        def evaluate(model: PoetModel) -> dict[str, Any]:
            result = score(model, held_out)
            return {"loss": result.loss, "tokens": result.tokens}

        def save_best(model: PoetModel, record: dict[str, Any]) -> None:
            model.save_pretrained(output)
            trainer.log.say(write_samples(model, output, record))

        batches = PoemBatches(
            data.train,
            data.tokenizer,
            batch_size=config.batch_size,
            max_tokens=GPU_BATCH_TOKENS if settings.on_gpu else CPU_BATCH_TOKENS,
            header=HeaderRates(),
            seed=self.options.seed,
        )
        objective, hashes = PoemObjective.from_config(model, config), data.hashes()
        if objective.rhyme_memory is not None:
            hashes["the rhyme groups"] = objective.rhyme_memory.groups_hash
        trainer = Trainer(
            objective,
            batches,
            evaluate=evaluate,
            save_best=save_best,
            config=config,
            output=output,
            accelerator=self.accelerator,
            identity={
                "model": asdict(model.config),
                "corpus": data.corpus.report.splits,
                "precision": settings.precision,
                "init_from": valid_text(self.options.init_from or "") or None,
            },
            content=hashes,
            validation_tokens=sum(len(poem.text) + 1 for poem in held_out),
            lock=self.lock,
        )
        if self.options.resume:
            trainer.load_checkpoint()
            if self.accelerator.is_main_process:
                cut_log(output / SAMPLES_NAME, trainer.state)
            self.say(f"\nresuming from step {trainer.state.step}")
        if settings.report_to:
            self.accelerator.init_trackers(
                "tang-lstm", config={"preset": shown_path(settings.preset), **asdict(settings.training)}
            )
        self.announce(model)
        return trainer

    def announce(self, model: PoetModel) -> None:
        """Prints the model size, the precision and the hardware of the run."""
        processes = self.accelerator.num_processes
        threads = f"CPU, {torch.get_num_threads()} threads"
        precision = self.settings.precision.replace("no", "float32")
        where = torch.cuda.get_device_name() if self.settings.on_gpu else threads
        self.say(
            f"\npreset {self.settings.preset}: {model.num_parameters:,} parameters, "
            f"precision {precision}, {where}, "
            f"{processes} process{'es' * (processes > 1)}; stop with Ctrl-C, continue with --resume\n",
            flush=True,
        )
        if processes == 1 and "ACCELERATE_USE_CPU" in os.environ and "MASTER_PORT" in os.environ:
            self.say(
                "note: without MPI, accelerate launch starts one process on a CPU; torchrun starts several\n"
            )

    def made_by(self, best: dict[str, Any], data: TrainingData) -> dict[str, Any]:
        """A record of how the best model was trained, for metrics.json."""
        settings = self.settings
        made_by = {
            "preset": shown_path(settings.preset),
            "precision": settings.precision,
            "processes": self.accelerator.num_processes,
            "machine": machine(),
            **{f"{name}s": best[name] for name in ("step", "epoch")},
            "minutes": best["minutes"],
            "recipe": asdict(settings.training),
        }
        if data.note:
            made_by["note"] = f"{data.note}, though near-copies of them may be among the others."
        return made_by
