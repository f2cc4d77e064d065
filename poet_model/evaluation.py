"""Held-out perplexity and the shape of free poems, with the token set of every figure stated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from .batches import IGNORE, PoemBatches
from .corpus import PoemRecord
from .tokenizer import EOS, UNK

UNKNOWN_CHOICES = 20_000  # CJK characters outside any vocabulary here: what an unknown one is a choice among
WHOLE = 1 << 30  # a length that no poem reaches


@dataclass(frozen=True)
class Score:
    """Negative log-likelihood of some tokens: `nats` in all, over `tokens`; of hanzi alone beside it."""

    nats: float
    tokens: int
    hanzi_nats: float
    hanzi: int

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(nats a token)."""
        return math.exp(self.loss)

    def record(self) -> dict:
        """The figures to publish."""
        return {
            "perplexity": round(self.perplexity, 3),
            "hanzi_perplexity": round(math.exp(self.hanzi_nats / max(1, self.hanzi)), 3),
            "loss": round(self.loss, 5),
            "tokens": self.tokens,
            "hanzi": self.hanzi,
        }


@torch.inference_mode()
def score(model, poems: Sequence[PoemRecord], *, with_title: bool = False, max_tokens: int = 8192) -> Score:
    """Scores poems whole: the poem and `<eos>`, after the header the records have.

    An unknown character costs its `<unk>` and a uniform choice among 20,000 characters, so that a small
    vocabulary never flatters.

    Args:
        with_title: whether the title and its `<sep>` count too.
    """
    device = model.embedding.weight.device
    batches = PoemBatches(
        poems,
        model.tokenizer,
        max_tokens=max_tokens,
        max_length=WHOLE,
        score_title=with_title,
        device=device,
    )
    ends = torch.tensor(
        [model.tokenizer.ids[c] for c in "，。" if c in model.tokenizer] + [EOS], device=device
    )
    nats = hanzi_nats = 0.0
    tokens = hanzi = 0
    for inputs, targets in batches.epoch(0):
        states, _ = model.hidden_states(inputs)
        targets = targets.flatten()
        scored = targets != IGNORE
        targets = targets[scored]
        losses = F.cross_entropy(
            model.project(states.flatten(0, 1)[scored]).float(), targets, reduction="none"
        )
        losses = losses.double() + (targets == UNK) * math.log(UNKNOWN_CHOICES)
        of_hanzi = ~torch.isin(targets, ends)
        nats, tokens = nats + losses.sum().item(), tokens + len(targets)
        hanzi_nats, hanzi = hanzi_nats + losses[of_hanzi].sum().item(), hanzi + int(of_hanzi.sum())
    return Score(nats, tokens, hanzi_nats, hanzi)


def without_header(poems: Sequence[PoemRecord]) -> list[PoemRecord]:
    """The same poems with empty title, author and form."""
    return [replace(poem, title="", author="", form="") for poem in poems]
