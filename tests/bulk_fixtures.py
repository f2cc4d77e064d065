"""A tiny model folder for the tests of `poet bulk`, and runs in the process of the test."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from poet_model import PoetConfig, PoetTokenizer
from poet_model.bulk.__main__ import main


@pytest.fixture(scope="session")
def bulk_model(tokenizer: PoetTokenizer, tmp_path_factory) -> Path:
    """The folder of an untrained model with 16 hidden units and fixed random weights."""
    import torch

    from poet_model import PoetModel

    torch.manual_seed(0)
    model = PoetModel(PoetConfig(vocab_size=len(tokenizer), hidden_size=16, num_layers=2), tokenizer)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.5, 0.5)
    folder = tmp_path_factory.mktemp("bulk") / "tiny"
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def bulk(bulk_model, capfd):
    """Runs `poet bulk` with the tiny model; returns the exit status and what it printed."""

    def run(*words: object) -> tuple[int, str, str]:
        given = ["--model", bulk_model, "--no-index", "--batch-size", "4", *words]
        status = main(list(map(str, given)))
        return status, *capfd.readouterr()

    return run


def shards(folder: Path) -> dict[str, str]:
    """The hash of each shard of a run, by its name."""
    files = sorted((folder / "data").iterdir())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
