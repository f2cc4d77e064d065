"""The poems to train and to validate on, also where a corpus is too small to be split by clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import CorpusError
from .poems import Corpus, PoemRecord

_ONE_IN = 20  # poems of a small corpus are held out


class TrainingSplit(NamedTuple):
    """What a training takes from a corpus.

    Attributes:
        train: the poems to train on.
        valid: those to validate on; never empty.
        note: how they were held out, if it was not by clusters; else ''.
    """

    train: Sequence[PoemRecord]
    valid: Sequence[PoemRecord]
    note: str = ""


def training_split(corpus: Corpus, limit: int | None = None) -> TrainingSplit:
    """The training split and the poems to validate on: valid, else test, else the end of train.

    In the last case the corpus and its report are changed to say so.

    Args:
        corpus: of any size.
        limit: train on the first so many poems only; None for all.

    Raises:
        CorpusError: there are fewer than two poems.
    """
    train, valid = corpus.splits["train"], corpus.splits["valid"] or corpus.splits["test"]
    if limit is not None:
        train = train[:limit]
    if valid:
        return TrainingSplit(train, valid)
    if len(train) < 2:
        raise CorpusError(
            f"{corpus.report.source!r} gives {len(train)} poem to train on; at least 2 are needed, "
            "one of them to validate on, and some thousands to learn from"
        )
    held_out = max(1, len(train) // _ONE_IN)
    train = list(train)
    train, valid = train[:-held_out], train[-held_out:]
    corpus.splits |= {"train": train, "valid": valid}
    for name, poems in (("train", train), ("valid", valid)):
        corpus.report.splits[name] = len(poems)
        corpus.report.characters[name] = sum(len(poem.text) for poem in poems)
    return TrainingSplit(
        train, valid, f"too few poems for a split; the last {held_out} are kept to validate on"
    )
