"""NumpyPoetModel gives the same numbers and the same poems as PoetModel, without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT, SHIPPED

from poet_model import (
    CheckpointError,
    InvalidValueError,
    NumpyPoetModel,
    PoetConfig,
    PoetModel,
    PoetTokenizer,
)
from poet_model.novelty import NoveltyIndex
from poet_model.numpy_model import shapes_of
from poet_model.prosody import FORMS

# of each kind; the shipped model, with its 8 million parameters, takes most of the time
POEMS = {"small": 80, "shipped": 12}
KINDS = {
    "tones, rhyme, acrostic": {"tones": True, "rhyme": True, "acrostic": "春花秋月"},
    "best of lines": {"best_of": 2, "tones": True, "rhyme": True, "mmi_lambda": 0.5},
    "keywords, guidance": {"keywords": "明月 酒", "title": "秋夜", "guidance_scale": 2.0},
}
SETTINGS = (
    {},
    {"temperature": 0},
    {"top_k": 0, "top_p": 0.9, "temperature": 1.2},
    {"max_length": 20},
)


@pytest.fixture(scope="module")
def both():
    """The shipped model, read with torch and without."""
    return PoetModel.from_pretrained(SHIPPED), NumpyPoetModel.from_pretrained(SHIPPED)


@pytest.fixture(scope="module")
def pairs(both, tmp_path_factory):
    """The shipped model, and a small one with random weights for its 2,000 most frequent characters."""
    torch.manual_seed(0)
    tokenizer = PoetTokenizer(both[0].tokenizer.characters[:2000])
    small = PoetModel(PoetConfig(len(tokenizer), hidden_size=32, num_layers=2), tokenizer)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.normal_(std=0.4)
    folder = tmp_path_factory.mktemp("small")
    small.save_pretrained(folder)
    return {
        "small": (PoetModel.from_pretrained(folder), NumpyPoetModel.from_pretrained(folder)),
        "shipped": both,
    }


def assert_same(theirs, ours):
    """Asserts that the poems are the same, except for at most one.

    Logits differ by about 1e-5, so in about 10,000 draws of such a batch a random number may fall between
    two roundings of a probability.
    """
    pairs = [(one.text, other.text) for one, other in zip(ours, theirs, strict=True)]
    different = [pair for pair in pairs if pair[0] != pair[1]]
    assert len(different) <= 1, different
    for one, other in zip(ours, theirs, strict=True):
        assert (one.seed, one.title, one.requested_form) == (other.seed, other.title, other.requested_form)
        differing = (i for i, (a, b) in enumerate(zip(one.text, other.text, strict=False)) if a != b)
        same = next(differing, len(one.text))
        assert one.log_probs[:same] == pytest.approx(other.log_probs[:same], abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("model", POEMS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_the_same_seed_writes_the_same_poem(pairs, model, form, kind):
    options = {"form": form, "num_poems": POEMS[model], "seed": 10, "title": "江雪"} | KINDS[kind]
    theirs, ours = (half.generate(**options) for half in pairs[model])
    assert_same(theirs, ours)
    assert len({poem.text for poem in ours}) > 0.95 * POEMS[model]


@pytest.mark.slow
@pytest.mark.parametrize("model", POEMS)
@pytest.mark.parametrize("form", FORMS)
def test_original_poems_are_the_same_too(pairs, model, form):
    options = {"form": form, "num_poems": POEMS[model], "seed": 50}
    taken = pairs[model][1].generate(**options)
    index = NoveltyIndex.build((poem.text, "", "") for poem in taken)
    theirs, ours = (half.generate(**options, original=index) for half in pairs[model])
    assert_same(theirs, ours)
    lines = {line[:-1] for poem in taken for line in poem.lines}
    assert not lines & {line[:-1] for poem in ours for line in poem.lines}


def test_without_a_form_with_other_settings_and_with_a_start(both):
    for options in (
        {},
        {"temperature": 0},
        {"top_k": 0, "top_p": 0.9, "temperature": 1.2},
        {"top_k": 0, "min_p": 0.02, "typical_p": 0.9, "distinct_rhymes": True},
        {"max_length": 20},
        {"form": "五律", "parallel": True},
    ):
        theirs, ours = (model.generate("春風", num_poems=8, seed=3, **options) for model in both)
        assert_same(theirs, ours)


def test_it_streams_the_poem_that_it_generates(both):
    _, ours = both
    poem = ours.generate("月", form="七絕", tones=True, rhyme=True, seed=4)
    pieces = list(ours.stream("月", form="七絕", tones=True, rhyme=True, seed=4))
    assert "".join(pieces) == poem.text
    assert len(pieces) == len(poem.text)


@pytest.mark.parametrize("cell", ["lstm", "handwritten_lstm", "handwritten_rnn"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_logits_are_those_of_the_forward_pass(tokenizer, tmp_path, cell, dtype):
    torch.manual_seed(0)
    config = PoetConfig(vocab_size=len(tokenizer), hidden_size=16, num_layers=3, cell=cell)
    PoetModel(config, tokenizer).save_pretrained(tmp_path / "model", dtype=dtype)
    theirs, ours = (cls.from_pretrained(tmp_path / "model") for cls in (PoetModel, NumpyPoetModel))
    assert shapes_of(config) == {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    ids = [2, 3, 9, 8, 3, 7, 6]
    with torch.no_grad():
        expected, state = theirs(torch.tensor([ids]))
    stepper = ours.stepper()
    for first in (0, 3, len(ids) - 1):
        logits, found = stepper.read(ids, first)
        assert logits.dtype == np.float32
        assert logits == pytest.approx(expected[0, first:].numpy(), abs=1e-5)
        assert found[0] == pytest.approx(state[0].numpy(), abs=1e-5)
    several = stepper.select(found, [0, 0])
    logits, after = stepper.step(np.array([9, 6]), several)
    with torch.no_grad():
        expected, _ = theirs(
            torch.tensor([[9], [6]]), tuple(part.expand(-1, 2, -1).contiguous() for part in state)
        )
    assert logits == pytest.approx(expected[:, 0].numpy(), abs=1e-5)
    assert stepper.select(after, [1])[0] == pytest.approx(after[0][:, 1:])


WITHOUT_TORCH = """
import json, sys
sys.modules["torch"] = None  # importing it fails
from poet_model import NumpyPoetModel
from poet_model.prosody import FORMS
model = NumpyPoetModel.from_pretrained(sys.argv[1])
options = {"tones": True, "rhyme": True, "best_of": 2, "seed": 5}
poems = [model.generate("春", form=form, **options).text for form in FORMS]
poems.append("".join(model.stream("花", seed=6)))
poems.append(model.generate("", acrostic="春花秋月", seed=7).simplified)
print(json.dumps(poems))
"""


def test_it_writes_where_torch_cannot_be_imported(both):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(SHIPPED)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    options = {"tones": True, "rhyme": True, "best_of": 2, "seed": 5}
    expected = [both[0].generate("春", form=form, **options).text for form in FORMS]
    expected.append(both[0].generate("花", seed=6).text)
    expected.append(both[0].generate("", acrostic="春花秋月", seed=7).simplified)
    assert json.loads(done.stdout) == expected


def test_it_refuses_what_the_other_refuses(tiny_model, tmp_path):
    folder = tmp_path / "model"
    tiny_model.save_pretrained(folder)
    data = (folder / "model.safetensors").read_bytes()
    for broken in (data[:-3], data[:-1] + bytes([data[-1] ^ 1]), b""):
        (folder / "model.safetensors").write_bytes(broken)
        said = []
        for cls in (PoetModel, NumpyPoetModel):
            with pytest.raises(CheckpointError) as error:
                cls.from_pretrained(folder)
            said.append(str(error.value))
        assert said[0] == said[1]
    with pytest.raises(CheckpointError):
        NumpyPoetModel.from_pretrained(tmp_path / "none" / "there" / "is")
    with pytest.raises(InvalidValueError, match="did you mean rhyme"):
        NumpyPoetModel.from_pretrained(SHIPPED).generate(rythm=True)
