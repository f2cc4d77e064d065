"""A poem of a SteadyWriter is the same, bit for bit, in a batch of any size."""

from __future__ import annotations

import numpy as np
import pytest

from poet_model import load
from poet_model.bulk.steady import SteadyStepper, SteadyWriter, fewest_rows

RULES = [{}, {"form": "五絕", "tones": True, "rhyme": True}]


@pytest.mark.parametrize(
    "options", [{}, {"form": "五絕"}, {"form": "七絕", "best_of": 3, "mmi_lambda": 0.5}], ids=str
)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_poem_does_not_depend_on_its_batch(options, bulk_model, backend):
    """Free poems end at different times, so that the batch shrinks to one row."""
    writer = SteadyWriter(load(bulk_model, backend))
    expected = writer.generate("春", num_poems=40, seed=3, max_length=60, **options)
    for first, count in [(0, 1), (39, 1), (1, 2), (5, 3), (10, 17), (7, 33)]:
        poems = writer.generate("春", num_poems=count, seed=3 + first, max_length=60, **options)
        assert poems == expected[first : first + count]


@pytest.mark.parametrize("options", RULES, ids=["free", "rules"])
def test_the_shipped_model_gives_the_poems_of_generate(options):
    model = load(backend="numpy")
    writer = SteadyWriter(model)
    together = writer.generate(num_poems=6, seed=5, **options)
    assert writer.generate(seed=7, **options) == together[2]
    assert [poem.text for poem in together] == [model.generate(seed=5 + i, **options).text for i in range(6)]
    if options:  # no row leaves the batch before the end, so that `generate` never takes a step with one row
        assert model.generate(num_poems=2, seed=5, **options) == together[:2]


class Fragile:
    """A stepper whose logits are other numbers in batches of fewer than `rows` rows."""

    def __init__(self, rows: int):
        self.rows, self.seen = rows, []

    def read(self, ids, first=0):
        return np.zeros((len(ids) - first, 9), np.float32), np.zeros(1)

    def step(self, ids, state):
        self.seen.append(len(ids))
        is_few = len(ids) < self.rows
        return np.outer(ids + state, np.arange(9)).astype(np.float32) + 1e-3 * is_few, state + ids

    def select(self, state, rows):
        return state[list(rows)]


@pytest.mark.parametrize("rows", [1, 2, 3, 19, 32])
def test_the_fewest_rows_are_found_and_kept(rows):
    fragile = Fragile(rows)
    assert fewest_rows(fragile, 9) == rows
    fragile.seen.clear()
    steady, ids, state = SteadyStepper(fragile, rows), np.arange(40) % 9, np.arange(40.0)
    expected = fragile.step(ids, state)
    for count in (1, 2, 18, 19, 33):
        logits, after = steady.step(ids[:count], state[:count])
        assert np.array_equal(logits, expected[0][:count]) and np.array_equal(after, expected[1][:count])
    assert min(fragile.seen) >= rows
