"""Saving and loading the NumPy model; damaged files are one sentence."""

import io
import math

import numpy as np
import pytest
from char_lm_models import CONFIGS, make_model
from safetensors.numpy import load_file, save_file

from poet_model.from_scratch.char_lm import CharLM
from poet_model.from_scratch.writing import generate


@pytest.mark.parametrize("settings", CONFIGS)
@pytest.mark.parametrize("name", ["model", "model.npz"])
def test_saved_and_loaded_it_is_the_same(tmp_path, settings, name):
    model = make_model(**settings)
    model.save(tmp_path / name)
    loaded = CharLM.load(tmp_path / name)
    assert (loaded.config, loaded.vocabulary.tokens) == (model.config, model.vocabulary.tokens)
    for key, value in model.parameters.items():
        assert np.array_equal(loaded.parameters[key], value)
    assert generate(loaded, seed=1).text == generate(model, seed=1).text


@pytest.mark.parametrize("name", ["model", "model.npz"])
def test_loading_draws_no_weights(tmp_path, monkeypatch, name):
    """Drawing orthogonal weights for the shipped model takes seconds, and the file replaces all of them."""
    make_model().save(tmp_path / name)
    for function in ("default_rng", "RandomState"):
        monkeypatch.setattr(np.random, function, lambda *_: None)  # a generator that can draw nothing
    monkeypatch.setattr(np.linalg, "qr", None)
    CharLM.from_pretrained(tmp_path / name)
    with pytest.raises((AttributeError, TypeError)):  # a new model does draw
        make_model()


def test_a_folder_it_saved_can_be_opened_by_the_tokenizers_library(tmp_path):
    from tokenizers import Tokenizer

    model = make_model()
    model.save(tmp_path)
    opened = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert opened.get_vocab() == model.vocabulary.ids


def npy():
    """A single array's file, which is no .npz."""
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def broken_npz(path, model):
    path.write_bytes(path.read_bytes()[:-200])


def pickled_npz(path, model):
    np.savez(path, **{"config.json": np.array([{"a": 1}], dtype=object)})


def foreign_npz(path, model):
    np.savez(path, weights=np.zeros(3))


def resized_npz(path, model):
    model.parameters["bias"] = np.zeros(3, np.float32)
    model.save(path)


def nan_npz(path, model):
    model.parameters["bias"][0] = math.nan
    model.save(path)


def lacking_npz(path, model):
    del model.parameters["bias"]
    model.save(path)


def crowded_npz(path, model):
    model.parameters["attention"] = np.zeros(3, np.float32)
    model.save(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (broken_npz, r"is damaged or not a \.npz file; use an earlier file"),
        (pickled_npz, r"is damaged or not a \.npz file; use an earlier file"),
        (lambda path, model: path.write_bytes(npy()), r"is damaged or not a \.npz file"),
        (foreign_npz, "config.json"),
        (resized_npz, r"bias in .* has shape \(3,\), expected \(\d+,\)"),
        (nan_npz, "bias in .* has a value that is not finite"),
        (lacking_npz, "lacks bias"),
        (crowded_npz, "also holds attention"),
        (lambda path, model: path.unlink(), "does not exist"),
    ],
)
def test_a_bad_file_is_named_in_one_sentence(tmp_path, damage, message):
    path, model = tmp_path / "model.npz", make_model()
    model.save(path)
    damage(path, model)
    with pytest.raises(ValueError, match=message) as caught:
        CharLM.load(path)
    assert "model.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "it has no config.json"),
        ("config.json", "{", "is damaged"),
        ("config.json", '{"vocab_size": 60, "surprise": 1}', "of another program"),
        ("config.json", '{"model_type": "poet-lstm", "hidden_size": 6}', "lacks 'vocab_size'"),
        ("model.safetensors", "nonsense", "is damaged"),
        ("tokenizer.json", "{}", "is not a valid vocabulary"),
        ("tokenizer.json", '{"model": {"vocab": {"<pad>": 0, "x": 2}}}', "is not a valid vocabulary"),
    ],
)
def test_a_bad_folder_is_named_in_one_sentence(tmp_path, file, content, message):
    make_model().save(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        CharLM.load(tmp_path)


def test_weights_of_another_size_are_refused_with_both_shapes(tmp_path):
    make_model().save(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["bias"] = weights["bias"][:-1].copy()
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"bias in .* has shape \(\d+,\), expected \(\d+,\)"):
        CharLM.load(tmp_path)


def test_any_flipped_bit_of_a_file_is_an_error_or_changes_nothing(tmp_path):
    """The zip's checksums guard the numbers; what they do not guard either matters not, or is noticed."""
    path, rng = tmp_path / "model.npz", np.random.default_rng(0)
    model, errors = make_model(hidden_size=4, embedding_size=4), 0
    model.save(path)
    content = path.read_bytes()
    for _ in range(300):
        damaged = bytearray(content)
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            loaded = CharLM.load(path)
        except ValueError:  # and no other
            errors += 1
            continue
        assert (loaded.config, loaded.vocabulary.tokens) == (model.config, model.vocabulary.tokens)
        assert all(np.array_equal(loaded.parameters[name], value) for name, value in model.parameters.items())
    assert errors > 150
