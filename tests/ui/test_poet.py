"""The choice of the model for the page, and the loading of the index."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import ROOT

from poet_model import CheckpointError, PoetModel
from poet_model.hub.fetch import find_folder
from poet_model.novelty.index import NoveltyIndex
from poet_model.ui.poet import load_poet, model_of_space, open_index

MODEL, WRITER = "user/tang-lstm", "hf_writer"
NOWHERE = "user/never-pushed"  # and therefore not cached
CARD = "---\ntitle: A\nsdk: gradio\nmodels: [user/tang-lstm]\n---\n# A\n"


def open_model(name_or_path):
    """The same function as in app.py."""
    folder = find_folder(name_or_path)
    return folder, PoetModel.from_pretrained(folder)


@pytest.fixture
def space(tmp_path, tiny_model, monkeypatch) -> Path:
    """The folder of a Space with a bundled model; the machine has no index."""
    monkeypatch.delenv("POET_MODEL", raising=False)
    monkeypatch.setenv("POET_CACHE", str(tmp_path / "cache"))
    tiny_model.save_pretrained(tmp_path / "space" / "assets" / "tang-lstm")
    return tmp_path / "space"


@pytest.mark.parametrize(
    ("card", "model"),
    [
        (CARD, MODEL),
        (CARD.replace("\n", "\r\n"), MODEL),
        (CARD.replace("[user/tang-lstm]", "\n- user/tang-lstm\n- user/other"), MODEL),
        (CARD.replace("[user/tang-lstm]", "[]"), ""),
        (CARD.replace("[user/tang-lstm]", "user/tang-lstm"), ""),
        (CARD.replace("[user/tang-lstm]", "[7]"), ""),
        (CARD.replace("[user/tang-lstm]", "[user/tang-lstm"), ""),
        (CARD.replace("gradio", "static"), ""),
        ("# A\n" + CARD, ""),
        ("# A\n", ""),
        ("", ""),
        (b"---\n\xff\n---\n", ""),
        (None, ""),
    ],
)
def test_the_readme_of_a_space_names_its_model(tmp_path, card, model):
    if card is not None:
        content = card if isinstance(card, bytes) else card.encode()
        (tmp_path / "README.md").write_bytes(content)
    assert model_of_space(tmp_path) == model


def test_the_project_itself_shows_the_bundled_model():
    assert model_of_space(ROOT) == ""


def test_without_a_choice_it_is_the_bundled_one(space):
    poet = load_poet(space, open_model)
    assert (poet.name, poet.folder) == ("tang-lstm", space / "assets" / "tang-lstm")
    assert poet.model.config.hidden_size == 16 and poet.index is None


def test_a_space_shows_the_model_that_its_readme_names(hub, space, tiny_model):
    tiny_model.push_to_hub(MODEL, token=WRITER)
    (space / "README.md").write_text(CARD, encoding="utf-8")
    poet = load_poet(space, open_model)
    assert poet.name == MODEL and space not in poet.folder.parents


def test_the_bundled_one_stands_in_for_one_that_cannot_be_fetched(hub, space, capsys):
    (space / "README.md").write_text(CARD.replace(MODEL, NOWHERE), encoding="utf-8")
    poet = load_poet(space, open_model)
    assert poet.name == f"tang-lstm（代 for {NOWHERE}）" and poet.folder == space / "assets" / "tang-lstm"
    assert "note: the page shows the bundled model instead, because " in capsys.readouterr().err


def test_a_space_without_a_bundled_model_says_what_it_lacks(hub, space, capsys):
    (space / "README.md").write_text(CARD.replace(MODEL, NOWHERE), encoding="utf-8")
    shutil.rmtree(space / "assets")
    with pytest.raises(CheckpointError, match=f"the page has no model to show: .*{NOWHERE}"):
        load_poet(space, open_model)
    assert capsys.readouterr().err == ""


def test_the_variable_goes_before_the_readme(space, tiny_model, tmp_path, monkeypatch):
    (space / "README.md").write_text(CARD, encoding="utf-8")
    tiny_model.save_pretrained(tmp_path / "mine")
    monkeypatch.setenv("POET_MODEL", str(tmp_path / "mine"))
    poet = load_poet(space, open_model)
    assert (poet.name, poet.folder) == ("mine", tmp_path / "mine")  # the way there is nobody's business


def test_nothing_stands_in_for_the_model_of_the_variable(space, tmp_path, monkeypatch):
    monkeypatch.setenv("POET_MODEL", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"the page has no model to show: .*config\.json"):
        load_poet(space, open_model)


def test_a_model_called_like_the_bundled_one_is_not_the_bundled_one(space, tokenizer, tmp_path, monkeypatch):
    """POET_MODEL=tang-lstm means a folder of this name here, or a model on the Hub, not the bundled model."""
    from poet_model import PoetConfig

    other = PoetModel(PoetConfig(vocab_size=len(tokenizer), hidden_size=8, num_layers=1), tokenizer)
    other.save_pretrained(tmp_path / "tang-lstm")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POET_MODEL", "tang-lstm")
    poet = load_poet(space, open_model)
    assert poet.name == "tang-lstm" and poet.model.config.hidden_size == 8


@pytest.mark.parametrize("damage", [False, True])
def test_the_page_opens_without_an_index(damage, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("POET_CACHE", str(tmp_path))
    if damage:
        (tmp_path / "novelty").mkdir()
        (tmp_path / "novelty" / "poems.json").write_text("[]", encoding="utf-8")
    assert open_index() is None
    assert ("cannot compare poems with 全唐詩" in capsys.readouterr().err) is damage


def test_the_index_is_opened(space, tmp_path, monkeypatch):
    NoveltyIndex.build([("春眠不覺曉。", "春曉", "孟浩然")]).save(tmp_path / "cache" / "novelty")
    assert load_poet(space, open_model).index.find("春眠不覺曉。")[0].title == "春曉"
