"""RhymeMemory: an auxiliary training task that teaches a model to remember the rhyme. It needs no model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from ..corpus.batches import IGNORE, Batch
from ..prosody.readings import readings
from ..tokenizer import PoetTokenizer


class RhymeMemory(nn.Module):
    """Predicts from each hidden state the 平水韻 rhyme group of the character that ended the last sentence.

    In a poem only about every 10th to 15th character rhymes, with a character 10 to 15 characters earlier.
    From these positions alone, a small LSTM hardly learns to rhyme (docs/retrain.md). With this task at every
    position it learns to remember the rhyme, and then uses it where a line must rhyme. The head is used only
    in training and is not part of the saved model.

    Args:
        hidden_size: size of the hidden states.
        tokenizer: the tokenizer of the batches.
        readings_of: maps a character to its readings, each of which is a rhyme group.

    Attributes:
        groups_hash: the SHA-256 of the names of the rhyme groups, in the order in which the head predicts
            them. Another version of the project may have others.
    """

    def __init__(
        self,
        hidden_size: int,
        tokenizer: PoetTokenizer,
        readings_of: Callable[[str], frozenset[str]] = readings,
    ):
        super().__init__()
        names = sorted(frozenset().union(*map(readings_of, tokenizer.ids)))
        self.groups_hash: str = hashlib.sha256(" ".join(names).encode("utf-8")).hexdigest()
        groups = torch.zeros(len(tokenizer), len(names), dtype=torch.bool)
        for character, row in tokenizer.ids.items():
            groups[row, [names.index(name) for name in readings_of(character)]] = True
        self.groups: torch.Tensor
        self.register_buffer("groups", groups, persistent=False)  # (V, G)
        self._has_group = groups.any(dim=1).numpy()
        self._full_stop = tokenizer.ids.get("。", -1)
        self.head: nn.Linear = nn.Linear(hidden_size, max(1, len(names)))

    def prepare(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Finds the positions where a rhyme is predicted, and the characters whose rhyme it is.

        These are all positions with a scored target, except those before the first 。 and those where the
        character before the last 。 has no rhyme group.

        Returns:
            Positions (M,) in the flattened batch, and ids (M,) of the characters whose rhyme is predicted.
        """
        inputs, targets = batch
        places = np.arange(inputs.shape[1])
        stop = np.maximum.accumulate(np.where(inputs == self._full_stop, places, 0), axis=1)  # 0: none yet
        words = np.take_along_axis(inputs, np.maximum(stop - 1, 0), axis=1)
        positions = np.flatnonzero((stop > 0) & (targets != IGNORE) & self._has_group[words])
        return positions, words.reshape(-1)[positions]

    def forward(self, states: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """The cross-entropy in nats, summed over the positions.

        If a character has several rhyme groups, each of them counts as correct.

        Args:
            states: (M, H) hidden states.
            words: (M,) ids of the characters whose rhyme is predicted.
        """
        scores = self.head(states).float()  # (M, G)
        right = scores.masked_fill(~self.groups[words], -torch.inf)
        loss: torch.Tensor = (scores.logsumexp(dim=1) - right.logsumexp(dim=1)).sum()
        return loss
