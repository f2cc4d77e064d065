"""The settings of a model (its shape) and those of its training. Nothing here needs weights or poems."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

from ..errors import quoted
from .optimizers import OPTIMIZERS, SCHEDULES

CELLS = {"rnn": 1, "lstm": 4}  # rows of the weight matrices per unit


@dataclass(frozen=True)
class CharLMConfig:
    """The shape of a model.

    Args:
        vocab_size: number of token ids, special tokens included.
        embedding_size: width of the embedding.
        hidden_size: width of every recurrent layer.
        num_layers: number of stacked recurrent layers.
        cell: "rnn" or "lstm".
        tied: whether the output layer uses the embedding as its weights, as in the model that ships.
        header: whether an empty header precedes each poem, as in the model that ships.
    """

    vocab_size: int
    embedding_size: int = 128
    hidden_size: int = 128
    num_layers: int = 1
    cell: str = "lstm"
    tied: bool = False
    header: bool = False

    def __post_init__(self) -> None:
        for name in ("vocab_size", "embedding_size", "hidden_size", "num_layers"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} must be a whole number of 1 or more, got {quoted(value)}")
        if self.cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {quoted(self.cell)}")
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

    @classmethod
    def from_record(cls, record: object, source: str | Path) -> CharLMConfig:
        """The configuration in the config.json of a saved model, of this half or of the torch half.

        Args:
            record: the content of config.json.
            source: the model it belongs to, for the error message.

        Raises:
            ValueError: it is not the configuration of a model that this half can run.
        """
        if isinstance(record, dict) and record.get("model_type") == "poet-lstm":
            try:
                size, cell = record["hidden_size"], record.get("cell", "lstm").removeprefix("handwritten_")
                return cls(
                    record["vocab_size"], size, size, record["num_layers"], cell, tied=True, header=True
                )
            except KeyError as error:
                raise ValueError(f"the config.json of {source} lacks {error}") from None
        known = sorted(field.name for field in fields(cls))
        if not isinstance(record, dict) or "vocab_size" not in record or record.keys() - set(known):
            raise ValueError(f"{source} has a config.json of another program; known keys are {known}")
        return cls(**record)


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained. (CharLMConfig says what shape it has.)

    Args:
        epochs: number of passes over the poems.
        batch_size: poems per batch.
        length: maximum number of characters per poem; longer poems are cut.
        optimizer: one of optimizers.OPTIMIZERS.
        learning_rate: the initial learning rate.
        schedule: one of optimizers.SCHEDULES, or "" for a constant learning rate.
        max_grad_norm: gradients are clipped to this norm. 0 turns clipping off.
        seed: seed of the order of the poems.
    """

    epochs: int = 30
    batch_size: int = 32
    length: int = 128
    optimizer: str = "adam"
    learning_rate: float = 0.01
    schedule: str = ""
    max_grad_norm: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "length"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} must be a whole number of 1 or more, got {quoted(value)}")
        for name, low in (("learning_rate", 0), ("max_grad_norm", 0), ("seed", 0)):
            value = getattr(self, name)
            if type(value) not in ((int,) if name == "seed" else (int, float)) or not low <= value < math.inf:
                raise ValueError(f"{name} must be a number of {low} or more, got {quoted(value)}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {quoted(self.optimizer)}"
            )
        if self.schedule and self.schedule not in SCHEDULES:
            raise ValueError(
                f"schedule must be one of {', '.join(SCHEDULES)} or empty, got {quoted(self.schedule)}"
            )
