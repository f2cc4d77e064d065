"""Writing with the NumPy model."""

import math

import numpy as np
import pytest
from char_lm_models import make_model

from poet_model.from_scratch.char_lm import CharLM
from poet_model.from_scratch.config import CharLMConfig
from poet_model.from_scratch.vocabulary import Vocabulary
from poet_model.from_scratch.writing import generate, punctuate, sample


def test_sampling_follows_the_probabilities_and_top_k():
    logits = np.log(np.array([0.1, 0.2, 0.3, 0.4]))
    uniforms = np.random.default_rng(0).random(20_000)
    drawn = np.bincount([sample(logits, u, 1.0, 0) for u in uniforms], minlength=4) / len(uniforms)
    np.testing.assert_allclose(drawn, [0.1, 0.2, 0.3, 0.4], atol=0.01)
    assert {sample(logits, u, 1.0, 2) for u in uniforms[:200]} == {2, 3}
    assert {sample(logits, u, 1e-9, 0) for u in uniforms[:50]} == {3}


@pytest.mark.parametrize("text", ["春眠不覺曉" * 4, "故人西辭黃鶴樓" * 4, "春眠不覺曉" * 3, "故人西"])
def test_punctuation_is_put_in_when_shown(text):
    shown = punctuate(text)
    assert shown.replace("，", "").replace("。", "") == text
    assert shown.endswith("。")
    assert "，。" not in shown
    if len(text) % 5 == 0:
        assert shown.startswith("春眠不覺曉，春眠不覺曉。")


def test_a_model_without_punctuation_stops_by_itself_or_at_the_limit():
    vocabulary = Vocabulary.from_texts(["春眠不覺曉"])
    model = CharLM(CharLMConfig(len(vocabulary), 4, 4), vocabulary)
    texts = [generate(model, seed=seed, max_length=12).text for seed in range(30)]
    assert all(1 <= len(text) <= 12 for text in texts)
    assert len({len(text) for text in texts}) > 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "🙂"}, "'🙂' is not among the .* characters"),
        ({"start": "<"}, "is not among"),
        ({"temperature": -1}, "temperature must be a number from 0 to 100"),
        ({"temperature": math.nan}, "temperature must be a number from 0 to 100"),
        ({"top_k": 1.5}, "top_k must be a whole number"),
        ({"frequency_penalty": -1}, "frequency_penalty must be a number from 0 to 100"),
        ({"start": "春" * 200}, "at most 128 fit"),
    ],
)
def test_an_impossible_option_is_said_in_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        generate(make_model(), **options)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be a whole number of 1 or more, got 0"),
        ({"cell": "gru"}, "cell must be one of rnn, lstm, got 'gru'"),
        ({"tied": True}, "tied weights need embedding_size = hidden_size, got 5 and 6"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_model(**settings)
