"""distinct_rhymes: no even line ends as the first or another even line does, unless that was given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poet_model import PoetConfig, PoetModel, PoetTokenizer
from poet_model.generation.filters import MAX_LINE, DistinctRhymes
from poet_model.generation.masks import VocabularyMasks
from poet_model.generation.row import Row
from poet_model.prosody.lines import split_lines
from poet_model.tokenizer import EOS

CHARACTERS = ["，", "。", *"春風山月水花秋夜江人天雲日雪心年"]


@pytest.fixture(scope="module")
def repetitive():
    """A model with random weights and 16 hanzi, so that lines often end alike."""
    torch.manual_seed(1)
    tokenizer = PoetTokenizer(CHARACTERS)
    model = PoetModel(PoetConfig(len(tokenizer), hidden_size=8, num_layers=1), tokenizer).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.7)
    return model


def repeated(text: str) -> bool:
    """Whether an even line ends as the first line or an even line before it does."""
    ends = [line.rstrip("，。")[-1] for line in split_lines(text)]
    return any(ends[line] in [ends[0], *ends[1:line:2]] for line in range(1, len(ends), 2))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"form": "七絕", "impose_form": False},
        {"form": "七絕"},
        {"form": "五律", "tones": True},
        {"form": "五律", "best_of": 3, "mmi_lambda": 0.5},
        {"temperature": 0},
        {"start": "春風，山月。水"},
        {"start": "春風山月水花，秋夜"},
    ],
    ids=str,
)
def test_no_word_ends_two_even_lines(repetitive, options):
    options = {"num_poems": 40, "seed": 0, "max_length": 80, "frequency_penalty": 0} | options
    start = options.pop("start", "")
    poems = repetitive.generate(start, distinct_rhymes=True, **options)
    assert not any(repeated(poem.text) for poem in poems)
    assert max(len(line) for poem in poems for line in poem.lines) <= MAX_LINE + 1
    assert poems == repetitive.generate(start, **options)  # it is the default
    before = repetitive.generate(start, distinct_rhymes=False, **options)
    assert any(repeated(poem.text) for poem in before)


@pytest.mark.parametrize("options", [{}, {"form": "五絕"}, {"form": "七律", "tones": True}], ids=str)
def test_what_was_given_may_repeat(repetitive, options):
    length = 7 if options.get("form") == "七律" else 5
    line = "春風山月水花秋"[-length:]
    for start in (f"{line}，{line}。", f"{line}，{line}", f"{line}，{line}。{line}，{line[:-1]}"):
        poem = repetitive.generate(start, distinct_rhymes=True, seed=1, **options | {"tones": False})
        assert poem.text.startswith(start)
        ends = [line[-2] for line in poem.lines[1::2]]
        new = ends[len(split_lines(start)) // 2 :]
        assert "秋" not in new and len(new) == len(set(new))


def test_a_telestich_may_repeat(repetitive):
    poem = repetitive.generate(form="七絕", telestich="月月月月", distinct_rhymes=True, seed=0)
    assert [line[-2] for line in poem.lines] == ["月"] * 4
    poem = repetitive.generate(form="七律", telestich="月花", distinct_rhymes=True, seed=0)
    assert not repeated(poem.text) and [line[-2] for line in poem.lines[:2]] == ["月", "花"]


def test_what_is_barred(repetitive):
    tokenizer = repetitive.tokenizer
    ids, ends = tokenizer.ids, [tokenizer.ids["，"], tokenizer.ids["。"]]

    def barred(text: str) -> set[int]:
        logits = np.zeros((1, len(tokenizer)), np.float32)
        DistinctRhymes(VocabularyMasks(tokenizer))(logits, [Row.begin(None, text)])
        return set(np.flatnonzero(logits[0]).tolist())

    used = {ids["月"], ids["花"]}
    assert barred("春風月，山水花。") == barred("春風月，山水花。人天") == set()  # an odd line
    assert barred("春風月，山水") == {ids["月"]}  # the first line may have rhymed
    assert barred("春風月，山水花。人天雲，日雪") == used
    assert barred("春風月，山水花。人天雲，日") == barred("春風月，山水花。人天雲，日雪雲") == set()
    assert barred("春風月，山水花。人天雲，花") == set(ends)  # too short
    assert barred("春風月，山水花。人天雲，日雪花") == set()  # given
    assert barred("春風月，山水花。人天雲，日雪心花") == set(ends)  # too long
    assert barred("春風月，山水花。人天雲，日花") == used | set(ends)
    assert barred("春風月，山水花。人天雲，" + "日" * (MAX_LINE - 1)) == used
    assert EOS not in barred("春風月，山水花。人天雲，日雪花。")
