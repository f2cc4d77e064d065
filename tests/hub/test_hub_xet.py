"""Pushing and fetching by Xet, with the client's own local store, in processes in which Xet is enabled."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from hub_server import HubServer

from poet_model import PoetModel

NAME = "user/tang-lstm"
PUSH_AND_LOAD = """
import json, sys
import torch
from huggingface_hub import constants
from poet_model import PoetModel

assert not constants.HF_HUB_DISABLE_XET
source, home = sys.argv[1:]
model = PoetModel.from_pretrained(source)
model.push_to_hub("user/tang-lstm", token="hf_writer", tags=["v1"])
model.push_to_hub("user/tang-lstm", token="hf_writer")
loaded = PoetModel.from_pretrained("user/tang-lstm")
for name, value in model.state_dict().items():
    assert torch.equal(value, loaded.state_dict()[name])
with torch.no_grad():
    model.bias.add_(1)
print(model.push_to_hub("user/tang-lstm", token="hf_writer", create_pr=True))
of_request = PoetModel.from_pretrained("user/tang-lstm", revision="refs/pr/1")
assert of_request.bias[0] == model.bias[0].half()
print(loaded.generate("", seed=1).text)
"""


@pytest.fixture
def xet_hub(tmp_path):
    with HubServer(xet=tmp_path / "store") as hub:
        yield hub


def environment(hub, tmp_path):
    found = {key: value for key, value in os.environ.items() if key != "HF_HUB_DISABLE_XET"}
    return found | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}


def run(command, hub, tmp_path, **more):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=environment(hub, tmp_path) | more,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_push_and_load(xet_hub, tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model")
    said = run(["-c", PUSH_AND_LOAD, tmp_path / "model", "home"], xet_hub, tmp_path).splitlines()
    assert said[0].endswith("/discussions/1")
    assert said[1] == PoetModel.from_pretrained(tmp_path / "model").generate("", seed=1).text
    repo = xet_hub.repo(NAME)
    assert [commit.title for commit in repo.history(repo.branches["main"])] == [
        "Upload a Tang poem LSTM",
        "initial commit",
    ]  # one commit, and none for pushing the same files again
    weights = repo.resolve("main").files["model.safetensors"]
    assert weights.large and weights.content is None  # the Hub itself did not receive it
    assert list((tmp_path / "store").rglob("*.mdb"))
    assert not [path for path in xet_hub.paths() if "/info/lfs/" in path or path.startswith("/storage/")]


def test_the_hf_command_line_takes_the_same_way(xet_hub, tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "model")
    hf = ["-m", "huggingface_hub.cli.hf"]
    run([*hf, "upload", NAME, tmp_path / "model"], xet_hub, tmp_path, HF_TOKEN="hf_writer")
    run([*hf, "download", NAME, "--local-dir", tmp_path / "got"], xet_hub, tmp_path)
    for path in (tmp_path / "model").iterdir():
        assert (tmp_path / "got" / path.name).read_bytes() == path.read_bytes()
    assert (
        json.loads((tmp_path / "got" / "config.json").read_text(encoding="utf-8"))["model_type"]
        == "poet-lstm"
    )
    assert any("xet-read-token" in path for path in xet_hub.paths())
