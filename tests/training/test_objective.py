"""The losses of a PoetModel, compared with their definitions and with torch's cross-entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_training import (
    RECORDS,
    a_batch,
    make_model,
    next_character_loss,
)

from poet_model import PoetModel, PoetTokenizer
from poet_model.corpus.batches import (
    IGNORE,
    Batch,
    HeaderRates,
    PoemBatches,
)
from poet_model.prosody.readings import readings
from poet_model.training.cross_entropy import CHUNK, LinearCrossEntropy
from poet_model.training.poem_objective import PoemObjective
from poet_model.training.rhyme_memory import RhymeMemory


def test_the_loss_is_cross_entropy_over_all_positions():
    model = make_model(dropout=0.0)
    batches = PoemBatches(RECORDS, model.tokenizer, batch_size=16, header=HeaderRates())
    for batch in batches.epoch(0):
        inputs, targets = map(torch.from_numpy, batch)
        logits, _ = model(inputs)
        expected = F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum"
        )
        assert (targets == IGNORE).any()
        torch.testing.assert_close(next_character_loss(model, batch), expected)


def without_targets(batch: Batch) -> Batch:
    return Batch(batch.inputs, np.full_like(batch.targets, IGNORE))


@pytest.mark.parametrize("sampled", [False, True])
def test_a_batch_without_targets_costs_nothing(sampled):
    """The loss is 0 for a batch without targets, and for a part of a batch without rows."""
    model = make_model()
    objective = PoemObjective(model, softmax_frequent=9, softmax_sampled=5)
    objective.samples_softmax = sampled
    for batch, part in ((without_targets(a_batch(model)), {}), (a_batch(model), {"part": 99, "parts": 100})):
        losses = objective(objective.prepare(batch, rng=np.random.default_rng(0), **part))
        assert losses.total == losses.named["loss"] == 0
        losses.total.backward()
    assert all(not parameter.grad.any() for parameter in model.parameters())


def sampled_loss(model: PoetModel, batch: Batch, frequent: int, drawn: int, seed: int = 5) -> torch.Tensor:
    objective = PoemObjective(model, softmax_frequent=frequent, softmax_sampled=drawn)
    objective.samples_softmax = True
    return objective(objective.prepare(batch, rng=np.random.default_rng(seed))).total


def test_the_sampled_softmax_is_what_its_definition_says():
    model, frequent, drawn = make_model(dropout=0.0), 9, 5
    vocabulary = len(model.tokenizer)
    batch = a_batch(model)
    loss = sampled_loss(model, batch, frequent, drawn, seed=5)
    order = np.random.default_rng(5).permutation(vocabulary - frequent)
    chosen = {frequent + int(place) for place in order[:drawn]}
    expected, counted = 0.0, 0
    logits = model(torch.from_numpy(batch.inputs))[0].tolist()
    for row, targets in zip(logits, batch.targets.tolist(), strict=True):
        for scores, target in zip(row, targets, strict=True):
            if target != IGNORE:
                weights = {i: 1.0 for i in range(frequent)}
                weights |= dict.fromkeys(chosen, (vocabulary - frequent) / drawn) | {target: 1.0}
                total = sum(weight * math.exp(scores[i]) for i, weight in weights.items())
                expected += math.log(total) - scores[target]
                counted += target >= frequent and target not in chosen
    assert counted > 10  # targets that are candidates only in their own rows
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_sampled_softmax_is_right_on_average():
    model = make_model(dropout=0.0)
    batch = a_batch(model)
    parameters = list(model.parameters())

    def gradient(loss: torch.Tensor) -> torch.Tensor:
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])

    exact = gradient(next_character_loss(model, batch))
    off = torch.stack([gradient(sampled_loss(model, batch, 9, 60, seed=seed)) - exact for seed in range(200)])
    noise = off.norm(dim=1).square().mean().sqrt()
    assert 0.1 * exact.norm() < noise < exact.norm()
    assert off.mean(dim=0).norm() < 1.3 * noise / len(off) ** 0.5 < 0.06 * exact.norm()


@pytest.mark.parametrize(("frequent", "drawn"), [(0, 10**6), (9, 10**6), (10**6, 5)])
def test_a_sample_of_everything_is_the_whole_softmax(frequent, drawn):
    model = make_model(dropout=0.0)
    batch = a_batch(model)
    assert torch.equal(sampled_loss(model, batch, frequent, drawn), next_character_loss(model, batch))


@pytest.mark.parametrize("rows", [0, 1, 2 * CHUNK + 7])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("sampled", [False, True])
def test_the_softmax_in_pieces_is_the_whole_one(rows, dtype, sampled):
    """The value and the gradients are those of torch's cross-entropy over all logits at once."""
    torch.manual_seed(3)
    hidden, weight, bias = torch.randn(rows, 8), torch.randn(23, 8), torch.randn(23)
    targets = torch.randint(23, (rows,))
    log_counts = torch.where(torch.arange(23) % 5 == 4, -torch.inf, torch.rand(23)) if sampled else None
    inputs = [tensor.to(dtype).requires_grad_() for tensor in (hidden, weight, bias)]
    loss = LinearCrossEntropy.apply(*inputs, targets, log_counts)
    (0.5 * loss).backward()
    copies = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    logits = F.linear(*copies).float()
    if sampled:
        own = logits.gather(1, targets[:, None])
        logits = (logits + log_counts).scatter(1, targets[:, None], own)
    expected = F.cross_entropy(logits, targets, reduction="sum")
    (0.5 * expected).backward()
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float64 else {"rtol": 0.02, "atol": 0.3}
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
    for tensor, copy in zip(inputs, copies, strict=True):
        assert tensor.grad.dtype == copy.grad.dtype == dtype
        torch.testing.assert_close(tensor.grad, copy.grad, **tolerance)


