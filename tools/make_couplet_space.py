"""Makes poet_model/couplets/space.npz from the middle couplets of the 律詩 of Tang and Song poets.

    python tools/make_couplet_space.py [--exclude FILE …]

Two characters that stand at the same place in the two lines of a middle couplet are aligned. For each two
characters a and b, with n(a, b) the number of times that they are aligned and n(a) that of a with anything,

    m(a, b) = log (n(a, b) + 1) / (n(a) n(b) / n + 1)

is their pointwise mutual information, with one added on both sides, so that rare pairs prove little. The
vectors are the eigenvectors of this matrix with the largest positive eigenvalues, each times the square root
of its eigenvalue (as Levy & Goldberg 2014, "Neural Word Embedding as Implicit Matrix Factorization", do with
the words around a word), of length 1 and as bytes. Eigenvectors with negative eigenvalues set opposites
beside each other, which is mostly 平 beside 仄, and that is left to prosody.

Only poems of the training splits are read, and none that a model is measured with: give the files of
--exclude that the training had. Another library of linear algebra may round some bytes differently.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))
from poet_model.corpus.prepare import load_corpus
from poet_model.couplets.couplet import FORMS, MIDDLE
from poet_model.couplets.space import FILE
from poet_model.errors import command
from poet_model.files import replaced_file
from poet_model.prosody.lines import LINE_ENDS, form_of, split_lines

CHARACTERS = 6000  # 99.5 % of the aligned pairs
DIMENSIONS = 48
ITERATIONS = 8


def middle_lines(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The two lines of each middle couplet."""
    for text in texts:
        if form_of(text) in FORMS:
            lines = [line.rstrip(LINE_ENDS) for line in split_lines(text)]
            yield from ((lines[first], lines[first + 1]) for first in MIDDLE)


def aligned_counts(pairs: Counter[tuple[str, str]], size: int) -> tuple[list[str], np.ndarray]:
    """The commonest characters, and how often each two of them (V, V) are aligned, in either order."""
    uses: Counter[str] = Counter()
    for (one, two), count in pairs.items():
        uses[one] += count
        uses[two] += count
    characters = sorted(uses, key=lambda character: (-uses[character], character))[:size]
    places = {character: place for place, character in enumerate(characters)}
    counts = np.zeros((len(characters), len(characters)), np.float32)
    for (one, two), count in pairs.items():
        if one in places and two in places:
            counts[places[one], places[two]] += count
    return characters, counts + counts.T


def vectors(counts: np.ndarray, dimensions: int) -> np.ndarray:
    """The vectors (V, D) of characters that are aligned so often (V, V), as bytes."""
    each = counts.sum(axis=1)
    information = np.log((counts + 1) / (np.outer(each, each) / each.sum() + 1))
    values, columns = largest_eigenvectors(information, dimensions)
    found = columns * np.sqrt(values)
    largest = np.abs(found).argmax(axis=0)
    found *= np.sign(found[largest, np.arange(dimensions)])  # an eigenvector has two directions
    return np.rint(127 * found / np.abs(found).max(axis=1, keepdims=True)).astype(np.int8)


def largest_eigenvectors(matrix: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues (D,) of a symmetric matrix (V, V), and their eigenvectors (V, D).

    By orthogonal iteration from a fixed seed (Halko et al. 2011), which takes seconds where all eigenvectors
    would take minutes. Four times as many are followed, since those of negative values are found as well.
    """
    size = min(4 * count, len(matrix))
    basis = np.random.default_rng(0).standard_normal((len(matrix), size)).astype(np.float32)
    for _ in range(ITERATIONS):
        basis, _ = np.linalg.qr(matrix @ basis)
    values, columns = np.linalg.eigh(basis.T @ matrix @ basis)  # in rising order
    return values[: -count - 1 : -1], (basis @ columns)[:, : -count - 1 : -1]


@command
def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exclude", nargs="*", default=[], metavar="FILE", help="poems to keep out")
    exclude = parser.parse_args().exclude
    pairs: Counter[tuple[str, str]] = Counter()
    for source, others in (("tang", []), ("song", ["tang:valid", "tang:test"])):
        poems = load_corpus(source, [*others, *exclude]).splits["train"]
        for one, two in middle_lines(poem.text for poem in poems):
            pairs.update(zip(one, two, strict=True))
    characters, counts = aligned_counts(pairs, CHARACTERS)
    found = vectors(counts, DIMENSIONS)
    share = counts.sum() / (2 * pairs.total())
    with replaced_file(FILE) as file:
        np.savez_compressed(file, characters=np.array(characters), vectors=found)
    print(f"{FILE.name}: {len(characters):,} characters, {share:.2%} of {pairs.total():,} aligned pairs")


if __name__ == "__main__":
    main()
