"""The wheel of this project, installed into an empty folder, can do what a clone can do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import POEMS, ROOT, SHIPPED

from poet_model import PoetModel
from poet_model.corpus.prepare import load_corpus
from poet_model.hub import card, space

WRITER, MODEL = "hf_writer", "user/tang-lstm"
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "NOTICE", "model_card.md")
SOURCES += ("app.py", "requirements.txt")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder that contains only the package, as pip installs it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "poet_model", source / "poet_model", ignore=shutil.ignore_patterns("__pycache__"))
    for name in SOURCES:
        shutil.copyfile(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = ["wheel", ".", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*pip, *build], cwd=source, check=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--no-compile", "--target", site, wheel], check=True)
    shutil.rmtree(source)
    return site


@pytest.fixture
def run(installed, tmp_path):
    """Runs Python with the package of the wheel, in an empty working directory outside any clone."""
    (tmp_path / "empty").mkdir()

    def run(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path / "empty",
            env=os.environ
            | {"PYTHONPATH": str(installed), "POET_CACHE": str(tmp_path / "cache")}
            | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_files_of_the_top_folder_are_those_of_the_tree(installed):
    files = {path.name: path for path in (installed / "poet_model" / "hub" / "project_files").iterdir()}
    assert files.keys() == {"model_card.md", "app.py", "README.md", "requirements.txt", "LICENSE", "NOTICE"}
    for name, path in files.items():
        assert path.read_bytes() == (ROOT / name).read_bytes()
    assert not (installed / "model_card.md").exists()  # the files of the project do not litter site-packages


def test_it_writes_judges_and_pushes(run, installed, hub, tiny_model, tmp_path):
    code = f"""
import json, poet_model
from poet_model import PoetModel, prosody
model = PoetModel.from_pretrained({str(SHIPPED)!r})
poem = model.generate("春", form="五絕", rhyme=True, tones=True, seed=7)
print(json.dumps([poet_model.__file__, poem.text, prosody.scan(poem.text).form]))
tiny = PoetModel.from_pretrained({str(tmp_path / "tiny")!r})
tiny.bias.data += 0.5  # its records no longer describe it, so it gets a new card
tiny.push_to_hub({MODEL!r})
"""
    tiny_model.save_pretrained(tmp_path / "tiny")
    file, text, form = json.loads(run("-c", code, HF_TOKEN=WRITER))
    assert Path(file).is_relative_to(installed)
    expected = PoetModel.from_pretrained(SHIPPED).generate("春", form="五絕", rhyme=True, tones=True, seed=7)
    assert text == expected.text and form == "五絕"
    pushed = hub.repo(MODEL).resolve("main").files
    assert {"config.json", "model.safetensors", "README.md"} <= pushed.keys()


def test_it_measures_a_model_and_writes_its_card(run, tiny_model, tmp_path):
    corpus, model = tmp_path / "poems.txt", tmp_path / "model"
    corpus.write_text("\n".join(POEMS * 2), encoding="utf-8")
    tiny_model.save_pretrained(model)
    report = load_corpus(str(corpus), use_cache=False).report
    (model / "corpus_report.json").write_text(json.dumps(vars(report)), encoding="utf-8")
    command = ("-m", "poet_model.evaluation", str(model), "--corpus", str(corpus), "--poems", "1")
    assert "named, 4" in run(*command)
    text = (model / "README.md").read_text(encoding="utf-8")
    assert text == card.card_text(model) and "python -m poet_model.evaluation model" in text


def test_it_gives_simplified_poems_the_forms_of_the_collection(run):
    code = "from poet_model.corpus.traditional import traditional_forms as forms; "
    code += "print(*map(ascii, forms().restore('征人何日返，余心一点萤。', '征妇怨', '于鹄')))"
    assert run("-c", code).split() == [ascii(s) for s in ("征人何日返，余心一點螢。", "征婦怨", "于鵠")]


def test_it_makes_a_space(run, tmp_path):
    made, here = tmp_path / "made", tmp_path / "here"
    command = ("-m", "poet_model.hub", "space", "user/tang-poet", "--model", MODEL, "--no-push")
    assert "note: the Space has no model to show when" in run(*command, "--folder", str(made))
    space.build(here, MODEL)
    ours, theirs = (
        {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (here, made)
    )
    assert "the model that comes with it" in ours.pop("README.md").decode("utf-8")
    readme = theirs.pop("README.md").decode("utf-8")
    assert f"models: [{MODEL}]" in readme and "the model that comes with it" not in readme
    assert theirs == {name: data for name, data in ours.items() if not name.startswith("assets/")}
