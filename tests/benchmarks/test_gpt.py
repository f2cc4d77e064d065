"""The GPT of the benchmarks: its cache changes nothing, it sees no later token, and it has the right size."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from conftest import ROOT

sys.path.append(str(ROOT / "benchmarks"))
from gpt import GPT
from transformer import GPTConfig, rotated

from poet_model.config import PoetConfig


@pytest.fixture
def gpt(tokenizer):
    torch.manual_seed(0)
    model = GPT(GPTConfig(len(tokenizer), num_heads=2, inner_size=40, num_layers=2, dropout=0.5), tokenizer)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_((parameter + 0.1 * torch.randn_like(parameter)).half())
    return model.eval()


def ids_of(model, rows: int, length: int) -> torch.Tensor:
    return torch.randint(5, len(model.tokenizer), (rows, length), generator=torch.Generator().manual_seed(1))


def test_the_logits_are_the_same_with_and_without_the_cache(gpt):
    ids = ids_of(gpt, 3, 150)  # the cache has room for 64 tokens and must grow
    with torch.inference_mode():
        whole, _ = gpt(ids)
    stepper = gpt.stepper()
    first, state = stepper.read(ids[0, :7].tolist(), first=4)
    np.testing.assert_allclose(first, whole[0, 4:7], atol=1e-5)
    for place in range(7, 150):
        logits, state = stepper.step(ids[:1, place].numpy(), state)
        np.testing.assert_allclose(logits[0], whole[0, place], atol=1e-5)


def test_rows_may_be_chosen_and_a_state_may_be_continued_twice(gpt):
    ids, stepper = ids_of(gpt, 2, 12), gpt.stepper()
    with torch.inference_mode():
        whole, _ = gpt(ids)
    _, start = stepper.read(ids[0, :1].tolist())
    ids[:, 0] = ids[0, 0]  # both rows begin alike
    with torch.inference_mode():
        whole, _ = gpt(ids)
    state = stepper.select(start, [0, 0])
    for place in range(1, 12):
        stepper.step(ids[[1, 0], place].numpy(), state)  # another continuation, which must leave no trace
        logits, state = stepper.step(ids[:, place].numpy(), state)
        np.testing.assert_allclose(logits, whole[:, place], atol=1e-5)
        state = stepper.select(state, [1, 0])
        ids, whole = ids[[1, 0]], whole[[1, 0]]
    assert state.bytes_per_row == 2 * 2 * 64 * 12 * 4  # layers, keys and values, width, tokens, float32


def test_no_token_sees_a_later_one(gpt):
    ids = ids_of(gpt, 1, 20)
    with torch.inference_mode():
        before, _ = gpt(ids)
        ids[0, 10] = (ids[0, 10] + 1) % len(gpt.tokenizer)
        after, _ = gpt(ids)
    difference = (before - after).abs().amax(dim=2)[0]
    assert difference[:10].max() == 0
    assert difference[10:].min() > 0


def test_rotary_products_depend_on_the_distance_only():
    q, k = torch.randn(2, 32, dtype=torch.float64)
    angles = torch.arange(30)[:, None] * torch.rand(16, dtype=torch.float64)
    q, k = (rotated(x.expand(30, 32), angles.cos(), angles.sin()) for x in (q, k))
    assert torch.allclose(q[9] @ k[4], q[25] @ k[20])
    assert not torch.allclose(q[9] @ k[4], q[9] @ k[5])


@pytest.mark.parametrize("hidden_size", [128, 256, 512, 768])
def test_it_has_as_many_parameters_as_the_lstm(hidden_size):
    lstm = PoetConfig(vocab_size=7500, hidden_size=hidden_size, num_layers=2).num_parameters
    config = GPTConfig.of_size(7500, lstm)
    assert abs(config.num_parameters / lstm - 1) < 0.005
    assert 2 < config.inner_size / config.hidden_size < 6  # a usual shape


def test_it_is_as_large_as_its_configuration_says(gpt):
    assert sum(parameter.numel() for parameter in gpt.parameters()) == gpt.config.num_parameters


def test_a_poem_does_not_depend_on_its_batch(gpt):
    together = gpt.generate(num_poems=3, form="五絕", seed=4)
    assert [gpt.generate(form="五絕", seed=seed).text for seed in (4, 5, 6)] == [p.text for p in together]


def test_dropout_is_for_training_only(gpt):
    ids = ids_of(gpt, 1, 8)
    with torch.no_grad():
        assert torch.equal(gpt(ids)[0], gpt(ids)[0])
        gpt.train()
        assert not torch.equal(gpt(ids)[0], gpt(ids)[0])
