"""Old names of version 0.1.0 that have moved. They work for one release, each with a DeprecationWarning.

    import poet_model.card                       # now poet_model.hub.card
    from poet_model.trainer import Trainer       # now poet_model.training.trainer
    from poet_model.generation import Poem       # now poet_model.generation.poem, or poet_model itself

This module is imported only when such a name is used. Two kinds of hooks import it: the finder in
poet_model/__init__.py, which Python calls for a module that no other finder has found, and `__getattr__` of
the packages in NAMES.
"""

from __future__ import annotations

import importlib
import warnings
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

# old module that was split -> the modules that now hold its contents, in search order, each with one name
# from it to show in the warning ('' for none)
SPLIT: dict[str, dict[str, str]] = {
    "card": {"hub.card": "write_card", "model_folder": "read_log", "ui.facts": "facts"},
    "cells": {"layers": "LSTMStack", "stepper": "StackedCells"},
    "constraints": {
        "generation.form": "RegularForm",
        "generation.rhymes": "MIN_RHYME_WORDS",
        "generation.masks": "",
    },
    "objective": {"training.poem_objective": "PoemObjective", "training.cross_entropy": "LinearCrossEntropy"},
    "request": {
        "generation.request": "Request",
        "generation.options": "GenerationConfig",
        "generation.fitting": "impose",
        "model_folder": "GENERATION_CONFIG_NAME",
    },
    "sources": {"corpus.sources": "read_source", "corpus.fetch": "fetch_package"},
    "trainer": {
        "training.trainer": "Trainer",
        "training.config": "TrainingConfig",
        "training.checkpoint": "find_checkpoint",
        "training.stopping": "Interrupted",
    },
}
# old module -> the modules that have its names now
MODULES: dict[str, tuple[str, ...]] = {
    "batches": ("corpus.batches",),
    "encoded": ("corpus.encoded",),
    "hardware": ("machine",),
    "header_effects": ("evaluation.header",),
    "held_out": ("corpus.held_out",),
    "intervals": ("evaluation.intervals",),
    "measures": ("evaluation.metrics",),
    "memory": ("training.malloc",),
    "perplexity": ("evaluation.perplexity",),
    "poems": ("corpus.poems",),
    "rhyme_memory": ("training.rhyme_memory",),
    "space": ("hub.space",),
    "table": ("evaluation.report",),
    **{old: tuple(homes) for old, homes in SPLIT.items()},
}
# old name in one of those modules -> its new name
RENAMED = {
    "constraints.State": "generation.form.FormState",
    "measures.ROWS": "evaluation.metrics.METRICS",
    "measures.figures": "evaluation.metrics.estimates",
    "objective.Objective": "training.poem_objective.PoemObjective",
    "perplexity.tangshi_gpt": "evaluation.tangshi_gpt.measure_by_protocol",
    "table.WHAT": "evaluation.report.COLUMNS",
    "table.text_of": "evaluation.report.report_text",
}
# a package that used to be a single module -> the names it had then, each with the module that has it now
NAMES: dict[str, dict[str, str]] = {
    "corpus": {
        **dict.fromkeys(("MAX_CHARACTERS", "MAX_RAW_CHARACTERS", "MIN_CHARACTERS"), "corpus.cleaning"),
        **dict.fromkeys(("clean", "clean_header", "clean_text", "unwrap"), "corpus.cleaning"),
        **dict.fromkeys(("MIN_SHARED_LINE", "split"), "corpus.near_copies"),
        "mix": "corpus.prepare",
    },
    "evaluation": {
        **dict.fromkeys(("BEST_OF", "FEW_POEMS_A_FORM", "SHORT", "measure_poems"), "evaluation.measurement"),
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
        **dict.fromkeys(("FORMAT_VERSION", "MIN_LENGTH", "MIN_ORIGINAL"), "novelty.index"),
        **dict.fromkeys(("POEMS_NAME", "SUFFIXES_NAME", "TEXT_NAME"), "novelty.index"),
        "plain": "novelty.index",
        **dict.fromkeys(("SORTED_BY", "sort_suffixes"), "novelty.suffixes"),
    },
}
_PACKAGE = __package__


def moved_name(package: str, name: str) -> object:
    """Looks up a name that a package had when it was a single module; its `__getattr__` calls this.

    Args:
        package: the `__name__` of the package, such as "poet_model.generation".
        name: the old name.

    Raises:
        AttributeError: there is no such old name.
    """
    module = NAMES.get(package.removeprefix(f"{_PACKAGE}."), {}).get(name)
    if module is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    _warn(f"{package}.{name}", f"is now {_PACKAGE}.{module}.{name}", stacklevel=4)
    return getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name)


def find_spec(name: str) -> ModuleSpec | None:
    """The import spec of an old module such as `poet_model.card`; None for any other name."""
    old = name.removeprefix(f"{_PACKAGE}.")
    return ModuleSpec(name, _Loader(old)) if old in MODULES else None


class _Loader(Loader):
    """Creates an empty module that looks its names up in the new modules."""

    def __init__(self, old: str):
        self._old = old

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        _warn(module.__name__, _new_homes(self._old), stacklevel=3)
        vars(module)["__getattr__"] = self._find

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


def _new_homes(old: str) -> str:
    """The end of the warning: the new module, or all new modules, each with an example of a name it holds."""
    if old not in SPLIT:
        return f"is now {_PACKAGE}.{MODULES[old][0]}"
    homes = [
        f"{_PACKAGE}.{home} ({names}, …)" if names else f"{_PACKAGE}.{home}"
        for home, names in SPLIT[old].items()
    ]
    return f"was split: use {', '.join(homes[:-1])} and {homes[-1]}"


def _warn(old: str, change: str, stacklevel: int) -> None:
    """Warns that an old name has changed; `change` is the rest of the sentence that begins with it."""
    warnings.warn(
        f"{old} {change}; the old name will be removed in the next release",
        DeprecationWarning,
        stacklevel=stacklevel,
    )
