"""TrainingData: the poems and the vocabulary of one run. Knows no model but the one that is started from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..corpus import Corpus, PoemRecord, add_vocabulary
from ..corpus.training_split import training_split
from ..prosody.lines import FORMS
from ..tokenizer import PoetTokenizer

SMALL_CORPUS = 1000  # poems; below it every character counts, though it was seen once


@dataclass(frozen=True)
class TrainingData:
    """What one run trains and validates on.

    Attributes:
        corpus: with its report, which tells of the vocabulary too.
        train, valid: the poems.
        tokenizer: the vocabulary.
        note: how poems were held out, if it was not by clusters; else ''.
    """

    corpus: Corpus
    train: Sequence[PoemRecord]
    valid: Sequence[PoemRecord]
    tokenizer: PoetTokenizer
    note: str

    @property
    def is_small(self) -> bool:
        """Whether the poems are too few to learn verse from."""
        return len(self.train) < SMALL_CORPUS


def prepare_data(
    corpus: Corpus, limit: int | None = None, known: PoetTokenizer | None = None
) -> TrainingData:
    """Splits a corpus and gathers its vocabulary, which is added to the corpus report.

    Args:
        corpus: to train on.
        limit: train on the first so many poems only; None for all.
        known: the vocabulary of the model to start from; a small corpus adds to it, so that the model keeps
            what so few poems do not show.

    Raises:
        CorpusError: there are fewer than two poems.
    """
    split = training_split(corpus, limit)
    is_small = len(split.train) < SMALL_CORPUS
    texts = (part for poem in split.train for part in (poem.text, poem.title, poem.author))
    tokenizer = PoetTokenizer.from_texts(
        texts,
        min_count=1 if is_small else 2,
        required="，。" + "".join(FORMS),
        authors=(poem.author for poem in split.train),
    )
    if known is not None and is_small:
        tokenizer = known.extended(tokenizer)
    add_vocabulary(corpus.report, corpus, tokenizer.__contains__, len(tokenizer))
    return TrainingData(corpus, split.train, split.valid, tokenizer, split.note)
