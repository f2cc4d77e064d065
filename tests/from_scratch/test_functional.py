"""Every forward and backward against torch's autograd; the fast output layer against the plain one."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from poet_model.from_scratch import fast, functional

RNG = np.random.default_rng(0)


def leaf(array):
    return torch.tensor(array, requires_grad=True)


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_gates_and_their_derivatives_are_torchs(name):
    x, dy = RNG.standard_normal((3, 5)) * 4, RNG.standard_normal((3, 5))
    theirs = leaf(x)
    expected = getattr(torch, name)(theirs)
    expected.backward(torch.tensor(dy))
    y = getattr(functional, name)(x)
    np.testing.assert_allclose(y, expected.detach(), atol=1e-12)
    np.testing.assert_allclose(getattr(functional, f"{name}_backward")(dy, y), theirs.grad, atol=1e-12)


def test_sigmoid_of_huge_numbers_is_0_and_1_without_a_warning():
    with np.errstate(all="raise"):
        assert functional.sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]


def test_affine_is_the_linear_layer():
    x, weight, bias = RNG.standard_normal((2, 3, 4)), RNG.standard_normal((5, 4)), RNG.standard_normal(5)
    dy = RNG.standard_normal((2, 3, 5))
    leaves = leaf(x), leaf(weight), leaf(bias)
    expected = F.linear(*leaves)
    expected.backward(torch.tensor(dy))
    np.testing.assert_allclose(functional.affine(x, weight, bias), expected.detach(), atol=1e-12)
    for given, theirs in zip(functional.affine_backward(dy, x, weight), leaves, strict=True):
        np.testing.assert_allclose(given, theirs.grad, atol=1e-12)


@pytest.mark.parametrize("ids", [[[0, 3, 3], [6, 0, 3]], [[2]], [[6, 5, 4, 3, 2, 1, 0]]])
def test_embedding_gradient_sums_over_the_places_of_an_id(ids):
    ids, table = np.array(ids), RNG.standard_normal((7, 4))
    dy = RNG.standard_normal((*ids.shape, 4))
    theirs = leaf(table)
    F.embedding(torch.tensor(ids), theirs).backward(torch.tensor(dy))
    np.testing.assert_allclose(functional.embedding_backward(dy, ids, 7), theirs.grad, atol=1e-12)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 3.0])
def test_softmax_with_temperature(temperature):
    logits = RNG.standard_normal((3, 5)) * 50
    expected = torch.softmax(torch.tensor(logits) / temperature, dim=-1)
    np.testing.assert_allclose(functional.softmax(logits, temperature), expected, atol=1e-12)


MASKS = [None, [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]]


@pytest.mark.parametrize("mask", MASKS)
def test_cross_entropy_is_torchs_and_padding_does_not_count(mask):
    logits, targets = RNG.standard_normal((3, 4, 6)), RNG.integers(0, 6, (3, 4))
    theirs = leaf(logits)
    expected_targets = torch.tensor(targets)
    if mask is not None:
        mask = np.array(mask)
        expected_targets = expected_targets.masked_fill(torch.tensor(mask) == 0, -100)
    expected = F.cross_entropy(theirs.flatten(0, 1), expected_targets.flatten(), ignore_index=-100)
    expected.backward()
    loss, cache = functional.cross_entropy(logits, targets, mask)
    assert loss == pytest.approx(expected.item(), abs=1e-12)
    np.testing.assert_allclose(functional.cross_entropy_backward(cache), theirs.grad, atol=1e-12)


def test_cross_entropy_of_an_impossible_target_is_finite_in_float32():
    loss, _ = functional.cross_entropy(np.array([[0.0, 300.0]], np.float32), np.array([0]))
    assert loss == pytest.approx(300)


@pytest.mark.parametrize("mask", [None, [1, 1, 0, 1, 0, 1, 1]])
@pytest.mark.parametrize("rows", [1, 3, 7, 512])
def test_the_fast_output_layer_gives_the_numbers_of_the_plain_one(mask, rows):
    hidden, weight, bias = RNG.standard_normal((7, 4)), RNG.standard_normal((9, 4)), RNG.standard_normal(9)
    targets = RNG.integers(0, 9, 7)
    mask = None if mask is None else np.array(mask)
    loss, cache = functional.cross_entropy(functional.affine(hidden, weight, bias), targets, mask)
    expected = functional.affine_backward(functional.cross_entropy_backward(cache), hidden, weight)
    fast_loss, *fast_gradients = fast.fast_output_loss(hidden, weight, bias, targets, mask, rows=rows)
    assert fast_loss == pytest.approx(loss, abs=1e-12)
    for given, plain in zip(fast_gradients, expected, strict=True):
        np.testing.assert_allclose(given, plain, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 3, 512])
def test_nats_of_each_target_without_gradients(rows):
    hidden, weight, bias = RNG.standard_normal((7, 4)), RNG.standard_normal((9, 4)), RNG.standard_normal(9)
    targets = RNG.integers(0, 9, 7)
    expected = F.cross_entropy(
        torch.tensor(hidden @ weight.T + bias), torch.tensor(targets), reduction="none"
    )
    np.testing.assert_allclose(fast.output_nats(hidden, weight, bias, targets, rows), expected)


def test_perplexity_is_e_to_the_nats():
    assert functional.perplexity(math.log(88)) == pytest.approx(88)


IDS, TABLE = np.array([[0, 1]]), np.zeros((3, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: functional.embedding(np.array([3]), TABLE), "id 3 is out of range: there are 3 ids"),
        (lambda: functional.embedding(np.array([-1]), TABLE), "id -1 is out of range"),
        (lambda: functional.embedding(np.array([0.0]), TABLE), "ids must be whole numbers, got float64"),
        (lambda: functional.embedding(IDS[:0], TABLE), r"the batch is empty: ids have shape \(0, 2\)"),
        (
            lambda: functional.affine(np.zeros((2, 3)), TABLE, np.zeros(3)),
            r"has shape \(3,\), expected \(2,\)",
        ),
        (lambda: functional.affine(np.zeros((2, 2)), TABLE, np.zeros(2)), r"bias has shape \(2,\)"),
        (lambda: functional.cross_entropy(np.zeros((1, 2, 3)), np.array([[0, 3]])), "target 3 is out of"),
        (lambda: functional.cross_entropy(np.zeros((1, 2, 3)), IDS.T), r"targets has shape \(2, 1\)"),
        (lambda: functional.cross_entropy(np.zeros((1, 2, 3)), IDS, IDS * 0), "no target counts"),
        (
            lambda: fast.fast_output_loss(np.zeros((1, 2)), TABLE, np.zeros(3), np.array([3])),
            "target 3",
        ),
        (lambda: functional.softmax(np.zeros(3), 0), "temperature must be above 0, got 0"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
