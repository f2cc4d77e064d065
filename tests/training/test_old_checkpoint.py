"""A checkpoint made before the Trainer had objectives is resumed to the weights that the old code reached.

The folder old_checkpoint contains such a checkpoint, of a training run stopped in step 13 of 36, and the
weights that the code of that time (commit a375c7f) reached from it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from safetensors.torch import load_file

from poet_model import CheckpointError, PoetConfig, PoetModel, PoetTokenizer
from poet_model.corpus import PoemRecord
from poet_model.corpus.batches import HeaderRates, PoemBatches
from poet_model.prosody.readings import readings
from poet_model.training.config import TrainingConfig
from poet_model.training.poem_objective import PoemObjective
from poet_model.training.rhyme_memory import RhymeMemory
from poet_model.training.trainer import Trainer

OLD = ROOT / "tests" / "training" / "old_checkpoint"
CHARACTERS = "山間中月春風花來江流天年人心秋雲水長歸時"
RECIPE = {
    "epochs": 6, "batch_size": 4, "learning_rate": 0.02, "warmup": 0.1, "input_mask": 0.1,
    "gradient_accumulation_steps": 2, "softmax_frequent": 10, "softmax_sampled": 5, "softmax_exact": 0.4,
    "rhyme_memory": 0.5, "log_every": 5, "eval_every": 10, "checkpoint_every": 8,
}  # fmt: skip
RATES_OF_THEN = HeaderRates(form=0.3, author=0.3, title=0.3, all=0.3)


def made_up_poems() -> list[PoemRecord]:
    """24 quatrains of nonsense."""
    size = len(CHARACTERS)
    lines = ["".join(CHARACTERS[(7 * i + 3 * j * j + 5 * i * j) % size] for j in range(5)) for i in range(96)]
    texts = ["{}，{}。{}，{}。".format(*lines[4 * i : 4 * i + 4]) for i in range(24)]
    return [PoemRecord(text, title="春月", form="五絕") for text in texts]


def readings_of_then(character: str) -> frozenset[str]:
    """The readings that the table had when the checkpoint was made."""
    return readings(character) | ({"送去"} if character == "中" else frozenset())


def make_trainer(output: Path, **changes) -> Trainer:
    tokenizer = PoetTokenizer(CHARACTERS + "，。五絕")
    torch.manual_seed(0)
    dropout = {"input_dropout": 0.2, "layer_dropout": 0.2, "output_dropout": 0.2}
    model = PoetModel(
        PoetConfig(vocab_size=len(tokenizer), hidden_size=8, num_layers=2, **dropout), tokenizer
    )
    config = TrainingConfig(**RECIPE | changes)
    poems = made_up_poems()
    objective = PoemObjective.from_config(model, config)
    objective.rhyme_memory = RhymeMemory(8, tokenizer, readings_of_then)
    return Trainer(
        objective,
        PoemBatches(poems, tokenizer, batch_size=4, header=RATES_OF_THEN),
        evaluate=lambda model: {"loss": 2.0},
        save_best=lambda model, record: None,
        config=config,
        output=output,
        identity={"corpus": {"train": len(poems)}},
    )


@pytest.fixture
def stopped(tmp_path) -> Path:
    """A copy of the folder of the old training run."""
    shutil.copytree(OLD / "checkpoint", tmp_path / "checkpoint")
    return tmp_path


def test_an_old_checkpoint_goes_on_to_the_weights_of_the_old_code(stopped):
    result = json.loads((OLD / "result.json").read_text(encoding="utf-8"))
    expected = load_file(OLD / "result.safetensors")
    trainer = make_trainer(stopped)
    trainer.load_checkpoint()
    assert (trainer.state.step, trainer.state.epoch, trainer.state.index) == (13, 2, 1)
    loaded = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.train()
    assert trainer.state.step == result["step"]
    for name, value in trainer.model.state_dict().items():
        assert (value - loaded[name]).abs().max() > 0.02, name  # training has changed the weights
        # processors round differently, even two with AVX-512
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=0)


def test_an_old_checkpoint_of_other_settings_is_refused(stopped):
    with pytest.raises(CheckpointError, match=r"training\.rhyme_memory was 0\.5 and is 0\.25"):
        make_trainer(stopped, rhyme_memory=0.25).load_checkpoint()
