"""PoetConfig: the architecture of the network. It does not deal with weights or poems."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from .errors import CheckpointError, InvalidValueError, check_number, quoted
from .files import MAX_CONFIG_BYTES, read_json, write_text
from .model_folder import CONFIG_NAME

MODEL_TYPE = "poet-lstm"
FORMAT_VERSION = 1
MAX_PARAMETERS = 1_000_000_000  # more than a hundred times those of the shipped model; 4 GB of float32
CELL_GATES = {"lstm": 4, "handwritten_lstm": 4, "handwritten_rnn": 1}  # rows of weights per hidden unit
_OF_TRANSFORMERS = {"architectures", "auto_map", "dtype", "transformers_version", "use_cache"} | {
    f"{name}_token_id" for name in ("pad", "bos", "sep", "eos")
}  # keys that are only for transformers; they are ignored when a config is read
_ADDED_LATER = {"cell"}  # fields that older models lack; the default applies to them


@dataclass(frozen=True)
class PoetConfig:
    """The architecture of a PoetModel, stored in `config.json`.

    Args:
        vocab_size: the number of token ids, including special tokens.
        hidden_size: the width of the embedding and of every LSTM layer. They are equal, so that the embedding
            can be tied to the output layer.
        num_layers: the number of stacked single-layer LSTMs.
        input_dropout: the rate of locked dropout on the embedded characters, in training only.
        layer_dropout: the rate of locked dropout between layers, in training only.
        output_dropout: the rate of locked dropout on the last layer's output, in training only.
        cell: `lstm` (the fused LSTM of torch), `handwritten_lstm` (gate by gate with autograd, which gives
            the same results from the same weights but is slower), or `handwritten_rnn` (a vanilla RNN).

    Raises:
        InvalidValueError: a value has the wrong type or is out of range.

    Example:
        >>> config = PoetConfig(vocab_size=7524, hidden_size=512)
        >>> f"{config.num_parameters:,}"
        '8,062,308'
    """

    vocab_size: int
    hidden_size: int = 512
    num_layers: int = 2
    input_dropout: float = 0.0
    layer_dropout: float = 0.0
    output_dropout: float = 0.0
    cell: str = "lstm"

    def __post_init__(self) -> None:
        for name, low, high in (("vocab_size", 6, 200_000), ("hidden_size", 1, 8192), ("num_layers", 1, 16)):
            check_number(name, getattr(self, name), low, high, whole=True)
        for name in ("input_dropout", "layer_dropout", "output_dropout"):
            check_number(name, getattr(self, name), 0, 1, below=True)
        if not isinstance(self.cell, str) or self.cell not in CELL_GATES:
            raise InvalidValueError(f"cell must be one of {', '.join(CELL_GATES)}, got {quoted(self.cell)}")
        if self.num_parameters > MAX_PARAMETERS:
            raise InvalidValueError(
                f"vocab_size, hidden_size and num_layers give {self.num_parameters:,} parameters, more than "
                f"the limit of {MAX_PARAMETERS:,}; make one of them smaller"
            )

    @property
    def num_parameters(self) -> int:
        """The number of trainable parameters of a model with this architecture."""
        width, gates = self.hidden_size, CELL_GATES[self.cell]
        return self.vocab_size * (width + 1) + self.num_layers * gates * width * (2 * width + 2)

    def save(self, folder: Path, more: dict[str, Any] | None = None) -> None:
        """Writes `config.json` into `folder`; `more` holds extra keys for other libraries."""
        record = {"model_type": MODEL_TYPE, "format_version": FORMAT_VERSION, "architectures": ["PoetModel"]}
        text = json.dumps(record | (more or {}) | asdict(self), indent=2)
        write_text(Path(folder) / CONFIG_NAME, text + "\n")

    def fingerprinted(self, characters: Sequence[str]) -> str:
        """The text that is hashed with the weights of a model with this vocabulary (see weights.py).

        The cell is left out, because `lstm` and `handwritten_lstm` use the same weights.
        """
        record = asdict(replace(self, cell="lstm"))
        record = {name: value if isinstance(value, str) else float(value) for name, value in record.items()}
        return json.dumps([record, characters])

    def check_vocabulary(self, folder: Path, size: int) -> None:
        """Raises CheckpointError if the tokenizer of a model folder has another number of ids."""
        if size != self.vocab_size:
            raise CheckpointError(
                f"{folder}: tokenizer.json has {size} ids, config.json says vocab_size {self.vocab_size}; "
                "take both from the same model"
            )

    @classmethod
    def load(cls, folder: Path) -> PoetConfig:
        """Reads `config.json` from `folder`.

        Raises:
            CheckpointError: the file is missing or damaged, belongs to another kind of model or format
                version, or has missing, unknown or invalid fields.
        """
        path = Path(folder) / CONFIG_NAME
        record = read_json(path, dict, limit=MAX_CONFIG_BYTES)
        model_type = record.pop("model_type", None)
        if model_type != MODEL_TYPE:
            raise CheckpointError(
                f"{path}: model_type is {quoted(model_type)}, expected {MODEL_TYPE!r}; "
                "this folder holds a model of another kind"
            )
        version = record.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{path}: format_version is {quoted(version)}, this program reads {FORMAT_VERSION}; "
                "update poet_model"
            )
        record = {name: value for name, value in record.items() if name not in _OF_TRANSFORMERS}
        known = {field.name for field in fields(cls)}
        if unknown := sorted(record.keys() - known):
            raise CheckpointError(
                f"{path}: unknown settings {quoted(unknown)}; the settings are {sorted(known)}"
            )
        if missing := sorted(known - record.keys() - _ADDED_LATER):
            raise CheckpointError(f"{path}: settings {missing[:5]} are missing; save the model again")
        try:
            return cls(**record)
        except InvalidValueError as error:
            raise CheckpointError(f"{path}: {error}") from error
