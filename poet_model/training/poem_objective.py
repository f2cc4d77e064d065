"""PoemObjective: the losses that a PoetModel is trained on. Knows one batch, no schedule and no optimizer."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from ..corpus.batches import IGNORE, Batch
from ..tokenizer import UNK
from .config import TrainingConfig
from .cross_entropy import LinearCrossEntropy
from .objective import BatchSize, Losses, Objective
from .rhyme_memory import RhymeMemory


class PreparedBatch(NamedTuple):
    """Inputs and questions of a batch. All places and counts are found on the CPU, so that a GPU never waits.

    Attributes:
        inputs: (B, T) ids.
        places: (N,) of the flattened inputs, behind which a character is scored.
        targets: (N,) ids of these characters; with `candidates`, their places among them.
        candidates: (C,) ids that the softmax is taken over; None: all.
        log_counts: (C,) log of how many characters each candidate stands for; -inf: for none but itself.
        rhyme_places, rhyme_words: (M,) places where the rhyme is asked for, and the id of the word it is
            that of; None without a RhymeMemory.
    """

    inputs: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    candidates: torch.Tensor | None = None
    log_counts: torch.Tensor | None = None
    rhyme_places: torch.Tensor | None = None
    rhyme_words: torch.Tensor | None = None

    def to(self, device: torch.device) -> PreparedBatch:
        """The same on a device; the copy to a GPU goes on while the CPU does other things."""
        if device.type == "cuda":
            pinned = (None if tensor is None else tensor.pin_memory() for tensor in self)
            return PreparedBatch(*(None if t is None else t.to(device, non_blocking=True) for t in pinned))
        return PreparedBatch(*(None if tensor is None else tensor.to(device) for tensor in self))


class PoemObjective(Objective):
    """The loss of the next character (`loss`) and, with a RhymeMemory, that of its task (`rhyme_loss`).

    On a CPU the softmax over the whole vocabulary is expensive. A sampled one is taken over the first ids
    (the most frequent characters), some of the others, and each row's own target: exp(logit) of a drawn one
    counts as many times as there are others to each drawn one, which makes the sum of the softmax right on
    average.

    Args:
        model: has `embedding`, `lstm` and `bias`, as PoetModel has them.
        softmax_frequent, softmax_sampled, softmax_exact, input_mask: see TrainingConfig.
        rhyme_memory: the second task; None for none.
        rhyme_weight: of the second task's loss in the total.

    Attributes:
        samples_softmax: whether `prepare` samples the softmax, if that saves anything; set by `begin_step`.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        softmax_frequent: int = 0,
        softmax_sampled: int = 0,
        softmax_exact: float = 0.0,
        input_mask: float = 0.0,
        rhyme_memory: RhymeMemory | None = None,
        rhyme_weight: float = 1.0,
    ):
        super().__init__()
        self.model = model
        self.softmax_frequent, self.softmax_sampled = softmax_frequent, softmax_sampled
        self.softmax_exact, self.input_mask = softmax_exact, input_mask
        self.rhyme_memory, self.rhyme_weight = rhyme_memory, rhyme_weight
        self.samples_softmax = False

    @classmethod
    def from_config(cls, model: nn.Module, config: TrainingConfig) -> PoemObjective:
        """The objective that a recipe asks for; a RhymeMemory's weights are drawn from torch's generator.

        Args:
            model: a PoetModel, on the CPU or a GPU.
            config: the recipe.
        """
        memory = RhymeMemory(model.config.hidden_size, model.tokenizer) if config.rhyme_memory else None
        return cls(
            model,
            softmax_frequent=config.softmax_frequent,
            softmax_sampled=config.softmax_sampled,
            softmax_exact=config.softmax_exact,
            input_mask=config.input_mask,
            rhyme_memory=memory,
            rhyme_weight=config.rhyme_memory,
        )

    def begin_step(self, progress: float) -> None:
        """Chooses between the sampled and the whole softmax by the share (0 to 1) of the training done."""
        self.samples_softmax = self.softmax_frequent > 0 and progress < 1 - self.softmax_exact

    def size(self, batch: Batch) -> BatchSize:
        """All tokens of a batch, and those that are scored."""
        return BatchSize(tokens=batch.inputs.size, targets=int((batch.targets != IGNORE).sum()))

    def prepare(
        self,
        batch: Batch,
        *,
        part: int = 0,
        parts: int = 1,
        rng: np.random.Generator | None = None,
        device: torch.device | str = "cpu",
    ) -> PreparedBatch:
        """Rows `part`, `part + parts` … of a batch on the device, with some inputs masked.

        Args:
            batch: the whole batch.
            part, parts: which part of how many; if there is no row for it, one that scores nothing.
            rng: draws the sample of a sampled softmax.
            device: where the model is.
        """
        rows = Batch(*(side[part::parts] for side in batch))
        if not len(rows.inputs):
            rows = Batch(batch.inputs[:1], np.full_like(batch.targets[:1], IGNORE))
        prepared = self._questions(rows, rng).to(torch.device(device))
        if not self.input_mask:
            return prepared
        masked = torch.rand(prepared.inputs.shape, device=prepared.inputs.device) < self.input_mask
        return prepared._replace(inputs=prepared.inputs.masked_fill(masked, UNK))

    def _questions(self, batch: Batch, rng: np.random.Generator | None) -> PreparedBatch:
        """What is asked of a batch, on the CPU."""
        scored = np.flatnonzero(batch.targets != IGNORE)
        asked = {"inputs": batch.inputs, "places": scored, "targets": batch.targets.reshape(-1)[scored]}
        vocab_size = len(self.model.bias)
        if self.samples_softmax and self.softmax_sampled < vocab_size - self.softmax_frequent:
            asked |= self._sample(asked["targets"], vocab_size, rng)
        if self.rhyme_memory is not None:
            asked["rhyme_places"], asked["rhyme_words"] = self.rhyme_memory.prepare(batch)
        return PreparedBatch(**{name: torch.from_numpy(value) for name, value in asked.items()})

    def _sample(self, targets: np.ndarray, vocab_size: int, rng: np.random.Generator) -> dict:
        """`candidates`, `log_counts`, and the targets' places among the candidates."""
        others = vocab_size - self.softmax_frequent
        log_counts = np.full(vocab_size, -np.inf, np.float32)
        log_counts[: self.softmax_frequent] = 0
        drawn = self.softmax_frequent + rng.permutation(others)[: self.softmax_sampled]
        log_counts[drawn] = math.log(others / self.softmax_sampled)
        is_candidate = log_counts > -np.inf
        is_candidate[targets] = True
        candidates = np.flatnonzero(is_candidate)
        return {
            "candidates": candidates,
            "log_counts": log_counts[candidates],
            "targets": is_candidate.cumsum()[targets] - 1,
        }

    def forward(self, prepared: PreparedBatch) -> Losses:
        """The losses of a part in nats, summed over its places."""
        model = self.model
        outputs, _ = model.lstm.outputs(model.embedding(prepared.inputs))  # (B, T, H) of each layer
        hidden = outputs[-1].flatten(0, 1).index_select(0, prepared.places)  # (N, H)
        weight, bias = model.embedding.weight, model.bias
        if prepared.candidates is not None:
            weight, bias = model.embedding(prepared.candidates), bias.index_select(0, prepared.candidates)
        loss = LinearCrossEntropy.apply(hidden, weight, bias, prepared.targets, prepared.log_counts)
        if self.rhyme_memory is None:
            return Losses(loss, {"loss": loss})
        # the first layer is asked, so that the last one need not show the rhyme where no line ends
        states = outputs[0].flatten(0, 1).index_select(0, prepared.rhyme_places)
        rhyme_loss = self.rhyme_memory(states, prepared.rhyme_words)
        return Losses(loss + self.rhyme_weight * rhyme_loss, {"loss": loss, "rhyme_loss": rhyme_loss})
