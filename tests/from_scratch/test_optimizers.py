"""Each optimizer against its torch.optim twin for 50 steps; AdaBound against its paper, by hand."""

import math

import numpy as np
import pytest
import torch

from poet_model.from_scratch import optimizers
from poet_model.from_scratch.optimizers import OPTIMIZERS, AdaBound, Cosine, HalveWhenLossRises, StepDecay

TWINS = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adadelta": (torch.optim.Adadelta, {}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
    "adamax": (torch.optim.Adamax, {}),
    "nadam": (torch.optim.NAdam, {}),
}


def gradients(steps=50, shapes=((4, 3), (5,))):
    """Noisy, of every size, sometimes 0, as an embedding's are."""
    rng = np.random.default_rng(0)
    for step in range(steps):
        yield {
            f"p{k}": rng.standard_normal(shape)
            * 10.0 ** rng.integers(-4, 3)
            * (rng.random(shape) > step / 80)
            for k, shape in enumerate(shapes)
        }


def test_every_optimizer_that_torch_has_is_compared():
    assert set(OPTIMIZERS) - set(TWINS) == {"adabound"}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("learning_rate", [None, 0.03])
@pytest.mark.parametrize("name", TWINS)
def test_equals_its_torch_twin_after_50_steps(name, learning_rate, weight_decay):
    rng = np.random.default_rng(1)
    ours = {"p0": rng.standard_normal((4, 3)), "p1": rng.standard_normal(5)}
    theirs = {key: torch.nn.Parameter(torch.tensor(value)) for key, value in ours.items()}
    twin, settings = TWINS[name]
    rate = {} if learning_rate is None else {"learning_rate": learning_rate}
    optimizer = OPTIMIZERS[name](ours, weight_decay=weight_decay, **rate)
    twin = twin(
        theirs.values(), lr=learning_rate or optimizer.learning_rate, weight_decay=weight_decay, **settings
    )
    if learning_rate is None:
        assert optimizer.learning_rate == type(twin)(theirs.values()).defaults["lr"]  # the same default
    for grads in gradients():
        optimizer.step(grads)
        for key, parameter in theirs.items():
            parameter.grad = torch.tensor(grads[key])
        twin.step()
    for key, parameter in theirs.items():
        np.testing.assert_allclose(ours[key], parameter.detach(), atol=1e-6, rtol=1e-9)


def test_adabound_is_its_papers_equations_by_hand():
    p = {"p": np.array([1.0])}
    optimizer = AdaBound(p, learning_rate=0.5, final_rate=0.1, betas=(0.9, 0.99), gamma=0.01)
    # t = 1: m = .1·2 = .2; v = .01·4 = .04; rate .5/.2 = 2.5, within .1(1 - 1/1.01) and .1(1 + 1/.01) = 10.1
    optimizer.step({"p": np.array([2.0])})
    assert p["p"][0] == pytest.approx(1 - 2.5 / math.sqrt(1) * 0.2)  # 0.5
    # t = 2: m = .9·.2 - .1·1 = .08; v = .99·.04 + .01·1 = .0496; rate .5/√.0496 = 2.2451, below .1·51 = 5.1
    optimizer.step({"p": np.array([-1.0])})
    assert p["p"][0] == pytest.approx(0.5 - 0.5 / math.sqrt(0.0496) / math.sqrt(2) * 0.08)
    # t = 3: m = .072 + .1·.01 = .073, v = .049104 + .01·.0001 = .049105; rate 2.2563, below .1·(1 + 1/.03)
    before = p["p"][0]
    optimizer.step({"p": np.array([0.01])})
    assert p["p"][0] == pytest.approx(before - 0.5 / math.sqrt(0.049105) / math.sqrt(3) * 0.073)


def test_adabounds_rate_is_clipped_to_both_bounds():
    for gradient, bound in ((1e-9, 0.1 * (1 + 1 / 0.01)), (1e9, 0.1 * (1 - 1 / 1.01)), (0.0, None)):
        p = {"p": np.array([0.0])}
        AdaBound(p, learning_rate=1e-3, betas=(0.9, 0.99), gamma=0.01).step({"p": np.array([gradient])})
        expected = 0.0 if bound is None else -bound * 0.1 * gradient
        assert p["p"][0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_goes_on_from_its_saved_state(name):
    whole, parts = {"p0": np.ones((4, 3)), "p1": np.ones(5)}, {"p0": np.ones((4, 3)), "p1": np.ones(5)}
    unbroken, first = OPTIMIZERS[name](whole), OPTIMIZERS[name](parts)
    batches = list(gradients(20))
    for grads in batches:
        unbroken.step(grads)
    for grads in batches[:10]:
        first.step(grads)
    second = OPTIMIZERS[name](parts)
    second.load_state_arrays(first.state_arrays())
    for grads in batches[10:]:
        second.step(grads)
    for key in whole:
        assert np.array_equal(whole[key], parts[key])


def test_clipping_is_torchs():
    grads = next(gradients())
    theirs = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in grads.values()]
    for parameter, g in zip(theirs, grads.values(), strict=True):
        parameter.grad = torch.tensor(g)
    norm = torch.nn.utils.clip_grad_norm_(theirs, 0.25)
    assert optimizers.clip_gradients(grads, 0.25) == pytest.approx(norm.item())
    for parameter, g in zip(theirs, grads.values(), strict=True):
        np.testing.assert_allclose(g, parameter.grad, rtol=1e-5)  # torch adds 1e-6 to the norm
    assert optimizers.clip_gradients(grads, 1.0) == pytest.approx(0.25)  # short enough: left alone
    assert optimizers.clip_gradients(grads, 1.0) == pytest.approx(0.25)


def test_schedules():
    optimizer = optimizers.SGD({"p": np.zeros(1)}, learning_rate=1.0)
    schedule = HalveWhenLossRises(optimizer)
    rates = []
    for loss in (3.0, 2.0, 2.5, 2.5, 2.6, 1.0):
        schedule.step(loss)
        rates.append(optimizer.learning_rate)
    assert rates == [1, 1, 0.5, 0.5, 0.25, 0.25]

    optimizer.learning_rate = 1.0
    schedule = StepDecay(optimizer, every=2, factor=0.1)
    rates = [(schedule.step(), optimizer.learning_rate)[1] for _ in range(4)]
    assert rates == pytest.approx([1, 0.1, 0.1, 0.01])

    optimizer.learning_rate = 2.0
    schedule = Cosine(optimizer, total=4)
    rates = [(schedule.step(), optimizer.learning_rate)[1] for _ in range(5)]
    assert rates == pytest.approx([1 + math.sqrt(0.5), 1, 1 - math.sqrt(0.5), 0, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: optimizers.Adam(p, learning_rate=-1), "learning_rate must be 0 or more, got -1"),
        (lambda p: optimizers.SGD(p, weight_decay=math.nan), "weight_decay must be 0 or more, got nan"),
        (lambda p: optimizers.SGD(p).step({"q": p["p"]}), "no gradient for p; given are q"),
        (
            lambda p: optimizers.SGD(p).step({"p": np.zeros(3)}),
            r"of p has shape \(3,\), expected \(2,\)",
        ),
        (lambda p: optimizers.Adam(p).load_state_arrays(optimizers.SGD(p).state_arrays()), "has no m.p"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call({"p": np.zeros(2)})
