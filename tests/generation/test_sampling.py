"""Numbers that are not finite are one sentence, wherever a model first computes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poet_model import CheckpointError, InvalidValueError, NumpyPoetModel
from poet_model.generation.options import GenerationConfig
from poet_model.generation.sampling import log_probs_of, log_sum_exp, sample

BROKEN = [
    [[0.0, np.nan, 1.0]],
    [[np.nan, -np.inf, -np.inf]],
    [[0.0, np.inf, 1.0]],
    [[0.0, 1.0, 2.0], [np.inf, np.inf, -np.inf]],
]


@pytest.mark.parametrize("logits", BROKEN)
@pytest.mark.parametrize("temperature", [0, 0.8])
def test_nothing_is_sampled_from_what_is_not_finite(logits, temperature):
    logits = np.array(logits, np.float32)
    with pytest.raises(CheckpointError, match="numbers that are not finite") as caught:
        sample(logits, np.full(len(logits), 0.5), GenerationConfig(temperature=temperature, top_k=2))
    assert caught.value.chinese
    with pytest.raises(CheckpointError, match="numbers that are not finite"):
        log_probs_of(logits, np.zeros(len(logits), int))


def test_no_character_may_have_all_of_no_probability():
    nothing = np.full((1, 3), -np.inf, np.float32)
    with pytest.raises(CheckpointError, match="numbers that are not finite"):
        log_sum_exp(nothing)
    with pytest.raises(InvalidValueError, match="the options together allow no next character"):
        sample(nothing, np.array([0.5]), GenerationConfig())


def test_barred_characters_are_minus_infinity():
    logits = np.array([[-np.inf, 2.0, -np.inf]], np.float32)
    assert sample(logits, np.array([0.99]), GenerationConfig()) == [1]
    assert log_probs_of(logits, np.array([1])) == [0.0]


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("value", [3e38, -3e38])
@pytest.mark.parametrize("half", ["torch", "NumPy"])
@pytest.mark.parametrize(
    "options",
    [
        {"start": "春"},
        {},
        {"temperature": 0},
        {"form": "五絕"},
        {"form": "五絕", "best_of": 4},
    ],
    ids=str,
)
def test_a_model_whose_numbers_overflow_is_one_sentence(tiny_model, half, value, options):
    with torch.no_grad():
        for parameter in tiny_model.parameters():
            parameter.fill_(value)
    model = tiny_model
    if half == "NumPy":
        weights = {name: tensor.numpy() for name, tensor in tiny_model.state_dict().items()}
        model = NumpyPoetModel(tiny_model.config, tiny_model.tokenizer, weights)
    for write in (model.generate, lambda **options: list(model.stream(**options))):
        with pytest.raises(CheckpointError, match="numbers that are not finite"):
            write(seed=1, **options)
