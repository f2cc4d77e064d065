"""Objective: all that a training lowers. Knows one batch, no schedule and no optimizer."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..corpus.batches import IGNORE, Batch
from ..prosody.readings import readings
from ..tokenizer import PoetTokenizer

CHUNK = 1024  # rows of logits at a time: what fits into a CPU's cache is also fastest


class Questions(NamedTuple):
    """What a batch asks of a model. All places and numbers are found on the CPU, so that a GPU never waits.

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

    def to(self, device: torch.device) -> Questions:
        """The same on a device; the copy to a GPU goes on while the CPU does other things."""
        if device.type == "cuda":
            pinned = (None if tensor is None else tensor.pin_memory() for tensor in self)
            return Questions(*(None if t is None else t.to(device, non_blocking=True) for t in pinned))
        return Questions(*(None if tensor is None else tensor.to(device) for tensor in self))


class Objective(nn.Module):
    """The loss of the next character and, if there is one, of a second task; each summed over its places.

    On a CPU the softmax over the whole vocabulary is expensive. A sampled one is taken over the `frequent`
    first ids (the most frequent characters), `drawn` of the others, and each row's own target: exp(logit) of
    a drawn one counts as many times as there are others to each drawn one, which makes the sum of the
    softmax right on average.

    Args:
        model: has `embedding`, `lstm` and `bias`, as PoetModel has them.
        frequent, drawn: of a sampled softmax.
        rhyme_memory: the second task.
    """

    def __init__(
        self, model: nn.Module, frequent: int = 0, drawn: int = 0, rhyme_memory: RhymeMemory | None = None
    ):
        super().__init__()
        self.model, self.frequent, self.drawn = model, frequent, drawn
        self.rhyme_memory = rhyme_memory

    def ask(self, batch: Batch, sampled: bool = False, rng: np.random.Generator | None = None) -> Questions:
        """The questions of a batch, on the CPU.

        Args:
            sampled: whether the softmax is sampled, if that saves anything.
            rng: draws the sample.
        """
        scored = np.flatnonzero(batch.targets != IGNORE)
        asked = {"inputs": batch.inputs, "places": scored, "targets": batch.targets.reshape(-1)[scored]}
        vocab_size = len(self.model.bias)
        if sampled and self.drawn < vocab_size - self.frequent:
            asked |= self._sample(asked["targets"], vocab_size, rng)
        if self.rhyme_memory is not None:
            asked["rhyme_places"], asked["rhyme_words"] = self.rhyme_memory.ask(batch)
        return Questions(**{name: torch.from_numpy(value) for name, value in asked.items()})

    def _sample(self, targets: np.ndarray, vocab_size: int, rng: np.random.Generator) -> dict:
        """`candidates`, `log_counts`, and the targets' places among the candidates."""
        others = vocab_size - self.frequent
        log_counts = np.full(vocab_size, -np.inf, np.float32)
        log_counts[: self.frequent] = 0
        drawn = self.frequent + rng.permutation(others)[: self.drawn]
        log_counts[drawn] = math.log(others / self.drawn)
        is_candidate = log_counts > -np.inf
        is_candidate[targets] = True
        candidates = np.flatnonzero(is_candidate)
        return {
            "candidates": candidates,
            "log_counts": log_counts[candidates],
            "targets": is_candidate.cumsum()[targets] - 1,
        }

    def forward(self, asked: Questions) -> torch.Tensor:
        """-> (1,) or (2,): the loss of each task in nats, summed over its places."""
        model = self.model
        outputs, _ = model.lstm.outputs(model.embedding(asked.inputs))  # (B, T, H) of each layer
        hidden = outputs[-1].flatten(0, 1).index_select(0, asked.places)  # (N, H)
        weight, bias = model.embedding.weight, model.bias
        if asked.candidates is not None:
            weight, bias = model.embedding(asked.candidates), bias.index_select(0, asked.candidates)
        losses = [LinearCrossEntropy.apply(hidden, weight, bias, asked.targets, asked.log_counts)]
        if self.rhyme_memory is not None:
            # the first layer is asked, so that the last one need not show the rhyme where no line ends
            states = outputs[0].flatten(0, 1).index_select(0, asked.rhyme_places)
            losses.append(self.rhyme_memory(states, asked.rhyme_words))
        return torch.stack(losses)


class LinearCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy of `hidden @ weight^T + bias`, without ever holding all logits.

    (N, V) logits and their gradient are by far the largest arrays of a training. Here they are made for CHUNK
    rows at a time, and the gradients are found at once: d loss / d logits is the softmax, less one at the
    target. As `F.cross_entropy(F.linear(hidden, weight, bias).float(), targets, reduction="sum")`, with the
    same rounding under autocast.
    """

    @staticmethod
    def forward(ctx, hidden, weight, bias, targets, log_counts):
        """(N, H), (C, H), (C,), (N,), (C,) or None -> ()."""
        kind = hidden.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
        low_hidden, low_weight, low_bias = (t.detach().to(dtype) for t in (hidden, weight, bias))
        learns = any(ctx.needs_input_grad)
        if learns:
            d_hidden = torch.empty_like(low_hidden)
            d_weight, d_bias = (torch.zeros_like(t, dtype=torch.float32) for t in (weight, bias))
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, len(hidden), CHUNK):
            rows = low_hidden[start : start + CHUNK]
            own = targets[start : start + CHUNK, None]
            logits = F.linear(rows, low_weight, low_bias).float()  # (n, C)
            of_target = logits.gather(1, own)
            if log_counts is not None:
                logits = logits.add_(log_counts).scatter_(1, own, of_target)
            normalizer = logits.logsumexp(1, keepdim=True)
            total += (normalizer - of_target).sum()
            if learns:
                d_logits = logits.sub_(normalizer).exp_()
                d_logits.scatter_add_(1, own, torch.full_like(of_target, -1.0))
                d_bias += d_logits.sum(0)
                d_logits = d_logits.to(dtype)
                d_hidden[start : start + CHUNK] = d_logits @ low_weight
                d_weight += d_logits.T @ rows
        if learns:
            ctx.save_for_backward(d_hidden, d_weight, d_bias)
            ctx.dtypes = hidden.dtype, weight.dtype, bias.dtype
        return total

    @staticmethod
    def backward(ctx, d_total):
        """The gradients by hidden, weight and bias, times that of the loss."""
        found = (d * d_total for d in ctx.saved_tensors)
        return *(d.to(dtype) for d, dtype in zip(found, ctx.dtypes, strict=True)), None, None


class RhymeMemory(nn.Module):
    """Asks the hidden state, at every place, in which group of 平水韻 the last sentence ended.

    A poem rhymes at one place in ten or fifteen, with a word as far back: from that alone a small LSTM hardly
    learns to rhyme (docs/retrain.md). Asked at every place, it learns to keep the rhyme, and then uses it
    where a line must rhyme. The head is of no use after the training, and is no part of the model.

    Args:
        hidden_size: of the states that are asked.
        tokenizer: of the ids that come.
    """

    def __init__(self, hidden_size: int, tokenizer: PoetTokenizer):
        super().__init__()
        names = sorted(frozenset().union(*map(readings, tokenizer.ids)))
        groups = torch.zeros(len(tokenizer), len(names), dtype=torch.bool)
        for character, row in tokenizer.ids.items():
            groups[row, [names.index(name) for name in readings(character)]] = True
        self.register_buffer("groups", groups, persistent=False)  # (V, G)
        self._has_group = groups.any(dim=1).numpy()
        self._full_stop = tokenizer.ids.get("。", -1)
        self.head = nn.Linear(hidden_size, max(1, len(names)))

    def ask(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """The places (M,) of the flattened batch that are asked, and the word (M,) whose rhyme each is.

        Not asked: where no target is scored, before the first 。, and after words that have no group.
        """
        inputs, targets = batch
        places = np.arange(inputs.shape[1])
        stop = np.maximum.accumulate(np.where(inputs == self._full_stop, places, 0), axis=1)  # 0: none yet
        words = np.take_along_axis(inputs, np.maximum(stop - 1, 0), axis=1)
        asked = np.flatnonzero((stop > 0) & (targets != IGNORE) & self._has_group[words])
        return asked, words.reshape(-1)[asked]

    def forward(self, states: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """States (M, H) and the words whose rhyme they are asked for (M,) -> () the summed cross-entropy.

        A word of several groups is answered by any of them.
        """
        scores = self.head(states).float()  # (M, G)
        right = scores.masked_fill(~self.groups[words], -torch.inf)
        return (scores.logsumexp(dim=1) - right.logsumexp(dim=1)).sum()
