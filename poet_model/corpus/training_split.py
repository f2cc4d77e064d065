"""training_split: the poems to train and validate on, even if a corpus is too small to split by clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import CorpusError
from .poems import ContentHash, Corpus, PoemRecord

_ONE_IN = 20  # one in this many poems of a small corpus is held out


class TrainingSplit(NamedTuple):
    """The poems of a corpus that one training run uses.

    Attributes:
        train: the poems to train on.
        valid: the poems to validate on; never empty.
        note: how the poems of `valid` were held out, if not by clusters; otherwise ''.
    """

    train: Sequence[PoemRecord]
    valid: Sequence[PoemRecord]
    note: str = ""


def training_split(corpus: Corpus, limit: int | None = None) -> TrainingSplit:
    """Chooses the poems to train and validate on.

    Validation uses the valid split, or the test split if that is empty. If both are empty, the end of the
    training split is moved to the valid split, in the corpus and in its report.

    Args:
        corpus: a corpus of any size.
        limit: maximum number of poems to train on, counted from the first; None for all.

    Raises:
        CorpusError: the corpus has too few poems to hold one out.
    """
    train, valid = corpus.splits["train"], corpus.splits["valid"] or corpus.splits["test"]
    if limit is not None:
        train = train[:limit]
    if valid:
        note = (
            "" if corpus.splits["valid"] else "no poem fell into the valid split; validated on the test split"
        )
        return TrainingSplit(train, valid, note)
    if len(train) < 2:
        raise CorpusError(
            f"at least 2 poems are needed for training, got {len(train)} from {corpus.report.source!r}; one "
            "is held out for validation, and it takes some thousands to learn to write"
        )
    held_out = max(1, len(train) // _ONE_IN)
    train = list(train)
    train, valid = train[:-held_out], train[-held_out:]
    corpus.splits |= {"train": train, "valid": valid}
    for name, poems in (("train", train), ("valid", valid)):
        corpus.report.splits[name] = len(poems)
        corpus.report.characters[name] = sum(len(poem.text) for poem in poems)
        corpus.report.content[name] = ContentHash(poems).hexdigest()
    those = "the last one is" if held_out == 1 else f"the last {held_out} are"
    return TrainingSplit(train, valid, f"too few poems for a split; {those} held out for validation")
