"""Saving and loading the NumPy model; damaged files are one sentence."""

import io
import math
import os

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


def bomb_npz(path, model):
    np.savez_compressed(path, **{"config.json": np.array("{}"), "zeros": np.zeros(10_000_000)})


def huge_npz(path, model):
    """Numbers that are finite in float64, but not in float32."""
    model.parameters["bias"] = np.full(model.parameters["bias"].shape, 1e300)
    model.save(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (bomb_npz, r"is damaged or not a \.npz file"),
        (huge_npz, "bias in .* has a value that is not finite"),
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
        ("config.json", "[" * 100_000, "is damaged"),
        ("config.json", " " * (7 << 20), "config.json has 7,340,032 bytes, more than the limit"),
        (
            "config.json",
            '{"vocab_size": 60, "num_layers": 1000000000}',
            "lacks the weights of 1000000000 layers",
        ),
        ("config.json", '{"vocab_size": 60, "hidden_size": 1000000000}', "has shape .*, expected"),
        ("model.safetensors", None, "it has no model.safetensors"),
        ("tokenizer.json", None, "it has no tokenizer.json"),
        ("tokenizer.json", "[" * 100_000, "is not a valid vocabulary"),
        ("tokenizer.json", " " * (7 << 20), "is not a valid vocabulary: tokenizer.json has 7,340,032 bytes"),
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


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_pipe_in_place_of_a_file_is_not_read(tmp_path, file):
    make_model().save(tmp_path)
    (tmp_path / file).unlink()
    os.mkfifo(tmp_path / file)
    with pytest.raises(ValueError, match=f"it has no {file}"):
        CharLM.load(tmp_path)


@pytest.mark.parametrize("name", ["model", "model.npz"])
def test_what_happens_to_the_files_later_does_not_change_the_model(tmp_path, name):
    make_model().save(tmp_path / name)
    model = CharLM.load(tmp_path / name)
    expected = generate(model, seed=1).text
    for file in [tmp_path / name] if name.endswith(".npz") else (tmp_path / name).iterdir():
        os.truncate(file, 1)
    assert generate(model, seed=1).text == expected


def test_a_model_whose_numbers_overflow_is_one_sentence():
    model = make_model()
    for values in model.parameters.values():
        values[...] = 3e38
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="numbers that are not finite"):
        generate(model, seed=1)


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
