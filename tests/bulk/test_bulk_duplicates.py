"""Duplicates and near duplicates, compared with a search that looks at every pair of poems."""

from __future__ import annotations

import itertools
import random

import pytest

from poet_model.bulk.duplicates import MIN_LINE, NONE, Duplicates
from poet_model.prosody import split_lines
from poet_model.script import to_simplified


def by_comparison(texts: list[str]) -> tuple[list[int], list[int]]:
    """What `find` should say, for poems without a given start."""

    def pairs(text: str) -> set:
        lines = [line.rstrip("，。") for line in split_lines(to_simplified(text))]
        both = itertools.pairwise(lines)
        return {pair for pair in both if min(map(len, pair)) >= MIN_LINE}

    same, near = [], []
    for number, text in enumerate(texts):
        earlier = texts[:number] if text else []
        same.append(earlier.index(text) if text in earlier else NONE)
        close = next((i for i, other in enumerate(earlier) if pairs(other) & pairs(text)), NONE)
        near.append(close if same[-1] == NONE else NONE)
    return same, near


def found(texts: list[str], start: str = "") -> tuple[list[int], list[int]]:
    duplicates = Duplicates()
    for text in texts:
        duplicates.add(text, start)
    same, near = duplicates.find()
    return same.tolist(), near.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_hashes_find_what_a_comparison_finds(seed):
    rng = random.Random(seed)
    lines = ["春眠不覺曉", "處處聞啼鳥", "夜來風雨聲", "夜来风雨声", "花落知多少", "君不見"]
    texts = []
    for _ in range(80):
        chosen = rng.choices(lines, k=rng.choice([2, 4]))
        texts.append(
            "".join(line + "，。"[i % 2] for i, line in enumerate(chosen)) * rng.choice([1, 1, 1, 0])
        )
    expected = by_comparison(texts)
    assert found(texts) == expected
    assert all(any(number != NONE for number in numbers) for numbers in expected)


def test_what_was_given_is_no_copy():
    couplet, rests = "白日依山盡，黃河入海流。", ["欲窮千里目，更上一層樓。", "春眠不覺曉，處處聞啼鳥。"]
    texts = [couplet + rest for rest in rests]
    assert found(texts) == ([NONE, NONE], [NONE, 0])
    assert (
        found(texts, start=couplet) == found(texts, start="白日依山盡黃河入海流") == ([NONE] * 2, [NONE] * 2)
    )
    assert found(texts, start="白日依山盡") == ([NONE, NONE], [NONE, 0])  # the second line was written


def test_no_poems_have_no_duplicates():
    assert found([]) == ([], [])
    assert found(["", ""]) == ([NONE, NONE], [NONE, NONE])
