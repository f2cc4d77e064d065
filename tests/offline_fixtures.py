"""Fixtures for the tests of tools/offline_*.py: a bundle of a few hundred poems, tiny settings, pieces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import offline_bundle
import offline_pieces
import pytest
from conftest import ROOT

from poet_model.corpus.prepare import load_corpus

TOOLS = ROOT / "tools"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TINY = {
    "model": {"hidden_size": 32, "num_layers": 2, "output_dropout": 0.3},
    # with few epochs a stage ends long before its time limit, so that the test passes on a slow machine too
    "training": {"learning_rate": 0.002, "rhyme_memory": 0.5, "epochs": 4, "eval_every": 8},
}
JUDGED = "白日依山盡，黃河入海流。欲窮千里目，更上一層樓。"  # one of tangshi-gpt's test poems here


def start_tool(tool: str, *arguments: object, environment: dict | None = None, **options) -> subprocess.Popen:
    """Starts one of the tools as a process, with all installed packages but with one thread."""
    return subprocess.Popen(
        [sys.executable, str(TOOLS / f"{tool}.py"), *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **options,
    )


def run_tool(tool: str, *arguments: object, **options) -> tuple[int, str, str]:
    """Runs a tool to its end; returns its exit status, its output and its errors."""
    process = start_tool(tool, *arguments, **options)
    out, errors = process.communicate(timeout=280)
    return process.returncode, out, errors


def write_poems(path: Path, poems) -> Path:
    records = [{"title": p.title, "author": p.author, "text": p.text} for p in poems]
    text = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    path.write_text(text, encoding="utf-8")
    return path


def read_object(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def copy_of(bundle: Path, tmp_path: Path, change) -> Path:
    """A copy of a bundle after `change(contents, manifest)`, with a manifest that fits the new contents."""
    manifest = read_object(bundle / "manifest.json")
    contents = {name: (bundle / name).read_bytes() for name in manifest["files"]}
    change(contents, manifest)
    target = tmp_path / "copy"
    about = {name: value for name, value in manifest.items() if name not in ("files", "format")}
    offline_bundle.write_bundle(target, contents, about)
    return target


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> dict[str, Path]:
    """Two sources of real quatrains. Song's also has poems on which the Tang model is evaluated."""
    folder = tmp_path_factory.mktemp("sources")
    chosen = {}
    for name, number in (("tang", 140), ("song", 80)):
        splits = load_corpus(name).splits
        short = {part: [p for p in splits[part] if p.form in ("五絕", "七絕")] for part in splits}
        chosen[name] = short["train"][:number] + short["valid"][:30] + short["test"][:20]
    held_out = chosen["tang"][140:]
    half = [poem for poem in held_out[:3] if len(poem.text) in (24, 32)]
    half = [type(p)(p.text[: len(p.text) // 2] + chosen["song"][0].text[-len(p.text) // 2 :]) for p in half]
    judged = folder / "tangshi_gpt"
    judged.mkdir()
    for name, text in (("val", "春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。"), ("test", JUDGED)):
        record = [{"title": "詩", "author": "人", "paragraphs": [text]}]
        (judged / f"{name}_poems.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    judged_poem = type(half[0])(JUDGED)
    return {
        "tang": write_poems(folder / "tang_source.jsonl", [*chosen["tang"], judged_poem]),
        "song": write_poems(folder / "song_source.jsonl", [*chosen["song"], *held_out, *half, judged_poem]),
        "judged": judged,
    }


@pytest.fixture(scope="session")
def bundle(sources, tmp_path_factory) -> Path:
    """A bundle of these sources, for the Python that runs the tests."""
    path = tmp_path_factory.mktemp("bundle") / "bundle"
    status, out, errors = run_tool(
        "offline_bundle",
        *("--output", path, "--tang", sources["tang"], "--song", sources["song"]),
        *("--tangshi-gpt", sources["judged"], "--python", PYTHON),
    )
    assert status == 0, errors
    assert f"for Python {PYTHON}" in out
    return path


@pytest.fixture(scope="session")
def preset(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("preset") / "tiny.json"
    path.write_text(json.dumps({"mixed": TINY, "tang": TINY}), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def without_opencc(tmp_path_factory) -> dict[str, str]:
    """An environment in which OpenCC cannot be imported."""
    folder = tmp_path_factory.mktemp("blocked")
    (folder / "opencc.py").write_text("raise ImportError('there is none here')\n", encoding="utf-8")
    environment = {"PYTHONPATH": str(folder)}
    blocked = subprocess.run(
        [sys.executable, "-c", "import opencc"], env=os.environ | environment, capture_output=True, text=True
    )
    assert "there is none here" in blocked.stderr
    return environment


@pytest.fixture
def pieces(tmp_path) -> Path:
    """A folder OUT with a model folder of one file in two pieces."""
    (tmp_path / "model" / "checkpoint").mkdir(parents=True)
    (tmp_path / "model" / "config.json").write_text("{}", encoding="utf-8")
    output = tmp_path / "OUT"
    output.mkdir()
    record = {"stage": "tang", "step": 3, "validation_loss": 4.5, "bundle": "b"}
    archive = offline_pieces.pack(tmp_path / "model")
    offline_pieces.publish(output, archive, record, tmp_path, piece_bytes=6000)
    assert {path.name for path in output.iterdir()} == {"model-1.tar.0", "model-1.tar.1", "pieces.json"}
    return output


def no_room(*arguments) -> None:
    raise OSError(28, "No space left on device")
