"""Held-out perplexity, with the token set of every figure stated. Knows poems and a model, no folders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from . import intervals, sources
from .batches import IGNORE, PoemBatches
from .corpus import PoemRecord
from .tokenizer import EOS, UNK

UNKNOWN_CHOICES = 20_000  # CJK characters outside any vocabulary here: what an unknown one is a choice among
WHOLE = 1 << 30  # a length that no poem reaches


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
            **_perplexity(self.poem_nats, self.poem_tokens),
            **_perplexity(self.poem_hanzi_nats, self.poem_hanzi, "hanzi_"),
            "loss": round(self.loss, 5),
            "tokens": self.tokens,
            "hanzi": self.hanzi,
        }


def _perplexity(nats: np.ndarray, tokens: np.ndarray, kind: str = "") -> dict[str, float]:
    """`perplexity`, `low` and `high`, each named with its kind."""
    found = intervals.ratio(nats, tokens, np.exp) or intervals.figure(1, 1, 1, 0)
    names = {"perplexity": "value", "low": "low", "high": "high"}
    return {kind + name: round(found[key], 3) for name, key in names.items()}


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
        device=device,
    )
    ends = torch.tensor(
        [model.tokenizer.ids[c] for c in "，。" if c in model.tokenizer] + [EOS], device=device
    )
    sums = np.zeros((4, len(poems)))
    epoch = batches.epoch(0)
    for rows, (inputs, targets) in zip(epoch.plan, epoch, strict=True):
        states, _ = model.hidden_states(inputs)
        scored = targets != IGNORE  # (B, T)
        targets = targets[scored]
        losses = F.cross_entropy(model.project(states[scored]).float(), targets, reduction="none")
        losses = losses.double() + (targets == UNK) * math.log(UNKNOWN_CHOICES)
        of_hanzi = ~torch.isin(targets, ends)
        parts = torch.stack([losses, torch.ones_like(losses), losses * of_hanzi, of_hanzi.double()])
        of_row = scored.nonzero()[:, 0]
        of_batch = torch.zeros(4, len(rows), dtype=torch.float64, device=device)
        sums[:, rows] = of_batch.index_add_(1, of_row, parts).cpu().numpy()
    return Score(*sums)


def without_header(poems: Sequence[PoemRecord]) -> list[PoemRecord]:
    """The same poems with empty title, author and form."""
    return [replace(poem, title="", author="", form="") for poem in poems]


def tangshi_gpt(model, path: str | Path) -> dict:
    """Perplexity by the protocol of tangshi-gpt (published: 48.64) on its test poems.

    Our nats over title, `<sep>`, poem and `<eos>`, form and author empty, divided by that project's own
    number of tokens: `<sos>` and line breaks, which it counts too, are determined by the rest. Every poem
    counts, whole and as it stands; the space in a title is our `，`.
    """
    raw = [poem for poem in sources.read_source(str(path)) if poem.text]
    poems = [PoemRecord(poem.text.replace("\n", ""), poem.title.replace(" ", "，")) for poem in raw]
    found = score(model, poems, with_title=True)
    tokens = np.array([len(poem.title) + len(poem.text) + 3 for poem in raw])
    return {
        **_perplexity(found.poem_nats, tokens),
        "tokens": int(tokens.sum()),
        "our_tokens": found.tokens,
        "poems": len(raw),
    }
