"""A Space: building its folder, pushing it, installing its requirements, and opening its page."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
import pytest
import yaml
from conftest import HUB_ENDPOINT, POEMS, ROOT, SHIPPED
from hub_server import card_errors, front_matter
from packaging.requirements import Requirement

from poet_model import HubError, InvalidValueError, PoetModel
from poet_model.hub import space
from poet_model.hub.__main__ import main as hub_main
from poet_model.model_folder import EARLIER_LOG_NAME, RECORDS, REQUIRED_FILES
from poet_model.ui.poet import model_of_space

SPACE, MODEL, WRITER = "user/tang-poet", "user/tang-lstm", "hf_writer"


@pytest.fixture
def built(tmp_path):
    space.build(tmp_path / "space", MODEL)
    return tmp_path / "space"


def test_the_readme_of_the_project_and_of_a_space_are_accepted_by_the_hub(built):
    for folder in (ROOT, built):
        assert card_errors((folder / "README.md").read_text(encoding="utf-8"), "space") == []
    card = front_matter((built / "README.md").read_text(encoding="utf-8"))
    assert card["models"] == [MODEL]
    assert (built / card["app_file"]).is_file()
    assert (built / "app.py").read_bytes() == (ROOT / "app.py").read_bytes()
    assert model_of_space(built) == MODEL and model_of_space(ROOT) == ""


def test_a_hub_would_refuse_other_metadata():
    right = yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    for wrong in (
        {"sdk": "streamlit"},
        {"colorFrom": "grey"},
        {"short_description": "x" * 61},
        {"license": "my own"},
        {"title": None},
    ):
        changed = {key: value for key, value in (right | wrong).items() if value is not None}
        assert card_errors(f"---\n{yaml.safe_dump(changed)}---\n", "space"), wrong
    with pytest.raises(yaml.YAMLError, match="duplicated mapping key: sdk"):
        card_errors("---\nsdk: gradio\nsdk: docker\n---\n", "space")


def test_it_holds_the_page_the_model_and_no_training_code(built):
    files = {path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()}
    assert {"app.py", "README.md", "requirements.txt", "LICENSE", "NOTICE"} <= files
    assert {f"assets/tang-lstm/{name}" for name in REQUIRED_FILES} <= files
    assert not [name for name in files if "from_scratch" in name or "__pycache__" in name]
    assert not {"poet_model/training/trainer.py", "poet_model/corpus/prepare.py", "train.py"} & files
    pins = (built / "requirements.txt").read_text(encoding="utf-8")
    assert "torch==2.13.0" in pins
    assert "accelerate" not in pins
    everything = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert [line for line in pins.splitlines() if line not in everything.splitlines()] == []


def test_what_the_page_imports_is_there(built):
    """This runs in a process that can import no other poet_model."""
    code = (
        "import app, sys; print([m.__file__ for n, m in sys.modules.items() if n.startswith('poet_model')])"
    )
    environment = os.environ | {"POET_MODEL": str(SHIPPED), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=built, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    used = {Path(name).relative_to(built).as_posix() for name in re.findall(r"'([^']+)'", done.stdout)}
    copied = {path.relative_to(built).as_posix() for path in built.rglob("poet_model/**/*.py")}
    assert used <= copied
    # four of the files are not needed by the page
    in_vain = {"deprecated.py", "numpy_model.py", "paths.py", "hub/space.py"}
    assert copied - used == {f"poet_model/{name}" for name in in_vain}


def test_it_is_pushed_as_it_is_in_one_commit(hub, built):
    assert space.push(built, SPACE, token=WRITER).endswith(f"/spaces/{SPACE}")
    repo = hub.repo(SPACE, "spaces")
    assert repo.sdk == "gradio"
    assert len(repo.history(repo.branches["main"])) == 2
    files = repo.resolve("main").files
    assert {name: files[name].sha256 for name in files if name != ".gitattributes"} == {
        path.relative_to(built).as_posix(): hub_file(path) for path in built.rglob("*") if path.is_file()
    }
    commits = dict(repo.commits)
    space.push(built, SPACE, token=WRITER)
    assert repo.commits == commits
    (built / "NOTICE").unlink()
    space.push(built, SPACE, token=WRITER)
    assert "NOTICE" not in repo.resolve("main").files


def hub_file(path):
    from hub_server import File

    return File.of(path.read_bytes(), False).sha256


def test_the_command(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", WRITER)
    assert run("space", SPACE, "--model", MODEL, "--folder", str(tmp_path / "kept"), "--private") == 0
    assert "pushed: " in capsys.readouterr().out
    assert (tmp_path / "kept" / "app.py").is_file()
    assert hub.repo(SPACE, "spaces").private
    assert run("space", SPACE, "--model", MODEL, "--folder", str(tmp_path / "kept")) == 2
    assert "is not empty; give a new or empty folder" in capsys.readouterr().err
    assert run("space", SPACE, "--model", "no name") == 2
    assert "'no name' is not a valid Hub name" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    assert run("space", SPACE, "--model", MODEL) == 2
    assert "error: the Hub refused" in capsys.readouterr().err
    assert run("push") == 2
    with pytest.raises(SystemExit):
        run("space", SPACE, "--model", MODEL, "--no-push")


def run(*arguments):
    return hub_main(list(arguments))


def test_a_space_of_another_kind_is_left_alone(hub, built):
    api = huggingface_hub.HfApi(token=WRITER)
    api.create_repo(SPACE, repo_type="space", space_sdk="static")
    api.upload_file(path_or_fileobj=b"<p>", path_in_repo="index.html", repo_id=SPACE, repo_type="space")
    with pytest.raises(
        HubError, match="is a Space of another kind, whose files would be deleted; give another name"
    ):
        space.push(built, SPACE, token=WRITER)
    assert "index.html" in hub.repo(SPACE, "spaces").resolve("main").files


def test_a_public_space_is_not_taken_for_a_private_one(hub, built):
    space.push(built, SPACE, token=WRITER)
    with pytest.raises(
        HubError, match=f"{SPACE} already exists and is public; make it private in its settings"
    ):
        space.push(built, SPACE, token=WRITER, private=True)


def test_what_is_said_about_its_model(hub, tiny_model):
    assert "shows you no model of that name" in space.about_model(MODEL, WRITER)
    tiny_model.push_to_hub(MODEL, token=WRITER, private=True)
    assert "is private; add a secret HF_TOKEN" in space.about_model(MODEL, WRITER)
    hub.repo(MODEL).private = False
    assert space.about_model(MODEL, WRITER) == ""


@pytest.mark.parametrize("name", ["README.md/sub", "/proc/none/sub"])
def test_a_folder_that_cannot_be_made(name):
    with pytest.raises(InvalidValueError, match="cannot be created"):
        space.build(ROOT / name, MODEL)


def test_a_folder_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidValueError, match="is not empty"):
        space.build(tmp_path, MODEL)


@contextmanager
def page(python, folder, **environment):
    """Runs the page of a Space's folder, and gives its URL."""
    process = subprocess.Popen(
        [python, "-u", "app.py"],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    said = []
    try:
        while not (said and (match := re.search(r"http://[\d.]+:\d+", said[-1]))):
            said.append(process.stdout.readline())
            assert process.poll() is None, "".join(said)
        yield match[0], "".join(said)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        process.stdout.close()


def environment_with(requirements, folder) -> Path:
    """The Python of a new environment that has what the requirements bring, and nothing else.

    With POET_INSTALL=1 pip installs it. That takes a minute and unpacks a gigabyte; otherwise pip only checks
    that what these tests run with meets the requirements, and the environment has links to it.
    """
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements]
    if os.environ.get("POET_INSTALL"):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, *pip[1:]], check=True)
        return python
    report = folder.with_suffix(".json")
    subprocess.run([*pip, "--dry-run", "--report", report], check=True)
    assert json.loads(report.read_text(encoding="utf-8"))["install"] == []
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for distribution in brought_by(requirements.read_text(encoding="utf-8").splitlines()):
        tops = {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}
        for top in tops - {path.name for path in site.iterdir()}:
            (site / top).symlink_to(Path(distribution.locate_file(top)).resolve())
    return python


