"""Preparing a corpus: what is excluded, mixed and refused."""

import io
import json
import sys
import tarfile

import pytest
from conftest import POEMS
from corpus_texts import crossing_pairs, planted, write

from poet_model import CorpusError, corpus
from poet_model.corpus import CorpusReport, PoemRecord
from poet_model.corpus.__main__ import main as prepare_main
from poet_model.corpus.near_copies import split
from poet_model.corpus.prepare import load_corpus

pytestmark = pytest.mark.usefixtures("corpus_cache")


@pytest.mark.parametrize("content", ["", "\n \n", "hello\nworld\n", "春眠。\n"])
def test_a_file_without_poems_is_one_clear_error(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match="contains no poem to train on") as caught:
        load_corpus(str(path))
    assert str(path) in str(caught.value)
    assert "a poem must consist of hanzi" in str(caught.value)


def test_an_exclude_file_without_poems_is_an_error_and_not_passed_over(tmp_path):
    path = write(tmp_path / "a.json", [{"text": POEMS[0]}])
    nothing = write(tmp_path / "b.json", [{"title": "春"}])
    with pytest.raises(CorpusError, match="contains no poem") as caught:
        load_corpus(path, [nothing])
    assert nothing in str(caught.value)


def test_a_completed_copy_of_an_excluded_poem_with_lost_characters_is_kept_out_too(tmp_path):
    lost = POEMS[1].replace(POEMS[1][2], "□", 1)
    path = write(tmp_path / "a.json", [{"text": POEMS[0]}, {"text": POEMS[1]}])
    report = load_corpus(path, [write(tmp_path / "b.json", [{"text": lost}, {"text": "□"}])]).report
    assert (report.kept, report.excluded) == (1, 1)
    assert report.exclude_dropped == {"lost characters (□, {釒基}, 下缺)": 1}


def test_a_split_of_a_named_source_can_be_excluded_by_name(tmp_path, monkeypatch):
    poems = [{"paragraphs": [poem.text]} for poem in planted()]
    path = tmp_path / "chinese-poetry-2.0.1.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, records in (("tang", poems), ("song", [*poems, {"paragraphs": [POEMS[0]]}])):
            data = json.dumps(records).encode()
            info = tarfile.TarInfo(f"package/dist/quantangshi/poet.{name}.0.json")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    monkeypatch.setenv("POET_CACHE", str(tmp_path))  # as if it had been downloaded
    tang = load_corpus("tang").splits
    song = load_corpus("song", ["tang:valid", "tang:test"])
    held_out = len(tang["valid"]) + len(tang["test"])
    assert song.report.exclude_read == song.report.excluded == held_out > 10
    assert sum(map(len, song.splits.values())) == len(tang["train"]) + 1
    barred = {"held out": tang["valid"] + tang["test"]}
    assert crossing_pairs(barred | {"kept": [p for group in song.splits.values() for p in group]}) == []
    assert load_corpus("song", ["tang:test"]).report.exclude_read == len(tang["test"])  # another cache entry
    with pytest.raises(
        CorpusError, match=r"--exclude: corpus 'tang:all' was not found.*or a split: tang:train, tang:valid"
    ):
        load_corpus("song", ["tang:all"])


def test_a_prepared_corpus_goes_to_another_machine_as_it_is(tmp_path, corpus_cache, monkeypatch, capsys):
    source = write(tmp_path / "a.json", [{"text": poem.text} for poem in planted(size=200)])
    keep_out = write(tmp_path / "b.json", [{"text": planted(size=200)[0].text}])
    prepared = tmp_path / "out" / "tang.jsonl"
    assert prepare_main([source, "--exclude", keep_out, "--output", str(prepared)]) == 0
    expected = load_corpus(source, [keep_out])
    out = capsys.readouterr().out
    assert str(expected.report) in out and f"python train.py --corpus {prepared}" in out
    assert "vocabulary" not in out  # it is chosen by a training run
    (tmp_path / "a.json").unlink()
    monkeypatch.setitem(sys.modules, "opencc", None)  # nothing is converted or clustered again
    assert load_corpus(str(prepared)) == expected
    with pytest.raises(CorpusError, match="is a prepared corpus, which is already split; give --exclude"):
        load_corpus(str(prepared), [keep_out])


@pytest.mark.parametrize("name", ["none.jsonl", "a" * 5000 + ".jsonl"])
def test_a_jsonl_file_that_is_not_there_is_said(name):
    with pytest.raises(CorpusError, match="was not found"):
        load_corpus(name)


