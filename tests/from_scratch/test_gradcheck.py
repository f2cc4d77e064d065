"""The check itself: it passes what is right, and fails every well-known mistake (docs/derivation.md)."""

import numpy as np
import pytest

from poet_model.from_scratch import functional, gradcheck, optimizers, rnn
from poet_model.from_scratch.gradcheck import CHECKS, TOLERANCE, check, random_weights, relative_error
from poet_model.from_scratch.rnn import Weights

FAILS = 1e-3  # a wrong formula is off by far more than rounding


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_hand_written_backward_is_right(name, seed):
    errors = CHECKS[name](np.random.default_rng(seed))
    assert max(errors.values()) < TOLERANCE, errors


def test_the_command_says_so_and_fails_when_one_is_wrong(capsys):
    assert gradcheck.main({"RNN": CHECKS["RNN"]}) == 0
    assert "every gradient is right" in capsys.readouterr().out
    assert gradcheck.main({"wrong": lambda rng: {"x": 0.5}}) == 1
    assert "A GRADIENT IS WRONG" in capsys.readouterr().out


def test_relative_error():
    one = np.array([3.0, 4.0])
    assert relative_error(one, one) == 0
    assert relative_error(one, -one) == 1
    assert relative_error(one, np.zeros(2)) == 1
    assert relative_error(np.zeros(2), np.zeros(2)) == 0


def test_float32_is_refused():
    with pytest.raises(ValueError, match="need float64, got float32"):
        gradcheck.numerical_gradient(lambda: 0.0, np.zeros(2, np.float32))


def lstm_errors(step_backward):
    """The errors when a wrong step stands in for the right one."""
    return gradcheck.check_lstm(np.random.default_rng(0), step_backward=step_backward)


def wrong_lstm_step(dh, dc, cache, w, *, bias_of_forget=False, dc_after=False):
    """`lstm.step_backward`, with one of two mistakes."""
    x, h_before, c_before, i, f, g, o, tanh_c = cache
    through_h = dh * o * (1 - tanh_c**2)
    d_cell = through_h if dc_after else dc + through_h
    do, df, di, dg = dh * tanh_c, d_cell * c_before, d_cell * g, d_cell * i
    parts = [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)]
    da = np.concatenate(parts, axis=1)
    db = np.concatenate([parts[1], parts[1], parts[2], parts[1]], axis=1) if bias_of_forget else da
    db = db.sum(axis=0)
    d_cell = d_cell + dc if dc_after else d_cell
    return da @ w.weight_ih, da @ w.weight_hh, d_cell * f, Weights(da.T @ x, da.T @ h_before, db, db)


def test_the_stand_in_without_a_mistake_passes():
    assert max(lstm_errors(wrong_lstm_step).values()) < TOLERANCE


def test_mistake_forget_gates_bias_gradient_for_input_and_output_gates():
    errors = lstm_errors(lambda *a: wrong_lstm_step(*a, bias_of_forget=True))
    biases = errors.pop("bias_ih"), errors.pop("bias_hh")
    assert min(biases) > FAILS
    assert max(errors.values()) < TOLERANCE  # only a check of every parameter finds it


def test_mistake_incoming_dc_added_after_the_gates_have_used_it():
    errors = lstm_errors(lambda *a: wrong_lstm_step(*a, dc_after=True))
    assert errors["weight_ih"] > FAILS


def rnn_case():
    rng = np.random.default_rng(0)
    w = random_weights(1, 4, 5, rng)
    x, h0 = rng.standard_normal((3, 6, 4)), rng.standard_normal((3, 5))
    return w, x, h0, rng.standard_normal((3, 6, 5))


def rnn_errors(gradients, forward=rnn.forward):
    """Errors of what `gradients(w, x, h0, d_states)` computes, for a loss of all states."""
    w, x, h0, d_states = rnn_case()

    def loss():
        return float((forward(x, h0, w)[0] * d_states).sum())

    return check(loss, w._asdict(), gradients(w, x, h0, d_states)._asdict())


def right_rnn_gradients(w, x, h0, d_states):
    return rnn.backward(d_states, np.zeros_like(h0), rnn.forward(x, h0, w)[2], w)[2]


def test_mistake_input_weight_gradient_of_the_last_step_only():
    def gradients(w, x, h0, d_states):
        right = right_rnn_gradients(w, x, h0, d_states)
        states, _, caches = rnn.forward(x, h0, w)
        last = (d_states[:, -1] * (1 - states[:, -1] ** 2)).T @ caches[-1].x
        return right._replace(weight_ih=last)

    errors = rnn_errors(gradients)
    assert errors["weight_ih"] > FAILS
    assert errors["weight_hh"] < TOLERANCE


def through_time(w, x, h0, d_states, *, outer_state=False):
    """BPTT with two loops, as course work has it: for each t, back over all k ≤ t."""
    states, _, caches = rnn.forward(x, h0, w)
    grads = w.zeros()
    for t in range(x.shape[1]):
        delta = d_states[:, t] * (1 - states[:, t] ** 2)
        for k in range(t, -1, -1):
            db = delta.sum(axis=0)
            grads.add(Weights(delta.T @ x[:, k], delta.T @ caches[k].h_before, db, db))
            h = states[:, t] if outer_state else caches[k].h_before
            delta = (delta @ w.weight_hh) * (1 - h**2)
    return grads


