"""The measurement of a model folder as a whole: the files written, the commands, and what is refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from conftest import POEMS, SHIPPED

from poet_model import PoetModel
from poet_model.corpus import Corpus, CorpusReport, PoemRecord
from poet_model.corpus.prepare import load_corpus
from poet_model.evaluation import command_line, measure, update_folder
from poet_model.evaluation.__main__ import main
from poet_model.evaluation.measurement import measure_poems
from poet_model.evaluation.metrics import estimates
from poet_model.evaluation.perplexity import score, without_header
from poet_model.evaluation.report import COLUMNS, report_text
from poet_model.hub.card import card_text
from poet_model.prosody.lines import FORMS, form_of, has_equal_lines

RECORDS = [PoemRecord(text, title="春", author="李白", form="五絕") for text in POEMS]


@pytest.fixture(scope="module")
def corpus_file(tmp_path_factory):
    """400 quatrains of random hanzi from the four poems."""
    rng = np.random.default_rng(0)
    hanzi = sorted({c for poem in POEMS for c in poem if c not in "，。"})
    lines = []
    for number in range(400):
        length = 5 if number % 2 else 7
        drawn = ["".join(rng.choice(hanzi, length)) for _ in range(4)]
        lines.append("月落" + hanzi[number % 40] + ":{}，{}。{}，{}。".format(*drawn))
    path = tmp_path_factory.mktemp("corpus") / "mine.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def folder(tiny_model, corpus_file, tmp_path, monkeypatch):
    """A model folder as train.py leaves it, and the file of the twenty poems excluded from its training."""
    monkeypatch.setenv("POET_CACHE", str(tmp_path / "cache"))
    excluded = tmp_path / "kept_out.txt"
    lines = corpus_file.read_text(encoding="utf-8").splitlines()
    excluded.write_text("\n".join(lines[:20]), encoding="utf-8")
    tiny_model.save_pretrained(tmp_path / "model")
    report = load_corpus(str(corpus_file), [str(excluded)], use_cache=False).report
    (tmp_path / "model" / "corpus_report.json").write_text(json.dumps(vars(report)), encoding="utf-8")
    return tmp_path / "model", excluded


def test_a_file_to_compare_by_that_is_not_there_is_said_at_once(folder, capsys):
    with pytest.raises(SystemExit):
        main([str(folder[0]), "--tangshi-gpt", "TEST.json"])
    message = "--tangshi-gpt TEST.json is not a file; give the path of test_poems.json"
    assert message in capsys.readouterr().err


def metrics_of(folder) -> dict:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def test_the_command_measures_the_same_with_and_without_the_excluded_files(folder, corpus_file, capsys):
    model, excluded = folder
    peers = excluded.with_name("peers.json")
    peers.write_text(
        json.dumps([{"title": "春 曉", "content": POEMS[1]}], ensure_ascii=False), encoding="utf-8"
    )
    command = [str(model), "--corpus", str(corpus_file), "--poems", "2"]
    assert main([*command, "--exclude", str(excluded), "--tangshi-gpt", str(peers)]) == 0
    first, printed = metrics_of(model), capsys.readouterr().out
    assert (model / "held_out.json").is_file()
    assert main(command) == 0
    second = metrics_of(model)
    assert capsys.readouterr().out == printed
    assert first.pop("commands") != second.pop("commands")
    assert first == second  # also the tangshi-gpt entry, because the weights are the same
    assert "--exclude kept_out.txt --tangshi-gpt peers.json" in second["external"]["tangshi_gpt"]["command"]
    corpus = load_corpus(str(corpus_file), use_cache=False)
    held_out = second["corpus"]["splits"]["valid"] + second["corpus"]["splits"]["test"]
    assert second["measures"]["compared_with"] == corpus.report.kept - held_out
    assert f"{second['perplexity']['test']['perplexity']:.2f}" in printed and "named, 8" in printed
    assert all(
        f"{name}: {COLUMNS[name]}" in printed for name in ("named", "ruled") if name in second["measures"]
    )
    assert "  tangshi_gpt" in printed
    card = (model / "README.md").read_text(encoding="utf-8")
    assert f"{second['perplexity']['test']['perplexity']:.2f}" in card


def test_the_figure_that_needs_a_file_stays_as_long_as_the_weights(folder, tiny_model):
    model, _ = folder
    peers = {"perplexity": 60.5, "tokens": 30}
    update_folder(model, {"external": {"tangshi_gpt": peers}})
    metrics = update_folder(model, {"perplexity": {"test": {"perplexity": 80.5, "tokens": 3}}})
    assert metrics["perplexity"] == {"test": {"perplexity": 80.5, "tokens": 3}}
    assert metrics["external"] == {"tangshi_gpt": peers}
    again = {"tangshi_gpt": peers | {"perplexity": 61.5}}
    assert update_folder(model, {"external": again})["external"] == again
    other = {"another": {"perplexity": 9.5, "tokens": 4}}
    assert update_folder(model, {"external": other})["external"] == again | other
    tiny_model.bias.data += 0.5
    tiny_model.save_pretrained(model)
    assert "external" not in update_folder(model, {"perplexity": {}})
    assert metrics_of(model)["perplexity"] == {} and "external" not in metrics_of(model)


def test_metrics_of_a_version_before_have_the_figure_among_the_perplexities(folder):
    """The card is the same, and the entry moves to its new section."""
    model, _ = folder
    peers = {"perplexity": 60.5, "tokens": 30, "low": 58.0, "high": 63.0, "command": "a command"}
    rest = {"perplexity": {"test": {"perplexity": 80.5, "tokens": 3}}}
    new = update_folder(model, rest | {"external": {"tangshi_gpt": peers}})
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "60.50 (58.0–63.0)" in card
    old = {**new, "perplexity": new["perplexity"] | {"tangshi_gpt": peers}}
    del old["external"]
    (model / "metrics.json").write_text(json.dumps(old), encoding="utf-8")
    assert card_text(model) == card
    assert update_folder(model, {}) == new


def test_a_model_without_the_record_is_refused_on_other_splits(folder, corpus_file, capsys):
    model, _ = folder
    assert main([str(model), "--corpus", str(corpus_file), "--poems", "1"]) == 2
    assert "give the --corpus and --exclude of its training" in capsys.readouterr().err
    assert not (model / "held_out.json").exists() and not (model / "metrics.json").exists()


def test_a_corpus_without_the_held_out_poems_is_refused(folder, corpus_file, tmp_path, capsys):
    model, excluded = folder
    command = [str(model), "--poems", "1", "--corpus"]
    assert main([*command, str(corpus_file), "--exclude", str(excluded)]) == 0
    capsys.readouterr()
    few = tmp_path / "few.txt"
    few.write_text("\n".join(corpus_file.read_text(encoding="utf-8").splitlines()[:300]), encoding="utf-8")
    assert main([*command, str(few)]) == 2
    assert "held out in the model's training are not in this corpus" in capsys.readouterr().err


def test_the_columns_are_what_the_model_writes(tiny_model):
    corpus = Corpus({"train": RECORDS[:2], "valid": RECORDS[2:3], "test": RECORDS[3:]}, CorpusReport())
    metrics = measure(tiny_model, corpus, poems_a_form=3)
    free = tiny_model.generate(num_poems=12, seed=0)
    assert metrics["poems"]["free"] == {
        "poems": 12,
        "equal_lines": sum(has_equal_lines(poem.text) for poem in free),
    }
    kept = metrics["poems"]["with_form"]
    assert kept["poems"] == 12 and kept["a_form"] == 3 and kept["kept"] == sum(kept["by_form"].values())
    named = [
        (poem.text, form)
        for form in FORMS
        for poem in tiny_model.generate(num_poems=3, form=form, impose_form=False, seed=0)
    ]
    assert kept["by_form"] == {form: sum(form_of(t) == f == form for t, f in named) for form in FORMS}
    section = metrics["measures"]
    assert section["named"]["repeats_a_poem"] == estimates(named)["repeats_a_poem"]._asdict()
    assert "real" not in section and section["poems"]["real"] == 0  # no poem of eight lines is held out
    assert "ruled" in section or section["refused"]
    assert "title" not in metrics["header"]  # the title 春 is too short


def test_short_poems_have_a_figure_of_their_own(tiny_model):
    long = replace(RECORDS[0], text=RECORDS[0].text * 6)  # 144 characters
    corpus = Corpus(
        {"train": RECORDS[:1], "valid": [RECORDS[1], long, RECORDS[3]], "test": []}, CorpusReport()
    )
    section = measure(tiny_model, corpus, poems_a_form=1)["perplexity"]
    alone = score(tiny_model, without_header([RECORDS[1], RECORDS[3]]))
    assert section["valid_short"]["tokens"] == alone.tokens < section["valid"]["tokens"]
    assert section["valid_short"]["perplexity"] == pytest.approx(alone.perplexity, rel=1e-4)
    corpus.splits["valid"] = [long]
    assert "valid_short" not in measure(tiny_model, corpus, poems_a_form=1)["perplexity"]


def test_all_three_columns_of_the_shipped_model(tmp_path):
    splits = load_corpus("tang").splits
    held_out = [next(p for p in splits["test"] if p.form == form) for form in FORMS]
    held_out += [replace(p, text="山" + p.text[1:]) for p in held_out]  # near-copies, which must be left out
    corpus = Corpus({"train": splits["train"][:200], "valid": [], "test": held_out}, CorpusReport())
    sections = measure_poems(PoetModel.from_pretrained(SHIPPED), corpus, 2)
    section = sections["measures"]
    assert section["poems"] == {"real": 4, "named": 8, "ruled": 8}
    for name in ("structure", "rhyme", "tones_L1"):
        assert section["ruled"][name]["value"] == 1  # imposed
    assert section["real"]["structure"]["value"] == 1
    assert sections["header"]["saved_nats"]["form"]["true"]["n"] == 4
    text = report_text({"perplexity": {}, **sections})
    assert "real, 4" in text and "named, 8" in text and "ruled, 8" in text and "100.0% (" in text


def test_figures_and_card_are_written_together(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model")
    report = CorpusReport(source="mine", read=4, kept=4, characters={"train": 60, "valid": 24, "test": 24})
    (tmp_path / "model" / "corpus_report.json").write_text(json.dumps(vars(report)), encoding="utf-8")
    corpus = Corpus({"train": RECORDS[:2], "valid": RECORDS[2:3], "test": RECORDS[3:]}, report)
    measured = measure(tiny_model, corpus, poems_a_form=2)
    metrics = update_folder(tmp_path / "model", measured, training="python train.py")
    assert metrics["perplexity"]["test"]["tokens"] == len(RECORDS[3].text) + 1
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert f"{metrics['perplexity']['valid']['perplexity']:.2f}" in card
    assert "python train.py" in card


def test_a_folder_outside_is_not_written_into_the_command(tmp_path):
    outside = [str(tmp_path / "a.json"), os.path.relpath(tmp_path / "b.json"), "../c.json"]
    inside = ["runs/d.json", os.path.abspath("runs/e.json"), "0.5"]
    shown = command_line("python train.py", ["--exclude", *outside, *inside])
    assert shown == "python train.py --exclude a.json b.json c.json runs/d.json runs/e.json 0.5"


@pytest.mark.parametrize("name", ["metrics.json", "corpus_report.json"])
def test_a_damaged_record_is_found_before_anything_is_measured(tiny_model, tmp_path, name, capsys):
    tiny_model.save_pretrained(tmp_path)
    (tmp_path / "corpus_report.json").write_text("{}", encoding="utf-8")
    (tmp_path / name).write_text("{", encoding="utf-8")
    assert main([str(tmp_path)]) == 2
    printed = capsys.readouterr().err
    assert f"{name} is not valid JSON" in printed and "measuring" not in printed
