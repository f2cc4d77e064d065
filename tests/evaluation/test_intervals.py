"""Intervals in known cases: Wilson's by formula, the bootstrap by its coverage, Student's by table."""

from __future__ import annotations

import math

import numpy as np
import pytest

from poet_model.evaluation import intervals


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (5, 10, 0.23659, 0.76341), (1, 100, 0.00177, 0.05449)],
)
def test_wilson_by_its_formula_worked_by_hand(hits, n, low, high):
    assert intervals.wilson(hits, n) == pytest.approx((low, high), abs=2e-5)
    estimate = intervals.share([True] * hits + [False] * (n - hits))
    assert estimate == (hits / n, round(low, 5), round(high, 5), n)


def test_the_bootstrap_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        estimate = intervals.mean(rng.exponential(2.0, 80))
        covered += estimate.low <= 2.0 <= estimate.high
    assert 0.88 <= covered / 300 <= 0.98  # nominally 95 %, a little less for a skewed distribution


def test_the_bootstrap_of_a_mean_is_as_wide_as_the_normal_interval():
    values = np.random.default_rng(2).normal(10, 3, 400)
    estimate = intervals.mean(values)
    half = 1.96 * values.std() / math.sqrt(400)
    assert estimate.value == pytest.approx(values.mean(), abs=1e-5)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.08)


def test_a_ratio_is_of_sums_and_skips_what_counts_nothing():
    estimate = intervals.ratio([1, 0, 3, 5], [2, 4, 4, 0])
    assert estimate.value == 0.4 and estimate.n == 3
    assert 0 <= estimate.low <= 0.4 <= estimate.high <= 0.75
    assert intervals.ratio([1, 0, 3, 5], [2, 4, 4, 0]) == estimate  # deterministic
    powers = intervals.ratio([1, 0, 3], [2, 4, 4], np.exp)
    assert powers.value == pytest.approx(math.exp(0.4), abs=1e-5)
    assert powers.high == pytest.approx(math.exp(estimate.high), abs=1e-4)


def test_none_and_all_have_an_interval_too():
    assert intervals.ratio([0, 0, 0], [4, 4, 4]).high == 0  # the bootstrap has no width here
    none = intervals.part([0] * 10, [4] * 10)
    assert (none.value, none.low) == (0, 0) and none.high == pytest.approx(0.27753, abs=2e-5)
    every = intervals.part([4] * 10, [4] * 10)
    assert (every.value, every.high) == (1, 1) and every.low == pytest.approx(0.72247, abs=2e-5)
    assert intervals.part([1, 0, 0], [4, 4, 4]) == intervals.ratio([1, 0, 0], [4, 4, 4])


def test_groups_by_students_distribution():
    estimate = intervals.over_groups([0.1, 0.2, 0.3])
    half = 4.303 * 0.1 / math.sqrt(3)
    assert estimate == (0.2, 0.0, pytest.approx(0.2 + half, abs=1e-5), 3)  # cut at 0
    assert intervals.over_groups([0.5]) == (0.5, None, None, 1)
    many = intervals.over_groups([0.4, 0.6] * 40)
    assert many.high - 0.5 == pytest.approx(2.042 * np.std([0.4, 0.6] * 40, ddof=1) / math.sqrt(80), abs=1e-5)


def test_of_nothing_there_is_no_figure():
    assert intervals.share([]) is None and intervals.mean([]) is None
    assert intervals.part([], []) is None and intervals.over_groups([]) is None


def test_an_estimate_in_metrics_json_has_names():
    estimate = intervals.Estimate(0.5, 0.25, 0.75, 8)
    section = {"a": {"b": estimate, "c": None}, "n": 3, "word": "text"}
    whole = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8}
    assert intervals.as_json(section) == {"a": {"b": whole, "c": None}, "n": 3, "word": "text"}