def test_preparing_says_what_is_wrong(tmp_path, capsys):
    assert prepare_main(["none.txt", "--output", str(tmp_path / "a.jsonl")]) == 2
    assert "corpus 'none.txt' was not found" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        prepare_main(["tang", "--output", str(tmp_path / "a.json")])
    assert "--output must end in .jsonl" in capsys.readouterr().err


def test_everything_excluded_is_an_error(tmp_path):
    path = write(tmp_path / "a.json", [{"text": POEMS[0]}])
    with pytest.raises(CorpusError, match="all of its 1 records are excluded by --exclude"):
        load_corpus(path, [path])


def test_a_mixed_corpus_trains_on_both_and_is_validated_on_the_first(tmp_path):
    poems = planted()
    first = write(tmp_path / "first.json", [{"text": poem.text} for poem in poems])
    others = [*poems, *(PoemRecord(text) for text in POEMS)]
    second = write(tmp_path / "second.json", [{"text": poem.text} for poem in others])
    alone, mixed = load_corpus(first), load_corpus(f"{first}+{second}")
    held_out = {"held out": [*alone.splits["valid"], *alone.splits["test"]]}
    assert mixed.splits["valid"] == alone.splits["valid"] and mixed.splits["test"] == alone.splits["test"]
    assert mixed.splits["train"][: len(alone.splits["train"])] == list(alone.splits["train"])
    assert crossing_pairs(held_out | {"train": list(mixed.splits["train"])}) == []
    report = mixed.report
    assert report.read == report.kept + report.excluded + sum(report.dropped.values())
    assert sum(part["poems"] for part in report.mixed.values()) == len(mixed.splits["train"])
    assert all(name in str(report) for name in report.mixed)
    texts = [poem.text for poem in mixed.splits["train"]]
    assert len(set(texts)) == len(texts)  # although the second corpus has every poem of the first
    repeated = set(texts).intersection(poem.text for poem in load_corpus(second).splits["train"])
    in_both = len(repeated.intersection(poem.text for poem in alone.splits["train"]))
    assert report.dropped["poems of second.json that an earlier corpus also has"] == in_both > 10
    assert f"{report.excluded}, equal or close to one of 0 records in --exclude or to a held" in str(report)
    assert load_corpus(f"{first}+{second}") == mixed  # from the cache


def test_corpora_of_one_name_are_told_apart_and_what_is_excluded_is_counted_once(tmp_path):
    poems = planted()
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder, part in zip(folders, (poems, poems[:60], [PoemRecord(text) for text in POEMS]), strict=True):
        folder.mkdir()
        write(folder / "poems.json", [{"text": poem.text} for poem in part])
    excluded = write(tmp_path / "excluded.json", [{"text": poem.text} for poem in poems[:5]])
    report = load_corpus("+".join(f"{folder}/poems.json" for folder in folders), [excluded]).report
    assert list(report.mixed) == ["poems.json", "poems.json (corpus 2)", "poems.json (corpus 3)"]
    assert sum(part["poems"] for part in report.mixed.values()) == report.splits["train"]
    assert report.read == report.kept + report.excluded + sum(report.dropped.values())
    assert report.exclude_read == 5


def test_a_prepared_corpus_that_holds_what_the_first_is_validated_on_is_refused(tmp_path):
    first = write(tmp_path / "first.json", [{"text": poem.text} for poem in planted()])
    leaky = tmp_path / "leaky.jsonl"
    poems = [*load_corpus(first).splits["valid"], PoemRecord(POEMS[0])]
    corpus.write_corpus(leaky, split([], [], CorpusReport()))
    whole = corpus.Corpus({"train": poems, "valid": [], "test": []}, CorpusReport())
    whole.report.splits = {name: len(group) for name, group in whole.splits.items()}
    corpus.write_corpus(leaky, whole)
    with pytest.raises(CorpusError, match=f"{len(poems) - 1} of its poems .* held out .*--exclude"):
        load_corpus(f"{first}+{leaky}")


@pytest.mark.parametrize("source", ["tang+", "tang+tang", "+", "here.txt+./here.txt"])
def test_a_plus_joins_different_sources(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.txt").write_text(POEMS[0], encoding="utf-8")
    with pytest.raises(CorpusError, match=r"expected different sources, joined as in tang\+song"):
        load_corpus(source)
