"""PoetConfig: which values are valid, and how it is saved and loaded."""

import json

import pytest

from poet_model import CheckpointError, InvalidValueError, PoetConfig


def write(folder, **changes):
    """Writes a valid `config.json` with some settings changed; a setting that is None is left out."""
    PoetConfig(vocab_size=100, hidden_size=8).save(folder)
    path = folder / "config.json"
    record = json.loads(path.read_text(encoding="utf-8")) | changes
    record = {name: value for name, value in record.items() if value is not None}
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def test_saved_and_loaded_are_equal(tmp_path):
    config = PoetConfig(vocab_size=6789, hidden_size=640, num_layers=3, output_dropout=0.25)
    config.save(tmp_path)
    assert PoetConfig.load(tmp_path) == config


def test_the_file_names_its_kind_and_format(tmp_path):
    PoetConfig(vocab_size=100).save(tmp_path)
    record = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert (record["model_type"], record["format_version"]) == ("poet-lstm", 1)
    assert record["vocab_size"] == 100


def test_settings_of_other_libraries_are_passed_over(tmp_path):
    write(tmp_path, transformers_version="5.0", dtype="float16")
    assert PoetConfig.load(tmp_path).hidden_size == 8


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"width": 3}, r"unknown settings \['width'\]"),
        ({"cell": "gru"}, "cell must be one of lstm, handwritten_lstm, handwritten_rnn, got 'gru'"),
        ({"hidden_size": None}, r"settings \['hidden_size'\] are missing"),
        ({"hidden_size": "512"}, "hidden_size must be a whole number .* got '512'"),
        ({"hidden_size": 8.0}, "hidden_size must be a whole number"),
        ({"num_layers": True}, "num_layers must be a whole number"),
        ({"num_layers": 0}, "num_layers must be a whole number from 1"),
        ({"vocab_size": -1}, "vocab_size"),
        ({"input_dropout": 1.0}, "input_dropout must be a number from 0"),
        ({"layer_dropout": "0"}, "layer_dropout"),
        ({"output_dropout": float("nan")}, "output_dropout"),
        ({"model_type": "gpt2"}, "model_type is 'gpt2', expected 'poet-lstm'"),
        ({"model_type": None}, "model_type is None"),
        ({"format_version": 2}, "format_version is 2, this program reads 1; update"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_file_and_setting(tmp_path, changes, says):
    path = write(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=says) as caught:
        PoetConfig.load(tmp_path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        PoetConfig.load(tmp_path)


def test_a_wrong_value_in_code_is_an_error():
    with pytest.raises(InvalidValueError, match="hidden_size"):
        PoetConfig(vocab_size=100, hidden_size=0)


def test_the_number_of_parameters_is_that_of_the_network(tiny_model):
    assert tiny_model.config.num_parameters == sum(p.numel() for p in tiny_model.parameters())
