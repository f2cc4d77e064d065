"""poet push: a model folder on the Hub, and what cannot be pushed."""

from __future__ import annotations

import pytest

from poet_model.cli.push import main

MODEL, WRITER = "user/tang-lstm", "hf_writer"


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_folder_is_pushed_with_its_tags(hub, folder, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", WRITER)
    assert main([str(folder), MODEL, "--tag", "v1", "--tag", "best", "--private", "--message", "春"]) == 0
    repository = hub.repo(MODEL)
    assert "model.safetensors" in repository.resolve("v1").files
    assert repository.resolve("v1") is repository.resolve("best")
    assert capsys.readouterr().out.startswith("pushed: ")


def test_a_folder_that_is_no_model_is_one_sentence(tmp_path, capsys):
    assert main([str(tmp_path), MODEL]) == 2
    assert "is not a complete poet-lstm model" in capsys.readouterr().err


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.touch()], ids=["missing", "a file"])
def test_what_is_no_folder_is_one_sentence(tmp_path, make, capsys):
    make(tmp_path / "it")
    assert main([str(tmp_path / "it"), MODEL]) == 2
    assert capsys.readouterr().err.endswith(
        "it is not a folder; give the model folder that is to be pushed\n"
    )


def test_without_a_login_it_says_how(hub, folder, capsys):
    assert main([str(folder), MODEL]) == 2
    assert "hf auth login" in capsys.readouterr().err
