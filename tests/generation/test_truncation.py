"""min_p and typical_p, against the definitions written out one probability at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from poet_model.generation.options import GenerationConfig
from poet_model.generation.sampling import sample

LOGITS = np.random.default_rng(5).normal(0, 2.0, (12, 30)).astype(np.float32)
UNIFORMS = (np.arange(1000) + 0.5) / 1000


def scaled(shares: dict[int, float]) -> dict[int, float]:
    total = math.fsum(shares.values())
    return {token: share / total for token, share in shares.items()}


def fewest(shares: dict[int, float], order: list[int], mass: float) -> dict[int, float]:
    """The first of the tokens, in this order, that together have `mass`."""
    kept: dict[int, float] = {}
    for token in order:
        if math.fsum(kept.values()) < mass:
            kept[token] = shares[token]
    return scaled(kept)


def truncated(logits: list[float], config: GenerationConfig) -> dict[int, float]:
    """The probabilities of the ids that may be sampled, by the definitions."""
    finite = {token: value for token, value in enumerate(logits) if value > -math.inf}
    shares = scaled({token: math.exp(value / config.temperature) for token, value in finite.items()})
    likeliest = sorted(shares, key=shares.__getitem__, reverse=True)
    if config.top_k:
        likeliest = likeliest[: config.top_k]
        shares = scaled({token: shares[token] for token in likeliest})
    shares = fewest(shares, likeliest, config.top_p)
    least = config.min_p * max(shares.values())
    shares = scaled({token: share for token, share in shares.items() if share >= least})
    if config.typical_p < 1:
        entropy = -math.fsum(share * math.log(share) for share in shares.values())
        typical = sorted(shares, key=lambda token: abs(-math.log(shares[token]) - entropy))
        shares = fewest(shares, typical, config.typical_p)
    return shares


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.0])
@pytest.mark.parametrize(
    "settings",
    [
        {"min_p": 0.02},
        {"min_p": 0.3},
        {"min_p": 1.0},
        {"typical_p": 0.1},
        {"typical_p": 0.6},
        {"typical_p": 0.95},
        {"min_p": 0.05, "typical_p": 0.5},
        {"top_k": 9, "top_p": 0.9, "min_p": 0.1, "typical_p": 0.8},
    ],
    ids=str,
)
def test_the_definitions(temperature, settings):
    config = GenerationConfig(temperature, **{"top_k": 0} | settings)
    for row, logits in enumerate(LOGITS):
        logits = logits.copy()
        logits[row % 30 :: 7] = -np.inf  # characters that a rule bars
        expected = truncated(logits.tolist(), config)
        ids = sample(np.tile(logits, (len(UNIFORMS), 1)), UNIFORMS, config)
        shares = np.bincount(ids, minlength=30) / len(UNIFORMS)
        assert shares == pytest.approx([expected.get(token, 0) for token in range(30)], abs=1 / 500)
        assert set(np.flatnonzero(shares)) <= expected.keys()


def test_the_likeliest_is_not_always_typical():
    """With .4 and twelve of .05, the entropy is 2.16 nats; .05 (3 nats) is nearer to it than .4 (.92)."""
    logits = np.log(np.array([[0.4, *[0.05] * 12]], np.float32))
    config = GenerationConfig(1.0, top_k=0, typical_p=0.3)
    assert sample(np.tile(logits, (100, 1)), UNIFORMS[::10], config).min() > 0


def test_a_row_does_not_depend_on_the_others():
    config = GenerationConfig(0.9, top_k=20, min_p=0.05, typical_p=0.7)
    uniforms = np.random.default_rng(1).random(len(LOGITS))
    together = sample(LOGITS, uniforms, config)
    alone = [sample(LOGITS[i : i + 1], uniforms[i : i + 1], config)[0] for i in range(len(LOGITS))]
    assert together.tolist() == alone


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("settings", [{"min_p": 0.5}, {"typical_p": 0.5}, {"min_p": 0.5, "typical_p": 1e-9}])
def test_with_a_tiny_temperature_the_likeliest_is_left(settings):
    for temperature in (1e-300, 1e-3):
        config = GenerationConfig(temperature, top_k=0, **settings)
        assert sample(LOGITS, np.full(12, 0.999), config).tolist() == LOGITS.argmax(axis=1).tolist()


def test_neutral_settings_are_the_defaults():
    config = GenerationConfig()
    assert (config.min_p, config.typical_p) == (0, 1)
    uniforms = np.random.default_rng(2).random(len(LOGITS))
    ids = sample(LOGITS, uniforms, GenerationConfig(top_k=0))
    assert ids.tolist() == sample(LOGITS, uniforms, GenerationConfig(top_k=0, min_p=1e-12)).tolist()
