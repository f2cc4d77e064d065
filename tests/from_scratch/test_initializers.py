"""What each initializer promises of the arrays it makes."""

import numpy as np
import pytest

from poet_model.from_scratch import initializers
from poet_model.from_scratch.initializers import INITIALIZERS

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
