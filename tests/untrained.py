"""A model whose weights are random, so that whatever it writes well, the rules have made it write."""

from __future__ import annotations

import torch
from conftest import SHIPPED

from poet_model import PoetConfig, PoetModel, PoetTokenizer


def untrained_model() -> PoetModel:
    """A model with random weights and a vocabulary of the 2,000 most frequent characters."""
    torch.manual_seed(0)
    common = PoetTokenizer(PoetTokenizer.load(SHIPPED).characters[:2000])
    model = PoetModel(PoetConfig(len(common), hidden_size=8, num_layers=1), common).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model
