"""Settings: the settings of one run, resolved from options and preset and checked before any work."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from accelerate.tracking import get_available_trackers

from ..config import PoetConfig
from ..errors import InvalidValueError, check_number
from ..machine import best_precision
from .config import TrainingConfig
from .presets import load_preset

ARCHITECTURE = ("hidden_size", "num_layers", "cell")  # settings of PoetConfig that are also options
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The settings of one training run.

    Attributes:
        preset: name or path of the preset.
        on_gpu: whether a GPU is used.
        precision: Accelerate's mixed precision: `no`, `bf16` or `fp16`.
        report_to: the tracker to log to in addition; None for none.
        limit: maximum number of poems to train on, counted from the first; None for all.
        model: settings of PoetConfig, without the vocabulary size.
        training: the training configuration.
    """

    preset: str
    on_gpu: bool
    precision: str
    report_to: str | None
    limit: int | None
    model: dict[str, Any]
    training: TrainingConfig


def read_settings(options: argparse.Namespace) -> Settings:
    """Resolves the settings: those of the preset, overridden by the given options.

    Args:
        options: the options of train.py.

    Raises:
        InvalidValueError: an option or a setting of the preset is invalid; the message names it.
    """
    on_gpu = torch.cuda.is_available() and not options.cpu
    precision = best_precision(on_gpu) if options.precision == "auto" else options.precision
    if precision == "fp16" and not on_gpu:
        raise InvalidValueError("--precision fp16 needs a GPU; on a CPU give bf16, no or auto")
    report_to = None if options.report_to == "none" else options.report_to
    if report_to and report_to not in map(str, get_available_trackers()):
        raise InvalidValueError(
            f"--report-to {report_to} needs the package {report_to}; install with: pip install {report_to}"
        )
    name = options.preset if options.preset != "auto" else "gpu" if on_gpu else "cpu"
    preset = load_preset(name)
    model = preset["model"] | _given(options, ARCHITECTURE)
    recipe = preset["training"] | _given(options, [field.name for field in fields(TrainingConfig)])
    _naming_options(lambda: check_number("limit", options.limit, 1, whole=True, optional=True))
    _naming_options(lambda: PoetConfig(vocab_size=6, **model))  # only to check the values
    return Settings(
        preset=name,
        on_gpu=on_gpu,
        precision=precision,
        report_to=report_to,
        limit=preset["limit"] if options.limit is None else options.limit,
        model=model,
        training=_naming_options(lambda: TrainingConfig(**recipe)),
    )


def _given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """The settings among `names` that were given as options."""
    values = {name: getattr(options, name, None) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _naming_options(check: Callable[[], T]) -> T:
    """Returns `check()`; in its errors, the name of the setting is replaced by that of the option.

    Presets are checked when they are loaded, so a value that is wrong here came from an option.
    """
    try:
        return check()
    except InvalidValueError as error:
        setting, _, rest = str(error).partition(" ")
        raise InvalidValueError(f"--{setting.replace('_', '-')} {rest}") from error
