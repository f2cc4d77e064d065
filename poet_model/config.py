"""PoetConfig: the shape of the network, and nothing else. It knows neither weights nor poems."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from .errors import CheckpointError, InvalidValueError, check_number
from .files import read_json, write_text
from .model_folder import CONFIG_NAME

MODEL_TYPE = "poet-lstm"
FORMAT_VERSION = 1
CELL_GATES = {"lstm": 4, "handwritten_lstm": 4, "handwritten_rnn": 1}  # rows of weights for each unit
_OF_TRANSFORMERS = {"architectures", "auto_map", "dtype", "transformers_version", "use_cache"} | {
    f"{name}_token_id" for name in ("pad", "bos", "sep", "eos")
}  # what it writes into a config.json, and we leave to it
_ADDED_LATER = {"cell"}  # models saved before have none and are as its default says


@dataclass(frozen=True)
class PoetConfig:
    """Architecture of a PoetModel; written to and read from `config.json`.

    Args:
        vocab_size: number of token ids, special tokens included.
        hidden_size: width of the embedding and of every LSTM layer (they are equal, so that the embedding
            can be tied to the output layer).
        num_layers: number of stacked single-layer LSTMs.
        cell: `lstm` (torch's fused one), `handwritten_lstm` (gate by gate on autograd: the same numbers from
            the same weights, slower), or `handwritten_rnn` (a vanilla RNN).
        input_dropout: locked dropout on the embedded characters, training only.
        layer_dropout: locked dropout between layers, training only.
        output_dropout: locked dropout on the last layer's output, training only.

    Raises:
        InvalidValueError: a value has the wrong type or is out of range.
    """

    vocab_size: int
    hidden_size: int = 512
    num_layers: int = 2
    input_dropout: float = 0.0
    layer_dropout: float = 0.0
    output_dropout: float = 0.0
    cell: str = "lstm"

    def __post_init__(self):
        for name, low, high in (("vocab_size", 6, 200_000), ("hidden_size", 1, 8192), ("num_layers", 1, 16)):
            check_number(name, getattr(self, name), low, high, whole=True)
        for name in ("input_dropout", "layer_dropout", "output_dropout"):
            check_number(name, getattr(self, name), 0, 1, below=True)
        if not isinstance(self.cell, str) or self.cell not in CELL_GATES:
            raise InvalidValueError(f"cell must be one of {', '.join(CELL_GATES)}, got {self.cell!r}")

    @property
    def num_parameters(self) -> int:
        """How many trainable numbers a model of this shape has."""
        width, gates = self.hidden_size, CELL_GATES[self.cell]
        return self.vocab_size * (width + 1) + self.num_layers * gates * width * (2 * width + 2)

    def save(self, folder: Path, more: dict | None = None) -> None:
        """Writes `config.json` into `folder`, with `more` keys for other libraries."""
        record = {"model_type": MODEL_TYPE, "format_version": FORMAT_VERSION, "architectures": ["PoetModel"]}
        text = json.dumps(record | (more or {}) | asdict(self), indent=2)
        write_text(Path(folder) / CONFIG_NAME, text + "\n")

    def fingerprinted(self, characters: Sequence[str]) -> str:
        """The text that belongs to the weights of a model with these characters (see weights.py).

        The cell is left out: those of one kind read the same weights.
        """
        record = asdict(replace(self, cell="lstm"))
        record = {name: value if isinstance(value, str) else float(value) for name, value in record.items()}
        return json.dumps([record, characters])

    @classmethod
    def load(cls, folder: Path) -> PoetConfig:
        """Reads `config.json` from `folder`; every field must be there and none may be unknown."""
        path = Path(folder) / CONFIG_NAME
        record = read_json(path, dict)
        model_type = record.pop("model_type", None)
        if model_type != MODEL_TYPE:
            raise CheckpointError(
                f"{path}: model_type is {model_type!r}, expected {MODEL_TYPE!r}; "
                "this folder holds a model of another kind"
            )
        version = record.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{path}: format_version is {version!r}, this program reads {FORMAT_VERSION}; "
                "update poet_model"
            )
        record = {name: value for name, value in record.items() if name not in _OF_TRANSFORMERS}
        known = {field.name for field in fields(cls)}
        if unknown := sorted(record.keys() - known):
            raise CheckpointError(f"{path}: unknown settings {unknown[:5]}; known are {sorted(known)}")
        if missing := sorted(known - record.keys() - _ADDED_LATER):
            raise CheckpointError(f"{path}: settings {missing[:5]} are missing; save the model again")
        try:
            return cls(**record)
        except InvalidValueError as error:
            raise CheckpointError(f"{path}: {error}") from error
