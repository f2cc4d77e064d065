"""The weights of a folder: copies, finite in the type that is used, of the model that was saved with them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from conftest import ROOT
from hostile_folders import INDEX, fill, shard, sparse_model
from safetensors.torch import load_file, save_file

from poet_model import CheckpointError, NumpyPoetModel, PoetModel
from poet_model.evaluation import update_folder
from poet_model.model_folder import REPORT_NAME, WEIGHTS_NAME, weights_mark
from poet_model.novelty.index import NoveltyIndex
from poet_model.weights import FINGERPRINT, read_fingerprint

HALVES = [PoetModel, NumpyPoetModel]
FIRST = "model-00001-of-00002.safetensors"


@pytest.fixture
def folder(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


# Copies

TRUNCATED = """
import os, sys
from pathlib import Path
from poet_model import NumpyPoetModel, PoetModel
from poet_model.novelty.index import NoveltyIndex
from poet_model.from_scratch.char_lm import CharLM
from poet_model.from_scratch.writing import generate
folder, index = map(Path, sys.argv[1:])
poems = NoveltyIndex.load(index)
models = [
    PoetModel.from_pretrained(folder),
    PoetModel.from_pretrained(folder, dtype="auto"),
    NumpyPoetModel.from_pretrained(folder),
]
last = CharLM.load(folder)
before = [model.generate(seed=1).text for model in models] + [generate(last, seed=1).text]
for path in (*folder.iterdir(), *index.iterdir()):
    os.truncate(path, 100)  # what is mapped would end this process by a signal
after = [model.generate(seed=1).text for model in models] + [generate(last, seed=1).text]
assert after == before, (before, after)
print(poems.find("春眠不覺曉，處處聞啼鳥。")[0].text)
"""


def test_what_happens_to_the_files_does_not_reach_a_model_in_use(tiny_model, tmp_path):
    """Weights in float32 need no conversion, so that they could be used where they lie."""
    tiny_model.save_pretrained(tmp_path / "model", dtype=torch.float32)
    NoveltyIndex.build([("春眠不覺曉，處處聞啼鳥。", "春曉", "孟浩然")]).save(tmp_path / "index")
    done = subprocess.run(
        [sys.executable, "-c", TRUNCATED, tmp_path / "model", tmp_path / "index"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stdout) == (0, "春眠不覺曉\n"), done.stderr


# Numbers


@pytest.mark.parametrize("half", HALVES)
def test_numbers_must_be_finite_in_the_type_in_which_they_are_used(folder, half):
    fill(folder, "float64", 1e300, "bias")
    with pytest.raises(CheckpointError, match=r"bias.* holds numbers that are not finite, or too large"):
        half.from_pretrained(folder)


def test_the_type_that_is_used_decides(folder):
    fill(folder, "float64", 1e30)
    assert PoetModel.from_pretrained(folder).bias[0] == torch.tensor(1e30)
    with pytest.raises(CheckpointError, match="too large for the type in which the model is loaded"):
        PoetModel.from_pretrained(folder, dtype=torch.float16)
    fill(folder, "float64", 1e300)
    assert PoetModel.from_pretrained(folder, dtype="auto").bias[0] == 1e300


# Files that only claim their size


@pytest.mark.parametrize("half", HALVES)
def test_a_large_file_that_was_never_written_is_refused(folder, half):
    sparse_model(folder, 3, 4096)
    with pytest.raises(CheckpointError, match=r"parts of it were never written.*download it again"):
        half.from_pretrained(folder)


@pytest.mark.parametrize("half", HALVES)
def test_a_config_of_billions_of_parameters_is_refused(folder, half):
    sparse_model(folder, 9, 8192)
    with pytest.raises(CheckpointError, match="4,833,140,823 parameters, more than the limit"):
        half.from_pretrained(folder)


def test_a_small_file_may_have_holes(tiny_model, tmp_path):
    """A copy may leave out the zeros of a model that was never trained."""
    with torch.no_grad():
        tiny_model.embedding.weight.zero_()
    tiny_model.save_pretrained(tmp_path)
    data = (tmp_path / WEIGHTS_NAME).read_bytes()
    with open(tmp_path / WEIGHTS_NAME, "wb") as file:
        file.write(data.rstrip(b"\0"))
        file.truncate(len(data))
    assert PoetModel.from_pretrained(tmp_path).num_parameters == tiny_model.num_parameters


# Shards


def marked_shards(folder, mark):
    """Shards that hold a fingerprint, as a program writes them that keeps the metadata."""
    shard(folder)
    for path in folder.glob("model-*.safetensors"):
        save_file(load_file(path), path, {"format": "pt", FINGERPRINT: mark})


@pytest.mark.parametrize("half", HALVES)
def test_the_fingerprint_of_shards_is_compared(folder, half):
    whole = folder.with_name("whole")
    shutil.copytree(folder, whole)
    marked_shards(folder, read_fingerprint(whole / WEIGHTS_NAME))
    half.from_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"output_dropout": 0.25}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match="their fingerprint differs"):
        half.from_pretrained(folder)


def test_shards_tell_models_apart(folder):
    one = weights_mark(folder)
    shard(folder)
    several = weights_mark(folder)
    assert one and several and weights_mark(folder) == several != one
    tensors = load_file(folder / FIRST)
    next(iter(tensors.values())).add_(1)
    save_file(tensors, folder / FIRST)
    assert weights_mark(folder) != several
    (folder / INDEX).unlink()
    assert weights_mark(folder) is None


def test_what_others_measured_is_kept_for_shards_too_as_long_as_they_are_the_same(folder):
    shard(folder)
    (folder / REPORT_NAME).write_text("{}", encoding="utf-8")
    external = {"external": {"other": {"perplexity": 80.0, "tokens": 5}}}
    update_folder(folder, external)
    assert update_folder(folder, {})["external"] == external["external"]
    os.replace(folder / FIRST, folder / "moved")
    save_file({name: value + 1 for name, value in load_file(folder / "moved").items()}, folder / FIRST)
    assert "external" not in update_folder(folder, {})


def test_an_index_of_shards_that_are_no_part_of_the_model_opens_none(folder):
    """The names are compared before any of the files is opened, however many there are."""
    shard(folder, lambda names: names | {"extra": "nothing.safetensors"})
    (folder / "nothing.safetensors").write_bytes(b"no safetensors file")
    with pytest.raises(CheckpointError, match=r"config\.json disagree on extra"):
        PoetModel.from_pretrained(folder)
