"""Poems from a file, and as batches of ids. It knows a model only by its vocabulary and its prompt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ..corpus.cleaning import clean
from ..corpus.poems import CorpusReport
from ..corpus.sources import read_source
from ..prosody.lines import read_lines
from .char_lm import CharLM
from .functional import Array
from .vocabulary import EOS, PAD

FEW_POEMS = 100


def read_poems(source: str | Path, punctuation: bool = True, report: CorpusReport | None = None) -> list[str]:
    """Reads poems as `train.py` does: its formats, its cleaning, and each text once.

    Simplified poems become traditional, unless OpenCC is not installed.

    Args:
        source: a file or folder, or another source of `poet_model.corpus`.
        punctuation: whether to keep `，` and `。`. Other marks that end a line are first replaced by these.
        report: its counts of records read and dropped are updated.

    Raises:
        ValueError: the source is missing or cannot be read, or holds no poem.
    """
    report = report or CorpusReport()
    poems = clean(read_source(str(source)), report, is_traditional=find_spec("opencc") is None)
    if not poems:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in report.dropped.items())
        raise ValueError(
            f"{source} has no poems ({report.read} records read; {reasons or 'it is empty'}): write one poem "
            "per line, or JSON records with paragraphs or text (docs/corpus.md)"
        )
    return [poem.text if punctuation else "".join(read_lines(poem.text)) for poem in poems]


def split(poems: list[str]) -> tuple[list[str], list[str]]:
    """Poems to train on, and every twentieth to validate on. Fewer than 100 poems serve for both."""
    if len(poems) < FEW_POEMS:
        return poems, poems
    return [poem for index, poem in enumerate(poems) if index % 20], poems[::20]


def fingerprint(poems: list[str]) -> str:
    """A hash that changes whenever the poems do."""
    return hashlib.sha256("\n".join(poems).encode("utf-8", "surrogatepass")).hexdigest()


def encode(model: CharLM, poems: Sequence[str], length: int) -> list[list[int]]:
    """Each poem as ids: the prompt, at most `length` characters, and `<eos>` unless the poem was cut."""
    rows = []
    for poem in poems:
        ids = model.vocabulary.encode(poem[:length])
        rows.append([*model.prompt, *ids, *([EOS] if len(poem) <= length else [])])
    return rows


def batches(
    rows: Sequence[list[int]], batch_size: int, prompt: int, rng: np.random.Generator | None = None
) -> Iterator[tuple[Array, Array, Array]]:
    """Yields ids, targets and mask, each (B, T). Rows are padded at their end; the prompt is not scored.

    Args:
        rows: one list of ids per poem, from `encode`.
        prompt: the number of ids that stand before each poem.
        rng: shuffles the rows; None keeps their order.
    """
    order = np.arange(len(rows)) if rng is None else rng.permutation(len(rows))
    for start in range(0, len(order), batch_size):
        group = [rows[index] for index in order[start : start + batch_size]]
        steps = max(map(len, group)) - 1
        ids, targets = np.full((2, len(group), steps), PAD)
        mask = np.zeros((len(group), steps), np.float32)
        for row, poem in enumerate(group):
            ids[row, : len(poem) - 1], targets[row, : len(poem) - 1] = poem[:-1], poem[1:]
            mask[row, prompt - 1 : len(poem) - 1] = 1
        yield ids, targets, mask
