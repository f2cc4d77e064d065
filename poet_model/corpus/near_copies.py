"""Clusters of near-copies, and splits that keep each cluster together."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise

from .. import script
from ..prosody.lines import LINE_ENDS, split_lines
from .poems import SPLITS, Corpus, CorpusReport, PoemRecord
from .report import describe

# The clusters whose smallest poem changed when a cleaning rule dropped the former one, by the first digits of
# the SHA-256 of the present one. They stay where they were, so that what was held out is still held out.
_EARLIER_SPLITS = {"a89daaa01b6f": "test"}
MIN_SHARED_LINE = 4  # characters; many unrelated poems share a shorter line, such as 君不見


def cluster(texts: list[str]) -> list[int]:
    """Assigns each poem to a cluster, so that near-copies share a cluster.

    Two poems are near-copies if they share at least half the lines of the shorter one, or two lines that
    are adjacent in both. Lines are compared in simplified script, so that variant characters do not hide
    a copy; lines of fewer than four characters are ignored.

    Returns:
        The cluster of each poem, as the index of the first poem in the cluster.
    """
    characters = sorted({c for text in texts for c in text})
    fold = dict(zip(characters, script.characterwise(script.to_simplified, characters), strict=True))
    folded = ("".join(fold[c] for c in text) for text in texts)
    lines = [[line.rstrip(LINE_ENDS) for line in split_lines(text)] for text in folded]
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


def _holders(
    lines: list[list[str]], keys: Callable[[list[str]], Iterable[object]]
) -> dict[object, list[int]]:
    """The indices of the poems that have each key, in order, for keys that occur in more than one poem."""
    holders: dict[object, list[int]] = defaultdict(list)
    for index, poem in enumerate(lines):
        for key in set(keys(poem)):
            holders[key].append(index)
    return {key: poems for key, poems in holders.items() if len(poems) > 1}


def _split_of(smallest: str) -> str:
    """The split of the cluster with this smallest poem."""
    digest = hashlib.sha256(smallest.encode())
    percent = int.from_bytes(digest.digest()[:8], "big") % 100
    by_hash = "train" if percent < 96 else "valid" if percent < 98 else "test"
    return _EARLIER_SPLITS.get(digest.hexdigest()[:12], by_hash)


def split(poems: list[PoemRecord], excluded: list[PoemRecord], report: CorpusReport) -> Corpus:
    """Splits poems into train, valid and test (96/2/2), keeping each cluster of near-copies together.

    The split of a cluster depends only on a hash of its lexicographically smallest poem.

    Args:
        poems: the poems to split.
        excluded: poems to keep out of every split, with their near-copies.
        report: completed in place.
    """
    clusters = cluster([poem.text for poem in (*poems, *excluded)])
    members: dict[int, list[PoemRecord]] = defaultdict(list)
    for poem, number in zip(poems, clusters, strict=False):
        members[number].append(poem)
    excluded_clusters = set(clusters[len(poems) :])
    splits: dict[str, list[PoemRecord]] = {name: [] for name in SPLITS}
    for number, group in members.items():
        if number in excluded_clusters:
            report.excluded += len(group)
            continue
        report.near_copies += len(group) - 1
        smallest = min(poem.text for poem in group)
        splits[_split_of(smallest)].extend(group)
    describe(splits, report)
    return Corpus({**splits}, report)
