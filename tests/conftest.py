"""Fixtures that several test modules share: one tiny model, and a home of its own for every test run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

for name, value in {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NO_PROXY": "127.0.0.1,localhost",
}.items():
    os.environ.setdefault(name, value)

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "assets" / "tang-lstm"
POEMS = (
    "牀前看月光，疑是地上霜。舉頭望山月，低頭思故鄉。",
    "春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。",
    "白日依山盡，黃河入海流。欲窮千里目，更上一層樓。",
    "故人西辭黃鶴樓，煙花三月下揚州。孤帆遠影碧山盡，唯見長江天際流。",
)


@pytest.fixture(scope="session")
def tokenizer():
    """A vocabulary of four poems."""
    from poet_model import PoetTokenizer

    return PoetTokenizer.from_texts(POEMS, min_count=1, required="，。五七絕律李白")


@pytest.fixture
def tiny_model(tokenizer):
    """An untrained model of 16 units, always with the same weights."""
    import torch

    from poet_model import PoetConfig, PoetModel

    torch.manual_seed(0)
    config = PoetConfig(vocab_size=len(tokenizer), hidden_size=16, num_layers=2)
    model = PoetModel(config, tokenizer).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.5, 0.5)
    return model
