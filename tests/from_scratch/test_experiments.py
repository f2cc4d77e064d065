"""Every experiment runs, draws and writes; its committed record holds what from-scratch.md asks of it."""

import importlib
import json
import sys

import pytest
from conftest import ROOT

from poet_model.from_scratch import experiments
from poet_model.from_scratch.experiments import common

FOLDER = ROOT / "poet_model" / "from_scratch" / "experiments"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "common"))


def module_of(name):
    return importlib.import_module(f"{experiments.__name__}.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_runs_draws_and_writes(name, tmp_path, monkeypatch, capsys):
    module = module_of(name)
    monkeypatch.setattr(sys, "argv", [name, "--quick", "--output", str(tmp_path)])
    assert common.run_experiment(module.__file__, module.run, module.draw) == 0
    record = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert record["command"] == f"python -m poet_model.from_scratch.experiments.{name} --quick"
    assert record["rows"]
    assert all(len(row) == len(record["columns"]) for row in record["rows"])
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert record["columns"][0] in capsys.readouterr().out


def test_what_goes_wrong_is_one_sentence_and_writes_nothing(tmp_path, monkeypatch, capsys):
    module = module_of("sine")
    monkeypatch.setattr(sys, "argv", ["sine", "--output", str(tmp_path / "out")])
    for error, status in ((ValueError("no poems"), 2), (KeyboardInterrupt(), 130)):
        assert common.run_experiment(module.__file__, raising(error, module.run), module.draw) == status
        assert capsys.readouterr().err.count("\n") <= 2
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["sine", "--output", str(tmp_path / "file")])
    assert common.run_experiment(module.__file__, module.run, module.draw) == 2
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit, match="needs matplotlib"):  # before anything is computed
        common.run_experiment(module.__file__, raising(AssertionError(), module.run), module.draw)
    assert not list((tmp_path / "out").iterdir())


def raising(error, run):
    def failing(quick):
        raise error

    failing.__module__ = run.__module__
    return failing


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_record_is_of_a_whole_run(name):
    record = json.loads((common.RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    assert record["command"] == f"python -m poet_model.from_scratch.experiments.{name}"
    assert record["experiment"] == name
    assert (common.RECORDS / f"{name}.png").is_file()


GOALS = {
    "gradients": lambda record: record["largest_error"] < 1e-7,
    "optimizers": lambda record: record["largest_difference"] <= 1e-6 and len(record["rows"]) == 11,
    "adagrad_vs_adam": lambda record: len(record["rows"]) == 8,
    "initialization": lambda record: {row[0]: row[4] for row in record["rows"]}["zeros"] == 0,
    "bptt_toy": lambda record: record["final_loss"] <= 0.45 and record["largest_difference"] < 1e-9,
    "sine": lambda record: record["final_loss"] < 5e-4,
    "tang_mini_numpy": lambda record: record["perplexity"] < 2 and record["curve"][-1]["epoch"] <= 30,
    "autograd_lstm": lambda record: record["perplexity"] < record["published"]["perplexity"] / 2,
    "tang_10k": lambda record: record["best_with_padding"] < record["published"]["loss_with_padding"] - 0.3,
    "quatrain_lab": lambda record: record["loss"] <= 3.4 and record["shape"][1] == 26,
}


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_record_reaches_its_goal(name):
    record = json.loads((common.RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    assert GOALS[name](record)


def test_a_missing_library_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit, match=r'needs torch, .* pip install "\.\[torch\]"'):
        common.need("torch")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit, match="needs matplotlib, which is not installed"):
        common.new_figure()
