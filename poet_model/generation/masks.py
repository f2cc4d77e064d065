"""Tones and rhymes of a vocabulary as masks."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch

from .. import prosody
from ..errors import InvalidValueError
from ..prosody.lines import LINE_ENDS
from ..prosody.readings import PING, ZE
from ..script import is_hanzi
from ..tokenizer import PoetTokenizer


class VocabularyTones:
    """Tones and rhyme groups of a whole vocabulary, as masks (V,).

    Attributes:
        by_tone: PING and ZE -> the characters that may have it.
        unknown: hanzi whose readings are not in the table.
        by_group: a group of 平 -> the characters that rhyme in it.
    """

    def __init__(self, tokenizer: PoetTokenizer):
        def mask(allows: Callable[[str], object]) -> torch.Tensor:
            return torch.tensor([is_hanzi(token) and bool(allows(token)) for token in tokenizer.tokens])

        self.by_tone = {tone: mask(lambda c, t=tone: prosody.tone_mask(c) & t) for tone in (PING, ZE)}
        self.unknown = mask(lambda c: not prosody.tone_mask(c))
        self.by_group = {
            group: mask(lambda c, g=group: g in prosody.rhyme_groups(c)) for group in prosody.all_groups()
        }
        # most of these come back in poem after poem
        self.only_like = functools.lru_cache(maxsize=1024)(self._only_like)
        self.only = functools.lru_cache(maxsize=1024)(self._only)

    def _only_like(
        self,
        tones: int,
        groups: frozenset[str],
        with_unknown: bool,
        without: frozenset[int],
        device: torch.device,
    ) -> torch.Tensor:
        """(V,) to add to logits: -inf for what has none of the tones and rhymes in none of the groups.

        Args:
            with_unknown: whether hanzi of unknown tone are allowed too.
            without: ids that are not.
        """
        allowed = torch.zeros_like(self.unknown)
        for tone, mask in self.by_tone.items():
            if tones & tone:
                allowed |= mask
        if with_unknown:
            allowed |= self.unknown
        for group in groups:
            allowed |= self.by_group[group]
        allowed[list(without)] = False
        return _to_add(allowed, device)

    def _only(self, token: int, device: torch.device) -> torch.Tensor:
        """(V,) to add to logits: -inf for every id but one."""
        allowed = torch.zeros_like(self.unknown)
        allowed[token] = True
        return _to_add(allowed, device)


def _to_add(allowed: torch.Tensor, device: torch.device) -> torch.Tensor:
    """0 for what is allowed, -inf for the rest: adding is several times faster than filling by a mask."""
    return torch.where(allowed, 0.0, -torch.inf).to(device)


def line_end_ids(tokenizer: PoetTokenizer) -> list[int]:
    """The ids of `，` and `。`.

    Raises:
        InvalidValueError: the vocabulary lacks one.
    """
    if missing := [c for c in LINE_ENDS if c not in tokenizer]:
        raise InvalidValueError(
            f"the vocabulary has no {' and no '.join(missing)}, so lines cannot end; train with both"
        )
    return [tokenizer.ids[c] for c in LINE_ENDS]


@functools.lru_cache(maxsize=8)
def tones_of(tokenizer: PoetTokenizer) -> VocabularyTones:
    """The tones of a vocabulary, looked up once."""
    return VocabularyTones(tokenizer)
