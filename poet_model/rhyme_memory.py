"""RhymeMemory: a second task for training, which makes the state keep the rhyme. Knows ids, not batches."""

from __future__ import annotations

import torch
from torch import nn

from .batches import IGNORE
from .prosody import readings
from .tokenizer import PoetTokenizer


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
        self.full_stop = tokenizer.ids.get("。", -1)
        self.head = nn.Linear(hidden_size, max(1, len(names)))

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Ids and targets (B, T), and states after the ids (B, T, H) -> () the summed cross-entropy.

        A word of several groups is answered by any of them. Not asked: where no target is scored, before
        the first 。, and after words that have no group. A 。 or a word that is masked (`<unk>`) is not seen.
        """
        places = torch.arange(inputs.shape[1], device=inputs.device)
        stop = torch.where(inputs == self.full_stop, places, 0).cummax(dim=1).values  # (B, T), 0: none yet
        words = inputs.gather(1, (stop - 1).clamp(min=0))
        asked = (stop > 0) & (targets != IGNORE) & self.groups.any(dim=1)[words]
        scores = self.head(hidden[asked]).float()  # (N, G)
        right = scores.masked_fill(~self.groups[words[asked]], -torch.inf)
        return (scores.logsumexp(dim=1) - right.logsumexp(dim=1)).sum()
