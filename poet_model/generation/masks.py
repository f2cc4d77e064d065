"""VocabularyMasks: which ids are hanzi, and which have each tone or rhyme, as NumPy masks.

Each model keeps one, as looking up the tones of thousands of characters takes longer than writing a poem.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from ..arrays import BoolArray, FloatArray
from ..couplets import vectors_of
from ..errors import InvalidValueError
from ..novelty.index import plain
from ..prosody.lines import LINE_ENDS
from ..prosody.readings import PING, ZE, all_groups, rhyme_groups, tone_mask
from ..script import is_hanzi
from ..tokenizer import EOS, PoetTokenizer

MAX_KEPT = 1024  # the number of masks in the cache; most masks are used again in poem after poem


class VocabularyMasks:
    """The tones, rhyme groups and kinds of all V characters of a vocabulary.

    The properties give boolean arrays (V,). `only` and `only_like` return float32 arrays (V,) to add to
    logits: 0 for allowed ids, -inf for all others.

    Attributes:
        tokenizer: the tokenizer with the vocabulary.
    """

    def __init__(self, tokenizer: PoetTokenizer):
        self.tokenizer = tokenizer
        self._kept: dict[object, FloatArray] = {}

    def __reduce__(self) -> tuple[type, tuple[PoetTokenizer]]:  # a copy computes its masks when it needs them
        return type(self), (self.tokenizer,)

    @cached_property
    def _hanzi(self) -> list[tuple[int, str]]:
        """The ids and characters of all hanzi."""
        return [(i, token) for i, token in enumerate(self.tokenizer.tokens) if is_hanzi(token)]

    def _where(self, allows: Callable[[str], bool]) -> BoolArray:
        mask = np.zeros(len(self.tokenizer), dtype=bool)
        mask[[i for i, hanzi in self._hanzi if allows(hanzi)]] = True
        return mask

    @cached_property
    def poem_characters(self) -> BoolArray:
        """Hanzi, `，`, `。` and `<eos>`: all tokens that a poem may contain."""
        allowed = self._where(lambda hanzi: True)
        allowed[[EOS, *self.line_ends]] = True
        return allowed

    @cached_property
    def by_tone(self) -> dict[int, BoolArray]:
        """Maps PING and ZE to the characters that may have that tone."""
        masks = {}
        for tone in (PING, ZE):
            masks[tone] = self._where(lambda c, tone=tone: bool(tone_mask(c) & tone))  # type: ignore[misc]
        return masks

    @cached_property
    def unknown(self) -> BoolArray:
        """Hanzi whose readings are not in the table."""
        return self._where(lambda c: not tone_mask(c))

    @cached_property
    def by_group(self) -> dict[str, BoolArray]:
        """Maps each rhyme group of 平 to the characters that rhyme in it."""
        masks = {group: np.zeros(len(self.tokenizer), dtype=bool) for group in all_groups()}
        for i, hanzi in self._hanzi:
            for group in rhyme_groups(hanzi):
                masks[group][i] = True
        return masks

    @cached_property
    def group_sizes(self) -> dict[str, int]:
        """Maps each rhyme group of 平 to the number of characters that rhyme in it."""
        return {group: int(mask.sum()) for group, mask in self.by_group.items()}

    @cached_property
    def ids_by_plain(self) -> dict[str, list[int]]:
        """Maps each character, as a novelty index writes it, to the ids of all its written forms."""
        ids: dict[str, list[int]] = {}
        for character in self.tokenizer.characters:
            ids.setdefault(plain(character), []).append(self.tokenizer.ids[character])
        return ids

    @cached_property
    def couplet_vectors(self) -> FloatArray:
        """The vectors (V, D) of `couplets.vectors_of`; zeros for what is no hanzi, and for unknown ones."""
        vectors = vectors_of(hanzi for _, hanzi in self._hanzi)
        found = np.zeros((len(self.tokenizer), vectors.shape[1]), np.float32)
        found[[i for i, _ in self._hanzi]] = vectors
        return found

    @cached_property
    def line_ends(self) -> list[int]:
        """The ids of `，` and `。`.

        Raises:
            InvalidValueError: the vocabulary lacks one of them.
        """
        if missing := [c for c in LINE_ENDS if c not in self.tokenizer]:
            raise InvalidValueError(
                f"the vocabulary has no {' and no '.join(missing)}, so lines cannot end; train a model on "
                "poems that have both"
            )
        return [self.tokenizer.ids[c] for c in LINE_ENDS]

    def only(self, token: int) -> FloatArray:
        """The mask that bars every id but one."""
        kept = self._kept.get(token)
        if kept is not None:
            return kept
        allowed = np.zeros(len(self.tokenizer), dtype=bool)
        allowed[token] = True
        return self._keep(token, allowed)

    def only_like(
        self, tones: int, groups: frozenset[str], with_unknown: bool, without: frozenset[int]
    ) -> FloatArray:
        """The mask that allows every hanzi with one of the tones or in one of the rhyme groups.

        Args:
            tones: PING, ZE, ANY, or 0 for none.
            groups: the rhyme groups.
            with_unknown: whether hanzi of unknown tone are allowed too.
            without: ids that are barred in any case.
        """
        key = (tones, groups, with_unknown, without)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        parts = [mask for tone, mask in self.by_tone.items() if tones & tone]
        parts += [self.unknown] * with_unknown
        parts += [self.by_group[group] for group in groups]
        allowed = np.logical_or.reduce([np.zeros(len(self.tokenizer), dtype=bool), *parts])
        allowed[list(without)] = False
        return self._keep(key, allowed)

    def _keep(self, key: object, allowed: BoolArray) -> FloatArray:
        """Caches a mask as floats: adding it to logits is several times faster than boolean indexing.

        Returns the mask, because another thread may empty the cache at any time.
        """
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[key] = mask = np.where(allowed, np.float32(0), np.float32(-np.inf))
        return mask
