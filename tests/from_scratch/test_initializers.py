"""What each initializer promises of the arrays it makes."""

import numpy as np
import pytest
from conftest import POEMS

from poet_model.from_scratch import initializers
from poet_model.from_scratch.char_lm import CharLM, CharLMConfig
from poet_model.from_scratch.data import batches, encode
from poet_model.from_scratch.initializers import INITIALIZERS
from poet_model.from_scratch.optimizers import Adam
from poet_model.from_scratch.vocabulary import Vocabulary

SHAPE = (400, 100)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_float32_and_the_same_for_the_same_seed(name):
    arrays = [INITIALIZERS[name](SHAPE, np.random.default_rng(3)) for _ in range(2)]
    assert arrays[0].dtype == np.float32
    assert arrays[0].shape == SHAPE
    assert np.array_equal(*arrays)


@pytest.mark.parametrize(
    ("name", "bound", "std"),
    [("uniform", 0.1, 0.1 / 3**0.5), ("xavier", (6 / 500) ** 0.5, (2 / 500) ** 0.5), ("normal", None, 0.02)],
)
def test_spread(name, bound, std):
    array = INITIALIZERS[name](SHAPE, np.random.default_rng(0))
    assert array.std() == pytest.approx(std, rel=0.02)
    if bound is not None:
        assert 0.99 * bound < np.abs(array).max() <= np.float32(bound)


def test_zeros():
    assert not initializers.zeros(SHAPE, np.random.default_rng(0)).any()


def test_orthogonal_blocks_keep_every_length():
    for block in np.split(initializers.orthogonal(SHAPE, np.random.default_rng(0)), 4):
        np.testing.assert_allclose(block @ block.T, np.eye(100), atol=1e-5)


def trained(change, steps=20):
    """A model of 6 units after steps of Adam from weights that `change` has set; its first gradients."""
    vocabulary = Vocabulary.from_texts(POEMS)
    model = CharLM(CharLMConfig(len(vocabulary), 6, 6), vocabulary, seed=0)
    model.parameters = {name: value.astype(float) for name, value in model.parameters.items()}
    change(model.parameters)
    batch, first = next(batches(encode(model, POEMS, 99), 4, 1)), None
    optimizer = Adam(model.parameters, 0.01)
    for _ in range(steps):
        _, grads, _ = model.loss_and_gradients(*batch)
        first = first or {name: value.copy() for name, value in grads.items()}
        optimizer.step(grads)
    return model.parameters, first


def test_zero_weights_let_nothing_but_the_output_bias_learn():
    after, first = trained(lambda p: [value.fill(0) for value in p.values()])
    assert {name for name, value in first.items() if value.any()} == {"bias"}
    assert {name for name, value in after.items() if value.any()} == {"bias"}


def test_equal_weights_keep_all_units_of_a_layer_equal():
    def equal(parameters):
        for name, value in parameters.items():
            if name != "embedding.weight":
                value.fill(0.1)

    after, _ = trained(equal)
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"):
        value = after[f"lstm.layers.0.{name}"]
        gates = value.reshape(4, 6, -1)
        assert not np.allclose(value, 0.1)  # they learn …
        np.testing.assert_allclose(gates, gates[:, :1].repeat(6, axis=1), atol=1e-6)  # … as one


def test_zero_biases_alone_do_no_harm():
    after, first = trained(lambda p: None)  # weights at random, biases 0
    assert all(np.abs(first[name]).max() > 0 for name in first)
    gates = after["lstm.layers.0.weight_ih_l0"].reshape(4, 6, -1)
    assert gates.std(axis=1).min() > 0.01
