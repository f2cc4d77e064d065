"""Training corpora: reading, cleaning, leak-free splitting, caching, and batches of token ids."""

from __future__ import annotations

from .near_copies import cluster
from .poems import SPLITS, Corpus, CorpusReport, PoemRecord, read_corpus, write_corpus
from .prepare import load_corpus
from .report import add_vocabulary

__all__ = [
    "SPLITS",
    "Corpus",
    "CorpusReport",
    "PoemRecord",
    "add_vocabulary",
    "cluster",
    "load_corpus",
    "read_corpus",
    "write_corpus",
]


def __getattr__(name: str) -> object:
    from ..deprecated import moved_name

    return moved_name(__name__, name)
