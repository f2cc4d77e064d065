"""poet info: what it says of a model."""

from __future__ import annotations

import json

from conftest import SHIPPED

from poet_model.cli.info import main
from poet_model.model_folder import read_metrics


def test_it_describes_the_shipped_model_without_a_name(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert said.startswith("tang-lstm: lstm, 2 layers of 512, 8,062,308 parameters, 7,519 characters")
    assert "model.safetensors" in said and read_metrics(SHIPPED)["weights"] in said
    assert f"{read_metrics(SHIPPED)['perplexity']['valid']['perplexity']:.2f}" in said


def test_as_json_it_has_all_metrics(capsys):
    assert main([str(SHIPPED), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["metrics"] == read_metrics(SHIPPED) and record["sha256"] == record["metrics"]["weights"]
    assert record["files"]["model.safetensors"] == (SHIPPED / "model.safetensors").stat().st_size


def test_a_model_that_was_not_measured_is_described(tiny_model, tmp_path, capsys):
    tiny_model.save_pretrained(tmp_path / "tiny")
    assert main([str(tmp_path / "tiny")]) == 0
    assert "not measured yet: poet evaluate" in capsys.readouterr().out


def test_what_is_no_model_is_one_sentence(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path} has no config.json")
