"""Held-out perplexity, with the token set of every figure stated. Knows poems and a model, no folders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F

from ..corpus import PoemRecord
from ..corpus.batches import IGNORE, PoemBatches
from ..tokenizer import EOS, UNK
from . import intervals

UNKNOWN_CHOICES = 20_000  # CJK characters outside any vocabulary here: what an unknown one is a choice among
WHOLE = 1 << 30  # a length that no poem reaches
CHUNK = 1024  # rows of logits at a time


@dataclass(frozen=True)
class Score:
    """Negative log-likelihood of some poems, all arrays (N,) with one number a poem.

    Attributes:
        poem_nats: nats of what is counted, over `poem_tokens` tokens.
        poem_hanzi_nats: of hanzi alone, over `poem_hanzi`.
    """

    poem_nats: np.ndarray
    poem_tokens: np.ndarray
    poem_hanzi_nats: np.ndarray
    poem_hanzi: np.ndarray

    @property
    def nats(self) -> float:
        """Nats in all."""
        return float(self.poem_nats.sum())

    @property
    def tokens(self) -> int:
        """Tokens in all."""
        return int(self.poem_tokens.sum())

    @property
    def hanzi(self) -> int:
        """Hanzi in all."""
        return int(self.poem_hanzi.sum())

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.nats / max(1, self.tokens)

    @property
    def perplexity(self) -> float:
        """exp(nats a token)."""
        return math.exp(self.loss)

    def of(self, chosen: Sequence[bool]) -> Score:
        """The score of some of the poems alone."""
        picked = np.array(chosen, dtype=bool)
        return Score(*(getattr(self, field.name)[picked] for field in fields(self)))

    def record(self) -> dict:
        """The figures to publish, with 95 % intervals by bootstrap over poems."""
        return {
            **perplexity_record(self.poem_nats, self.poem_tokens),
            **perplexity_record(self.poem_hanzi_nats, self.poem_hanzi, "hanzi_"),
            "loss": round(self.loss, 5),
            "tokens": self.tokens,
            "hanzi": self.hanzi,
        }


def perplexity_record(nats: np.ndarray, tokens: np.ndarray, kind: str = "") -> dict[str, float]:
    """`perplexity`, `low` and `high`, each named with its kind, of the nats and tokens (N,) of each poem."""
    estimate = intervals.ratio(nats, tokens, np.exp) or intervals.Estimate(1, 1, 1, 0)
    names = {"perplexity": estimate.value, "low": estimate.low, "high": estimate.high}
    return {kind + name: round(number, 3) for name, number in names.items()}


@torch.inference_mode()
def score(model, poems: Sequence[PoemRecord], *, with_title: bool = False, max_tokens: int = 8192) -> Score:
    """Scores poems whole: the poem and `<eos>`, after the header that the records have.

    An unknown character costs its `<unk>` and a uniform choice among 20,000 characters, so that a small
    vocabulary never flatters.

    Args:
        with_title: whether the title and its `<sep>` count too.
        max_tokens: of a batch.
    """
    device = model.embedding.weight.device
    batches = PoemBatches(
        poems,
        model.tokenizer,
        max_tokens=max_tokens,
        max_length=WHOLE,  # so that every poem is one row
        score_title=with_title,
    )
    ends = [model.tokenizer.ids[c] for c in "，。" if c in model.tokenizer] + [EOS]
    sums = np.zeros((4, len(poems)))
    epoch = batches.epoch(0)
    for index, (inputs, targets) in enumerate(epoch):
        of_row, places = np.nonzero(targets != IGNORE)
        targets = targets[of_row, places]
        states, _ = model.hidden_states(torch.from_numpy(inputs).to(device))
        states = states[of_row, places]  # (N, H)
        losses = _nats(model, states, torch.from_numpy(targets).to(device)).double().cpu().numpy()
        losses += (targets == UNK) * math.log(UNKNOWN_CHOICES)
        of_hanzi = ~np.isin(targets, ends)
        rows = epoch.rows(index)[of_row]
        for row, values in enumerate((losses, 1.0, losses * of_hanzi, of_hanzi)):
            np.add.at(sums[row], rows, values)
    return Score(*sums)


def _nats(model, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Outputs of the last layer (N, H) and targets (N,) -> nats of each (N,), not all logits at once."""
    pairs = zip(states.split(CHUNK), targets.split(CHUNK), strict=True)
    return torch.cat([F.cross_entropy(model.project(s).float(), t, reduction="none") for s, t in pairs])


def without_header(poems: Sequence[PoemRecord]) -> list[PoemRecord]:
    """The same poems with empty title, author and form."""
    return [replace(poem, title="", author="", form="") for poem in poems]
