"""KneserNeyPeer: the 4-gram model of poet_model.evaluation as one of the models that peers.py compares.

It is scored like the networks and writes like them. It reads the poems without their headers, which a context
of three characters would not see.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from common import ROOT  # noqa: F401  (makes poet_model importable)

from poet_model.arrays import FloatArray, IntArray
from poet_model.corpus import PoemRecord
from poet_model.evaluation.kneser_ney import BITS, END, START, KneserNey
from poet_model.evaluation.perplexity import UNKNOWN_CHOICES, Score
from poet_model.generation.options import GenerationConfig
from poet_model.generation.writer import Writer
from poet_model.prosody.lines import LINE_ENDS
from poet_model.tokenizer import EOS, SEP, PoetTokenizer

STAND_IN = "\ufffd"  # counted for each character outside the vocabulary, as <unk> is for the networks


class WritingKneserNey(KneserNey):
    """A KneserNey that knows what can follow, and how large it is."""

    def following(self, context: str) -> np.ndarray:
        """The probabilities (size,) of what can follow the beginning of a poem.

        They are those of the poem's end, of an unknown character, and of each of `characters`.

        Args:
            context: the poem so far, of which the last `order` - 1 characters matter.
        """
        ids, _ = self._ids([context])
        before = [START] * (self.order - 1) + ids.tolist()
        probabilities = np.full(self.size, 1 / self.size)
        for length, counted in enumerate(self._orders, 1):
            key = 0
            for token in before[len(before) - length + 1 :]:
                key = key << BITS | token
            probabilities *= counted.left_by(np.array([key]))
            first, last = np.searchsorted(counted.keys, (key << BITS, key + 1 << BITS))
            probabilities[(counted.keys[first:last] & (1 << BITS) - 1) - END] += counted.shares[first:last]
        return probabilities

    @property
    def characters(self) -> str:
        """The characters that were counted."""
        return self._points.astype(np.uint32).tobytes().decode("utf-32-le", "surrogatepass")

    @property
    def num_parameters(self) -> int:
        """The number of n-grams and of contexts, each of which has a number."""
        return sum(len(each.keys) + len(each.contexts) for each in self._orders)

    @property
    def num_bytes(self) -> int:
        """The bytes of all arrays."""
        arrays = (a for o in self._orders for a in (o.keys, o.shares, o.contexts, o.left))
        return sum(array.nbytes for array in arrays)


class KneserNeyPeer(Writer):
    """A Kneser-Ney model with the vocabulary of a tokenizer.

    Args:
        poems: the poems to count.
        tokenizer: the vocabulary.
    """

    def __init__(self, poems: Iterable[PoemRecord], tokenizer: PoetTokenizer):
        self.tokenizer, self.generation_config = tokenizer, GenerationConfig()
        self.model = WritingKneserNey(map(self.known, (poem.text for poem in poems)))

    def known(self, text: str) -> str:
        """The text with STAND_IN for characters outside the vocabulary."""
        return "".join(c if c in self.tokenizer else STAND_IN for c in text)

    def score(self, poems: Sequence[PoemRecord]) -> Score:
        """The score of poems, counted as evaluation.perplexity.score counts."""
        texts = [self.known(poem.text) for poem in poems]
        sums = np.zeros((4, len(texts)))
        for index, (text, log_probs) in enumerate(zip(texts, self.model.log_probs(texts), strict=True)):
            nats = -log_probs
            nats[:-1] += [math.log(UNKNOWN_CHOICES) * (c == STAND_IN) for c in text]
            is_hanzi = np.array([*(c not in LINE_ENDS for c in text), False])
            sums[:, index] = nats.sum(), len(nats), nats[is_hanzi].sum(), is_hanzi.sum()
        return Score(*sums)

    def stepper(self) -> KneserNeyStepper:
        """The model as a Stepper for decoding."""
        return KneserNeyStepper(self.model, self.tokenizer)


class KneserNeyStepper:
    """Implements `generation.decoding.Stepper` for a Kneser-Ney model. A state has the end of each row.

    Args:
        model: the model.
        tokenizer: the ids; those of special tokens but `<eos>` are impossible.
    """

    def __init__(self, model: WritingKneserNey, tokenizer: PoetTokenizer):
        self._model, self._tokens, self._context = model, tokenizer.tokens, model.order - 1
        counted = ["<eos>", "<unk>", *model.characters]  # in the order of `following`
        places = {token: place for place, token in enumerate(counted)}
        self._places = np.array([places.get(token, 1) for token in self._tokens])
        self._is_possible = np.arange(len(self._tokens)) >= EOS

    def read(self, ids: Sequence[int], first: int = 0) -> tuple[FloatArray, list[str]]:
        """Reads a header, which leaves no trace, and ids (T,) after it; see Stepper."""
        ids = list(ids)
        begin = len(ids) - ids[::-1].index(SEP)
        poem = "".join(self._tokens[i] for i in ids[begin:])
        texts = [poem[: max(0, place + 1 - begin)] for place in range(first, len(ids))]
        return self._logits(texts), [poem[-self._context :]]

    def step(self, ids: IntArray, state: list[str]) -> tuple[FloatArray, list[str]]:
        """Takes ids (B,) and the state before them; returns the next logits (B, V) and the new state."""
        pairs = zip(state, ids.tolist(), strict=True)
        state = [(text + self._tokens[token])[-self._context :] for text, token in pairs]
        return self._logits(state), state

    def select(self, state: list[str], rows: Sequence[int] | IntArray) -> list[str]:
        """The state of the given rows of the batch; rows may be dropped, repeated or reordered."""
        return [state[row] for row in rows]

    def _logits(self, texts: Sequence[str]) -> FloatArray:
        """The logarithms (B, V) of the probabilities after each text."""
        probabilities = np.stack([self._model.following(text) for text in texts])[:, self._places]
        # a character that few poems leave no chance may be the only one that the rules allow
        logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
        return np.where(self._is_possible, logits, -np.inf).astype(np.float32)
