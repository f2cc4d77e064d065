"""held_out.json can be written and read back, is refused when damaged, and selects the right poems."""

from __future__ import annotations

import hashlib
import json

import pytest
from conftest import POEMS

from poet_model import CheckpointError, CorpusError
from poet_model.corpus import Corpus, CorpusReport, PoemRecord, held_out
from poet_model.corpus.report import describe

NIGHT, DAWN, TOWER, YANGZHOU = (PoemRecord(text) for text in POEMS)
CORPUS = Corpus({"train": [NIGHT, DAWN], "valid": [TOWER], "test": [YANGZHOU]}, CorpusReport(source="mine"))
HASHES = [hashlib.sha256(text.encode()).hexdigest()[:12] for text in POEMS]


def test_the_record_is_two_lists_of_hashes(tmp_path):
    held_out.write_held_out(tmp_path, CORPUS)
    record = json.loads((tmp_path / "held_out.json").read_text(encoding="utf-8"))
    assert record == {"format_version": 1, "valid": [HASHES[2]], "test": [HASHES[3]]}
    assert held_out.read_held_out(tmp_path) == {"valid": [HASHES[2]], "test": [HASHES[3]]}


def test_a_folder_without_it_has_none(tmp_path):
    assert held_out.read_held_out(tmp_path) is None


def test_poems_change_sides_as_the_record_says():
    result = held_out.pick(CORPUS, {"valid": [HASHES[3], HASHES[0]], "test": []})
    assert result.splits == {"train": [DAWN, TOWER], "valid": [YANGZHOU, NIGHT], "test": []}
    assert CORPUS.splits["train"] == [NIGHT, DAWN]  # the given corpus is unchanged


def test_a_corpus_that_lacks_poems_is_refused():
    with pytest.raises(
        CorpusError,
        match=r"1 of the 2 poems held out .* \(mine, .*give the --corpus that the model was trained on",
    ):
        held_out.pick(CORPUS, {"valid": ["0" * 12], "test": [HASHES[3]]})


def test_a_few_poems_that_later_rules_drop_may_be_missing():
    poems = [PoemRecord(f"{POEMS[0][:-2]}{chr(0x4E00 + number)}。") for number in range(60)]
    corpus = Corpus({"train": poems, "valid": [], "test": []}, CorpusReport(source="mine"))
    hashes = [held_out.digest(poem.text) for poem in poems]
    with pytest.warns(UserWarning, match="1 of the 51 poems held out .*the others are used"):
        result = held_out.pick(corpus, {"valid": ["0" * 12], "test": hashes[:50]})
    assert result.splits == {"train": poems[50:], "valid": [], "test": poems[:50]}
    with pytest.raises(CorpusError, match="2 of the 52"):
        held_out.pick(corpus, {"valid": ["0" * 12, "1" * 12], "test": hashes[:50]})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not valid JSON"),
        ("[]", "holds a JSON list, expected a dict"),
        ("{}", "expected format_version 1 and the keys valid, test"),
        ({"format_version": 2, "valid": [], "test": []}, "format_version 2 .* expected format_version 1 "),
        ({"format_version": 1, "valid": []}, "expected format_version 1 and the keys valid, test"),
        (
            {"format_version": 1, "valid": [], "test": [], "more": 1},
            "expected format_version 1 and the keys valid, test",
        ),
        ({"format_version": 1, "valid": 5, "test": []}, "expected lists of different hashes"),
        ({"format_version": 1, "valid": {"a": 1}, "test": []}, "expected lists of different hashes"),
        ({"format_version": 1, "valid": [7], "test": []}, "contains '7', expected lists"),
        ({"format_version": 1, "valid": [["a"]], "test": []}, "expected lists of different hashes"),
        ({"format_version": 1, "valid": ["G" * 12], "test": []}, "contains 'GGGGGGGGGGGG'"),
        (
            {"format_version": 1, "valid": ["a" * 12 + "\\n"], "test": []},
            "expected lists of different hashes",
        ),
        ({"format_version": 1, "valid": ["a" * 12], "test": ["a" * 12]}, "the same hash twice"),
        ("[" * 100_000, "is not valid JSON"),
        ("<!doctype html>", "it is a web page"),
    ],
    ids=range(15),
)
def test_a_damaged_record_is_one_sentence(tmp_path, content, said):
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "held_out.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=said) as caught:
        held_out.read_held_out(tmp_path)
    assert "held_out.json" in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_a_huge_record_is_not_read(tmp_path):
    with open(tmp_path / "held_out.json", "wb") as file:
        file.truncate(40 << 20)
    with pytest.raises(CheckpointError, match="more than the limit of"):
        held_out.read_held_out(tmp_path)


def test_other_splits_than_those_of_the_training_are_refused(tmp_path):
    report = CorpusReport(characters={"train": 60, "valid": 24, "test": 24})
    (tmp_path / "corpus_report.json").write_text(json.dumps(vars(report)), encoding="utf-8")
    held_out.check_same_corpus(tmp_path, report)
    held_out.check_same_corpus(tmp_path, CorpusReport(characters={"train": 50, "valid": 24, "test": 24}))
    other = CorpusReport(characters={"train": 60, "valid": 25, "test": 24})
    with pytest.raises(CorpusError, match="give the --corpus and --exclude of its training"):
        held_out.check_same_corpus(tmp_path, other)


def report_of(poems: list[PoemRecord]) -> CorpusReport:
    report = CorpusReport(source="mine")
    describe({"train": [], "valid": [TOWER], "test": poems}, report)
    return report


@pytest.mark.parametrize(
    "other",
    [
        [PoemRecord(NIGHT.text.replace("牀", "床")), DAWN],
        [PoemRecord(NIGHT.text, title="夜"), DAWN],
        [PoemRecord(NIGHT.text, author="李白"), DAWN],
        [DAWN, NIGHT],
    ],
    ids=["a character", "a title", "an author", "the order"],
)
def test_splits_of_as_many_characters_are_told_apart(tmp_path, other):
    trained, changed = report_of([NIGHT, DAWN]), report_of(other)
    assert trained.characters == changed.characters and trained.content["test"] != changed.content["test"]
    (tmp_path / "corpus_report.json").write_text(json.dumps(vars(trained)), encoding="utf-8")
    held_out.check_same_corpus(tmp_path, trained)
    with pytest.raises(CorpusError, match=r"^the test poems of .* \(mine\) are not those .* changed"):
        held_out.check_same_corpus(tmp_path, changed)
    without = {name: value for name, value in vars(trained).items() if name != "content"}
    (tmp_path / "corpus_report.json").write_text(json.dumps(without), encoding="utf-8")
    held_out.check_same_corpus(tmp_path, changed)  # an older report has nothing else to compare
