"""Checkpoint: the folder from which a training goes on exactly. Knows modules and an optimizer, no data."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from ..errors import CheckpointError
from ..files import read_json, replaced_folder, write_text
from ..model_folder import LOG_NAME

CHECKPOINT_NAME = "checkpoint"
STATE_NAME, TENSORS_NAME = "state.json", "state.safetensors"
_PREFIX = "optimizer."
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what AdamW keeps of each parameter


@dataclass
class TrainingState:
    """Where a training stands: what a checkpoint holds beside the tensors.

    Attributes:
        step: updates made.
        epoch, index: the epoch under way, and how many of its batches are done.
        seconds: spent in the loop, over all runs.
        tokens: trained on, over all runs.
        best: the log record of the best validation; {} before the first one.
    """

    step: int = 0
    epoch: int = 0
    index: int = 0
    seconds: float = 0.0
    tokens: float = 0.0
    best: dict = field(default_factory=dict)


class Checkpoint:
    """The checkpoint of one training.

    Args:
        folder: of the checkpoint.
        identity: what must be equal for the training to be continued (recipe, corpus, architecture …).
    """

    def __init__(self, folder: Path, identity: dict):
        self.folder = folder
        self.identity = json.loads(json.dumps(identity))  # as it will be read again

    def save(self, state: TrainingState, module: nn.Module, optimizer, scaler=None) -> None:
        """Writes all that is needed to go on, in one step: after a kill the folder is the old or the new one.

        Args:
            state: where the training stands.
            module: all that learns.
            optimizer: an AdamW over the module's parameters.
            scaler: of gradients in fp16; None without one.
        """
        tensors = module.state_dict()
        for name, parameter in module.named_parameters():
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{_PREFIX}{key}.{name}"] = value
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        record = asdict(state) | {
            "scaler": scaler.state_dict() if scaler is not None else None,
            "identity": self.identity,
        }
        with replaced_folder(self.folder) as fresh:
            (fresh / TENSORS_NAME).write_bytes(save(tensors))
            write_text(fresh / STATE_NAME, json.dumps(record, ensure_ascii=False, indent=2) + "\n")

    def load(self, module: nn.Module, optimizer, scaler=None) -> TrainingState:
        """Gives module, optimizer and scaler back what `save` wrote of them; where the training stood then.

        Raises:
            CheckpointError: there is none, it is damaged, or it belongs to a training with other settings;
                in the last case nothing was changed.
        """
        find_checkpoint(self.folder.parent)
        record = read_json(self.folder / STATE_NAME, dict, "start without --resume")
        if different := _differences(self.identity, record.get("identity")):
            raise CheckpointError(
                f"{self.folder} was made with other settings ({'; '.join(different)}): give the options that "
                "the training was begun with, besides --resume, or start anew"
            )
        try:
            _restore(module, optimizer, load_file(self.folder / TENSORS_NAME))
            if scaler is not None and record["scaler"]:
                scaler.load_state_dict(record["scaler"])
            kinds = {each.name: type(getattr(TrainingState(), each.name)) for each in fields(TrainingState)}
            return TrainingState(**{name: kind(record[name]) for name, kind in kinds.items()})
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{self.folder} is damaged ({type(error).__name__}: {str(error)[:300]}); "
                "start without --resume"
            ) from error

    def remove(self) -> None:
        """Deletes the folder, if there is one."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _restore(module: nn.Module, optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Takes over a checkpoint's tensors; raises whatever damaged ones happen to raise."""
    module.load_state_dict({name: t for name, t in tensors.items() if not name.startswith(_PREFIX)})
    if not any(name.startswith(_PREFIX) for name in tensors):  # saved before the first update
        return
    for name, parameter in module.named_parameters():
        moments = {key: tensors[f"{_PREFIX}{key}.{name}"] for key in _MOMENTS}
        # the fused optimizer counts its steps where the parameter is
        optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in moments.items()}


def _differences(given: dict, saved: object, inside: str = "") -> list[str]:
    """Which settings are not as they were saved, each with both values."""
    saved, different = saved if isinstance(saved, dict) else {}, []
    for name in given | saved:
        now, then = given.get(name), saved.get(name)
        if isinstance(now, dict):
            different += _differences(now, then, f"{inside}{name}.")
        elif now != then:
            different.append(f"{inside}{name} was {then} and is {now}")
    return different


def find_checkpoint(output: Path) -> Path:
    """The checkpoint's folder of an unfinished training; CheckpointError if there is none."""
    folder = output / CHECKPOINT_NAME
    if folder.is_dir():
        return folder
    if (output / LOG_NAME).is_file():
        raise CheckpointError(
            f"the training in {output} has ended, so there is nothing to resume; to train its model further, "
            f"give --init-from {output} and another --output"
        )
    raise CheckpointError(f"{folder} is missing: there is nothing to resume; start without --resume")
