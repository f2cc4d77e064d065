"""TrainingData: the poems and the vocabulary of one training run. It knows nothing about models."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ..corpus import Corpus, PoemRecord, add_vocabulary
from ..corpus.poems import ContentHash
from ..corpus.training_split import training_split
from ..prosody.lines import FORMS, LINE_ENDS
from ..tokenizer import PoetTokenizer

SMALL_CORPUS = 1000  # poems; a smaller corpus keeps even the characters that occur only once


@dataclass(frozen=True)
class TrainingData:
    """The poems and the vocabulary of one training run.

    Attributes:
        corpus: the whole corpus; its report includes the vocabulary.
        train, valid: the poems to train and validate on.
        tokenizer: the vocabulary.
        note: how poems were held out, if not by clusters; otherwise ''.
    """

    corpus: Corpus
    train: Sequence[PoemRecord]
    valid: Sequence[PoemRecord]
    tokenizer: PoetTokenizer
    note: str

    @property
    def is_small(self) -> bool:
        """Whether there are too few poems to learn to write verse from."""
        return len(self.train) < SMALL_CORPUS

    def hashes(self) -> dict[str, str]:
        """A hash of each thing that a resumed training must find as it was, by what it is."""
        poems = {
            "the poems to train on": self.train,
            "the poems to validate on": self.valid,
            "the test poems": self.corpus.splits["test"],
        }
        # a corrected poem changes the counts of characters, and these the ids: in silence, the weights of a
        # character would become those of another
        vocabulary = hashlib.sha256("".join(self.tokenizer.tokens).encode("utf-8", "surrogatepass"))
        return {
            "the vocabulary": vocabulary.hexdigest(),
            **{name: ContentHash(group).hexdigest() for name, group in poems.items()},
        }


def prepare_data(
    corpus: Corpus, limit: int | None = None, known: PoetTokenizer | None = None
) -> TrainingData:
    """Splits a corpus and builds its vocabulary, which is added to the corpus report.

    Args:
        corpus: the corpus to train on.
        limit: maximum number of poems to train on, counted from the first; None for all.
        known: the vocabulary of the model to start from, or None. The corpus only adds to it, so that the
            model keeps the characters that it knows.

    Raises:
        CorpusError: the corpus has too few poems to hold one out.
    """
    split = training_split(corpus, limit)
    is_small = len(split.train) < SMALL_CORPUS
    texts = (part for poem in split.train for part in (poem.text, poem.title, poem.author))
    tokenizer = PoetTokenizer.from_texts(
        texts,
        min_count=1 if is_small else 2,
        required=LINE_ENDS + "".join(FORMS),
        authors=(poem.author for poem in split.train),
    )
    if known is not None:
        tokenizer = known.extended(tokenizer)
    add_vocabulary(corpus.report, corpus, tokenizer.__contains__, len(tokenizer))
    return TrainingData(corpus, split.train, split.valid, tokenizer, split.note)
