"""Checkpoint: a folder from which training resumes exactly. It does not know what the model is trained on."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from ..errors import CheckpointError
from ..files import read_json, write_text
from ..folders import replaced_folder
from ..model_folder import CONFIG_NAME, LOG_NAME
from .state import TrainingState

CHECKPOINT_NAME = "checkpoint"
STATE_NAME, TENSORS_NAME = "state.json", "state.safetensors"
_FINGERPRINT = "fingerprint"  # older checkpoints have none
_AGAIN = "delete {} and start without --resume"
_PREFIX = "optimizer."
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # the state that AdamW keeps for each parameter


class Checkpoint:
    """The checkpoint of one training run.

    Args:
        folder: the checkpoint's folder.
        identity: settings that must be unchanged when training resumes, such as the architecture.
        content: hashes of the data that must be unchanged, by what they are, such as `the vocabulary`. A hash
            that a checkpoint lacks, because an older version wrote it, is not compared.

    Attributes:
        step: the step of the checkpoint; None before it is saved or loaded.
    """

    def __init__(self, folder: Path, identity: dict[str, Any], content: dict[str, str] | None = None):
        self.folder: Path = folder
        self.content: dict[str, str] = content or {}
        self.identity: Any = json.loads(json.dumps(identity))  # as it will be when read from the file
        self.step: int | None = None

    def save(
        self, state: TrainingState, module: nn.Module, optimizer: Optimizer, scaler: GradScaler | None = None
    ) -> None:
        """Writes everything needed to resume. The folder is replaced atomically.

        Args:
            state: the progress of the training run.
            module: the module that is trained.
            optimizer: an AdamW over the module's parameters.
            scaler: the gradient scaler for fp16; None without one.
        """
        tensors = module.state_dict()
        for name, parameter in module.named_parameters():
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{_PREFIX}{key}.{name}"] = value
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        record = asdict(state) | {
            "scaler": scaler.state_dict() if scaler is not None else None,
            "identity": self.identity,
            "content": self.content,
        }
        with replaced_folder(self.folder) as fresh:
            (fresh / TENSORS_NAME).write_bytes(save(tensors))
            record[_FINGERPRINT] = _fingerprint(record, fresh / TENSORS_NAME)
            write_text(fresh / STATE_NAME, json.dumps(record, ensure_ascii=False, indent=2) + "\n")
        self.step = state.step

    def load(
        self, module: nn.Module, optimizer: Optimizer, scaler: GradScaler | None = None
    ) -> TrainingState:
        """Restores the module, the optimizer and the scaler, and returns the progress at the checkpoint.

        Args:
            module, optimizer, scaler: as given to `save`; changed in place.

        Raises:
            CheckpointError: the checkpoint is missing, damaged, or was made with other settings or data; in
                the last case nothing was changed.
        """
        find_checkpoint(self.folder.parent)
        record = read_json(self.folder / STATE_NAME, dict, _AGAIN.format(self.folder))
        try:
            if _FINGERPRINT in record and record[_FINGERPRINT] != _fingerprint(
                record, self.folder / TENSORS_NAME
            ):
                raise ValueError("its files have changed since they were written")
            self._check_same(record)
            state = TrainingState.from_record(record)
            _restore(module, optimizer, load_file(self.folder / TENSORS_NAME))
            if scaler is not None and record["scaler"]:
                scaler.load_state_dict(record["scaler"])
            self.step = state.step
            return state
        except CheckpointError:
            raise
        except (
            SafetensorError,
            OSError,
            LookupError,
            TypeError,
            AttributeError,
            ValueError,
            RuntimeError,
        ) as error:
            raise CheckpointError(
                f"{self.folder} is damaged ({type(error).__name__}: {str(error)[:300]}); "
                + _AGAIN.format(self.folder)
            ) from error

    def _check_same(self, record: dict[str, Any]) -> None:
        """Raises CheckpointError if the settings or the data are not those of a checkpoint's record."""
        saved = record.get("content")
        saved = saved if isinstance(saved, dict) else {}
        changed = [name for name in self.content if name in saved and saved[name] != self.content[name]]
        different = _differences(self.identity, record.get("identity"))
        if not changed and not different:
            return
        model = shlex.quote(str(self.folder.parent))
        if changed:
            *others, last = changed
            names = f"{', '.join(others)} and {last}" if others else last
            what = f"on other data: {names} differ{'' if others else 's'} from then"
        else:
            what = f"with other settings ({'; '.join(different)})"
        raise CheckpointError(
            f"{self.folder} was made {what}: give the options{' and the data' * bool(changed)} that the "
            "training was started with, in addition to --resume, or start without --resume; to train its "
            f"model further on other data, give --init-from {model} and another --output"
        )

    def saved(self, state: TrainingState) -> str:
        """What a run with this progress has saved, for an error message."""
        if self.step is None or not self.folder.is_dir():
            return "nothing was saved yet"
        best = state.best.get("step")
        model = "" if best is None else f", and {self.folder.parent} the model of step {best}"
        return f"{self.folder} has the last valid state, of step {self.step}{model}"

    def ended_by(self, error: OSError, state: TrainingState) -> CheckpointError:
        """The error for a run with this progress that the system ended, as when the disk is full."""
        return CheckpointError(
            f"training ended at step {state.step}: {error.filename or self.folder.parent} cannot be written "
            f"({error.strerror}); {self.saved(state)}. To continue, mend that and add --resume"
        )

    def remove(self) -> None:
        """Deletes the folder if it exists."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _fingerprint(record: dict[str, Any], tensors: Path) -> str:
    """The SHA-256 of a checkpoint's tensors and of its record, as hexadecimal digits."""
    others = {name: value for name, value in record.items() if name != _FINGERPRINT}
    with open(tensors, "rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(json.dumps(others, ensure_ascii=False, sort_keys=True).encode("utf-8"))
    return digest.hexdigest()


def _restore(module: nn.Module, optimizer: Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Loads a checkpoint's tensors; damaged ones can raise various errors, which the caller handles."""
    module.load_state_dict({name: t for name, t in tensors.items() if not name.startswith(_PREFIX)})
    if not any(name.startswith(_PREFIX) for name in tensors):  # saved before the first update
        return
    for name, parameter in module.named_parameters():
        moments = {key: tensors[f"{_PREFIX}{key}.{name}"] for key in _MOMENTS}
        # the fused optimizer needs `step` on the parameter's device
        optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in moments.items()}


def _differences(given: dict[str, Any], saved: object, inside: str = "") -> list[str]:
    """Describes each setting that differs from the saved one, with both values."""
    saved, different = saved if isinstance(saved, dict) else {}, []
    for name in given | saved:
        now, then = given.get(name), saved.get(name)
        if isinstance(now, dict):
            different += _differences(now, then, f"{inside}{name}.")
        elif now != then:
            different.append(f"{inside}{name} was {then} and is {now}")
    return different


def has_begun(folder: Path) -> bool:
    """Whether a checkpoint, if there is one, is of a run that has made a step (or is damaged)."""
    if not folder.is_dir():
        return False
    try:
        return read_json(folder / STATE_NAME, dict).get("step") != 0
    except CheckpointError:
        return True


def find_checkpoint(output: Path) -> Path:
    """The checkpoint folder of an unfinished training run.

    Args:
        output: the output folder of the run.

    Raises:
        CheckpointError: there is no checkpoint.
    """
    folder = output / CHECKPOINT_NAME
    if folder.is_dir():
        return folder
    if (output / LOG_NAME).is_file() and (output / CONFIG_NAME).is_file():
        raise CheckpointError(
            f"the training in {output} has ended, so there is nothing to resume; to train its model further, "
            f"give --init-from {shlex.quote(str(output))} and another --output"
        )
    raise CheckpointError(f"{folder} is missing: there is nothing to resume; start without --resume")
