"""The peers are trained on equal batches, have equal sizes, and a run goes on where it was stopped."""

from __future__ import annotations

import math
import random
import sys

import numpy as np
import pytest
from accelerate.state import AcceleratorState
from conftest import POEMS, ROOT
from corpus_texts import verse

sys.path.append(str(ROOT / "benchmarks"))
import peers
from kneser_ney_peer import KneserNeyPeer
from peer_training import TokenBudget, Training, Try
from peers import Results
from peers_table import ROWS, rows_of

from poet_model.corpus import Corpus, CorpusReport, PoemRecord
from poet_model.corpus.batches import HeaderRates, PoemBatches
from poet_model.errors import InvalidValueError
from poet_model.evaluation.perplexity import UNKNOWN_CHOICES, score
from poet_model.training.data import prepare_data


@pytest.fixture(autouse=True)
def no_accelerator_of_another_test():
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


RECORDS = [PoemRecord(text, title, "李白") for text in POEMS for title in ("月", "")]


@pytest.fixture
def data():
    rng = random.Random(0)
    poems = [PoemRecord(verse(rng)) for _ in range(60)]
    splits = {"train": poems[:50], "valid": poems[50:55], "test": poems[55:]}
    return prepare_data(Corpus(splits, CorpusReport(characters=dict.fromkeys(splits, 1))))


def training(data, folder, **settings):
    settings = {"preset": "tiny", "hidden_size": 64, "num_layers": 1, "tokens": 1500} | settings
    return Training(data, folder=folder, **settings)


def test_a_budget_of_tokens_runs_over_the_epochs(tokenizer):
    batches = PoemBatches(RECORDS, tokenizer, batch_size=2, header=HeaderRates(), seed=3)
    epochs = [batch for number in range(3) for batch in batches.epoch(number)]
    wanted = sum(batch.inputs.size for batch in epochs[:-2]) - 1
    budget = TokenBudget(batches, wanted)
    assert len(budget) == len(epochs) - 2
    assert budget.tokens == wanted + 1
    assert budget.epochs == pytest.approx(2 + (len(batches.epoch(2)) - 2) / len(batches.epoch(2)))
    for index in (*range(len(budget)), 0, len(budget) - 1):  # in any order, as after a resume
        for side, expected in zip(budget.batch(index), epochs[index], strict=True):
            np.testing.assert_array_equal(side, expected)


def test_all_networks_are_of_one_size_and_read_the_same(data, tmp_path):
    trainings = {name: training(data, tmp_path, tokens=500) for name in peers.NETWORKS}
    sizes = {
        name: sum(parameter.numel() for parameter in each.new_model(Try(name)).parameters())
        for name, each in trainings.items()
    }
    assert max(sizes.values()) < 1.05 * min(sizes.values())
    records = {name: each.train(Try(name)) for name, each in trainings.items()}
    first, *others = records.values()
    for other in others:
        assert (other["tokens"], other["steps"]) == (first["tokens"], first["steps"])
    for record in records.values():
        assert math.isfinite(record["validation_perplexity"])


def test_kneser_ney_is_scored_and_writes_like_the_networks(tokenizer):
    records = [PoemRecord(text) for text in POEMS]
    peer = KneserNeyPeer(records, tokenizer)
    score = peer.score([PoemRecord("牀前龘月光，疑是地上霜。")])
    assert score.tokens == 13 and score.hanzi == 10
    log_probs = peer.model.log_probs([peer.known("牀前龘月光，疑是地上霜。")])[0]
    assert score.nats == pytest.approx(math.log(UNKNOWN_CHOICES) - log_probs.sum())
    for text in ("", "春", "白日依山盡，", "龘"):
        following = peer.model.following(text)
        assert following.sum() == pytest.approx(1)
        for place, character in enumerate(peer.model.characters, 2):
            expected = peer.model.log_probs([text + character])[0][-2]
            assert np.log(following[place]) == pytest.approx(expected)
    stepper, ids = peer.stepper(), tokenizer.encode_header("月", "李白") + tokenizer.encode("白日依山")
    read, state = stepper.read(ids, first=len(ids) - 5)
    _, before = stepper.read(ids[:-1])
    stepped, after = stepper.step(np.array(ids[-1:]), before)
    np.testing.assert_array_equal(read[-1], stepped[0])
    assert state == after
    poem = peer.generate(form="五絕", seed=1)
    assert len(poem.text) == 24
    assert peer.generate(form="五絕", seed=0, num_poems=2)[1].text == poem.text


@pytest.fixture
def options(tmp_path):
    """The options of a run that tunes the GPT and writes into `tmp_path`."""
    words = ["--dropouts", "0", "0.2", "--json", str(tmp_path / "peers.json")]
    return peers.make_parser().parse_args(words)


def test_a_run_goes_on_with_what_the_results_have(data, options, tmp_path):
    def best_of(tokens):
        results = Results(options.json, {"tokens": tokens, "seed": 0})
        best = peers.best_of("gpt", training(data, tmp_path / "runs", tokens=tokens), results, options)
        return best, results.record["trainings"]

    best, trainings = best_of(1500)
    *dropouts, last = trainings
    assert dropouts == [f"gpt, dropout {rate}, learning rate 0.003" for rate in ("0", "0.2")]
    better = min(dropouts, key=lambda name: trainings[name]["validation_perplexity"])
    assert last == better.replace("0.003", "0.001")
    assert best.name == min(trainings, key=lambda name: trainings[name]["validation_perplexity"])
    logs = {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    assert len(logs) == 3
    assert best_of(1500) == (best, trainings)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")} == logs  # nothing is trained again
    with pytest.raises(InvalidValueError, match="with another tokens; give the options"):
        best_of(3000)


def test_a_training_is_loaded_as_it_was_validated(data, tmp_path):
    each = training(data, tmp_path, tokens=1500)
    record = each.train(Try("gpt"))
    perplexity = score(each.best_model(Try("gpt")), each.held_out).perplexity
    assert perplexity == pytest.approx(record["validation_perplexity"], rel=1e-3)  # float16 on disk


def test_what_was_not_measured_is_left_empty_in_the_table():
    model = {"valid": {"perplexity": 1.5}, "parameters": 12, "state_bytes": 2048}
    columns, rows = rows_of({"models": {"kneser_ney": model, "lstm": model | {"minutes": 3}}})
    assert columns == ["", "LSTM", "Kneser-Ney"]
    assert [row[0] for row in rows] == [title.strip() for title in ROWS]
    shown = {title: cells for title, *cells in rows if any(cells)}
    assert shown == {
        "perplexity, validation": ["1.50", "1.50"],
        "parameters": ["12", "12"],
        "training, minutes": ["3.0", ""],
        "state of one poem, KB": ["2.0", "2.0"],
    }
