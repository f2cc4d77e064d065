"""Scorers of candidates for a line: their sum decides, and mutual information is what it is defined to be."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from poet_model import GenerationConfig, NumpyPoetModel
from poet_model.generation.choosers import BestOfLines, Drawn
from poet_model.generation.line_scorers import MutualInformation
from poet_model.generation.row import Row
from poet_model.prosody.lines import SHAPES
from poet_model.tokenizer import UNK

OPTIONS = {"form": "五絕", "best_of": 4, "title": "望月"}


@pytest.fixture
def numpy_model(tiny_model):
    weights = {name: tensor.numpy() for name, tensor in tiny_model.state_dict().items()}
    return NumpyPoetModel(tiny_model.config, tiny_model.tokenizer, weights)


def alone(model, form: str, line: str, number: int) -> float:
    """The log-probability of a line after `number` lines of which nothing is known, by one forward pass."""
    tokenizer = model.tokenizer
    before = tokenizer.encode_header("", "", form)
    for _, end in zip(range(number), "，。，。", strict=False):
        before += [UNK] * len(line) + [tokenizer.ids[end]]
    ids = tokenizer.encode_characters(line)
    with torch.no_grad():
        log_probs = model(torch.tensor([before + ids]))[0][0].log_softmax(dim=-1)
    return sum(log_probs[len(before) - 1 + place, token].item() for place, token in enumerate(ids))


@pytest.mark.parametrize("before", ["", "白日依山盡，", "白日依山盡，黃河入海流。"])
def test_mutual_information_takes_off_what_the_line_is_worth_anywhere(tiny_model, numpy_model, before):
    lines = ["春眠不覺曉", "月光不覺曉", "春眠不覺曉"]
    rows = [Row.begin(None, before + line) for line in lines]
    number = before.count("，") + before.count("。")
    expected = [-0.6 * alone(tiny_model, "五絕", line, number) for line in lines]
    for model in (tiny_model, numpy_model):
        scorer = MutualInformation(model.stepper(), model.tokenizer, "五絕", 0.6)
        assert scorer(rows) == pytest.approx(expected, abs=1e-4)
        assert scorer(rows[:1]) == pytest.approx(expected[:1], abs=1e-4)
        assert scorer(rows).dtype == np.float32


def test_the_scores_are_added_to_the_log_probability():
    fits, more = np.log([0.1, 0.6, 0.3]), np.log([0.5, 0.1, 0.4])
    rngs = [np.random.default_rng(seed) for seed in range(4000)]
    seen = []

    def scorer(rows):
        seen.append(rows)
        return np.tile(more, 4000).astype(np.float32)

    chooser = BestOfLines(rngs, 3, GenerationConfig(0.5, min_p=1.0), [scorer, lambda rows: -scorer(rows) / 2])
    rows = [Row(poem, form=SimpleNamespace(length=0)) for poem in range(4000) for _ in range(3)]
    values = np.tile(fits, 4000).astype(np.float32)
    _, kept = chooser.commit(rows, Drawn(np.full(12_000, 9), ["月"] * 12_000, values, values))
    expected = np.exp((fits + more / 2) / 0.5)
    shares = np.bincount(np.array(kept[::3]) % 3) / 4000
    assert shares == pytest.approx(expected / expected.sum(), abs=0.03)
    assert seen == [rows, rows]


def test_a_scorer_sees_whole_lines(tiny_model, monkeypatch):
    seen = []

    def scorer(rows):
        seen.append([(row.poem, row.state.line, row.line, row.text[-6:]) for row in rows])
        return np.zeros(len(rows), np.float32)

    monkeypatch.setattr("poet_model.generation.decoding.scorers_of", lambda *given: [scorer])
    poems = tiny_model.generate("春眠", num_poems=2, seed=1, **OPTIONS)
    assert [len(rows) for rows in seen] == [8] * 4
    for line, rows in enumerate(seen):
        assert [row[:2] for row in rows] == [(poem, line) for poem in (0, 1) for _ in range(4)]
        assert all(len(row[2]) == 5 and row[3].endswith(row[2]) for row in rows)
        for poem, written in enumerate(poems):
            assert written.lines[line][:-1] in [row[2] for row in rows if row[0] == poem]
    assert poems == tiny_model.generate("春眠", num_poems=2, seed=1, mmi_lambda=0, **OPTIONS)


def test_lambda_is_for_candidates(tiny_model, monkeypatch):
    poem = tiny_model.generate(form="五絕", seed=3)
    monkeypatch.delattr("poet_model.generation.line_scorers.MutualInformation.__call__")
    assert tiny_model.generate(form="五絕", seed=3, mmi_lambda=1) == poem
    assert tiny_model.generate(form="五絕", seed=3, best_of=4, mmi_lambda=0).text
    with pytest.raises(TypeError):
        tiny_model.generate(form="五絕", seed=3, best_of=4, mmi_lambda=0.5)


def test_with_lambda_a_poem_is_the_same_alone_in_a_batch_streamed_and_without_torch(tiny_model, numpy_model):
    options = OPTIONS | {"mmi_lambda": 0.7, "temperature": 1.2}
    poems = tiny_model.generate("春", num_poems=4, seed=7, **options)
    assert [poem.text for poem in numpy_model.generate("春", num_poems=4, seed=7, **options)] == [
        poem.text for poem in poems
    ]
    for number, poem in enumerate(poems):
        assert poem.text == tiny_model.generate("春", seed=7 + number, **options).text
        assert poem.text == "".join(tiny_model.stream("春", seed=7 + number, **options))
    assert [poem.text for poem in poems] != [
        poem.text for poem in tiny_model.generate("春", num_poems=4, seed=7, **options | {"mmi_lambda": 0})
    ]


def test_lambda_prefers_lines_that_are_unlikely_elsewhere(tiny_model):
    lines, length = SHAPES["五絕"]
    with torch.no_grad():
        for parameter in tiny_model.parameters():
            parameter.mul_(3)  # so that a line's probability depends more on the lines before it

    def mean(weight: float) -> float:
        poems = tiny_model.generate(num_poems=20, seed=0, **OPTIONS | {"mmi_lambda": weight})
        placed = [(line[:length], number) for poem in poems for number, line in enumerate(poem.lines)]
        values = [alone(tiny_model, "五絕", *line) for line in placed]
        assert len(values) == 20 * lines
        return float(np.mean(values))

    assert mean(1.0) < mean(0.5) - 0.2 < mean(0) - 0.4
