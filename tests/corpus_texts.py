"""Poems made up for the tests of the corpus, and a cache folder of their own."""

import json
import random
import re
from itertools import pairwise

import opencc
import pytest

from poet_model.corpus import PoemRecord

HANZI = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]


@pytest.fixture
def corpus_cache(tmp_path_factory, monkeypatch):
    """The cache folder, a new one for each test."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("POET_CACHE", str(folder))
    return folder


def write(path, poems):
    path.write_text(json.dumps(poems, ensure_ascii=False), encoding="utf-8")
    return str(path)


def is_balanced(report):
    return report.read == report.kept + report.excluded + sum(report.dropped.values())


def verse(rng, lines=4, width=5):
    """A poem of random hanzi."""
    ends = "，。" * (lines // 2)
    return "".join("".join(rng.choices(HANZI, k=width)) + end for end in ends)


def near_copies(first, second):
    """The rule of near_copies.cluster, written independently; each argument is the list of a poem's lines."""
    shared = set(first) & set(second)
    return 2 * len(shared) >= min(len(set(first)), len(set(second))) > 0 or not (
        set(pairwise(first)).isdisjoint(pairwise(second))
    )


def crossing_pairs(splits):
    """All pairs of near-copies in different splits; every pair of poems that shares a line is compared."""
    fold = opencc.OpenCC("t2s.json")
    poems = []
    for name, group in splits.items():
        for poem in group:
            text = "".join(fold.convert(c) for c in poem.text)
            poems.append((name, [line for line in re.split("[，。]", text) if len(line) >= 4], poem.text))
    pairs = []
    for index, (name, lines, text) in enumerate(poems):
        own = set(lines)
        for other_name, other_lines, other_text in poems[:index]:
            if name != other_name and not own.isdisjoint(other_lines) and near_copies(lines, other_lines):
                pairs.append((text, other_text))
    return pairs


def planted(seed=0, size=600):
    """Random poems, a third of them near-copies of an earlier one; all kinds of near-copies occur."""
    rng = random.Random(seed)
    texts = [verse(rng, lines=rng.choice([4, 8])) for _ in range(size)]
    for _ in range(size // 2):
        lines = re.findall("[^，。]+[，。]", rng.choice(texts))
        kind = rng.randrange(3)
        if kind == 0:  # half the lines, scattered
            lines[1::2] = [verse(rng)[:5] + line[-1] for line in lines[1::2]]
        elif kind == 1:  # a couplet in another poem
            lines = [*re.findall("[^，。]+[，。]", verse(rng, lines=8)), *lines[:2]]
        else:  # a quatrain cut from a longer poem
            lines = lines[-4:]
        texts.append("".join(lines))
    rng.shuffle(texts)
    return [PoemRecord(text) for text in dict.fromkeys(texts)]
