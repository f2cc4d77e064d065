"""A language model of characters: embedding -> RNN or LSTM layers -> softmax, with its gradients.

It does not know how it is trained (training.py), how it writes a poem (writing.py) or what its files look
like (model_files.py). The command is `python -m poet_model.from_scratch`.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import quoted
from . import functional, initializers, lstm, rnn
from .config import CharLMConfig
from .fast import FastLSTM, fast_output_loss, output_nats
from .functional import Array, check_shape
from .model_files import check_arrays, read_model, write_model
from .rnn import Weights
from .vocabulary import BOS, SEP, Vocabulary

State = list[tuple[Array, ...]]  # per layer: h, and for an LSTM also c; each (B, H)


class CharLM:
    """A character-level language model: its parameters by name, and the computations on them.

    Args:
        config: the shape of the model.
        vocabulary: its characters.
        seed: seed of the initial weights.
        init: the initial weights, one of initializers.INITIALIZERS. Biases start at 0, except those of forget
            gates, which start at 1 so that gradients pass from the first step on. An embedding that is not
            tied starts as N(0, 1), so that characters are easy to tell apart.

    Example:
        >>> model = CharLM.from_pretrained("assets/tang-lstm")
        >>> logits, state = model.forward(np.array([[2, 3, 3, 3]]))
        >>> logits.shape
        (1, 4, 7524)
    """

    def __init__(
        self, config: CharLMConfig, vocabulary: Vocabulary, *, seed: int = 0, init: str = "orthogonal"
    ):
        if len(vocabulary) != config.vocab_size:
            raise ValueError(
                f"the vocabulary has {len(vocabulary)} tokens, the configuration says {config.vocab_size}"
            )
        if init not in initializers.INITIALIZERS:
            raise ValueError(
                f"init must be one of {', '.join(initializers.INITIALIZERS)}, got {quoted(init)}"
            )
        self.config, self.vocabulary = config, vocabulary
        rng, make = np.random.default_rng(seed), initializers.INITIALIZERS[init]
        self.parameters: dict[str, Array] = {
            name: make(shape, rng) if len(shape) > 1 else np.zeros(shape, np.float32)
            for name, shape in config.shapes().items()
        }
        for index in range(config.num_layers if config.cell == "lstm" else 0):
            self.layer(index).bias_ih[config.hidden_size : 2 * config.hidden_size] = 1
        if not config.tied and init != "zeros":
            self.parameters["embedding.weight"] = initializers.normal(
                (config.vocab_size, config.embedding_size), rng, std=1.0
            )
        self._fast_layers = [FastLSTM() for _ in range(config.num_layers)]

    @property
    def num_parameters(self) -> int:
        """The number of trainable values."""
        return sum(parameter.size for parameter in self.parameters.values())

    @property
    def prompt(self) -> list[int]:
        """The ids that precede every poem."""
        return [BOS, SEP, SEP, SEP] if self.config.header else [BOS]

    def layer(self, index: int) -> Weights:
        """The weights of a recurrent layer."""
        prefix = f"{self.config.cell}.layers.{index}."
        return Weights(*(self.parameters[f"{prefix}{name}_l0"] for name in Weights._fields))

    @property
    def output_weight(self) -> Array:
        """The weights of the output layer, (V, H)."""
        return self.parameters["embedding.weight" if self.config.tied else "output.weight"]

    def zero_state(self, batch: int) -> State:
        """The state before the first character."""
        parts = 1 if self.config.cell == "rnn" else 2
        zeros = np.zeros((batch, self.config.hidden_size), self.parameters["bias"].dtype)
        return [(zeros,) * parts for _ in range(self.config.num_layers)]

    def forward(self, ids: Array, state: State | None = None) -> tuple[Array, State]:
        """ids (B, T) and the state before them -> logits (B, T, V) and the state after them."""
        hidden, state, _ = self._hidden(ids, state, None)
        return functional.affine(hidden, self.output_weight, self.parameters["bias"]), state

    def _hidden(self, ids: Array, state: State | None, mask: Array | None) -> tuple[Array, State, list[Any]]:
        """The outputs of the last layer (B, T, H), the state after them, and the caches of each layer."""
        _check_batch(ids)
        x = functional.embedding(ids, self.parameters["embedding.weight"])
        after: State = []
        caches: list[Any] = []
        for index, before in enumerate(self.zero_state(len(ids)) if state is None else state):
            if self.config.cell == "rnn":
                x, h, of_rnn = rnn.forward(x, before[0], self.layer(index), mask)
                after, caches = [*after, (h,)], [*caches, of_rnn]
            else:
                x, last, of_lstm = lstm.forward(x, before[0], before[1], self.layer(index), mask)
                after.append(last)
                caches.append(of_lstm)
        return x, after, caches

    def loss_and_gradients(
        self,
        ids: Array,
        targets: Array,
        mask: Array | None = None,
        state: State | None = None,
        truncate: int | None = None,
    ) -> tuple[float, dict[str, Array], State]:
        """Loss, gradients and new state, computed step by step in the order of docs/derivation.md.

        Args:
            ids: (B, T).
            targets: (B, T), the character that follows each id.
            mask: (B, T), 1 where a target counts and 0 at padding. None counts all.
            state: the state before the first character. None means zeros.
            truncate: the most steps that the gradient of one output goes back. None: to the first step.

        Returns:
            The mean loss in nats, the gradient of every parameter, and the state after the last character.
        """
        check_shape("targets", targets.shape, ids.shape)
        p = self.parameters
        hidden, after, caches = self._hidden(ids, state, mask)
        loss, cache = functional.cross_entropy(
            functional.affine(hidden, self.output_weight, p["bias"]), targets, mask
        )
        dlogits = functional.cross_entropy_backward(cache)
        dx, d_output, d_bias = functional.affine_backward(dlogits, hidden, self.output_weight)
        grads = {"bias": d_bias}
        for index in reversed(range(self.config.num_layers)):
            w, zeros = self.layer(index), np.zeros_like(dx[:, 0])
            if self.config.cell == "rnn":
                dx, _, d_weights = rnn.backward(dx, zeros, caches[index], w, mask, truncate)
            else:
                dx, _, d_weights = lstm.backward(dx, (zeros, zeros), caches[index], w, mask, truncate)
            self._name_gradients(grads, index, d_weights)
        self._finish_gradients(grads, dx, ids, d_output)
        return loss, grads, after

    def fast_loss_and_gradients(
        self, ids: Array, targets: Array, mask: Array | None = None, state: State | None = None
    ) -> tuple[float, dict[str, Array], State]:
        """Faster, with the same results: `FastLSTM` and `fast_output_loss`. An RNN uses the plain version.

        Padding may stand only at the end of a row. The state returned for a padded row is not the one after
        its last character.
        """
        if self.config.cell != "lstm":
            return self.loss_and_gradients(ids, targets, mask, state)
        _check_batch(ids)
        check_shape("targets", targets.shape, ids.shape)
        time_first = np.ascontiguousarray(ids.T)
        x = functional.embedding(time_first, self.parameters["embedding.weight"])  # (T, B, E)
        after: State = []
        for index, before in enumerate(self.zero_state(len(ids)) if state is None else state):
            x, (h, c) = self._fast_layers[index].forward(x, before[0], before[1], self.layer(index))
            after.append((h.copy(), c.copy()))
        rows, mask_rows = x.reshape(-1, x.shape[2]), None if mask is None else mask.T.ravel()
        loss, dx, d_output, d_bias = fast_output_loss(
            rows, self.output_weight, self.parameters["bias"], targets.T.ravel(), mask_rows
        )
        grads, dx = {"bias": d_bias}, dx.reshape(x.shape)
        for index in reversed(range(self.config.num_layers)):
            dx, _, d_weights = self._fast_layers[index].backward(dx)
            self._name_gradients(grads, index, d_weights)
        self._finish_gradients(grads, dx, ids.T, d_output)
        return loss, grads, after

    def loss(self, ids: Array, targets: Array, mask: Array) -> tuple[float, float]:
        """The summed nats of the targets that count, and how many count. No gradients."""
        hidden, _, _ = self._hidden(ids, None, mask)
        nats = output_nats(
            hidden.reshape(-1, hidden.shape[2]), self.output_weight, self.parameters["bias"], targets.ravel()
        )
        return float((nats * mask.ravel()).sum()), float(mask.sum())

    def _name_gradients(self, grads: dict[str, Array], index: int, weights: Weights) -> None:
        for name, gradient in weights._asdict().items():
            grads[f"{self.config.cell}.layers.{index}.{name}_l0"] = gradient

    def _finish_gradients(self, grads: dict[str, Array], dx: Array, ids: Array, d_output: Array) -> None:
        """Adds the gradient of the embedding: from the input and, if it is tied, also from the output."""
        d_embedding = functional.embedding_backward(dx, ids, self.config.vocab_size)
        if self.config.tied:
            d_embedding += d_output
        else:
            grads["output.weight"] = d_output
        grads["embedding.weight"] = d_embedding

    def log_probs(self, text: str) -> list[float]:
        """ln p of each character of a poem, given all characters before it."""
        self.vocabulary.check_known(text)
        ids = self.vocabulary.encode(text)
        if not ids:
            return []
        logits, _ = self.forward(np.array([[*self.prompt, *ids[:-1]]]))
        rows = logits[0, len(self.prompt) - 1 :].astype(np.float64)
        rows = rows - rows.max(axis=1, keepdims=True)
        rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
        log_probs: list[float] = rows[np.arange(len(ids)), ids].tolist()
        return log_probs

    def save(self, target: str | Path) -> None:
        """Writes one `.npz` file if the name ends in .npz, else a folder. See model_files.py."""
        write_model(target, asdict(self.config), self.parameters, self.vocabulary)

    @classmethod
    def load(cls, source: str | Path) -> CharLM:
        """Reads what `save` wrote, or the folder of a model of the torch half.

        Raises:
            ValueError: a file is missing, damaged, of another kind, or does not fit its configuration.
        """
        record, arrays, vocabulary = read_model(source)
        config = CharLMConfig.from_record(record, source)
        if config.cell == "rnn":  # the torch half calls its layers "lstm", whatever their cell is
            arrays = {name.replace("lstm.", "rnn.", 1): array for name, array in arrays.items()}
        check_arrays(arrays, config, source)  # before a model of any size is made
        model = cls(config, vocabulary, init="zeros")  # the fastest: all of them are replaced
        model.set_parameters(arrays, source)
        return model

    from_pretrained = load  # the name that the torch half has for it

    def set_parameters(self, arrays: dict[str, Array], source: str | Path) -> None:
        """Copies all parameters in, as float32. `source` names their origin in the error message."""
        check_arrays(arrays, self.config, source)
        for name, array in arrays.items():
            with np.errstate(over="ignore"):  # numbers that are too large for float32 become infinite
                values = array.astype(np.float32) if np.issubdtype(array.dtype, np.floating) else np.nan
            if not np.isfinite(values).all():
                raise ValueError(f"{name} in {source} has a value that is not finite; use an earlier file")
            self.parameters[name][...] = values  # in place: an optimizer may hold it


def _check_batch(ids: Array) -> None:
    if ids.ndim != 2:
        raise ValueError(f"ids must have shape (batch, steps), got {ids.shape}")


if __name__ == "__main__":  # the command's old name
    import runpy

    runpy.run_module("poet_model.from_scratch", run_name="__main__")
