"""The rhyme groups in which a poem may rhyme, given its options and the vocabulary."""

from __future__ import annotations

import numpy as np

from ..errors import InvalidValueError, excerpt, quoted
from ..prosody.lines import read_title
from ..prosody.readings import PING, group_named, rhyme_groups, tone_mask
from .form_options import FormOptions
from .masks import VocabularyMasks

# a group that the user did not name is used only if the vocabulary has this many of its characters
MIN_RHYME_WORDS = 20


def open_groups(masks: VocabularyMasks, options: FormOptions) -> frozenset[str]:
    """The groups of 平水韻 in which the poem may rhyme; empty if no rhyme is required.

    Raises:
        InvalidValueError: the vocabulary has no such group, a rhyme word is repeated, or no group fits all
            fixed rhyme words.
    """
    if not options.rhyme:
        return frozenset()
    groups = _large_groups(masks) if options.rhyme is True else _named_group(masks, options)
    return _groups_of_fixed(masks, options, groups)


def _large_groups(masks: VocabularyMasks) -> frozenset[str]:
    if groups := frozenset(group for group, count in masks.group_sizes.items() if count >= MIN_RHYME_WORDS):
        return groups
    raise InvalidValueError(
        f"the vocabulary of this model has no group of 平水韻 with {MIN_RHYME_WORDS} characters; leave rhyme "
        "out",
        chinese="這個模型識字太少，押不了韻，請不求押韻。",
    )


def _named_group(masks: VocabularyMasks, options: FormOptions) -> frozenset[str]:
    given = masks.tokenizer.normalize(read_title(str(options.rhyme)))
    group, needed = group_named(given), options.lines // 2 + 1
    if masks.group_sizes.get(group, 0) >= needed:
        return frozenset({group})
    usable = [name for name, count in masks.group_sizes.items() if count >= needed]
    near = sorted(rhyme_groups(given).intersection(usable)) if len(given) == 1 else []
    own = f"{given} rhymes in {' or '.join(near)}; " if near else ""
    raise InvalidValueError(
        f"rhyme must be True or a group of 平水韻 in a level tone (平), with at least {needed} characters in "
        f"this model's vocabulary, got {quoted(options.rhyme)}; {own}rhyme can be one of {' '.join(usable)}",
        chinese=f"韻部沒有「{excerpt(given)}」；可選{''.join(near or usable)}。",
    )


def _groups_of_fixed(masks: VocabularyMasks, options: FormOptions, groups: frozenset[str]) -> frozenset[str]:
    """The groups that all fixed rhyme words share.

    Raises:
        InvalidValueError: there is no such group, or a rhyme word occurs twice.
    """
    for number, (line, word) in enumerate(options.rhyme_words):
        before = "".join(word for _, word in options.rhyme_words[:number])
        if word in before:
            raise InvalidValueError(
                f"the tail {word!r} of line {line + 1} is already the rhyme word of an earlier line (重韻); "
                "give another character",
                chinese=f"藏尾第 {line + 1} 字「{word}」重韻，請換一字。",
            )
        if not (left := groups & rhyme_groups(word)):
            with_which = " ".join(before)
            among = f"with {with_which}" if with_which else f"in {' '.join(sorted(groups))}"
            rhyming = _rhyming(masks, groups, before)
            raise InvalidValueError(
                f"the tail {word!r} of line {line + 1} does not rhyme {among}; give a character such as "
                f"{' '.join(rhyming)}",
                chinese=f"藏尾第 {line + 1} 字「{word}」不押韻，例如{'、'.join(rhyming)}才押。",
            )
        groups = left
    return groups


def _rhyming(masks: VocabularyMasks, groups: frozenset[str], used: str, count: int = 8) -> list[str]:
    """The most frequent characters of the groups, at most `count`, without the used ones.

    Those that are also read 仄 come last: 不 rhymes, but only as 否.
    """
    allowed = np.logical_or.reduce([masks.by_group[group] for group in groups])
    words = (masks.tokenizer.tokens[i] for i in np.flatnonzero(allowed))
    unused = [word for word in words if word not in used]
    return sorted(unused, key=lambda word: tone_mask(word) != PING)[:count]
