"""PoemFeatures: numbers that describe a regular poem, by which a classifier may tell real poems from others.

They are what attentive readers notice: common or odd words, lines that have nothing to do with each other,
wrong rhymes and tones, and repetition. They are computed from texts and share no weights with the poet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .. import prosody
from ..prosody.lines import FORMS, LINE_ENDS, SHAPES, split_lines
from .cooccurrence import CoOccurrence, pairs_of_places
from .kneser_ney import KneserNey

PLACES = (0, 1, -3, -2, -1)  # in a line, of five or seven characters
FREQUENCY_EDGES = (-10, -9, -8, -7, -6.5, -6, -5.5, -5)  # log-probabilities of single characters
NATS_EDGES = (-10, -9, -8, -7, -6, -5, -4, -3, -2, -1)  # after three others
GAIN_EDGES = (-1.5, -1, -0.5, 0, 0.5, 1, 2, 3, 4)  # of knowing the character before
FAULTS = ("孤平", "三平尾", "三仄尾", "失粘", "失對")
LIMIT = 4.0  # standard deviations


class PoemFeatures:
    """Describes poems beside those that it has counted.

    Args:
        texts: poems to count, which are none of those to be described: the training poems.
    """

    def __init__(self, texts: Sequence[str]):
        self.judge = KneserNey(texts)
        self.together = CoOccurrence(texts)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D), the features of N regular poems.

        Each has mean 0 and deviation 1 among the given poems of the same form, and is cut at LIMIT.
        """
        rows: list[np.ndarray] = []
        where: list[int] = []
        forms = [prosody.form_of(text) for text in texts]
        for form in FORMS:
            chosen = [index for index, own in enumerate(forms) if own == form]
            if chosen:
                values = self._of_form([texts[index] for index in chosen], form)
                values = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-6)
                rows.append(values.clip(-LIMIT, LIMIT))
                where += chosen
        return np.concatenate(rows)[np.argsort(where)]

    def _of_form(self, texts: Sequence[str], form: str) -> np.ndarray:
        words, lines = self._words(texts, form), self._coherence(texts, form)
        others = np.array([[*_repetition(text), *_rules(text)] for text in texts], float)
        return np.column_stack([*words, *lines, others])

    def _words(self, texts: Sequence[str], form: str) -> list[np.ndarray]:
        """How common the characters are, and what is gained by knowing one, two and three before."""
        lines, length = SHAPES[form]
        by_order = [
            np.array(self.judge.log_probs(texts, order))[:, :-1].reshape(-1, lines, length + 1)[:, :, :-1]
            for order in (1, 2, 3, 4)
        ]
        gains = [by_order[0], *(b - a for a, b in pairwise(by_order)), by_order[3]]
        columns: list[np.ndarray] = []
        for values in gains:  # (N, lines, length)
            of_lines = values.mean(axis=2)
            columns += [values.mean((1, 2)), values.std((1, 2)), values.min((1, 2)), values.max((1, 2))]
            columns += [values[:, :, place].mean(axis=1) for place in PLACES]
            columns += [of_lines[:, :2].mean(axis=1), of_lines[:, -2:].mean(axis=1)]
            columns += [of_lines[:, ::2].mean(axis=1), of_lines.std(axis=1)]
            columns += [of_lines.min(axis=1), of_lines.max(axis=1)]
        for values, edges in ((gains[0], FREQUENCY_EDGES), (gains[4], NATS_EDGES), (gains[1], GAIN_EDGES)):
            columns += [(values > edge).mean((1, 2)) for edge in edges]
        return columns

    def _coherence(self, texts: Sequence[str], form: str) -> list[np.ndarray]:
        """How much the characters of different lines belong together."""
        lines, length = SHAPES[form]
        places = pairs_of_places(form)
        columns: list[np.ndarray] = []
        for kind, values in self.together.information(texts, form).items():  # (N, pairs)
            columns += [values.mean(axis=1), values.clip(0).mean(axis=1), values.std(axis=1)]
            columns += [values.max(axis=1), (values > 1).mean(axis=1)]
            couplets = [place // length // 2 for place in places[kind]]
            touched = [
                values[:, (couplets[0] == couplet) | (couplets[1] == couplet)].mean(axis=1)
                for couplet in range(lines // 2)
            ]
            columns += [touched[0], touched[-1], np.min(touched, axis=0), np.max(touched, axis=0)]
            if kind == "aligned":
                at = places[kind][0] % length
                columns += [values[:, at == place % length].mean(axis=1) for place in PLACES]
            if kind == "far":
                halves = (couplets[0] < lines // 4) & (couplets[1] >= lines // 4)
                ends = (couplets[0] == 0) & (couplets[1] == lines // 2 - 1)
                columns += [values[:, halves].mean(axis=1), values[:, ends].mean(axis=1)]
        return columns


def _repetition(text: str) -> list[int]:
    """Repeated characters, doubled ones, repeated rhymes and bigrams, and repetition between lines."""
    lines = [line.rstrip(LINE_ENDS) for line in split_lines(text)]
    counts = Counter("".join(lines))
    rhymes = [line[-1] for line in lines[1::2]]
    bigrams = [line[i : i + 2] for line in lines for i in range(len(line) - 1)]
    couplets = list(zip(lines[::2], lines[1::2], strict=True))
    apart = [(a, b) for i, a in enumerate(lines) for b in lines[i + 2 :]]
    doubled = sum(pair[0] == pair[1] for pair in bigrams)
    return [
        counts.total() - len(counts),
        doubled,
        max(counts.values()),
        len(rhymes) - len(set(rhymes)),
        len(bigrams) - len(set(bigrams)),
        sum(len(set(a) & set(b)) for a, b in couplets),
        sum(x == y for a, b in couplets for x, y in zip(a, b, strict=True)),
        sum(len(set(a) & set(b)) for a, b in apart),
        counts[rhymes[-1]] > 1,
        sum(len(line) - len(set(line)) for line in lines) - doubled,
    ]


def _rules(text: str) -> list[float]:
    """Tones, rhyme, template and faults."""
    scansion = prosody.scan(text)
    faults = Counter(fault.kind for fault in scansion.faults)
    return [
        scansion.level,
        scansion.level <= prosody.L1,
        scansion.rigid[0] / scansion.rigid[1],
        *(scansion.rhyme.status == status for status in ("平", "鄰", "仄")),
        *(scansion.rhyme.first_line == kind for kind in ("入韻", "鄰韻")),
        scansion.couplets_fit,
        *(scansion.template == template for template in ("T1", "T2", "T3")),
        len(scansion.faults),
        *(faults[kind] for kind in FAULTS),
    ]