def rhyme_task(hidden_size: int = 7) -> tuple[RhymeMemory, PoetTokenizer]:
    torch.manual_seed(2)
    tokenizer = PoetTokenizer("，。山間中月")
    return RhymeMemory(hidden_size, tokenizer), tokenizer


def test_the_rhyme_memory_is_asked_for_any_group_of_the_last_sentence():
    task, tokenizer = rhyme_task()
    texts = ["山月，月間。中中，月月。山", "中中，月。中山，山，月。月", "月月月月月月月月月月月月月"]
    inputs = np.array([tokenizer.encode(text) for text in texts])
    targets = np.full_like(inputs, 7)
    targets[1, -1] = IGNORE
    hidden = torch.randn(*inputs.shape, 7)
    groups = {c: readings(c) for c in "山間中月"}
    assert {len(of) for of in groups.values()} == {1, 2}  # 間 has two readings
    columns = {name: i for i, name in enumerate(sorted({n for of in groups.values() for n in of}))}
    assert task.head.out_features == len(columns)
    expected, asked = 0.0, 0
    for row, text in enumerate(texts):
        word = ""
        for place, character in enumerate(text):
            word = text[place - 1] if character == "。" else word
            if word and targets[row, place] != IGNORE:
                probabilities = task.head(hidden[row, place]).softmax(0)
                expected -= sum(probabilities[columns[name]] for name in groups[word]).log().item()
                asked += 1
    assert asked == 8 + 8
    assert rhyme_loss(task, Batch(inputs, targets), hidden).item() == pytest.approx(expected, rel=1e-5)


def rhyme_loss(task: RhymeMemory, batch: Batch, hidden: torch.Tensor) -> torch.Tensor:
    places, words = map(torch.from_numpy, task.prepare(batch))
    return task(hidden.flatten(0, 1)[places], words)


def test_a_rhyme_memory_that_is_asked_nothing_costs_nothing():
    task, tokenizer = rhyme_task()
    hidden = torch.randn(1, 3, 7, requires_grad=True)
    for text in ("山月，", "。，。", "，。山"):  # no sentence has ended, or none with a character that rhymes
        loss = rhyme_loss(task, Batch(np.array([tokenizer.encode(text)]), np.full((1, 3), 7)), hidden)
        assert loss == 0
        loss.backward()
    no_stop = RhymeMemory(7, PoetTokenizer("ab"))
    assert rhyme_loss(no_stop, Batch(np.array([[5, 6, 5]]), np.full((1, 3), 5)), hidden) == 0
    # a process without rows uses a row in which nothing is scored
    batch = Batch(np.array([tokenizer.encode("山。月")]), np.full((1, 3), IGNORE))
    assert rhyme_loss(task, batch, hidden) == 0
