"""Near-copies are clustered, and no cluster is in two splits."""

import os
import random
import subprocess
import sys

import pytest
from conftest import POEMS, ROOT
from corpus_texts import crossing_pairs, planted, verse, write

from poet_model import corpus
from poet_model.corpus import CorpusReport, PoemRecord
from poet_model.corpus.near_copies import split
from poet_model.corpus.prepare import load_corpus
from poet_model.script import to_simplified

pytestmark = pytest.mark.usefixtures("corpus_cache")


def test_no_planted_near_copy_crosses_a_split():
    poems = planted()
    result = split(poems, [], CorpusReport())
    assert all(len(group) > 5 for group in result.splits.values())
    assert sum(map(len, result.splits.values())) == len(poems)
    assert crossing_pairs(result.splits) == []
    at_random = {name: poems[start::3] for start, name in enumerate(corpus.SPLITS)}
    assert len(crossing_pairs(at_random)) > 100  # the check can fail


def test_poems_that_share_little_are_not_clustered():
    one, other = verse(random.Random(1)), verse(random.Random(2))
    with_one_line = other.replace(other[:6], one[:6])
    assert corpus.cluster([one, other]) == [0, 1]
    assert corpus.cluster([one, with_one_line]) == [0, 1]  # one line of four
    assert corpus.cluster([one, with_one_line.replace(other[12:18], one[12:18])]) == [0, 0]  # two lines


def test_variant_characters_do_not_hide_a_copy():
    assert corpus.cluster([POEMS[0], POEMS[1], to_simplified(POEMS[0])]) == [0, 1, 0]


def test_short_lines_that_open_many_poems_are_no_copy():
    one, other = (f"君不見，君不見。{verse(random.Random(seed))}" for seed in (1, 2))
    assert corpus.cluster([one, other]) == [0, 1]


def test_copies_of_copies_are_one_cluster():
    rng = random.Random(3)
    chain = [verse(rng)]
    for _ in range(5):
        chain.append(chain[-1][12:] + verse(rng)[:12])  # the second half of the last one, then new lines
    assert len(set(corpus.cluster(chain))) == 1


def test_a_line_that_thousands_share_makes_no_cluster():
    rng = random.Random(4)
    texts = [f"南無阿彌陀佛，{verse(rng, lines=8)}" for _ in range(2000)]
    assert corpus.cluster(texts) == list(range(2000))


def test_the_split_is_about_96_2_2():
    rng = random.Random(5)
    poems = [PoemRecord(verse(rng)) for _ in range(5000)]
    sizes = {name: len(group) for name, group in split(poems, [], CorpusReport()).splits.items()}
    assert 4700 < sizes["train"] < 4900
    assert 50 < sizes["valid"] < 150
    assert 50 < sizes["test"] < 150


def test_a_poem_stays_in_its_split_when_others_come():
    poems = planted()
    before, after = (
        {poem.text: name for name, group in split(part, [], CorpusReport()).splits.items() for poem in group}
        for part in (poems, [*poems, *(PoemRecord(verse(random.Random(seed))) for seed in range(50))])
    )
    assert before.items() <= after.items()


def test_excluded_poems_and_their_near_copies_are_in_no_split():
    poems = planted()
    keep_out = [PoemRecord(to_simplified(poem.text)) for poem in poems[:50]]
    report = CorpusReport()
    result = split(poems, keep_out, report)
    kept = {"kept": [poem for group in result.splits.values() for poem in group]}
    assert report.excluded > 50
    assert len(kept["kept"]) + report.excluded == len(poems)
    assert crossing_pairs(kept | {"excluded": keep_out}) == []
    assert crossing_pairs({"all": poems, "excluded": keep_out})  # the check can fail


def test_the_split_is_the_same_in_every_process(tmp_path):
    path = write(tmp_path / "a.json", [{"text": poem.text} for poem in planted(size=150)])
    code = (
        "import sys; from poet_model.corpus import load_corpus\n"
        "for name, group in load_corpus(sys.argv[1], use_cache=False).splits.items():\n"
        "    for poem in group: print(name, ascii(poem.text))"
    )
    expected = [f"{name} {poem.text!a}" for name, group in load_corpus(path).splits.items() for poem in group]
    for seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, "-c", code, path],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        assert result.stdout.splitlines() == expected
