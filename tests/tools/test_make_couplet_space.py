"""The vectors of characters that are aligned in couplets, from a few made-up pairs."""

from __future__ import annotations

from collections import Counter

import numpy as np
from make_couplet_space import aligned_counts, largest_eigenvectors, middle_lines, vectors

PAIRS = Counter({("天", "地"): 30, ("山", "水"): 30, ("地", "山"): 5, ("水", "水"): 2, ("龘", "水"): 1})


def test_only_the_middle_couplets_of_regular_poems_are_read():
    lines = [character * 5 for character in "甲乙丙丁戊己庚辛"]
    poem = "".join(line + "，。"[i % 2] for i, line in enumerate(lines))
    assert list(middle_lines([poem, "甲乙丙丁戊，甲乙丙丁戊。"])) == [
        ("丙" * 5, "丁" * 5),
        ("戊" * 5, "己" * 5),
    ]


def test_pairs_are_counted_in_either_order():
    characters, counts = aligned_counts(PAIRS, 4)
    assert characters == ["山", "地", "水", "天"] or set(characters) == set("山地水天")
    at = {character: place for place, character in enumerate(characters)}
    assert (counts == counts.T).all() and counts[at["天"], at["地"]] == 30
    assert counts[at["水"], at["水"]] == 4 and counts[at["天"], at["水"]] == 0


def test_characters_that_are_set_side_by_side_come_near_and_twice_gives_the_same():
    characters, counts = aligned_counts(PAIRS, 4)
    found = vectors(counts, 1).astype(float)
    assert (vectors(counts, 1) == vectors(counts, 1)).all() and vectors(counts, 1).dtype == np.int8
    at = {character: place for place, character in enumerate(characters)}
    table = found @ found.T
    assert table[at["天"], at["地"]] > 0 > table[at["天"], at["水"]]


def test_the_eigenvectors_are_those_of_numpy():
    matrix = np.random.default_rng(1).standard_normal((12, 12)).astype(np.float32)
    matrix = matrix @ matrix.T
    values, columns = largest_eigenvectors(matrix, 3)
    expected, theirs = np.linalg.eigh(matrix)
    assert np.allclose(values, expected[:-4:-1], rtol=1e-4)
    assert np.allclose(np.abs((columns * theirs[:, :-4:-1]).sum(axis=0)), 1, atol=1e-3)
