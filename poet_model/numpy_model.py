"""NumpyPoetModel: reads and runs a model folder without torch. It writes the same poems as PoetModel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .arrays import FloatArray, IntArray
from .config import CELL_GATES, PoetConfig
from .folders import read_steadily
from .generation.options import GenerationConfig
from .generation.writer import Writer
from .hub.fetch import find_folder
from .tokenizer import PoetTokenizer
from .weights import check_finite, is_finite, load_weights, to_float32

State = tuple[FloatArray, FloatArray]  # hidden and cell state, each (L, B, H)
# as torch, without warnings: huge weights give logits that are not finite, which `sample` refuses
_SILENT = np.errstate(over="ignore", invalid="ignore")


class NumpyPoetModel(Writer):
    """The network of a PoetModel in NumPy, for generation only. It does not need torch.

    Load it with `from_pretrained`. With the same seed and options, `generate` and `stream` give the same
    poem as those of PoetModel, except for one poem in thousands, in which a random number falls between the
    two roundings of a probability.

    Args:
        config: the architecture.
        tokenizer: the tokenizer with the vocabulary.
        weights: float32 arrays by their names in a PoetModel.
        generation_config: the default sampling settings.

    Example:
        >>> from poet_model import NumpyPoetModel
        >>> model = NumpyPoetModel.from_pretrained("assets/tang-lstm")
        >>> print(model.generate("春", form="五絕", tones=True, rhyme=True, seed=22))
        春水行人醉，紗筵枕上愁。
        一朝歌落盡，無復最高樓。
    """

    def __init__(
        self,
        config: PoetConfig,
        tokenizer: PoetTokenizer,
        weights: dict[str, FloatArray],
        generation_config: GenerationConfig | None = None,
    ):
        self.config: PoetConfig = config
        self.tokenizer: PoetTokenizer = tokenizer
        self.generation_config: GenerationConfig = generation_config or GenerationConfig()
        self._stepper: NumpyStepper = NumpyStepper(config, weights)

    @property
    def num_parameters(self) -> int:
        """The number of weights."""
        return self.config.num_parameters

    def stepper(self) -> NumpyStepper:
        """The model as a Stepper, which takes one character at a time."""
        return self._stepper

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        revision: str | None = None,
        subfolder: str = "",
        cache_dir: str | Path | None = None,
        token: str | bool | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ) -> NumpyPoetModel:
        """Loads a model from a folder or from the Hub.

        Args:
            name_or_path: a model folder, or a Hub id such as `user/tang-lstm`.
            revision, subfolder, cache_dir, token, force_download, local_files_only: as in
                `huggingface_hub.snapshot_download`.

        Raises:
            CheckpointError: the folder is damaged, or does not hold a model of this package.
            HubError: the Hub has no such model or cannot be reached.
            InvalidValueError: an argument has the wrong type or form.

        Example:
            >>> NumpyPoetModel.from_pretrained("assets/tang-lstm").config.hidden_size
            512
            >>> NumpyPoetModel.from_pretrained("user/tang-lstm", revision="v1")  # doctest: +SKIP
        """
        folder = find_folder(
            name_or_path,
            revision=revision,
            subfolder=subfolder,
            cache_dir=cache_dir,
            token=token,
            force_download=force_download,
            local_files_only=local_files_only,
            check_config=PoetConfig.load,
        )
        return read_steadily(folder, lambda: cls._read(folder))

    @classmethod
    def _read(cls, folder: Path) -> NumpyPoetModel:
        config, tokenizer = PoetConfig.load(folder), PoetTokenizer.load(folder)
        config.check_vocabulary(folder, len(tokenizer))
        about = config.fingerprinted(tokenizer.characters)
        weights, _ = load_weights(folder, shapes_of(config), about)
        weights = {name: to_float32(weights.pop(name)) for name in list(weights)}
        check_finite(folder, {name: is_finite(value) for name, value in weights.items()})
        return cls(config, tokenizer, weights, GenerationConfig.load(folder))


def shapes_of(config: PoetConfig) -> dict[str, tuple[int, ...]]:
    """The names and shapes of all weights of a model."""
    width, rows = config.hidden_size, CELL_GATES[config.cell] * config.hidden_size
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (config.vocab_size, width)}
    shapes["bias"] = (config.vocab_size,)
    for layer in range(config.num_layers):
        for part in ("ih", "hh"):
            shapes[f"lstm.layers.{layer}.weight_{part}_l0"] = (rows, width)
            shapes[f"lstm.layers.{layer}.bias_{part}_l0"] = (rows,)
    return shapes


class NumpyStepper:
    """Implements `generation.stepper.Stepper` in NumPy.

    A layer is one product, `[x, h] @ [W_ih, W_hh]^T`, as in TorchStepper.

    Args:
        config: the architecture.
        weights: float32 arrays by their names in a PoetModel.
    """

    @_SILENT
    def __init__(self, config: PoetConfig, weights: dict[str, FloatArray]):
        self._embedding, self._bias = weights["embedding.weight"], weights["bias"]
        self._zeros = np.zeros((config.num_layers, 1, config.hidden_size), np.float32)
        self._is_rnn = CELL_GATES[config.cell] == 1
        self._layers = []
        for layer in range(config.num_layers):
            parts = {key: weights[f"lstm.layers.{layer}.{key}_l0"] for key in _PARTS}
            weight = np.concatenate([parts["weight_ih"], parts["weight_hh"]], axis=1)  # (gates x H, 2H)
            self._layers.append((weight, parts["bias_ih"] + parts["bias_hh"]))

    @_SILENT
    def read(self, ids: Sequence[int], first: int = 0) -> tuple[FloatArray, State]:
        """Runs the model over the ids (T,) that begin a sequence, from the zero state.

        Returns:
            The logits (T - first, V) after each id from position `first` on, and the state after the last id.
        """
        hidden, state = [], (self._zeros, self._zeros)
        for token in ids:
            output, state = self._hidden(np.array([token]), state)
            hidden.append(output)
        return self._logits(np.concatenate(hidden[first:])), state

    @_SILENT
    def step(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """Takes ids (B,) and the state before them; returns the next logits (B, V) and the new state."""
        hidden, state = self._hidden(ids, state)
        return self._logits(hidden), state

    def select(self, state: State, rows: Sequence[int] | IntArray) -> State:
        """The state of the given rows of the batch; rows may be dropped, repeated or reordered."""
        return state[0][:, rows], state[1][:, rows]

    def _logits(self, hidden: FloatArray) -> FloatArray:
        return hidden @ self._embedding.T + self._bias

    def _hidden(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """Takes ids (B,) and the state before them; returns the outputs (B, H) and the new state."""
        x, hidden, cell = self._embedding[ids], [], []
        for (weight, bias), h, c in zip(self._layers, *state, strict=True):
            a = np.concatenate([x, h], axis=1) @ weight.T + bias
            if self._is_rnn:
                x = np.tanh(a)
            else:
                i, f, g, o = np.split(a, 4, axis=1)
                c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
                x = _sigmoid(o) * np.tanh(c)
            hidden.append(x)
            cell.append(c)
        return x, (np.stack(hidden), np.stack(cell))


_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _sigmoid(x: FloatArray) -> FloatArray:
    """The sigmoid, computed by tanh because that never overflows."""
    result: FloatArray = 0.5 * np.tanh(0.5 * x) + 0.5
    return result