def directly(w, x, h0, d_states):
    """dL/dθ by the recursion for dh/dθ, equation (4) of the derivation: forward in time."""
    h, grads = h0, w.zeros()
    names = [(name, place) for name, value in w._asdict().items() for place in np.ndindex(value.shape)]
    dh = {key: np.zeros_like(h0) for key in names}
    for t in range(x.shape[1]):
        before, h = h, rnn.step_forward(x[:, t], h, w)[0]
        inputs = {"weight_ih": x[:, t], "weight_hh": before}
        for name, place in names:
            dz = dh[name, place] @ w.weight_hh.T
            dz[:, place[0]] += inputs[name][:, place[1]] if name in inputs else 1
            dh[name, place] = dz * (1 - h**2)
            getattr(grads, name)[place] += (d_states[:, t] * dh[name, place]).sum()
    return grads


def test_the_three_ways_to_the_rnns_gradient_are_the_same():
    """The recursion back, the sum over pairs t, k, the recursion forward: docs/derivation.md proves it."""
    case = rnn_case()
    for back, pairs, forward in zip(
        right_rnn_gradients(*case), through_time(*case), directly(*case), strict=True
    ):
        np.testing.assert_allclose(pairs, back, atol=1e-12)
        np.testing.assert_allclose(forward, back, atol=1e-12)


def test_mistake_the_loop_back_uses_the_state_of_the_outer_step():
    assert max(rnn_errors(through_time).values()) < TOLERANCE
    errors = rnn_errors(lambda *case: through_time(*case, outer_state=True))
    assert min(errors.values()) > FAILS
    w, x, h0, d_states = rnn_case()
    one_step = w, x[:, :1], h0, d_states[:, :1]  # too short to find it
    for wrong, right in zip(
        through_time(*one_step, outer_state=True), right_rnn_gradients(*one_step), strict=True
    ):
        np.testing.assert_allclose(wrong, right, atol=1e-12)


def test_mistake_no_tanh_in_the_forward_but_its_derivative_in_the_backward():
    def linear_forward(x, h0, w):
        h, states = h0, []
        for t in range(x.shape[1]):
            h = x[:, t] @ w.weight_ih.T + w.bias_ih + h @ w.weight_hh.T + w.bias_hh
            states.append(h)
        return np.stack(states, axis=1), h, None

    def gradients(w, x, h0, d_states):
        states = linear_forward(x, h0, w)[0]
        before = np.concatenate([h0[:, None], states[:, :-1]], axis=1)
        caches = [rnn.StepCache(x[:, t], before[:, t], states[:, t]) for t in range(x.shape[1])]
        return rnn.backward(d_states, np.zeros_like(h0), caches, w)[2]

    assert min(rnn_errors(gradients, linear_forward).values()) > FAILS


def test_mistake_adamax_keeps_the_corrected_moment():
    class WrongAdamax(optimizers.Adamax):
        def update(self, p, g, m, u):
            m *= self.beta1
            m += (1 - self.beta1) * g
            m /= 1 - self.beta1**self.steps  # stored: the next step begins from it
            np.maximum(self.beta2 * u, np.abs(g) + self.eps, out=u)
            p -= self.learning_rate * m / u

    def path(kind):
        parameters, rng, places = {"p": np.zeros(3)}, np.random.default_rng(0), []
        optimizer = kind(parameters)
        for _ in range(5):
            optimizer.step({"p": rng.standard_normal(3)})
            places.append(parameters["p"].copy())
        return places

    first, *later = zip(path(WrongAdamax), path(optimizers.Adamax), strict=True)
    np.testing.assert_allclose(*first, atol=1e-12)  # a single step does not find it
    for wrong, right in later:  # test_optimizers holds the right one to torch's
        assert relative_error(wrong, right) > FAILS


def test_mistake_perplexity_as_2_to_the_nats():
    logits, targets = np.zeros((1, 5, 100)), np.zeros((1, 5), int)
    loss, _ = functional.cross_entropy(logits, targets)  # a model that knows nothing of 100 characters
    assert functional.perplexity(loss) == pytest.approx(100)
    assert 2**loss < 25  # what the wrong base would claim


def test_mistake_loss_averaged_over_padding():
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((2, 8, 50)), rng.integers(0, 50, (2, 8))
    mask = (np.arange(8) < np.array([[8], [2]])).astype(float)
    loss, cache = functional.cross_entropy(logits, targets, mask)
    alone = [
        functional.cross_entropy(logits[row : row + 1, :length], targets[row : row + 1, :length])[0]
        for row, length in ((0, 8), (1, 2))
    ]
    assert loss == pytest.approx((8 * alone[0] + 2 * alone[1]) / 10)

    flattered = loss * mask.sum() / mask.size  # the same nats over 16 places instead of 10
    assert flattered < 0.7 * loss
    wrong = functional.cross_entropy_backward(cache) * mask.sum() / mask.size
    errors = check(
        lambda: functional.cross_entropy(logits, targets, mask)[0], {"logits": logits}, {"logits": wrong}
    )
    assert errors["logits"] > FAILS
    # … but with a loss that is wrong in the same way the check is content: it needs the value known above
    errors = check(
        lambda: functional.cross_entropy(logits, targets, mask)[0] * mask.sum() / mask.size,
        {"logits": logits},
        {"logits": wrong},
    )
    assert errors["logits"] < TOLERANCE
