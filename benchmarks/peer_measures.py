"""What peers.py measures of a trained model: perplexity, AUC, the speed of writing, and bytes.

All models write with the project's own decoding loop, so that sampling and rules are the same.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from common import ROOT  # noqa: F401  (makes poet_model importable)
from gpt import GPT
from kneser_ney_peer import KneserNeyPeer
from transformer import Cache

from poet_model.corpus import PoemRecord
from poet_model.evaluation.discriminator import told_apart
from poet_model.evaluation.features import PoemFeatures
from poet_model.evaluation.perplexity import score, without_header
from poet_model.model import PoetModel
from poet_model.training.data import TrainingData

Peer = PoetModel | GPT | KneserNeyPeer
FORM, BATCH = "七絕", 64
SINGLE_POEMS = 8  # poems written one after another to measure the speed at batch 1
STATE_TOKENS = 100  # tokens after which the bytes of a state are counted, as many as a long 律詩 has
BYTES = 2  # of a weight, which all networks keep and read as float16


class Measures:
    """The measures, with the poems that they need.

    Args:
        data: the poems and the vocabulary.
        poems: how many poems each model writes for the AUC.
    """

    def __init__(self, data: TrainingData, poems: int):
        self.valid, self.test, self.poems = data.valid, data.corpus.splits["test"], poems
        self.features = PoemFeatures([poem.text for poem in data.train])
        # neither is trained on; together they have more poems of the form
        self.real = list({poem.text: None for poem in (*self.valid, *self.test)})

    def of(self, model: Peer) -> dict[str, Any]:
        """All measures of a trained model in evaluation mode; `auc` is missing if there are too few poems."""
        written, speed = write(model, self.poems)
        auc = told_apart(self.features, self.real, [(text, FORM) for text in written])
        return {
            "valid": perplexity(model, self.valid),
            "test": perplexity(model, self.test),
            **size(model),
            "state_bytes": state_bytes(model),
            "characters_per_second": {"1": write(model, SINGLE_POEMS, 1)[1], str(BATCH): speed},
            **({} if auc is None else {"auc": auc._asdict()}),
        }


def perplexity(model: Peer, poems: Sequence[PoemRecord]) -> dict[str, Any]:
    """The perplexity over poems and `<eos>` with an empty header, with its interval."""
    scored = without_header(poems)
    result = model.score(scored) if isinstance(model, KneserNeyPeer) else score(model, scored)
    return result.record()


def size(model: Peer) -> dict[str, int]:
    """The parameters, those of them outside the embedding, and the bytes of all."""
    if isinstance(model, KneserNeyPeer):
        return {"parameters": model.model.num_parameters, "weight_bytes": model.model.num_bytes}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {
        "parameters": parameters,
        "outside_embedding": parameters - model.embedding.weight.numel() - model.bias.numel(),
        "weight_bytes": BYTES * parameters,
    }


def state_bytes(model: Peer) -> int:
    """The bytes that the state of one row takes after STATE_TOKENS tokens."""
    ids = model.tokenizer.encode_header() + [len(model.tokenizer) - 1] * STATE_TOKENS
    _, state = model.stepper().read(ids[:STATE_TOKENS])
    if isinstance(state, Cache):
        return state.bytes_per_row
    if isinstance(model, KneserNeyPeer):
        return sum(len(text.encode("utf-32-le")) for text in state)
    return sum(part.numel() * part.element_size() for part in state)


@torch.inference_mode()
def write(model: Peer, poems: int, batch: int = BATCH) -> tuple[list[str], float]:
    """Writes poems in batches; returns their texts, and the characters per second of all of `generate`."""
    model.generate(form=FORM, num_poems=batch)  # prepares what is used again
    started, texts = time.perf_counter(), []
    for seed in range(0, poems, batch):
        texts += [poem.text for poem in model.generate(form=FORM, seed=seed, num_poems=batch)]
    return texts[:poems], round(sum(map(len, texts)) / (time.perf_counter() - started), 1)
