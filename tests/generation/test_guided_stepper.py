"""Guidance by the title, checked against full forward passes; at 1 it changes nothing and costs nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poet_model import PoetModel
from poet_model.generation.guided_stepper import GuidedStepper
from poet_model.generation.options import GenerationConfig
from poet_model.generation.request import Request

HEADER = {"title": "望月", "author": "李白", "form": "五絕"}


def forward(model: PoetModel, header: list[int], text: str) -> torch.Tensor:
    """The log-probabilities (1 + len(text), V) after the header and after each character, by one pass."""
    ids = torch.tensor([header + model.tokenizer.encode_characters(text)])
    with torch.no_grad():
        return model(ids)[0][0, len(header) - 1 :].log_softmax(dim=-1)


def guided(model: PoetModel, text: str, scale: float) -> torch.Tensor:
    """The definition: without + scale * (with - without), of log-probabilities."""
    encode = model.tokenizer.encode_header
    with_title, without = (forward(model, encode(**HEADER | {"title": t}), text) for t in ("望月", ""))
    return without + scale * (with_title - without)


@pytest.mark.parametrize("scale", [0, 0.5, 3, 20])
@pytest.mark.parametrize("start", ["", "春眠"])
def test_greedy_is_the_argmax_of_guided_forward_passes(tiny_model, scale, start):
    options = {"temperature": 0, "frequency_penalty": 0, "guidance_scale": scale, "look_ahead": False}
    options["distinct_rhymes"] = False
    poem = tiny_model.generate(start, **HEADER, **options, seed=0)
    scores, ids = guided(tiny_model, poem.text, scale), tiny_model.tokenizer.ids
    for place in range(len(start), len(poem.text)):
        if poem.text[place] not in "，。":
            hanzi = [ids[c] for c in tiny_model.tokenizer.characters if c not in "，。"]
            best = scores[place, hanzi].max().item()
            assert scores[place, ids[poem.text[place]]].item() == pytest.approx(
                best, abs=1e-3 * max(1, scale)
            )


@pytest.mark.parametrize("options", [{}, {"best_of": 3}, {"rhyme": False, "look_ahead": False}], ids=str)
def test_log_probs_are_those_of_the_model_with_the_title(tiny_model, options):
    header = tiny_model.tokenizer.encode_header(**HEADER)
    for poem in tiny_model.generate("春", **HEADER, guidance_scale=4, seed=1, num_poems=3, **options):
        scores = forward(tiny_model, header, poem.text)
        ids = tiny_model.tokenizer.encode_characters(poem.text)
        expected = [scores[place, token].item() for place, token in enumerate(ids)]
        assert poem.log_probs == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("best_of", [1, 3])
def test_a_batch_has_the_poems_of_single_calls_and_the_stream(tiny_model, best_of):
    options = {**HEADER, "guidance_scale": 5, "best_of": best_of, "temperature": 2.0}
    batch = tiny_model.generate(num_poems=4, seed=7, **options)
    assert batch[0].text == "".join(tiny_model.stream(seed=7, **options))
    assert [poem.text for poem in batch] == [
        tiny_model.generate(seed=7 + i, **options).text for i in range(4)
    ]
    plain = tiny_model.generate(num_poems=4, seed=7, **options | {"guidance_scale": 1})
    assert [poem.text for poem in plain] != [poem.text for poem in batch]


@pytest.mark.parametrize(
    "options", [{"guidance_scale": 1, "title": "月"}, {"guidance_scale": 3, "title": ""}]
)
def test_without_a_title_or_at_one_nothing_changes_and_no_second_step_is_taken(
    tiny_model, options, monkeypatch
):
    expected = tiny_model.generate("春", seed=3, title=options["title"], guidance_scale=1)
    monkeypatch.setattr(GuidedStepper, "__init__", None)  # would fail if one were made
    assert tiny_model.generate("春", seed=3, **options) == expected


def test_the_guidance_is_in_place_and_per_row(tiny_model):
    request = Request.make(tiny_model.vocabulary_masks, GenerationConfig(guidance_scale=2.5), **HEADER)
    stepper = GuidedStepper(tiny_model.stepper(), tiny_model.tokenizer, request)
    prompt = tiny_model.tokenizer.encode_header(**HEADER)
    logits, state = stepper.read(prompt, len(prompt) - 1)
    state = stepper.select(state, [0, 0])
    logits, state = stepper.step(np.array([tiny_model.tokenizer.ids[c] for c in "春月"]), state)
    stepper.guide(logits, state)
    expected = [guided(tiny_model, c, 2.5)[1].softmax(dim=-1).numpy() for c in "春月"]
    assert np.allclose(torch.tensor(logits).softmax(dim=-1).numpy(), expected, atol=1e-5)
