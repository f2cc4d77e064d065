"""The parts of a corpus report that describe the splits and the vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from ..prosody.lines import FORMS, line_lengths
from .cleaning import MAX_CHARACTERS
from .poems import ContentHash, Corpus, CorpusReport, PoemRecord


def describe(splits: Mapping[str, Sequence[PoemRecord]], report: CorpusReport) -> None:
    """Adds the sizes and hashes of the splits, and the forms and lengths of the poems, to a report."""
    report.kept = sum(map(len, splits.values()))
    report.splits = {name: len(group) for name, group in splits.items()}
    report.characters = {name: sum(len(poem.text) for poem in group) for name, group in splits.items()}
    report.content = {name: ContentHash(group).hexdigest() for name, group in splits.items()}
    everything = [poem for group in splits.values() for poem in group]
    report.distinct_characters = len(set().union(*(poem.text for poem in everything)))
    forms = Counter(poem.form for poem in everything)
    report.forms = {form: forms[form] for form in (*FORMS, "")}
    bounds = (20, 28, 40, 56, 80, 120, 200, MAX_CHARACTERS)
    spans = Counter(next(b for b in bounds if sum(line_lengths(poem.text)) <= b) for poem in everything)
    report.lengths = {f"≤{bound}": spans[bound] for bound in bounds}


def add_vocabulary(report: CorpusReport, corpus: Corpus, known: Callable[[str], bool], size: int) -> None:
    """Adds the size of the vocabulary, and the share of unknown characters in each split, to a report.

    Args:
        report: changed in place.
        corpus: the corpus whose poems are counted.
        known: returns whether a character is in the vocabulary.
        size: number of tokens in the vocabulary.
    """
    report.vocabulary = size
    for name, poems in corpus.splits.items():
        counts: Counter[str] = Counter()
        for poem in poems:
            counts.update(poem.text)
        unknown = sum(count for character, count in counts.items() if not known(character))
        report.unknown_rate[name] = unknown / max(1, report.characters[name])
