"""A language model of characters: embedding -> RNN or LSTM layers -> softmax, its gradients and its files.

    python -m poet_model.from_scratch.char_lm generate --model assets/tang-lstm --start 春
    python -m poet_model.from_scratch.char_lm train --preset mini --corpus poems.txt --output runs/mini

It does not know how poems are written (writing.py), trained on (training.py) or read from a file.
"""

from __future__ import annotations

import json
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from . import functional, initializers, lstm, rnn
from .functional import Array, check_shape
from .rnn import Weights
from .vocabulary import BOS, SEP, Vocabulary

State = list[tuple[Array, ...]]  # for each layer h, and c of an LSTM; each (B, H)
CELLS = {"rnn": 1, "lstm": 4}  # rows of weights for each unit
# all that zipfile, zlib and NumPy's reader of headers let out on damaged bytes
_DAMAGED = (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, SyntaxError)
_DAMAGED += (zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError)
CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"


@dataclass(frozen=True)
class CharLMConfig:
    """The shape of a model.

    Args:
        vocab_size: number of token ids, special tokens included.
        embedding_size, hidden_size: widths of the embedding and of every recurrent layer.
        num_layers: recurrent layers, one on the other.
        cell: "rnn" or "lstm".
        tied: whether the output layer's weights are the embedding, as in the model that ships.
        header: whether a poem stands behind an empty header, as in the model that ships.
    """

    vocab_size: int
    embedding_size: int = 128
    hidden_size: int = 128
    num_layers: int = 1
    cell: str = "lstm"
    tied: bool = False
    header: bool = False

    def __post_init__(self):
        for name in ("vocab_size", "embedding_size", "hidden_size", "num_layers"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} must be a whole number from 1, got {value!r}")
        if self.cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {self.cell!r}")
        if self.tied and self.embedding_size != self.hidden_size:
            raise ValueError(
                f"tied weights need embedding_size = hidden_size, got {self.embedding_size} and "
                f"{self.hidden_size}"
            )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter, under the names of the model that ships."""
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (self.vocab_size, self.embedding_size)}
        rows, size = CELLS[self.cell] * self.hidden_size, self.embedding_size
        for layer in range(self.num_layers):
            prefix = f"{self.cell}.layers.{layer}."
            shapes[prefix + "weight_ih_l0"] = (rows, size)
            shapes[prefix + "weight_hh_l0"] = (rows, self.hidden_size)
            shapes[prefix + "bias_ih_l0"] = shapes[prefix + "bias_hh_l0"] = (rows,)
            size = self.hidden_size
        if not self.tied:
            shapes["output.weight"] = (self.vocab_size, self.hidden_size)
        return shapes | {"bias": (self.vocab_size,)}


class CharLM:
    """The model: parameters by name, and what is computed with them.

    Args:
        config: its shape.
        vocabulary: its characters.
        seed: of the first weights.
        init: how weights begin, by the names of initializers.INITIALIZERS. Biases begin at 0, but those of
            forget gates at 1, so that the gradient passes from the first step on; and an embedding that is
            not tied at N(0, 1), so that characters are easy to tell apart.

    Example:
        >>> model = CharLM.from_pretrained("assets/tang-lstm")
        >>> logits, state = model.forward(np.array([[2, 3, 3, 3]]))
    """

    def __init__(
        self, config: CharLMConfig, vocabulary: Vocabulary, *, seed: int = 0, init: str = "orthogonal"
    ):
        if len(vocabulary) != config.vocab_size:
            raise ValueError(
                f"the vocabulary has {len(vocabulary)} tokens, the configuration says {config.vocab_size}"
            )
        if init not in initializers.INITIALIZERS:
            raise ValueError(f"init must be one of {', '.join(initializers.INITIALIZERS)}, got {init!r}")
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
        self._fast_layers = [lstm.FastLSTM() for _ in range(config.num_layers)]

    @property
    def num_parameters(self) -> int:
        """How many trainable numbers the model has."""
        return sum(parameter.size for parameter in self.parameters.values())

    @property
    def prompt(self) -> list[int]:
        """The ids that stand before a poem."""
        return [BOS, SEP, SEP, SEP] if self.config.header else [BOS]

    def layer(self, index: int) -> Weights:
        """The weights of a recurrent layer."""
        prefix = f"{self.config.cell}.layers.{index}."
        return Weights(*(self.parameters[f"{prefix}{name}_l0"] for name in Weights._fields))

    @property
    def output_weight(self) -> Array:
        """(V, H), from the last layer to the logits."""
        return self.parameters["embedding.weight" if self.config.tied else "output.weight"]

    def zero_state(self, batch: int) -> State:
        """The state before the first character."""
        parts = 1 if self.config.cell == "rnn" else 2
        zeros = np.zeros((batch, self.config.hidden_size), self.parameters["bias"].dtype)
        return [(zeros,) * parts for _ in range(self.config.num_layers)]

    def forward(self, ids: Array, state: State | None = None) -> tuple[Array, State]:
        """Ids (B, T) and the state before them -> logits (B, T, V) and the state after them."""
        hidden, state, _ = self._hidden(ids, state, None)
        return functional.affine(hidden, self.output_weight, self.parameters["bias"]), state

    def _hidden(self, ids: Array, state: State | None, mask: Array | None) -> tuple[Array, State, list]:
        """The last layer's outputs (B, T, H), the state after them, and for each layer its caches."""
        _check_batch(ids)
        x = functional.embedding(ids, self.parameters["embedding.weight"])
        after, caches = [], []
        for index, before in enumerate(self.zero_state(len(ids)) if state is None else state):
            if self.config.cell == "rnn":
                x, h, cache = rnn.forward(x, *before, self.layer(index), mask)
                after.append((h,))
            else:
                x, last, cache = lstm.forward(x, *before, self.layer(index), mask)
                after.append(last)
            caches.append(cache)
        return x, after, caches

    def loss_and_gradients(
        self,
        ids: Array,
        targets: Array,
        mask: Array | None = None,
        state: State | None = None,
        truncate: int | None = None,
    ) -> tuple[float, dict[str, Array], State]:
        """The plain way, line by line as one would derive it.

        Args:
            ids: (B, T).
            targets: (B, T), the character that follows each.
            mask: (B, T), 1 where a target counts and 0 at padding; None: all count.
            state: before the first character; None: zeros.
            truncate: how many steps back the gradient of one output goes at most; None: to the first.

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
        """The same numbers, faster; for LSTMs, and padding only at the end of rows. See lstm.FastLSTM.

        (The state after a padded row is not that of its last character.)
        """
        if self.config.cell != "lstm":
            return self.loss_and_gradients(ids, targets, mask, state)
        _check_batch(ids)
        check_shape("targets", targets.shape, ids.shape)
        x = functional.embedding(
            np.ascontiguousarray(ids.T), self.parameters["embedding.weight"]
        )  # (T, B, E)
        after = []
        for index, before in enumerate(self.zero_state(len(ids)) if state is None else state):
            x, (h, c) = self._fast_layers[index].forward(x, *before, self.layer(index))
            after.append((h.copy(), c.copy()))
        rows = x.reshape(-1, x.shape[2])
        loss, dx, d_output, d_bias = functional.fast_output_loss(
            rows, self.output_weight, self.parameters["bias"], targets.T.ravel(), _flat(mask)
        )
        grads, dx = {"bias": d_bias}, dx.reshape(x.shape)
        for index in reversed(range(self.config.num_layers)):
            dx, _, d_weights = self._fast_layers[index].backward(dx)
            self._name_gradients(grads, index, d_weights)
        self._finish_gradients(grads, dx, ids.T, d_output)
        return loss, grads, after

    def loss(self, ids: Array, targets: Array, mask: Array) -> tuple[float, float]:
        """Summed nats of the targets that count, and their number; no gradients."""
        hidden, _, _ = self._hidden(ids, None, mask)
        nats = functional.output_nats(
            hidden.reshape(-1, hidden.shape[2]), self.output_weight, self.parameters["bias"], targets.ravel()
        )
        return float((nats * mask.ravel()).sum()), float(mask.sum())

    def _name_gradients(self, grads: dict[str, Array], index: int, weights: Weights) -> None:
        for name, gradient in weights._asdict().items():
            grads[f"{self.config.cell}.layers.{index}.{name}_l0"] = gradient

    def _finish_gradients(self, grads: dict[str, Array], dx: Array, ids: Array, d_output: Array) -> None:
        """The embedding is reached from the input; if it is tied, from the output too."""
        d_embedding = functional.embedding_backward(dx, ids, self.config.vocab_size)
        if self.config.tied:
            d_embedding += d_output
        else:
            grads["output.weight"] = d_output
        grads["embedding.weight"] = d_embedding

    def log_probs(self, text: str) -> list[float]:
        """The natural log of the probability of each character of a poem, given all before it."""
        self.vocabulary.check_known(text)
        ids = self.vocabulary.encode(text)
        if not ids:
            return []
        logits, _ = self.forward(np.array([[*self.prompt, *ids[:-1]]]))
        rows = logits[0, len(self.prompt) - 1 :].astype(np.float64)
        rows = rows - rows.max(axis=1, keepdims=True)
        rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
        return rows[np.arange(len(ids)), ids].tolist()

    def save(self, target: str | Path) -> None:
        """Writes the model: one `.npz` file if the name ends so, else a folder with `model.safetensors`.

        The folder's weights, vocabulary and names are those of the torch half; only its config.json is this
        half's own.
        """
        target, config = Path(target), json.dumps(asdict(self.config), indent=2)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".npz":
            tokens = np.array(self.vocabulary.tokens[5:])
            np.savez(target, **self.parameters, **{"config.json": np.array(config), "characters": tokens})
            return
        from safetensors.numpy import save_file

        target.mkdir(exist_ok=True)
        save_file(self.parameters, target / WEIGHTS_NAME)
        self.vocabulary.save(target)
        (target / CONFIG_NAME).write_text(config + "\n", encoding="utf-8")

    @classmethod
    def load(cls, source: str | Path) -> CharLM:
        """Reads what `save` wrote, or the folder of a model of the torch half.

        Raises:
            ValueError: the file is damaged, foreign, or of another size than its configuration says.
        """
        source = Path(source)
        if source.suffix == ".npz":
            record, arrays, vocabulary = _read_npz(source)
        else:
            record, arrays = _read_folder(source)
            vocabulary = Vocabulary.load(source)
        model = cls(_config_of(record, source), vocabulary)
        if model.config.cell == "rnn":  # the torch half calls its layers "lstm" whatever they are
            arrays = {name.replace("lstm.", "rnn.", 1): array for name, array in arrays.items()}
        model.set_parameters(arrays, source)
        return model

    from_pretrained = load  # the name the torch half has for it

    def set_parameters(self, arrays: dict[str, Array], source: str | Path) -> None:
        """Takes over all parameters, in float32; `source` is for the message if they do not fit."""
        expected = self.config.shapes()
        if missing := sorted(expected.keys() - arrays.keys()):
            raise ValueError(f"{source} lacks {', '.join(missing[:3])}: it is another kind of model")
        if foreign := sorted(arrays.keys() - expected.keys()):
            raise ValueError(
                f"{source} also holds {', '.join(foreign[:3])}, which this model has no place for"
            )
        for name, shape in expected.items():
            check_shape(f"{name} in {source}", arrays[name].shape, shape)
            if not np.issubdtype(arrays[name].dtype, np.floating) or not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name} in {source} holds what is no finite number; take an earlier file")
            self.parameters[name][...] = arrays[name]  # in place: an optimizer may hold it


def _check_batch(ids: Array) -> None:
    if ids.ndim != 2:
        raise ValueError(f"ids must have shape (batch, steps), got {ids.shape}")


def _flat(mask: Array | None) -> Array | None:
    return None if mask is None else mask.T.ravel()


def _read_npz(path: Path) -> tuple[dict, dict[str, Array], Vocabulary]:
    arrays = load_arrays(path)
    try:
        record, characters = json.loads(str(arrays.pop("config.json"))), arrays.pop("characters").tolist()
        return record, arrays, Vocabulary(characters)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path} is no model of ours: {error} is missing or wrong in it") from error


def load_arrays(path: Path) -> dict[str, Array]:
    """All arrays of a `.npz` file; nothing is unpickled, which could run code.

    Raises:
        ValueError: missing, damaged, or something else.
    """
    if not path.is_file():
        raise ValueError(f"{path} does not exist; give a .npz file or a model's folder")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except _DAMAGED as error:
        raise ValueError(f"{path} is damaged or no .npz file; take an earlier one") from error


def _read_folder(folder: Path) -> tuple[dict, dict[str, Array]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not (folder / CONFIG_NAME).is_file():
        raise ValueError(f"{folder} is no model's folder: it has no {CONFIG_NAME}")
    try:
        record = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
        return record, load_file(folder / WEIGHTS_NAME)
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"{folder} is damaged: {error}") from error


def _config_of(record: dict, source: Path) -> CharLMConfig:
    """The configuration of a saved model of either half."""
    if isinstance(record, dict) and record.get("model_type") == "poet-lstm":
        try:
            size, cell = record["hidden_size"], record.get("cell", "lstm").removeprefix("handwritten_")
            return CharLMConfig(
                record["vocab_size"], size, size, record["num_layers"], cell, tied=True, header=True
            )
        except KeyError as error:
            raise ValueError(f"{source}: its {CONFIG_NAME} lacks {error}") from None
    known = {field.name for field in fields(CharLMConfig)}
    if not isinstance(record, dict) or "vocab_size" not in record or record.keys() - known:
        raise ValueError(f"{source}: its {CONFIG_NAME} is none of ours; known are {sorted(known)}")
    return CharLMConfig(**record)


def main(arguments: Iterable[str] | None = None) -> int:
    """The command line; see command_line.py."""
    from .command_line import main

    return main(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
