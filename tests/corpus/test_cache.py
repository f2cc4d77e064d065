"""The cache of prepared corpora gives the same corpus, and is never trusted blindly."""

import json
import os
from pathlib import Path

import pytest
from conftest import POEMS
from corpus_texts import planted, write

from poet_model import CorpusError
from poet_model.corpus import write_corpus
from poet_model.corpus.poems import ContentHash
from poet_model.corpus.prepare import load_corpus

pytestmark = pytest.mark.usefixtures("corpus_cache")


@pytest.fixture
def files(tmp_path):
    """The paths of a corpus and of a file to exclude, and the prepared corpus, which is now in the cache."""
    path = write(tmp_path / "a.json", [{"title": "春", "text": poem.text} for poem in planted(size=40)])
    keep_out = write(tmp_path / "b.json", [{"text": POEMS[0]}])
    return path, keep_out, load_corpus(path, [keep_out])


def forbid_reading(monkeypatch):
    """Makes the test fail when a source is read; the cache is read by another method of Path."""

    def read_bytes(self):
        pytest.fail(f"{self} was read again")

    monkeypatch.setattr(Path, "read_bytes", read_bytes)


def test_the_cache_gives_the_same_corpus(files, monkeypatch):
    path, keep_out, first = files
    assert load_corpus(path, [keep_out], use_cache=False) == first
    forbid_reading(monkeypatch)
    assert load_corpus(path, [keep_out]) == first


def test_without_cache_the_source_is_read_again(files, monkeypatch):
    path, keep_out, _ = files
    forbid_reading(monkeypatch)
    with pytest.raises(pytest.fail.Exception, match="was read again"):
        load_corpus(path, [keep_out], use_cache=False)


def test_a_changed_corpus_file_is_read_again(files, tmp_path):
    path, keep_out, first = files
    write(tmp_path / "a.json", [{"text": POEMS[1]}, {"text": POEMS[3]}])
    assert load_corpus(path, [keep_out]).report.read == 2 != first.report.read


def test_a_file_of_the_same_size_but_another_time_is_read_again(files, tmp_path):
    path, keep_out, _ = files
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    (tmp_path / "a.json").write_text(text.replace("春", "秋"), encoding="utf-8")
    os.utime(path, ns=(1, 1))
    splits = load_corpus(path, [keep_out]).splits
    assert {poem.title for group in splits.values() for poem in group} == {"秋"}


def test_a_file_of_the_same_size_and_time_is_read_again(files, tmp_path):
    path, keep_out, _ = files
    status = os.stat(path)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    (tmp_path / "a.json").write_text(text.replace("春", "秋"), encoding="utf-8")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert os.stat(path).st_size == status.st_size
    splits = load_corpus(path, [keep_out]).splits
    assert {poem.title for group in splits.values() for poem in group} == {"秋"}


def test_a_file_with_another_time_only_is_not_read_again(files, monkeypatch):
    path, keep_out, first = files
    os.utime(path, ns=(1, 1))
    forbid_reading(monkeypatch)
    assert load_corpus(path, [keep_out]) == first


def test_a_changed_exclude_file_is_read_again(files, tmp_path):
    path, keep_out, first = files
    victim = first.splits["train"][0].text
    write(tmp_path / "b.json", [{"text": victim}])
    second = load_corpus(path, [keep_out])
    assert first.report.excluded == 0 < second.report.excluded
    assert victim not in {poem.text for poem in second.splits["train"]}
    assert load_corpus(path).report.excluded == 0


