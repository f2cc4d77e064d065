"""Which folders a training run may write to. Nothing of someone else's is replaced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, SHIPPED

from poet_model.corpus import Corpus, CorpusReport
from poet_model.errors import InvalidValueError
from poet_model.training.output import begin_folder, check_output, remove_previous


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_new_or_empty_folder_and_one_with_other_files_will_do(tmp_path):
    check_output(tmp_path, resume=False)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    check_output(tmp_path, resume=False)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_model_may_be_replaced_and_so_may_what_a_run_left_before_its_first_save(tmp_path, tiny_model):
    tiny_model.save_pretrained(tmp_path / "model")
    check_output(tmp_path / "model", resume=False)
    (tmp_path / "begun").mkdir()
    for name in ("corpus_report.json", "held_out.json", "metrics.json"):
        (tmp_path / "begun" / name).write_text("{}", encoding="utf-8")
    check_output(tmp_path / "begun", resume=False)
    assert set(contents(tmp_path / "begun").values()) == {b"{}"}


def test_an_unfinished_run_is_not_discarded(tmp_path, tiny_model):
    tiny_model.save_pretrained(tmp_path)
    (tmp_path / "checkpoint").mkdir()
    state = tmp_path / "checkpoint" / "state.json"
    state.write_text('{"step": 0}', encoding="utf-8")
    check_output(tmp_path, resume=False)  # nothing has been learned yet
    state.write_text('{"step": 1}', encoding="utf-8")
    with pytest.raises(InvalidValueError, match=r"contains an unfinished training run: add --resume"):
        check_output(tmp_path, resume=False)
    check_output(tmp_path, resume=True)


@pytest.mark.parametrize("name", ["README.md", "metrics.json", "tokenizer.json", "config.json"])
def test_files_that_are_not_a_models_are_not_replaced(tmp_path, name):
    text = json.dumps({"model_type": "bert"})
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InvalidValueError, match=rf"has no model, but {name}, which would be replaced"):
        check_output(tmp_path, resume=False)
    assert contents(tmp_path) == {name: text.encode()}


def test_the_project_folder_is_refused_and_the_shipped_model_is_a_model(tmp_path):
    with pytest.raises(InvalidValueError, match=r"README\.md, which would be replaced"):
        check_output(ROOT, resume=False)
    for path in SHIPPED.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    check_output(tmp_path, resume=False)
    assert contents(tmp_path) == contents(SHIPPED)


def test_folders_that_hold_everything_else_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for output in (Path("/"), Path("/usr/.."), tmp_path):
        with pytest.raises(InvalidValueError, match="no place for a model's files"):
            check_output(output, resume=False)
    assert contents(tmp_path) == {}


CORPUS = Corpus({"train": [], "valid": [], "test": []}, CorpusReport())


def test_the_old_model_is_whole_until_a_new_training_has_ended(tmp_path, tiny_model):
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    begin_folder(folder, CORPUS, [], [])
    assert contents(folder / "previous-model") == contents(SHIPPED)
    assert sorted(contents(folder)) == ["corpus_report.json", "held_out.json"]
    begin_folder(folder, CORPUS, [], [])  # the run was killed before its first model, and is begun anew
    assert contents(folder / "previous-model") == contents(SHIPPED)
    tiny_model.save_pretrained(folder)  # a run that was stopped after a moment, and is discarded
    begin_folder(folder, CORPUS, [], [])
    assert contents(folder / "previous-model") == contents(SHIPPED)
    remove_previous(folder)
    assert not (folder / "previous-model").exists()
