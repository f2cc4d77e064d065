"""RhymeMemory: a second task of a training, to keep the last rhyme in mind. Knows no model."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..corpus.batches import IGNORE, Batch
from ..prosody.readings import readings
from ..tokenizer import PoetTokenizer


class RhymeMemory(nn.Module):
    """Predicts from the hidden state, at every place, the 平水韻 group in which the last sentence ended.

    A poem rhymes at one place in ten or fifteen, with a word as far back: from that alone a small LSTM hardly
    learns to rhyme (docs/retrain.md). Asked at every place, it learns to keep the rhyme, and then uses it
    where a line must rhyme. The head is of no use after the training, and is no part of the model.

    Args:
        hidden_size: width of the states.
        tokenizer: of the ids in the batches.
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

    def prepare(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
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
