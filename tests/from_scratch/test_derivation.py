"""docs/derivation.md: its code is the code's, its tests exist, its partials are right."""

import importlib
import inspect
import re
from functools import reduce

import numpy as np
import pytest
from conftest import ROOT

from poet_model.from_scratch import lstm, rnn
from poet_model.from_scratch.gradcheck import TOLERANCE, random_weights, relative_error

TEXT = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
STEP = 1e-5


def squeezed(code):
    """Code without comments, white space and last commas: the same however its lines are broken."""
    bare = "".join(re.sub(r"  # .*", "", line) for line in code.split("\n")).replace(" ", "")
    return re.sub(r",(?=[)\]])", "", bare)


def statements(block):
    """The lines of some code, those within brackets joined."""
    lines = [""]
    for line in block.splitlines():
        lines[-1] += line + "\n"
        if all(lines[-1].count(a) == lines[-1].count(b) for a, b in ("()", "[]")):
            lines.append("")
    return lines[:-1]


@pytest.mark.parametrize("block", BLOCKS)
def test_each_quoted_line_stands_in_the_function_it_names(block):
    [name] = re.findall(r"  # ([\w.]+)$", block, re.MULTILINE)
    module, *names = name.split(".")
    function = reduce(getattr, names, importlib.import_module(f"poet_model.from_scratch.{module}"))
    source = squeezed(inspect.getsource(function))
    for statement in statements(block):
        assert squeezed(statement) in source, statement


def test_each_test_it_names_exists():
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests/from_scratch").glob("*.py"))
    for name in re.findall(r"`(test_\w+)`", TEXT):
        assert f"def {name}(" in tests, name
    mistakes = [name for name in re.findall(r"`(\w+)…`", TEXT) if name != "test_mistake_"]
    assert len(mistakes) == 8 == len(re.findall("^def test_mistake_", tests, re.MULTILINE))
    for name in mistakes:
        assert f"def test_mistake_{name}" in tests, name


@pytest.mark.parametrize("line", [line for line in TEXT.splitlines() if "$" in line])
def test_github_shows_its_mathematics(line):
    """Markdown takes the backslash from spacing commands, and an inline formula may not be broken."""
    assert not re.search(r"\\[,;:!{}|_]", line)
    assert line.replace("$$", "").count("$") % 2 == 0


def jacobian(function, row):
    """dy_m / dx_n in row m, column n, by central differences; function and row of (1, N)."""
    columns = []
    for n in range(row.shape[1]):
        moved = [row + sign * STEP * np.eye(row.shape[1])[n] for sign in (1, -1)]
        columns.append((function(moved[0]) - function(moved[1]))[0] / (2 * STEP))
    return np.stack(columns, axis=1)


def by_weight(function, weights, name):
    """dh_m / dW_nj as (H, *shape of W), by central differences."""
    value = getattr(weights, name)

    def at(flat):
        return function(weights._replace(**{name: flat.reshape(value.shape)}))

    return jacobian(at, value.reshape(1, -1)).reshape(-1, *value.shape)


def one_step(gates, seed=0):
    rng = np.random.default_rng(seed)
    w = random_weights(gates, 3, 4, rng)
    return w, *(rng.standard_normal((1, size)) for size in (3, 4, 4))


def same(found, formula):
    assert relative_error(np.asarray(found), np.asarray(formula)) < TOLERANCE


def test_the_rnns_partials():
    w, x, h, _ = one_step(1)
    after, _ = rnn.step_forward(x, h, w)
    d, unit = np.diag(1 - after[0] ** 2), np.eye(4)
    same(jacobian(lambda h: rnn.step_forward(x, h, w)[0], h), d @ w.weight_hh)
    same(jacobian(lambda x: rnn.step_forward(x, h, w)[0], x), d @ w.weight_ih)
    for name, factor in (("weight_ih", x[0]), ("weight_hh", h[0])):
        found = by_weight(lambda w: rnn.step_forward(x, h, w)[0], w, name)
        same(found, np.einsum("mn,m,j->mnj", unit, np.diag(d), factor))
    for name in ("bias_ih", "bias_hh"):
        same(by_weight(lambda w: rnn.step_forward(x, h, w)[0], w, name), d)


def test_the_lstms_partials():
    w, x, h, c = one_step(4)
    step = lstm.step_forward
    i, f, g, o, tanh_c = (part[0] for part in step(x, h, c, w)[2][3:])
    s = o * (1 - tanh_c**2)
    v = [s * g * i * (1 - i), s * c[0] * f * (1 - f), s * i * (1 - g**2), tanh_c * o * (1 - o)]  # i, f, g, o
    by_gate = {name: np.split(value, 4) for name, value in w._asdict().items()}
    weights_ih, weights_hh = by_gate["weight_ih"], by_gate["weight_hh"]

    same(jacobian(lambda h: step(x, h, c, w)[0], h), sum(np.diag(v[q]) @ weights_hh[q] for q in range(4)))
    same(jacobian(lambda x: step(x, h, c, w)[0], x), sum(np.diag(v[q]) @ weights_ih[q] for q in range(4)))
    same(jacobian(lambda c: step(x, h, c, w)[0], c), np.diag(s * f))
    same(jacobian(lambda c: step(x, h, c, w)[1], c), np.diag(f))
    to_c = [g * i * (1 - i), c[0] * f * (1 - f), i * (1 - g**2)]
    same(jacobian(lambda h: step(x, h, c, w)[1], h), sum(np.diag(to_c[q]) @ weights_hh[q] for q in range(3)))
    for name, factor in (("weight_ih", x[0]), ("weight_hh", h[0])):
        found = np.split(by_weight(lambda w: step(x, h, c, w)[0], w, name), 4, axis=1)
        for q in range(4):
            same(found[q], np.einsum("mn,m,j->mnj", np.eye(4), v[q], factor))
    for name in ("bias_ih", "bias_hh"):
        found = np.split(by_weight(lambda w: step(x, h, c, w)[0], w, name), 4, axis=1)
        for q in range(4):
            same(found[q], np.diag(v[q]))


def test_the_partials_of_the_gates():
    """h and c by i, f, g, o alone."""
    rng = np.random.default_rng(0)
    i, f, g, o, c = rng.uniform(-0.9, 0.9, (5, 1, 4))

    def state(i=i, f=f, g=g, o=o, c=c):
        return o * np.tanh(f * c + i * g)

    s = o[0] * (1 - np.tanh(f * c + i * g)[0] ** 2)
    same(jacobian(lambda o: state(o=o), o), np.diag(np.tanh(f * c + i * g)[0]))
    same(jacobian(lambda f: state(f=f), f), np.diag(s * c[0]))
    same(jacobian(lambda i: state(i=i), i), np.diag(s * g[0]))
    same(jacobian(lambda g: state(g=g), g), np.diag(s * i[0]))
    same(jacobian(lambda c: state(c=c), c), np.diag(s * f[0]))
