"""Trains the networks that are compared in peers.py, all on the same batches, with the project's Trainer.

Only the network differs; vocabulary, batches, objective, optimizer, schedule and validation are those of
train.py.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from common import ROOT  # noqa: F401  (makes poet_model importable)
from gpt import GPT
from safetensors.torch import load_file, save_file
from transformer import GPTConfig

from poet_model.config import CELL_GATES, PoetConfig
from poet_model.corpus import PoemRecord
from poet_model.corpus.batches import Batch, HeaderRates, PoemBatches
from poet_model.evaluation.perplexity import score, without_header
from poet_model.files import read_json_lines
from poet_model.machine import best_precision
from poet_model.model import PoetModel
from poet_model.model_folder import LOG_NAME, WEIGHTS_NAME
from poet_model.training.checkpoint import CHECKPOINT_NAME
from poet_model.training.config import TrainingConfig
from poet_model.training.data import TrainingData
from poet_model.training.poem_objective import PoemObjective
from poet_model.training.presets import load_preset
from poet_model.training.run import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS
from poet_model.training.trainer import Trainer

CELLS = {"lstm": "lstm", "rnn": "handwritten_rnn"}
GPT_DROPOUT = 0.1  # if it is not tuned
VALIDATIONS = 6  # during a training; the best of them is kept


@dataclass(frozen=True)
class Try:
    """One training of a network.

    Attributes:
        network: lstm, gpt or rnn.
        dropout: the rate of every dropout; None for the rates of the preset, or GPT_DROPOUT.
        learning_rate: the peak; None for the preset's.
    """

    network: str
    dropout: float | None = None
    learning_rate: float | None = None

    @property
    def name(self) -> str:
        """The name in the results, which is also that of its folder."""
        dropout, rate = ("preset" if v is None else f"{v:g}" for v in (self.dropout, self.learning_rate))
        return f"{self.network}, dropout {dropout}, learning rate {rate}"


class TokenBudget:
    """As many batches as have about `tokens` inputs, over as many epochs as that takes, as a single epoch.

    Args:
        batches: the batches by epoch.
        tokens: the number of inputs; the last batch may exceed it.

    Attributes:
        tokens: the number of inputs of all batches.
        epochs: how often the corpus is read, as a fraction.
    """

    def __init__(self, batches: PoemBatches, tokens: int):
        self._batches, self._places, self.tokens = batches, [], 0
        number = 0
        while self.tokens < tokens:
            plan = batches.epoch(number)
            for index in range(len(plan)):
                if self.tokens < tokens:
                    self._places.append((number, index))
                    self.tokens += plan.batch(index).inputs.size
            number += 1
        self.epochs = number - 1 + (self._places[-1][1] + 1) / len(plan)
        self._plan = None, plan

    def epoch(self, number: int) -> TokenBudget:
        """These batches; there is one epoch only."""
        return self

    def __len__(self) -> int:
        return len(self._places)

    def batch(self, index: int) -> Batch:
        """The batch at `index`, counted from 0."""
        number, place = self._places[index]
        if self._plan[0] != number:
            self._plan = number, self._batches.epoch(number)
        return self._plan[1].batch(place)


def recurrent_config(network: str, vocab_size: int, parameters: int, **model: Any) -> PoetConfig:
    """The PoetConfig of this network whose number of parameters is nearest to `parameters`."""
    layers, gates = model["num_layers"], CELL_GATES[CELLS[network]]
    # parameters = V (H + 1) + L gates H (2 H + 2), solved for H
    a, b, c = 2 * layers * gates, vocab_size + 2 * layers * gates, vocab_size - parameters
    hidden_size = max(1, round((-b + (b * b - 4 * a * c) ** 0.5) / (2 * a)))
    return PoetConfig(vocab_size=vocab_size, **model | {"hidden_size": hidden_size, "cell": CELLS[network]})


class Training:
    """The networks and how each is trained.

    Args:
        data: poems and vocabulary.
        preset: name of the preset for the LSTM's dropout and the recipe of all networks.
        hidden_size, num_layers: of the LSTM; the others get as many parameters.
        tokens: how many inputs each network is trained on.
        folder: what the trainings write.
        seed: seed of weights, batches and dropout.
        on_gpu: whether to use the GPU.
    """

    def __init__(
        self,
        data: TrainingData,
        *,
        preset: str,
        hidden_size: int,
        num_layers: int,
        tokens: int,
        folder: Path,
        seed: int = 0,
        on_gpu: bool = False,
    ):
        self.data, self.folder, self.seed = data, folder, seed
        settings = load_preset(preset)
        self.model_settings = settings["model"] | {"hidden_size": hidden_size, "num_layers": num_layers}
        # the task of the rhyme needs the states of an LSTM, so that it would help one network only
        recipe = settings["training"] | {"epochs": 1, "seed": seed, "rhyme_memory": 0.0}
        self.config = TrainingConfig(**recipe)
        self.precision = best_precision(on_gpu)
        self.accelerator = Accelerator(mixed_precision=self.precision, cpu=not on_gpu)
        max_tokens = GPU_BATCH_TOKENS if on_gpu else CPU_BATCH_TOKENS
        batches = PoemBatches(
            data.train,
            data.tokenizer,
            batch_size=self.config.batch_size,
            max_tokens=max_tokens,
            header=HeaderRates(),
            seed=seed,
        )
        self.batches = TokenBudget(batches, tokens)
        self.held_out = without_header(data.valid)
        every = max(1, len(self.batches) // VALIDATIONS)
        self.config = replace(self.config, eval_every=every, checkpoint_every=every, log_every=10)

    def new_model(self, one: Try) -> PoetModel | GPT:
        """The untrained network of a try, which has as many parameters as the LSTM."""
        set_seed(self.seed)
        size, model = len(self.data.tokenizer), self.model_settings
        parameters = PoetConfig(vocab_size=size, **model).num_parameters
        if one.network == "gpt":
            dropout = GPT_DROPOUT if one.dropout is None else one.dropout
            config = GPTConfig.of_size(size, parameters, dropout=dropout)
            return GPT(config, self.data.tokenizer).to(self.accelerator.device)
        if one.dropout is not None:
            names = ("input_dropout", "layer_dropout", "output_dropout")
            model = model | dict.fromkeys(names, one.dropout)
        config = recurrent_config(one.network, size, parameters, **model)
        return PoetModel(config, self.data.tokenizer).to(self.accelerator.device)

    def train(self, one: Try) -> dict[str, Any]:
        """Trains a network, or goes on with what was interrupted; returns the record of the training.

        Raises:
            Interrupted: a signal requested a stop.
            CheckpointError: the loss is not finite.
        """
        output = self.folder / one.name
        output.mkdir(parents=True, exist_ok=True)
        model = self.new_model(one)
        rate, dropout = one.learning_rate or self.config.learning_rate, one.dropout
        if one.network == "gpt":
            dropout = model.config.dropout
        config = replace(self.config, learning_rate=rate)
        validation = Validation(self.held_out)
        trainer = Trainer(
            PoemObjective.from_config(model, config),
            self.batches,
            evaluate=validation,
            save_best=lambda model, record: save_weights(model, output / WEIGHTS_NAME),
            config=config,
            output=output,
            accelerator=self.accelerator,
            identity={"model": asdict(model.config)},
            content=self.data.hashes(),
        )
        if (output / CHECKPOINT_NAME).is_dir():
            trainer.load_checkpoint()
        before, started = trainer.state.tokens, time.process_time()
        best = trainer.train()
        cpu_seconds = time.process_time() - started - validation.cpu_seconds
        speeds = [r["tokens_per_second"] for r in read_json_lines(output / LOG_NAME) if r["split"] == "train"]
        record = {
            "network": one.network,
            "dropout": "the preset's" if dropout is None else dropout,
            "learning_rate": rate,
            "validation_perplexity": best["perplexity"],
            "best_step": best["step"],
            "steps": trainer.state.step,
            "tokens": int(trainer.state.tokens),
            "minutes": round(trainer.state.seconds / 60, 2),
            "tokens_per_second": statistics.median(speeds),
        }
        if trainer.state.tokens > before:
            record["cpu_seconds_per_million_tokens"] = round(
                1e6 * cpu_seconds / (trainer.state.tokens - before), 1
            )
        trainer.remove_checkpoint()
        return record

    def best_model(self, one: Try) -> PoetModel | GPT:
        """The trained network of a try, in evaluation mode."""
        model = self.new_model(one)
        weights = load_file(self.folder / one.name / WEIGHTS_NAME)
        model.load_state_dict({name: value.float() for name, value in weights.items()})
        return model.eval()


class Validation:
    """Scores held-out poems for a Trainer.

    Args:
        poems: the poems, without headers.

    Attributes:
        cpu_seconds: the time that all validations took.
    """

    def __init__(self, poems: Sequence[PoemRecord]):
        self.poems, self.cpu_seconds = poems, 0.0

    def __call__(self, model: PoetModel | GPT) -> dict[str, Any]:
        """The loss of a model."""
        started = time.process_time()
        result = score(model, self.poems)
        self.cpu_seconds += time.process_time() - started
        return {"loss": result.loss, "tokens": result.tokens}


def save_weights(model: torch.nn.Module, path: Path) -> None:
    """Writes the weights in float16, as the project's models are saved."""
    save_file({name: value.detach().half().cpu() for name, value in model.state_dict().items()}, path)
