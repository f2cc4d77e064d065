"""Small models of the NumPy half for its tests, and the shipped model."""

import numpy as np
import pytest
from conftest import POEMS, SHIPPED

from poet_model.from_scratch import __main__ as command
from poet_model.from_scratch.char_lm import CharLM
from poet_model.from_scratch.config import CharLMConfig, TrainingConfig
from poet_model.from_scratch.data import batches, encode
from poet_model.from_scratch.vocabulary import Vocabulary

CONFIGS = [
    {"cell": "lstm", "num_layers": 2, "tied": True, "embedding_size": 6},
    {"cell": "lstm", "num_layers": 1},
    {"cell": "rnn", "num_layers": 2},
]


def make_model(dtype=np.float32, seed=1, **settings):
    vocabulary = Vocabulary.from_texts(POEMS)
    settings = {"embedding_size": 5, "hidden_size": 6} | settings
    model = CharLM(CharLMConfig(len(vocabulary), **settings), vocabulary, seed=seed)
    rng = np.random.default_rng(seed)
    for name, parameter in model.parameters.items():
        model.parameters[name] = (0.5 * rng.standard_normal(parameter.shape)).astype(dtype)
    return model


def batch(model, poems=POEMS):
    return next(batches(encode(model, poems, 100), len(poems), len(model.prompt)))


def config(**settings):
    return TrainingConfig(**{"epochs": 6, "batch_size": 2, "learning_rate": 0.02} | settings)


@pytest.fixture(scope="session")
def shipped():
    return CharLM.from_pretrained(SHIPPED)


def run_command(capsys, *arguments, **settings):
    status = command.main(map(str, arguments), **settings)
    printed = capsys.readouterr()
    return status, printed.out, printed.err
