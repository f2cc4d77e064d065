"""Names of version 0.1.0 that stand elsewhere now. They work for one release, each with a DeprecationWarning.

    import poet_model.card                       # now poet_model.hub.card
    from poet_model.trainer import Trainer       # now poet_model.training.trainer
    from poet_model.generation import Poem       # now poet_model.generation.poem, or poet_model itself

This file is loaded when such a name is asked for. Nothing of the package uses it but the hooks that ask it:
the finder in poet_model/__init__.py, which Python asks for a module that nobody else has found, and
`__getattr__` of the packages whose names are in NAMES.
"""

from __future__ import annotations

import importlib
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType

# old module: the modules that hold its names now, the first one first
MODULES = {
    "batches": ("corpus.batches",),
    "card": ("hub.card", "model_folder", "ui.facts"),
    "cells": ("layers", "stepper"),
    "constraints": ("generation.form", "generation.rhymes", "generation.masks"),
    "encoded": ("corpus.encoded",),
    "hardware": ("machine",),
    "header_effects": ("evaluation.header",),
    "held_out": ("corpus.held_out",),
    "intervals": ("evaluation.intervals",),
    "measures": ("evaluation.metrics",),
    "memory": ("training.malloc",),
    "objective": ("training.poem_objective", "training.cross_entropy"),
    "perplexity": ("evaluation.perplexity",),
    "poems": ("corpus.poems",),
    "request": ("generation.request", "generation.options", "generation.fitting", "model_folder"),
    "rhyme_memory": ("training.rhyme_memory",),
    "sources": ("corpus.sources", "corpus.fetch"),
    "space": ("hub.space",),
    "table": ("evaluation.report",),
    "trainer": ("training.trainer", "training.config", "training.checkpoint", "training.stopping"),
}
# names of those modules that are other names now
RENAMED = {
    "constraints.State": "generation.form.FormState",
    "measures.ROWS": "evaluation.metrics.METRICS",
    "measures.figures": "evaluation.metrics.estimates",
    "objective.Objective": "training.poem_objective.PoemObjective",
    "perplexity.tangshi_gpt": "evaluation.tangshi_gpt.measure_by_protocol",
    "table.WHAT": "evaluation.report.COLUMNS",
    "table.text_of": "evaluation.report.report_text",
}
# names of modules that are packages now: the module that holds them
NAMES = {
    "corpus": {
        **dict.fromkeys(("MAX_CHARACTERS", "MAX_RAW_CHARACTERS", "MIN_CHARACTERS"), "corpus.cleaning"),
        **dict.fromkeys(("clean", "clean_header", "clean_text", "unwrap"), "corpus.cleaning"),
        **dict.fromkeys(("MIN_SHARED_LINE", "split"), "corpus.near_copies"),
        "mix": "corpus.prepare",
    },
    "evaluation": {
        **dict.fromkeys(
            ("BEST_OF", "FEW_POEMS_A_FORM", "SHORT", "TEMPERATURE", "measure_poems"), "evaluation.measurement"
        ),
        "machine": "machine",
        "weights_mark": "model_folder",
    },
    "generation": {
        "MAX_POEMS": "generation.writer",
        "Poem": "generation.poem",
        **dict.fromkeys(("FrequencyPenalty", "LogitFilter", "MAX_LINE"), "generation.filters"),
        **dict.fromkeys(("OnlyPoemCharacters", "OriginalLines", "WholeLines"), "generation.filters"),
        "sample": "generation.sampling",
    },
    "hub": {
        **dict.fromkeys(("CONFIG_NAME", "TOKENIZER_NAME", "WEIGHTS_NAME", "INDEX_NAME"), "model_folder"),
        **dict.fromkeys(("CARD_NAME", "METRICS_NAME", "LOG_NAME", "EARLIER_LOG_NAME"), "model_folder"),
        **dict.fromkeys(("HELD_OUT_NAME", "REPORT_NAME", "SAMPLES_NAME"), "model_folder"),
        **dict.fromkeys(("MODEL_FILES", "RECORDS", "REMOTE_CODE", "REQUIRED_FILES"), "model_folder"),
        "model_files": "model_folder",
        **dict.fromkeys(("DEFAULT_NAME", "api_with", "check_name", "explained"), "hub.client"),
        **dict.fromkeys(("TRANSFORMERS_KEYS", "check_visibility", "copy_remote_code"), "hub.push"),
    },
    "novelty": {
        **dict.fromkeys(("FORMAT_VERSION", "MIN_LENGTH", "MIN_ORIGINAL", "SORTED_BY"), "novelty.index"),
        **dict.fromkeys(("POEMS_NAME", "SUFFIXES_NAME", "TEXT_NAME"), "novelty.index"),
        **dict.fromkeys(("plain", "sort_suffixes"), "novelty.index"),
    },
}
_PACKAGE = __package__


def moved_name(package: str, name: str) -> object:
    """What `__getattr__` of a package gives for a name that it had as a module.

    Args:
        package: its `__name__`, such as "poet_model.generation".

    Raises:
        AttributeError: it had no such name, or has it no more.
    """
    module = NAMES.get(package.removeprefix(f"{_PACKAGE}."), {}).get(name)
    if module is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    _warn(f"{package}.{name}", f"{module}.{name}", stacklevel=4)
    return getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name)


def find_spec(name: str) -> ModuleSpec | None:
    """How to import an old module (`poet_model.card`): the import system's hook; None for all others."""
    old = name.removeprefix(f"{_PACKAGE}.")
    return ModuleSpec(name, _Loader(old)) if old in MODULES else None


class _Loader:
    """Makes a module without content, whose names are looked up where they stand now."""

    def __init__(self, old: str):
        self._old = old

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        _warn(module.__name__, " and ".join(MODULES[self._old]), stacklevel=3)
        module.__getattr__ = self._find

    def _find(self, name: str) -> object:
        if f"{self._old}.{name}" in RENAMED:
            home, _, new = RENAMED[f"{self._old}.{name}"].rpartition(".")
            return getattr(importlib.import_module(f"{_PACKAGE}.{home}"), new)
        if not name.startswith("_"):
            for home in MODULES[self._old]:
                module = importlib.import_module(f"{_PACKAGE}.{home}")
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module '{_PACKAGE}.{self._old}' has no attribute {name!r} (see CHANGELOG.md)")


def _warn(old: str, new: str, stacklevel: int) -> None:
    new = new.replace(" and ", f" and {_PACKAGE}.")
    warnings.warn(
        f"{old} is now {_PACKAGE}.{new}; the old name goes with the next release",
        DeprecationWarning,
        stacklevel=stacklevel,
    )