def brought_by(lines: list[str]) -> list[importlib.metadata.Distribution]:
    """The installed distributions that lines of a requirements.txt need, directly or not."""
    needed, found = [line for line in lines if line and not line.startswith("#")], {}
    while needed:
        requirement = Requirement(needed.pop())
        extras = [{"extra": extra} for extra in ("", *sorted(requirement.extras))]
        if requirement.marker and not requirement.marker.evaluate():
            continue
        distribution = importlib.metadata.distribution(requirement.name)
        if (key := (distribution.name, str(sorted(requirement.extras)))) in found:
            continue
        found[key] = distribution
        for text in distribution.requires or ():
            marker = Requirement(text).marker
            if not marker or any(marker.evaluate(extra) for extra in extras):
                needed.append(text.split(";")[0])
    return list(found.values())


def run_elsewhere(command, home, **environment):
    """The output of a Python program that runs in a new process with its own home and cache."""
    done = subprocess.run(
        list(map(str, command)),
        env=os.environ
        | {"HF_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_whole_loop(hub, tmp_path):
    """The whole workflow: train, push, load elsewhere, build a Space, install requirements, open its page.

    The page runs in a new environment that has the requirements and nothing else. It is opened twice: with
    the model of the Hub, and with a Hub that does not answer.
    """
    from gradio_client import Client

    corpus, output = tmp_path / "poems.txt", tmp_path / "run"
    corpus.write_text("\n".join(POEMS * 2), encoding="utf-8")
    train = [
        sys.executable,
        ROOT / "train.py",
        "--corpus",
        corpus,
        "--preset",
        "tiny",
        "--hidden-size",
        8,
        "--cpu",
    ]
    train += ["--precision", "no", "--output", output, "--push-to-hub", MODEL]
    assert "pushed: " in run_elsewhere(train, tmp_path / "home 1", HF_TOKEN=WRITER)
    files = set(hub.repo(MODEL).resolve("main").files) - {".gitattributes"}
    assert files == {path.name for path in output.iterdir()}
    assert {*REQUIRED_FILES, *RECORDS} - {EARLIER_LOG_NAME} <= files  # it did not continue another model
    card = (output / "README.md").read_text(encoding="utf-8")
    assert "license: mit" not in card and "chinese-poetry" not in card  # the corpus is not chinese-poetry
    assert "| validation, header empty |" in card

    expected = PoetModel.from_pretrained(output).generate("月", seed=1).text
    code = "from poet_model import PoetModel as P; print(P.from_pretrained('{}').generate('月', seed=1).text)"
    load = [sys.executable, "-c", code.format(MODEL)]
    assert run_elsewhere(load, tmp_path / "home 2").strip() == expected

    make = [sys.executable, "-m", "poet_model.hub", "space", SPACE, "--model", MODEL]
    run_elsewhere([*make, "--folder", tmp_path / "space"], tmp_path / "home 1", HF_TOKEN=WRITER)
    assert hub.repo(SPACE, "spaces").resolve("main").files["app.py"]
    python = environment_with(tmp_path / "space" / "requirements.txt", tmp_path / "venv")

    hub.log.clear()
    environment = {"HF_HOME": str(tmp_path / "home 3"), "HF_ENDPOINT": HUB_ENDPOINT}
    with page(python, tmp_path / "space", **environment) as (address, said):
        assert "note:" not in said
        assert any(path.startswith("/storage/") for path in hub.paths())
        with urllib.request.urlopen(address) as answer:
            assert MODEL in answer.read().decode("utf-8")
        poem = Client(address, verbose=False).predict(start="月", seed=1, api_name="/write_poem")
        assert poem["text"] == expected

    hub.on("/", 503, times=1000)
    environment["HF_HOME"] = str(tmp_path / "home 4")
    with page(python, tmp_path / "space", **environment) as (address, said):
        assert "note: the page shows the bundled model instead" in said
        poem = Client(address, verbose=False).predict(start="月", seed=1, api_name="/write_poem")
        assert poem["text"] == PoetModel.from_pretrained(SHIPPED).generate("月", seed=1).text
