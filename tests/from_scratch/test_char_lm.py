"""The NumPy language model: the plain layers, the fast ones and torch agree."""

import math

import numpy as np
import pytest
import torch
from char_lm_models import CONFIGS, batch, make_model
from conftest import POEMS, SETTINGS_OF_THE_COURSE, SHIPPED

from poet_model.from_scratch import gradcheck
from poet_model.from_scratch.char_lm import CharLM
from poet_model.from_scratch.data import batches, encode
from poet_model.from_scratch.training import evaluate
from poet_model.from_scratch.vocabulary import BOS, EOS, PAD, UNK
from poet_model.from_scratch.writing import generate


@pytest.mark.parametrize("settings", CONFIGS)
def test_the_whole_models_gradients_pass_the_check(settings):
    model = make_model(np.float64, **settings)
    ids, targets, mask = batch(model, ["春眠不覺曉", "白日", "花"])
    _, grads, _ = model.loss_and_gradients(ids, targets, mask)
    errors = gradcheck.check(lambda: model.loss_and_gradients(ids, targets, mask)[0], model.parameters, grads)
    assert max(errors.values()) < gradcheck.TOLERANCE, errors


@pytest.mark.parametrize("settings", CONFIGS)
def test_the_fast_way_gives_the_numbers_of_the_plain_one(settings):
    model = make_model(np.float64, **settings)
    for poems in (POEMS, POEMS[:2]):
        ids, targets, mask = batch(model, poems)
        loss, grads, _ = model.loss_and_gradients(ids, targets, mask)
        fast_loss, fast_grads, _ = model.fast_loss_and_gradients(ids, targets, mask)
        assert fast_loss == pytest.approx(loss, abs=1e-12)
        assert fast_grads.keys() == grads.keys() == model.parameters.keys()
        for name, gradient in grads.items():
            np.testing.assert_allclose(fast_grads[name], gradient, atol=1e-12)


def test_state_carries_the_sequence_on():
    for settings in CONFIGS:
        model = make_model(np.float64, **settings)
        ids, targets, _ = batch(model, POEMS[:1])
        whole, state = model.forward(ids)
        first, middle = model.forward(ids[:, :9])
        second, end = model.forward(ids[:, 9:], middle)
        np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-12)
        np.testing.assert_allclose(end, state, atol=1e-12)
        after = model.fast_loss_and_gradients(ids[:, 9:], targets[:, 9:], state=middle)[2]
        np.testing.assert_allclose(after, state, atol=1e-12)


def test_padding_changes_neither_loss_nor_gradients():
    model = make_model(np.float64, **CONFIGS[0])
    ids, targets, mask = batch(model, [POEMS[0]])
    loss, grads, _ = model.loss_and_gradients(ids, targets, mask)
    wider = [np.pad(part, ((0, 0), (0, 5)), constant_values=PAD) for part in (ids, targets, mask)]
    for way in (model.loss_and_gradients, model.fast_loss_and_gradients):
        padded_loss, padded, _ = way(*wider)
        assert padded_loss == pytest.approx(loss, abs=1e-12)
        for name, gradient in grads.items():
            np.testing.assert_allclose(padded[name], gradient, atol=1e-12)


def test_batches_score_the_poem_and_its_end_and_nothing_else():
    model = make_model(header=True)
    rows = encode(model, ["春眠不覺曉", "白日", "花開花落"], 4)
    assert rows[1] == [*model.prompt, *model.vocabulary.encode("白日"), EOS]
    assert rows[0][-1] != EOS  # cut: it has not ended
    ids, targets, mask = next(batches(rows, 3, len(model.prompt)))
    assert ids[:, 0].tolist() == [BOS] * 3
    assert mask.sum(axis=1).tolist() == [4, 3, 5]
    scored = [targets[row][mask[row] == 1].tolist() for row in range(3)]
    assert scored == [row[len(model.prompt) :] for row in rows]
    assert (ids[1, 7:] == PAD).all()
    assert UNK in rows[2]
    seen = np.concatenate([part[0][:, 4] for part in batches(rows, 2, 4, np.random.default_rng(0))])
    assert sorted(seen) == sorted(row[4] for row in rows)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_perplexity_is_that_of_all_tokens_however_batched(batch_size):
    model = make_model(np.float64, **CONFIGS[0])
    expected, _, _ = model.loss_and_gradients(*batch(model))
    found = evaluate(model, POEMS, batch_size=batch_size)
    assert found["loss"] == pytest.approx(expected)
    assert found["perplexity"] == pytest.approx(math.exp(expected))
    assert found["tokens"] == sum(map(len, POEMS)) + len(POEMS)


@pytest.fixture(scope="module")
def torch_model():
    from poet_model import PoetModel

    return PoetModel.from_pretrained(SHIPPED)


@pytest.mark.parametrize("poem", POEMS)
def test_the_shipped_model_has_the_probabilities_of_the_torch_half(shipped, torch_model, poem):
    ids = torch_model.tokenizer.encode_poem(poem)
    with torch.inference_mode():
        expected = torch_model(torch.tensor([ids]))[0].log_softmax(dim=-1)[0, 3:-2]
    expected = expected.gather(1, torch.tensor(ids[4:-1])[:, None])[:, 0]
    np.testing.assert_allclose(shipped.log_probs(poem), expected, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0},
        {"temperature": 1.3, "top_k": 0},
        {"top_k": 5},
        {"max_length": 20},
        {"frequency_penalty": 0},
        {"frequency_penalty": 5.0},
    ],
)
def test_the_same_seed_writes_the_poem_of_the_torch_half(shipped, torch_model, options):
    for start, seed in (("春", 7), ("明月", 8), ("", 9)):
        expected = torch_model.generate(start, seed=seed, **SETTINGS_OF_THE_COURSE | options)
        poem = generate(shipped, start, seed=seed, **options)
        assert poem.text == expected.text
        assert poem.log_probs == pytest.approx(expected.log_probs, abs=1e-4)


@pytest.mark.parametrize("cell", ["handwritten_lstm", "handwritten_rnn"])
def test_a_model_with_hand_written_cells_is_read_too(tokenizer, tmp_path, cell):
    from poet_model import PoetConfig, PoetModel

    other = PoetModel(PoetConfig(len(tokenizer), hidden_size=16, num_layers=2, cell=cell), tokenizer)
    other.save_pretrained(tmp_path / "model", dtype=torch.float32)
    model = CharLM.from_pretrained(tmp_path / "model")
    ids = torch.tensor([other.tokenizer.encode_poem(POEMS[0])])
    expected = other.eval()(ids)[0].log_softmax(dim=-1)[0, 3:-2].gather(1, ids[0, 4:-1, None])[:, 0]
    np.testing.assert_allclose(model.log_probs(POEMS[0]), expected.detach(), atol=1e-5)
    assert generate(model, seed=3).text == other.generate(seed=3, **SETTINGS_OF_THE_COURSE).text
