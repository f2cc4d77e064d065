"""TrainingConfig: the values that it refuses, and its learning rate schedule."""

from __future__ import annotations

import pytest

from poet_model import InvalidValueError
from poet_model.training.config import TrainingConfig


def test_learning_rate_schedule():
    config = TrainingConfig(learning_rate=0.002, warmup=0.1)
    assert config.rate(0) == pytest.approx(0.00002)
    assert config.rate(0.05) == pytest.approx(0.00101)
    assert config.rate(0.1) == pytest.approx(0.002)
    assert config.rate(0.55) == pytest.approx(0.001)  # halfway through the cosine decay
    assert config.rate(0.1 + 0.9 / 3) == pytest.approx(0.0015)
    assert config.rate(1) == pytest.approx(0, abs=1e-12)
    assert TrainingConfig(warmup=0).rate(0) == TrainingConfig().learning_rate


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 0}, {"batch_size": 0}, {"gradient_accumulation_steps": 0}, {"log_every": 0}, {"warmup": 1.0},
     {"learning_rate": 0.0}, {"learning_rate": float("nan")}, {"max_grad_norm": float("inf")},
     {"softmax_frequent": -1}, {"softmax_sampled": 0}, {"softmax_exact": 1.5},
     {"input_mask": 1.0}, {"weight_decay": -1.0}, {"max_minutes": 0.0}, {"max_minutes": float("inf")},
     {"epochs": 2.5}, {"epochs": "3"}, {"epochs": None}, {"batch_size": True}, {"seed": 0.5}, {"seed": -1},
     {"seed": 2**32}, {"learning_rate": "0.1"}, {"checkpoint_every": [5]}, {"rhyme_memory": False}],
    ids=str,
)  # fmt: skip
def test_impossible_settings(settings):
    with pytest.raises(InvalidValueError, match=next(iter(settings))):
        TrainingConfig(**settings)