@pytest.mark.parametrize(
    "damage", [lambda text: "", lambda text: text[: len(text) // 2], lambda text: "{}\n7\n"]
)
def test_a_damaged_cache_is_made_anew(files, corpus_cache, damage):
    path, keep_out, first = files
    (prepared,) = corpus_cache.glob("corpus-*.jsonl")
    whole = prepared.read_text(encoding="utf-8")
    prepared.write_text(damage(whole), encoding="utf-8")
    assert load_corpus(path, [keep_out]) == first
    assert prepared.read_text(encoding="utf-8") == whole


def corrected(prepared: Path) -> str:
    """Changes one character of a poem to train on in a prepared file; returns its new first line of verse."""
    lines = prepared.read_text(encoding="utf-8").splitlines()
    number = next(i for i, line in enumerate(lines) if line.startswith('["train"'))
    fields = json.loads(lines[number])
    fields[1] = "一" + fields[1][1:]
    lines[number] = json.dumps(fields, ensure_ascii=False)
    prepared.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return fields[1]


def test_a_cache_with_another_character_in_a_poem_is_made_anew(files, corpus_cache):
    path, keep_out, first = files
    (prepared,) = corpus_cache.glob("corpus-*.jsonl")
    corrected(prepared)
    assert load_corpus(path, [keep_out]) == first


def test_a_cache_that_changes_while_it_is_in_use_is_noticed(files, corpus_cache):
    _, _, first = files
    (prepared,) = corpus_cache.glob("corpus-*.jsonl")
    corrected(prepared)
    with pytest.raises(CorpusError, match="was changed or removed while it was in use"):
        list(first.splits["train"])


def test_a_cache_of_an_older_version_gets_the_hashes_that_it_lacks(files, corpus_cache):
    path, keep_out, first = files
    (prepared,) = corpus_cache.glob("corpus-*.jsonl")
    report, rest = prepared.read_text(encoding="utf-8").split("\n", 1)
    older = {name: value for name, value in json.loads(report).items() if name != "content"}
    prepared.write_text(json.dumps(older) + "\n" + rest, encoding="utf-8")
    assert load_corpus(path, [keep_out]) == first
    assert first.report.content["train"] == ContentHash(first.splits["train"]).hexdigest()


def test_a_poem_may_be_corrected_in_a_prepared_corpus_and_the_report_knows_it(files, tmp_path):
    *_, first = files
    own = tmp_path / "own.jsonl"
    write_corpus(own, first)
    assert load_corpus(str(own)) == first
    text = corrected(own)
    second = load_corpus(str(own))
    assert second.splits["train"][0].text == text != first.splits["train"][0].text
    assert second.report.content["train"] != first.report.content["train"]
    assert second.report.content["test"] == first.report.content["test"]


def test_a_prepared_corpus_that_lacks_poems_is_refused(files, tmp_path):
    own = tmp_path / "own.jsonl"
    write_corpus(own, files[2])
    kept = files[2].report.kept
    lines = own.read_text(encoding="utf-8").splitlines(keepends=True)
    own.write_text("".join(lines[:-3]), encoding="utf-8")
    with pytest.raises(CorpusError, match=rf"with {kept - 3} poems, but its report counts {kept}; prepare"):
        load_corpus(str(own))


def test_a_mixture_is_cached_by_the_poems_of_its_parts(tmp_path):
    poems, others = planted(), planted(size=40)
    first = write(tmp_path / "first.json", [{"text": poem.text} for poem in poems])
    second = write(
        tmp_path / "second.json", [{"title": "春", "text": poem.text} for poem in planted(size=40)]
    )
    before = load_corpus(f"{first}+{second}")
    write(tmp_path / "second.json", [{"title": "秋", "text": poem.text} for poem in others])
    after = load_corpus(f"{first}+{second}")
    assert before.report.splits == after.report.splits
    assert "秋" in {poem.title for poem in after.splits["train"]} and before.report != after.report


def test_a_cache_cut_at_a_line_is_made_anew(files, corpus_cache):
    path, keep_out, first = files
    (prepared,) = corpus_cache.glob("corpus-*.jsonl")
    lines = prepared.read_text(encoding="utf-8").split("\n")
    prepared.write_text("\n".join(lines[:10]) + "\n", encoding="utf-8")
    assert load_corpus(path, [keep_out]) == first


def test_a_cache_folder_that_cannot_be_written_does_no_harm(files, tmp_path, monkeypatch):
    path, keep_out, first = files
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("POET_CACHE", str(tmp_path / "file"))
    assert load_corpus(path, [keep_out]) == first
