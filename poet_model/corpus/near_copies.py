"""Poems that are nearly the same in one cluster, and whole clusters into one split."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise

from .. import script
from ..prosody.lines import split_lines
from .poems import SPLITS, Corpus, CorpusReport, PoemRecord
from .report import describe

MIN_SHARED_LINE = 4  # characters: 君不見 opens many poems that are no copies of each other


def cluster(texts: list[str]) -> list[int]:
    """A cluster number a poem: near-copies share one.

    Two poems are near-copies if they share at least half the lines of the shorter one, or two lines that
    are neighbours in both. Lines are compared in simplified script, so that variant characters do not hide
    a copy; lines under four characters do not count. The number is the index of the cluster's first poem.
    """
    characters = sorted({c for text in texts for c in text})
    fold = dict(zip(characters, script.characterwise(script.to_simplified, characters), strict=True))
    lines = [[line.rstrip("，。") for line in split_lines("".join(map(fold.get, text)))] for text in texts]
    lines = [[line for line in poem if len(line) >= MIN_SHARED_LINE] for poem in lines]
    parent = list(range(len(texts)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(first: int, second: int) -> None:
        first, second = sorted((root(first), root(second)))
        parent[second] = first

    for first, *others in _holders(lines, pairwise).values():
        for other in others:
            join(first, other)
    holders = _holders(lines, set)
    for index, poem in enumerate(lines):
        shared = Counter(other for line in set(poem) for other in holders.get(line, ()) if other < index)
        for other, count in shared.items():
            if 2 * count >= min(len(set(poem)), len(set(lines[other]))):
                join(other, index)
    return [root(index) for index in range(len(texts))]


def _holders(lines: list[list[str]], keys: Callable) -> dict[object, list[int]]:
    """For each key that occurs in more than one poem: the poems, in order."""
    holders: dict[object, list[int]] = defaultdict(list)
    for index, poem in enumerate(lines):
        for key in set(keys(poem)):
            holders[key].append(index)
    return {key: poems for key, poems in holders.items() if len(poems) > 1}


def split(poems: list[PoemRecord], excluded: list[PoemRecord], report: CorpusReport) -> Corpus:
    """Sends whole clusters to train, valid or test (96/2/2) by a hash of the cluster's smallest poem."""
    clusters = cluster([poem.text for poem in (*poems, *excluded)])
    members: dict[int, list[PoemRecord]] = defaultdict(list)
    for poem, number in zip(poems, clusters, strict=False):
        members[number].append(poem)
    barred = set(clusters[len(poems) :])
    splits: dict[str, list[PoemRecord]] = {name: [] for name in SPLITS}
    for number, group in members.items():
        if number in barred:
            report.excluded += len(group)
            continue
        report.near_copies += len(group) - 1
        smallest = min(poem.text for poem in group)
        percent = int.from_bytes(hashlib.sha256(smallest.encode()).digest()[:8], "big") % 100
        splits["train" if percent < 96 else "valid" if percent < 98 else "test"].extend(group)
    describe(splits, report)
    return Corpus(splits, report)
