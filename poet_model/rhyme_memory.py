"""RhymeMemory: a second task for training, which makes the state keep the rhyme. Knows ids, not batches."""

from __future__ import annotations

import torch
from torch import nn

from .prosody import rhyme_groups
from .tokenizer import PAD, PoetTokenizer

TONES = "平上去入"


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
        names = [[tone + group for tone in TONES for group in rhyme_groups(c, tone)] for c in tokenizer.ids]
        columns = {name: column for column, name in enumerate(sorted({n for of in names for n in of}))}
        groups = torch.zeros(len(tokenizer), len(columns), dtype=torch.bool)
        for character, of_character in zip(tokenizer.ids, names, strict=True):
            groups[tokenizer.ids[character], [columns[name] for name in of_character]] = True
        self.register_buffer("groups", groups, persistent=False)  # (V, G)
        self.full_stop = tokenizer.ids.get("。", -1)
        self.head = nn.Linear(hidden_size, max(1, len(columns)))

    def forward(self, inputs: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Ids (B, T) and states after them (B, T, H) -> () the summed cross-entropy.

        A word of several groups is answered by any of them. Not asked: before the first 。, and after words
        that have no group.
        """
        places = torch.arange(inputs.shape[1], device=inputs.device)
        stop = torch.where(inputs == self.full_stop, places, 0).cummax(dim=1).values  # (B, T), 0: none yet
        words = inputs.gather(1, (stop - 1).clamp(min=0))
        asked = (stop > 0) & (inputs != PAD) & self.groups.any(dim=1)[words]
        scores = self.head(hidden[asked]).float()  # (N, G)
        right = scores.masked_fill(~self.groups[words[asked]], -torch.inf)
        return (scores.logsumexp(dim=1) - right.logsumexp(dim=1)).sum()
