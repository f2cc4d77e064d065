"""Writing and scoring use no dropout and leave the mode of a model alone, whoever else uses the model."""

from __future__ import annotations

import itertools
import threading

import pytest
import torch
from conftest import POEMS

from poet_model import PoetConfig, PoetModel
from poet_model.corpus import PoemRecord
from poet_model.evaluation.perplexity import score
from poet_model.model_folder import SAMPLES_NAME
from poet_model.training.samples import write_samples

RECORDS = [PoemRecord(text, "", "", "") for text in POEMS]


class Watched(PoetModel):
    """A model that notes every switch of its mode."""

    switches = 0

    def train(self, mode: bool = True):
        self.switches += 1
        return super().train(mode)


@pytest.fixture
def in_training(tiny_model) -> Watched:
    """The tiny model with much dropout, in training mode."""
    rates = {"input_dropout": 0.5, "layer_dropout": 0.5, "output_dropout": 0.5}
    config = PoetConfig(len(tiny_model.tokenizer), hidden_size=16, num_layers=2, **rates)
    model = Watched(config, tiny_model.tokenizer)
    model.load_state_dict(tiny_model.state_dict())
    return model


def test_a_model_in_training_writes_and_scores_without_dropout(in_training, tiny_model, tmp_path):
    assert in_training.generate("月", seed=4) == tiny_model.generate("月", seed=4)
    assert "".join(in_training.stream("月", seed=4)) == tiny_model.generate("月", seed=4).text
    assert score(in_training, RECORDS).nats == pytest.approx(score(tiny_model, RECORDS).nats, rel=1e-5)
    record = {"step": 1, "epoch": 0.1, "perplexity": 9.0}
    write_samples(in_training, tmp_path, record)
    write_samples(tiny_model, tmp_path, record)
    samples = (tmp_path / SAMPLES_NAME).read_text(encoding="utf-8").splitlines()
    assert len(samples) >= 2 and samples[: len(samples) // 2] == samples[len(samples) // 2 :]
    assert in_training.switches == 0 and all(module.training for module in in_training.modules())


def test_streams_side_by_side_leave_the_mode_alone(in_training):
    first, second = in_training.stream("月", seed=1), in_training.stream("光", seed=2)
    for _ in itertools.zip_longest(first, second):  # the one that began first does not end last
        assert in_training.training
    assert in_training.training and in_training.switches == 0
    expected = [in_training.generate("月", seed=1), in_training.generate("光", seed=2)]
    assert [first.poem, second.poem] == expected


def test_a_poem_of_a_model_in_training_is_that_of_its_weights_now(in_training, tiny_model):
    in_training.generate("月", seed=4)
    with torch.no_grad():
        for name, weight in in_training.named_parameters():
            weight.data.copy_(weight * 2)  # as a fused optimizer does, without a new version
            tiny_model.get_parameter(name).mul_(2)
    assert in_training.generate("月", seed=4) == tiny_model.generate("月", seed=4)


def test_threads_share_a_model(in_training, tiny_model):
    options = {"form": "五絕", "num_poems": 3}
    expected = {seed: tiny_model.generate(seed=seed, **options) for seed in range(16)}
    written, ready = {}, threading.Barrier(8)

    def write(first: int) -> None:
        ready.wait()
        for seed in (first, first + 8):
            written[seed] = in_training.generate(seed=seed, **options)

    threads = [threading.Thread(target=write, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == expected and in_training.training and in_training.switches == 0


class Forgetful(PoetModel):
    """A model whose stepper another thread drops as soon as it is looked at, once `is_shared` is set."""

    is_shared = False
    _kept = None

    @property
    def _stepper(self):
        kept = self._kept
        self._kept = None if self.is_shared else kept
        return kept

    @_stepper.setter
    def _stepper(self, kept):
        self._kept = kept


def test_another_thread_may_drop_the_stepper_at_any_time(tiny_model):
    model = Forgetful(tiny_model.config, tiny_model.tokenizer)
    model.load_state_dict(tiny_model.state_dict())
    expected = model.eval().generate("月", seed=1)
    model.is_shared = True
    assert model.generate("月", seed=1) == expected == tiny_model.generate("月", seed=1)


class Emptied(dict):
    """A cache that another thread empties as soon as something is in it."""

    def __setitem__(self, key, value):
        pass


def test_another_thread_may_empty_the_masks_at_any_time(tiny_model):
    expected = tiny_model.generate("月", form="五絕", seed=1)
    tiny_model.vocabulary_masks._kept = Emptied()
    assert tiny_model.generate("月", form="五絕", seed=1) == expected
