"""PoemObjective: the losses of a PoetModel on one batch. It knows nothing about optimizers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from ..corpus.batches import IGNORE, Batch
from ..tokenizer import UNK
from .config import TrainingConfig
from .cross_entropy import LinearCrossEntropy
from .objective import BatchSize, Losses, Objective
from .rhyme_memory import RhymeMemory

if TYPE_CHECKING:
    from ..model import PoetModel


class PreparedBatch(NamedTuple):
    """The inputs and targets of a batch. All positions are computed on the CPU, so that a GPU never waits.

    Attributes:
        inputs: (B, T) ids.
        places: (N,) positions in the flattened inputs whose next token is scored.
        targets: (N,) ids of these tokens, or, with `candidates`, their indices in `candidates`.
        candidates: (C,) ids that the softmax is computed over; None for the whole vocabulary.
        log_counts: (C,) log of the number of ids that each candidate represents; -inf for ids that are only
            included because they are targets.
        rhyme_places, rhyme_words: (M,) positions in the flattened inputs where the rhyme is predicted, and
            ids of the characters whose rhyme it is; None without a RhymeMemory.
    """

    inputs: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    candidates: torch.Tensor | None = None
    log_counts: torch.Tensor | None = None
    rhyme_places: torch.Tensor | None = None
    rhyme_words: torch.Tensor | None = None

    def to(self, device: torch.device) -> PreparedBatch:
        """A copy on the device; copies to a GPU are asynchronous."""
        if device.type == "cuda":
            pinned = (None if tensor is None else tensor.pin_memory() for tensor in self)
            return PreparedBatch._make(None if t is None else t.to(device, non_blocking=True) for t in pinned)
        return PreparedBatch._make(None if tensor is None else tensor.to(device) for tensor in self)


class PoemObjective(Objective):
    """The loss of the next token (`loss`) and, with a RhymeMemory, that of its task (`rhyme_loss`).

    On a CPU the softmax over the whole vocabulary is expensive. A sampled softmax is computed over the first
    ids (the most frequent characters), a random sample of the others, and each row's own target. If k of n
    other ids are sampled, exp(logit) of each counts n / k times, so that the sum is right on average.

    Args:
        model: the model to train.
        softmax_frequent, softmax_sampled, softmax_exact, input_mask: see TrainingConfig.
        rhyme_memory: the auxiliary task; None for none.
        rhyme_weight: weight of the auxiliary loss in the total.

    Attributes:
        samples_softmax: whether `prepare` may sample the softmax (it does so if the sample is smaller than
            the vocabulary); set by `begin_step`.
    """

    def __init__(
        self,
        model: PoetModel,
        *,
        softmax_frequent: int = 0,
        softmax_sampled: int = 0,
        softmax_exact: float = 0.0,
        input_mask: float = 0.0,
        rhyme_memory: RhymeMemory | None = None,
        rhyme_weight: float = 1.0,
    ):
        super().__init__()
        self.model: PoetModel = model
        self.softmax_frequent: int = softmax_frequent
        self.softmax_sampled: int = softmax_sampled
        self.softmax_exact: float = softmax_exact
        self.input_mask: float = input_mask
        self.rhyme_memory: RhymeMemory | None = rhyme_memory
        self.rhyme_weight: float = rhyme_weight
        self.samples_softmax: bool = False

    @classmethod
    def from_config(cls, model: PoetModel, config: TrainingConfig) -> PoemObjective:
        """Creates the objective from a configuration.

        The weights of a RhymeMemory are initialized with torch's global generator.

        Args:
            model: a PoetModel, on the CPU or a GPU.
            config: the training configuration.
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
        """Chooses the sampled or the full softmax, given the share (0 to 1) of the training that is done."""
        self.samples_softmax = self.softmax_frequent > 0 and progress < 1 - self.softmax_exact

    def size(self, batch: Batch) -> BatchSize:
        """The number of tokens in a batch, and of those that are scored."""
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
        """Prepares rows `part`, `part + parts` … of a batch, with some inputs masked.

        Args:
            batch: the whole batch.
            part, parts: index of the part and number of parts; a part without rows scores nothing.
            rng: random generator of the sampled softmax.
            device: the model's device.
        """
        rows = Batch(*(side[part::parts] for side in batch))
        if not len(rows.inputs):
            rows = Batch(batch.inputs[:1], np.full_like(batch.targets[:1], IGNORE))
        prepared = self._prepare_rows(rows, rng).to(torch.device(device))
        if not self.input_mask:
            return prepared
        masked = torch.rand(prepared.inputs.shape, device=prepared.inputs.device) < self.input_mask
        return prepared._replace(inputs=prepared.inputs.masked_fill(masked, UNK))

    def _prepare_rows(self, batch: Batch, rng: np.random.Generator | None) -> PreparedBatch:
        """The inputs and targets of a batch, on the CPU."""
        scored = np.flatnonzero(batch.targets != IGNORE)
        arrays = {"inputs": batch.inputs, "places": scored, "targets": batch.targets.reshape(-1)[scored]}
        vocab_size = len(self.model.bias)
        if (
            rng is not None
            and self.samples_softmax
            and self.softmax_sampled < vocab_size - self.softmax_frequent
        ):
            arrays |= self._sample(arrays["targets"], vocab_size, rng)
        if self.rhyme_memory is not None:
            arrays["rhyme_places"], arrays["rhyme_words"] = self.rhyme_memory.prepare(batch)
        return PreparedBatch(**{name: torch.from_numpy(value) for name, value in arrays.items()})

    def _sample(self, targets: np.ndarray, vocab_size: int, rng: np.random.Generator) -> dict[str, Any]:
        """Draws `candidates` with their `log_counts`, and finds the indices of the targets among them."""
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
        """The losses of a part in nats, summed over its targets."""
        model = self.model
        outputs, _ = model.outputs(prepared.inputs)  # (B, T, H) of each layer
        hidden = outputs[-1].flatten(0, 1).index_select(0, prepared.places)  # (N, H)
        weight: torch.Tensor = model.embedding.weight
        bias: torch.Tensor = model.bias
        if prepared.candidates is not None:
            weight, bias = model.embedding(prepared.candidates), bias.index_select(0, prepared.candidates)
        loss: torch.Tensor = LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
            hidden, weight, bias, prepared.targets, prepared.log_counts
        )
        if self.rhyme_memory is None or prepared.rhyme_places is None:
            return Losses(loss, {"loss": loss})
        # The states are those of the first layer, so that the last one is not forced to encode the rhyme
        # at every position.
        states = outputs[0].flatten(0, 1).index_select(0, prepared.rhyme_places)
        rhyme_loss = self.rhyme_memory(states, prepared.rhyme_words)
        return Losses(loss + self.rhyme_weight * rhyme_loss, {"loss": loss, "rhyme_loss": rhyme_loss})
