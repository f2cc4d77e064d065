"""VocabularyMasks: what the characters of a vocabulary may do in a poem, as NumPy masks.

A model owns one: looking up the tones of thousands of characters takes longer than writing a poem.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from ..errors import InvalidValueError
from ..novelty.index import plain
from ..prosody.lines import LINE_ENDS
from ..prosody.readings import PING, ZE, all_groups, rhyme_groups, tone_mask
from ..script import is_hanzi
from ..tokenizer import EOS, PoetTokenizer

MAX_KEPT = 1024  # masks kept: most of them come back in poem after poem


class VocabularyMasks:
    """Tones, rhyme groups and kinds of all V characters of a vocabulary.

    The attributes are boolean arrays (V,). `only` and `only_like` return float32 arrays (V,) to add to
    logits: 0 for what may stand next, -inf for the rest.

    Attributes:
        tokenizer: the vocabulary.
    """

    def __init__(self, tokenizer: PoetTokenizer):
        self.tokenizer = tokenizer
        self._kept: dict[tuple, np.ndarray] = {}

    @cached_property
    def _hanzi(self) -> list[tuple[int, str]]:
        """Ids and characters of the hanzi."""
        return [(i, token) for i, token in enumerate(self.tokenizer.tokens) if is_hanzi(token)]

    def _where(self, allows: Callable[[str], object]) -> np.ndarray:
        mask = np.zeros(len(self.tokenizer), dtype=bool)
        mask[[i for i, hanzi in self._hanzi if allows(hanzi)]] = True
        return mask

    @cached_property
    def poem_characters(self) -> np.ndarray:
        """Hanzi, `，`, `。` and `<eos>`: what may stand in a poem at all."""
        allowed = self._where(lambda hanzi: True)
        allowed[[EOS, *self.line_ends]] = True
        return allowed

    @cached_property
    def by_tone(self) -> dict[int, np.ndarray]:
        """PING and ZE -> the characters that may have that tone."""
        return {tone: self._where(lambda c, t=tone: tone_mask(c) & t) for tone in (PING, ZE)}

    @cached_property
    def unknown(self) -> np.ndarray:
        """Hanzi whose readings are not in the table."""
        return self._where(lambda c: not tone_mask(c))

    @cached_property
    def by_group(self) -> dict[str, np.ndarray]:
        """A rhyme group of 平 -> the characters that rhyme in it."""
        found = {group: np.zeros(len(self.tokenizer), dtype=bool) for group in all_groups()}
        for i, hanzi in self._hanzi:
            for group in rhyme_groups(hanzi):
                found[group][i] = True
        return found

    @cached_property
    def ids_by_plain(self) -> dict[str, list[int]]:
        """A character as a novelty index writes it -> the ids of all that are written so."""
        found: dict[str, list[int]] = {}
        for character in self.tokenizer.characters:
            found.setdefault(plain(character), []).append(self.tokenizer.ids[character])
        return found

    @cached_property
    def line_ends(self) -> list[int]:
        """The ids of `，` and `。`.

        Raises:
            InvalidValueError: the vocabulary lacks one.
        """
        if missing := [c for c in LINE_ENDS if c not in self.tokenizer]:
            raise InvalidValueError(
                f"the vocabulary has no {' and no '.join(missing)}, so lines cannot end; train with both"
            )
        return [self.tokenizer.ids[c] for c in LINE_ENDS]

    def only(self, token: int) -> np.ndarray:
        """Bars every id but one."""
        if token not in self._kept:
            allowed = np.zeros(len(self.tokenizer), dtype=bool)
            allowed[token] = True
            self._keep(token, allowed)
        return self._kept[token]

    def only_like(
        self, tones: int, groups: frozenset[str], with_unknown: bool, without: frozenset[int]
    ) -> np.ndarray:
        """Bars what has none of the tones and rhymes in none of the groups.

        Args:
            with_unknown: whether hanzi of unknown tone are allowed too.
            without: ids that are barred in any case.
        """
        key = (tones, groups, with_unknown, without)
        if key not in self._kept:
            parts = [mask for tone, mask in self.by_tone.items() if tones & tone]
            parts += [self.unknown] * with_unknown
            parts += [self.by_group[group] for group in groups]
            allowed = np.logical_or.reduce([np.zeros(len(self.tokenizer), dtype=bool), *parts])
            allowed[list(without)] = False
            self._keep(key, allowed)
        return self._kept[key]

    def _keep(self, key: object, allowed: np.ndarray) -> None:
        """Adding such a mask to logits is several times faster than filling by a boolean one."""
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[key] = np.where(allowed, np.float32(0), np.float32(-np.inf))
