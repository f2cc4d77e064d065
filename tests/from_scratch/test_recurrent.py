"""rnn.py and lstm.py against torch: outputs, every gradient, padding, truncation; the fast layer too."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from poet_model.from_scratch import lstm, rnn
from poet_model.from_scratch.fast import FastLSTM
from poet_model.from_scratch.gradcheck import random_weights
from poet_model.from_scratch.rnn import Weights

BATCH, STEPS, INPUT, HIDDEN = 3, 7, 4, 5
NAMES = [f"{name}_l0" for name in Weights._fields]


def twin(module, w):
    """A torch layer of the same weights: copied by name, without a transpose."""
    layer = module(INPUT, HIDDEN, batch_first=True, dtype=torch.float64)
    layer.load_state_dict({name: torch.tensor(value) for name, value in zip(NAMES, w, strict=True)})
    return layer


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def leaf(array):
    return torch.tensor(array, requires_grad=True)


def assert_same(given, expected, atol=1e-12):
    np.testing.assert_allclose(given, expected.detach().numpy(), atol=atol, rtol=0)


def assert_same_gradients(grads, layer):
    for name, given in zip(NAMES, grads, strict=True):
        assert_same(given, getattr(layer, name).grad)


@pytest.mark.parametrize("lengths", [None, [7, 4, 1]])
def test_rnn_is_torchs(rng, lengths):
    w = random_weights(1, INPUT, HIDDEN, rng)
    x, h0 = rng.standard_normal((BATCH, STEPS, INPUT)), rng.standard_normal((BATCH, HIDDEN))
    d_states, dh_last = rng.standard_normal((BATCH, STEPS, HIDDEN)), rng.standard_normal((BATCH, HIDDEN))
    mask = None if lengths is None else (np.arange(STEPS) < np.array(lengths)[:, None]).astype(float)
    layer, their_x, their_h0 = twin(nn.RNN, w), leaf(x), leaf(h0[None])
    if lengths is None:
        expected, last = layer(their_x, their_h0)
    else:
        packed, last = layer(pack_padded_sequence(their_x, lengths, batch_first=True), their_h0)
        expected, _ = pad_packed_sequence(packed, batch_first=True)
        d_states *= mask[..., None]  # the loss does not see padding
    ((expected * torch.tensor(d_states)).sum() + (last[0] * torch.tensor(dh_last)).sum()).backward()

    states, h, caches = rnn.forward(x, h0, w, mask)
    assert_same(states if mask is None else states * mask[..., None], expected)
    assert_same(h, last[0])
    dx, dh0, grads = rnn.backward(d_states, dh_last, caches, w, mask)
    assert_same(dx, their_x.grad)
    assert_same(dh0, their_h0.grad[0])
    assert_same_gradients(grads, layer)


def lstm_case(rng, steps=STEPS):
    w = random_weights(4, INPUT, HIDDEN, rng)
    x, d_outputs = rng.standard_normal((BATCH, steps, INPUT)), rng.standard_normal((BATCH, steps, HIDDEN))
    return w, x, d_outputs, rng.standard_normal((4, BATCH, HIDDEN))


@pytest.mark.parametrize("lengths", [None, [7, 4, 1]])
def test_lstm_is_torchs(rng, lengths):
    w, x, d_outputs, (h0, c0, dh_last, dc_last) = lstm_case(rng)
    mask = None if lengths is None else (np.arange(STEPS) < np.array(lengths)[:, None]).astype(float)
    layer, their_x, their_h0, their_c0 = twin(nn.LSTM, w), leaf(x), leaf(h0[None]), leaf(c0[None])
    if lengths is None:
        expected, last = layer(their_x, (their_h0, their_c0))
    else:
        packed = pack_padded_sequence(their_x, lengths, batch_first=True)
        packed, last = layer(packed, (their_h0, their_c0))
        expected, _ = pad_packed_sequence(packed, batch_first=True)
        d_outputs *= mask[..., None]
    of_last = sum((part[0] * torch.tensor(d)).sum() for part, d in zip(last, (dh_last, dc_last), strict=True))
    ((expected * torch.tensor(d_outputs)).sum() + of_last).backward()

    outputs, (h, c), caches = lstm.forward(x, h0, c0, w, mask)
    assert_same(outputs if mask is None else outputs * mask[..., None], expected)
    assert_same(h, last[0][0])
    assert_same(c, last[1][0])
    dx, (dh0, dc0), grads = lstm.backward(d_outputs, (dh_last, dc_last), caches, w, mask)
    assert_same(dx, their_x.grad)
    assert_same(dh0, their_h0.grad[0])
    assert_same(dc0, their_c0.grad[0])
    assert_same_gradients(grads, layer)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_fast_lstm_gives_the_numbers_of_the_plain_one_call_after_call(rng, dtype):
    layer = FastLSTM()
    tolerance = {"atol": 1e-12} if dtype == np.float64 else {"atol": 1e-5, "rtol": 1e-5}
    for steps in (STEPS, 3, STEPS):  # its buffers are used again
        w, x, d_outputs, ends = lstm_case(rng, steps)
        w = Weights(*(part.astype(dtype) for part in w))
        x, d_outputs, (h0, c0, dh_last, dc_last) = (part.astype(dtype) for part in (x, d_outputs, ends))
        outputs, last, caches = lstm.forward(x, h0, c0, w)
        dx, d_first, grads = lstm.backward(d_outputs, (dh_last, dc_last), caches, w)
        fast, fast_last = layer.forward(x.transpose(1, 0, 2), h0, c0, w)
        np.testing.assert_allclose(fast.transpose(1, 0, 2), outputs, **tolerance)
        np.testing.assert_allclose(fast_last, last, **tolerance)
        fast_dx, fast_first, fast_grads = layer.backward(d_outputs.transpose(1, 0, 2), (dh_last, dc_last))
        np.testing.assert_allclose(fast_dx.transpose(1, 0, 2), dx, **tolerance)
        np.testing.assert_allclose(fast_first, d_first, **tolerance)
        for given, plain in zip(fast_grads, grads, strict=True):
            np.testing.assert_allclose(given, plain, **tolerance)
            assert given.dtype == dtype


def test_fast_gradients_are_torchs_to_1e_5_in_float32(rng):
    w, x, d_outputs, (h0, c0, _, _) = lstm_case(rng)
    layer = twin(nn.LSTM, w).float()
    their_x = torch.tensor(x, dtype=torch.float32, requires_grad=True)
    start = tuple(torch.tensor(part[None], dtype=torch.float32) for part in (h0, c0))
    (layer(their_x, start)[0] * torch.tensor(d_outputs, dtype=torch.float32)).sum().backward()
    ours = FastLSTM()
    x, d_outputs, h0, c0 = (part.astype(np.float32) for part in (x, d_outputs, h0, c0))
    ours.forward(x.transpose(1, 0, 2), h0, c0, Weights(*(part.astype(np.float32) for part in w)))
    dx, _, grads = ours.backward(d_outputs.transpose(1, 0, 2))
    pairs = [(dx.transpose(1, 0, 2), their_x.grad)]
    pairs += [(given, getattr(layer, name).grad) for name, given in zip(NAMES, grads, strict=True)]
    for given, expected in pairs:
        expected = expected.numpy()
        assert np.linalg.norm(given - expected) <= 1e-5 * np.linalg.norm(expected)


def truncated_by_torch(module, w, x, d_outputs, start, truncate):
    """Each output's gradient alone, through a sequence that is cut off `truncate` steps before it."""
    layer = twin(module, w)
    their_x = leaf(x)
    with torch.no_grad():
        states = [tuple(torch.tensor(part[None]) for part in start)]
        for t in range(x.shape[1]):
            state = states[-1] if module is nn.LSTM else states[-1][0]
            after = layer(their_x[:, t : t + 1], state)[1]
            states.append(after if module is nn.LSTM else (after,))
    for t in range(x.shape[1]):
        first = max(0, t - truncate + 1)
        state = states[first] if module is nn.LSTM else states[first][0]
        outputs, _ = layer(their_x[:, first : t + 1], state)
        (outputs[:, -1] * torch.tensor(d_outputs[:, t])).sum().backward()
    return layer, their_x.grad


