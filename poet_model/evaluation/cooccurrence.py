"""CoOccurrence: which characters occur together in different lines of a poem more often than by chance.

It counts regular poems, and knows nothing of models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .. import prosody
from ..prosody.lines import FORMS, LINE_ENDS, SHAPES

CHARACTERS = 2500  # the commonest; all others count as one, which belongs with nothing
SMOOTHING = 1.0  # pairs added to both counts, so that rare pairs are near 0
PIECE = 1000  # poems counted at a time, to save memory


class CoOccurrence:
    """The pointwise mutual information of pairs of characters, for three kinds of places.

    `aligned`: at the same place in the two lines of a couplet; `couplet`: at different places in these;
    `far`: in different couplets.

    Args:
        texts: the poems to count; those without a regular form are ignored.
    """

    KINDS = ("aligned", "couplet", "far")

    def __init__(self, texts: Sequence[str]):
        counts = Counter(character for text in texts for character in text if character not in LINE_ENDS)
        self._ids = {c: i for i, (c, _) in enumerate(counts.most_common(CHARACTERS))}
        self.size = len(self._ids) + 1
        tables = {kind: np.zeros(self.size * self.size) for kind in self.KINDS}
        for form in FORMS:
            group = [text for text in texts if prosody.form_of(text) == form]
            places = pairs_of_places(form)
            for start in range(0, len(group), PIECE):
                ids = self._of(group[start : start + PIECE])
                for kind, (first, second) in places.items():
                    keys = ids[:, first] * self.size + ids[:, second]
                    tables[kind] += np.bincount(keys.ravel(), minlength=len(tables[kind]))
        self._tables = {kind: self._information(table) for kind, table in tables.items()}

    def information(self, texts: Sequence[str], form: str) -> dict[str, np.ndarray]:
        """The mutual information of all pairs of places, (N, pairs) by kind, for N poems of a form.

        The pairs are those of `pairs_of_places`.
        """
        ids = self._of(texts)
        return {
            kind: self._tables[kind][ids[:, first], ids[:, second]]
            for kind, (first, second) in pairs_of_places(form).items()
        }

    def _of(self, texts: Sequence[str]) -> np.ndarray:
        """The ids (N, hanzi) of N poems of one form."""
        rare = self.size - 1
        return np.array([[self._ids.get(c, rare) for c in text if c not in LINE_ENDS] for text in texts])

    def _information(self, counts: np.ndarray) -> np.ndarray:
        """(size, size), log of the count over the expected count; 0 with a rare character."""
        table = counts.reshape(self.size, self.size)
        table = table + table.T
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(1.0, table.sum())
        result: np.ndarray = np.log((table + SMOOTHING) / (expected + SMOOTHING)).astype(np.float32)
        result[-1] = result[:, -1] = 0
        return result


def pairs_of_places(form: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The pairs of places in different lines, (first, second) by kind; places count hanzi from 0."""
    lines, length = SHAPES[form]
    first, second = np.triu_indices(lines * length, 1)
    in_couplet = (first // length // 2 == second // length // 2) & (first // length != second // length)
    is_aligned = first % length == second % length
    is_far = first // length // 2 != second // length // 2
    kinds = zip(CoOccurrence.KINDS, (in_couplet & is_aligned, in_couplet & ~is_aligned, is_far), strict=True)
    return {kind: (first[chosen], second[chosen]) for kind, chosen in kinds}
