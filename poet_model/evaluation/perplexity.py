"""Perplexity of held-out poems, with an exact statement of the tokens that are counted.

Works on poems and a model; reads and writes no files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from ..corpus import PoemRecord
from ..corpus.batches import IGNORE, PoemBatches
from ..prosody.lines import LINE_ENDS
from ..tokenizer import EOS, UNK
from . import intervals
from .progress import SILENT, Progress

if TYPE_CHECKING:
    from ..model import PoetModel

UNKNOWN_CHOICES = 20_000  # an <unk> counts as one of this many CJK characters outside the vocabulary
WHOLE = 1 << 30  # longer than any poem
CHUNK = 1024  # rows of logits computed at a time


@dataclass(frozen=True)
class Score:
    """The negative log-likelihood of N poems; all arrays are (N,), one number per poem.

    Attributes:
        poem_nats: the nats of all scored tokens.
        poem_tokens: the number of these tokens.
        poem_hanzi_nats: the nats of the hanzi alone.
        poem_hanzi: the number of hanzi.
    """

    poem_nats: np.ndarray
    poem_tokens: np.ndarray
    poem_hanzi_nats: np.ndarray
    poem_hanzi: np.ndarray

    @property
    def nats(self) -> float:
        """The nats of all poems."""
        return float(self.poem_nats.sum())

    @property
    def tokens(self) -> int:
        """The number of scored tokens in all poems."""
        return int(self.poem_tokens.sum())

    @property
    def hanzi(self) -> int:
        """The number of hanzi in all poems."""
        return int(self.poem_hanzi.sum())

    @property
    def loss(self) -> float:
        """The mean nats per token."""
        return self.nats / max(1, self.tokens)

    @property
    def perplexity(self) -> float:
        """The perplexity: exp(loss)."""
        return math.exp(self.loss)

    def of(self, chosen: Sequence[bool]) -> Score:
        """The score of the chosen poems only.

        Args:
            chosen: (N,), whether to keep each poem.
        """
        mask = np.array(chosen, dtype=bool)
        return Score(*(getattr(self, field.name)[mask] for field in fields(self)))

    def record(self) -> dict[str, Any]:
        """The entry for metrics.json, with 95 % intervals by bootstrap over poems."""
        return {
            **perplexity_record(self.poem_nats, self.poem_tokens),
            **perplexity_record(self.poem_hanzi_nats, self.poem_hanzi, "hanzi_"),
            "loss": round(self.loss, 5),
            "tokens": self.tokens,
            "hanzi": self.hanzi,
        }


def perplexity_record(nats: np.ndarray, tokens: np.ndarray, kind: str = "") -> dict[str, float]:
    """The perplexity and its interval as `perplexity`, `low` and `high`.

    Args:
        nats, tokens: (N,), one number per poem.
        kind: a prefix for the three names, such as `hanzi_`.
    """
    estimate = intervals.ratio(nats, tokens, np.exp) or intervals.Estimate(1, 1, 1, 0)
    names = {"perplexity": estimate.value, "low": estimate.low, "high": estimate.high}
    return {kind + name: round(number, 3) for name, number in names.items() if number is not None}


@torch.inference_mode()
def score(
    model: PoetModel,
    poems: Sequence[PoemRecord],
    *,
    with_title: bool = False,
    skipped: int | Sequence[int] = 0,
    max_tokens: int = 8192,
    progress: Progress = SILENT,
) -> Score:
    """Scores whole poems: the text and `<eos>`, given the header in each record.

    An unknown character costs the nats of `<unk>` plus those of a uniform choice among 20,000 characters, so
    that a small vocabulary has no advantage. No dropout is applied, whatever the mode of the model.

    Args:
        with_title: whether the title and its `<sep>` count too.
        skipped: how many characters do not count at the beginning of each poem, or of every poem.
        max_tokens: the largest number of tokens in a batch.
        progress: is told of each scored token.
    """
    device = model.embedding.weight.device
    batches = PoemBatches(
        poems,
        model.tokenizer,
        max_tokens=max_tokens,
        max_length=WHOLE,  # every poem is one row
        score_title=with_title,
    )
    ends = [model.tokenizer.ids[c] for c in LINE_ENDS if c in model.tokenizer] + [EOS]
    skip = np.broadcast_to(skipped, len(poems))
    sums = np.zeros((4, len(poems)))
    epoch = batches.epoch(0)
    for index, (inputs, targets) in enumerate(epoch):
        rows, is_scored = epoch.rows(index), targets != IGNORE
        is_scored &= np.cumsum(is_scored, axis=1) > skip[rows][:, None]
        batch_rows, positions = np.nonzero(is_scored)
        targets = targets[batch_rows, positions]
        states, _ = model.hidden_states(torch.from_numpy(inputs).to(device), dropout=False)
        states = states[batch_rows, positions]  # (N, H)
        losses = _nats(model, states, torch.from_numpy(targets).to(device)).double().cpu().numpy()
        losses += (targets == UNK) * math.log(UNKNOWN_CHOICES)
        is_hanzi = ~np.isin(targets, ends)
        poem_rows = rows[batch_rows]
        one = np.ones_like(losses)
        for i, values in enumerate((losses, one, losses * is_hanzi, one * is_hanzi)):
            np.add.at(sums[i], poem_rows, values)
        progress.advance(len(targets))
    return Score(*sums)


def _nats(model: PoetModel, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The nats (N,) of targets (N,) given outputs of the last layer (N, H), in chunks to save memory."""
    pairs = zip(torch.split(states, CHUNK), torch.split(targets, CHUNK), strict=True)
    return torch.cat([F.cross_entropy(model.project(s).float(), t, reduction="none") for s, t in pairs])


def without_header(poems: Sequence[PoemRecord]) -> list[PoemRecord]:
    """The same poems with an empty title, author and form."""
    return [replace(poem, title="", author="", form="") for poem in poems]