@pytest.mark.parametrize("truncate", [1, 3, STEPS, STEPS + 5])
def test_truncated_bptt_cuts_each_outputs_gradient_off(rng, truncate):
    w, x, d_outputs, (h0, c0, _, _) = lstm_case(rng)
    zeros = np.zeros_like(h0)
    layer, expected_dx = truncated_by_torch(nn.LSTM, w, x, d_outputs, (h0, c0), truncate)
    caches = lstm.forward(x, h0, c0, w)[2]
    dx, d_first, grads = lstm.backward(d_outputs, (zeros, zeros), caches, w, truncate=truncate)
    assert_same(dx, expected_dx)
    assert_same_gradients(grads, layer)
    if truncate >= STEPS:
        np.testing.assert_allclose(d_first, lstm.backward(d_outputs, (zeros, zeros), caches, w)[1])

    w = random_weights(1, INPUT, HIDDEN, rng)
    layer, expected_dx = truncated_by_torch(nn.RNN, w, x, d_outputs, (h0,), truncate)
    caches = rnn.forward(x, h0, w)[2]
    dx, dh0, grads = rnn.backward(d_outputs, zeros, caches, w, truncate=truncate)
    assert_same(dx, expected_dx)
    assert_same_gradients(grads, layer)
    if truncate >= STEPS:
        np.testing.assert_allclose(dh0, rnn.backward(d_outputs, zeros, caches, w)[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": (3, 7, 9)}, r"weight_ih has shape \(20, 4\), expected \(20, 9\)"),
        ({"h0": (2, 5)}, r"h0 has shape \(2, 5\), expected \(3, 5\)"),
        ({"c0": (3, 6)}, r"c0 has shape \(3, 6\), expected \(3, 5\)"),
        ({"bias_hh": (5,)}, r"bias_hh has shape \(5,\), expected \(20,\)"),
        ({"weight_ih": (5, 4)}, r"weight_ih has shape \(5, 4\), expected \(20, 4\)"),
    ],
)
def test_wrong_shapes_are_named_with_the_expected_ones(rng, change, message):
    w, x, _, (h0, c0, _, _) = lstm_case(rng)
    given = {"x": x, "h0": h0, "c0": c0, **w._asdict()} | {
        name: np.zeros(size) for name, size in change.items()
    }
    weights = Weights(*(given[name] for name in Weights._fields))
    with pytest.raises(ValueError, match=message):
        lstm.forward(given["x"], given["h0"], given["c0"], weights)
    with pytest.raises(ValueError, match=message):
        FastLSTM().forward(given["x"].transpose(1, 0, 2), given["h0"], given["c0"], weights)


@pytest.mark.parametrize("truncate", [0, -3])
def test_truncation_to_no_step_is_refused(rng, truncate):
    w, x, d_outputs, (h0, c0, _, _) = lstm_case(rng)
    caches = lstm.forward(x, h0, c0, w)[2]
    with pytest.raises(ValueError, match=f"truncate must be 1 or more, got {truncate}"):
        lstm.backward(d_outputs, (h0, c0), caches, w, truncate=truncate)
