"""The wheel of this project, installed into an empty folder, can do what a clone can do, without torch."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import POEMS, ROOT, SHIPPED

import poet_model
from poet_model import PoetModel
from poet_model.corpus.prepare import load_corpus
from poet_model.hub import card, space

WRITER, MODEL = "hf_writer", "user/tang-lstm"
CONTEXT = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
SOURCES = [line[1:] for line in CONTEXT if line.startswith("!")]  # what the build of a container sees
WITHOUT = ("torch", "tokenizers", "jinja2", "gradio", "accelerate", "pyarrow", "ray", "matplotlib")  # extras


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built by the standard way of building one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in SOURCES:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel) -> Path:
    """A folder that contains only the package, as pip installs it."""
    site = wheel.parent / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps"]
    subprocess.run([*pip, "--no-compile", "--target", site, wheel], check=True)
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
    top = installed / "poet_model" / "hub" / "project_files"
    files = {path.relative_to(top).as_posix(): path for path in top.rglob("*") if path.is_file()}
    shipped = {f"assets/tang-lstm/{path.name}" for path in SHIPPED.iterdir()}
    others = {"model_card.md", "app.py", "README.md", "requirements.txt", "LICENSE", "NOTICE"}
    assert files.keys() == others | shipped
    for name, path in files.items():
        assert path.read_bytes() == (ROOT / name).read_bytes()
    assert not (installed / "model_card.md").exists()  # the files of the project do not litter site-packages


def test_the_wheel_is_light_typed_and_brings_the_command(wheel, installed):
    assert wheel.stat().st_size < 20e6
    assert (installed / "poet_model" / "py.typed").is_file()
    assert os.access(installed / "bin" / "poet", os.X_OK)
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        text = archive.read(metadata).decode("utf-8")
    assert f"Version: {poet_model.__version__}\n" in text
    needed = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", text, re.MULTILINE)
    assert set(needed) == {"numpy", "safetensors", "huggingface_hub", "OpenCC", "shtab"}


def test_it_writes_the_same_poem_without_any_extra_and_without_a_network(run, tmp_path):
    code = f"""
import sys
sys.modules.update(dict.fromkeys({WITHOUT!r}))
import socket
socket.socket.connect = None
import json, poet_model
from poet_model import prosody
poem = poet_model.load().generate("春", form="五絕", rhyme=True, tones=True, seed=7)
from poet_model import couplets
assert couplets.parallelism("感時花濺淚", "恨別鳥驚心") > couplets.LEAST
print(json.dumps([poem.text, prosody.scan(poem.text).form, poet_model.__file__]))
"""
    text, form, file = json.loads(run("-c", code, HOME=str(tmp_path / "home")))
    expected = PoetModel.from_pretrained(SHIPPED).generate("春", form="五絕", rhyme=True, tones=True, seed=7)
    assert (text, form) == (expected.text, "五絕") and "site" in file
    assert not (tmp_path / "home").exists()  # nothing is written into the user's home


def test_the_examples_find_the_shipped_model(run):
    code = "from poet_model import NumpyPoetModel as M; "
    code += "print(ascii(M.from_pretrained('assets/tang-lstm').generate('春', form='五絕', seed=7).text))"
    expected = PoetModel.from_pretrained(SHIPPED).generate("春", form="五絕", seed=7)
    assert run("-c", code).strip() == ascii(expected.text)


def test_a_missing_extra_is_installed_from_where_the_package_came_from(run, installed):
    code = "from poet_model.extras import how_to_install; print(how_to_install('gradio'))"
    assert run("-c", code) == (
        'install it with: pip install "poet-model[app]", or with [app] behind the wheel or the folder that '
        'you installed: pip install "WHEEL[app]"\n'
    )


def test_the_command_writes_without_any_extra(run, installed):
    code = f"""
import sys, runpy
sys.modules.update(dict.fromkeys({WITHOUT!r}))
sys.argv = ["poet", "write", "春", "--form", "五絕", "--seed", "7"]
runpy.run_path({str(installed / "bin" / "poet")!r}, run_name="__main__")
"""
    expected = PoetModel.from_pretrained(SHIPPED).generate("春", form="五絕", seed=7)
    assert run("-c", code).strip() == str(expected)


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
    command = ("-m", "poet_model", "space", "user/tang-poet", "--model", MODEL, "--no-push")
    assert run(*command, "--folder", str(made)) == f"written: {made}\n"
    space.build(here, MODEL)
    ours, theirs = (
        {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (here, made)
    )
    assert f"models: [{MODEL}]" in ours["README.md"].decode("utf-8")
    assert theirs == ours and "assets/tang-lstm/model.safetensors" in ours
