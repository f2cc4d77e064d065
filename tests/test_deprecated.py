"""Names of version 0.1.0 can still be imported, with a warning that says where they are now."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings

import pytest
from conftest import ROOT

import poet_model
from poet_model import deprecated

# Public names of the modules of 0.1.0 that have moved, without those that only the package itself used.
# (Trainer and the objectives take other arguments now.)
OLD_NAMES = {
    "batches": "Batch Epoch HeaderRates IGNORE PIECE PoemBatches",
    "card": """
        card_text copy_records earlier_trainings facts read_log read_metrics render shown
        write_card
    """,
    "cells": """
        CELLS HandwrittenLSTM HandwrittenRNN LSTMStack LockedDropout RowProduct StackedCells
        State
    """,
    "constraints": "Course MIN_RHYME_WORDS RegularForm State",
    "corpus": """
        MAX_CHARACTERS MAX_RAW_CHARACTERS MIN_CHARACTERS MIN_SHARED_LINE clean clean_header
        clean_text mix split unwrap
    """,
    "encoded": "EncodedPoems IN_MEMORY",
    "evaluation": "BEST_OF FEW_POEMS_A_FORM SHORT machine measure_poems weights_mark",
    "generation": """
        FrequencyPenalty LogitFilter MAX_LINE MAX_POEMS OnlyPoemCharacters OriginalLines Poem
        WholeLines sample
    """,
    "hardware": "best_precision cpu_trains_in_bf16",
    "header_effects": "form_effect neighbours other_values saved_nats some_titles spread title_effect",
    "held_out": "check_same_corpus digest held_out_record pick read_held_out write_held_out",
    "hub": """
        CARD_NAME CONFIG_NAME DEFAULT_NAME EARLIER_LOG_NAME HELD_OUT_NAME INDEX_NAME LOG_NAME
        METRICS_NAME MODEL_FILES RECORDS REMOTE_CODE REPORT_NAME REQUIRED_FILES SAMPLES_NAME
        TOKENIZER_NAME TRANSFORMERS_KEYS WEIGHTS_NAME api_with check_name check_visibility
        copy_remote_code explained model_files
    """,
    "intervals": "RESAMPLES SEED Z mean over_groups part ratio share wilson",
    "measures": "Asked DRAW_SEED GROUP ROWS distinct draw_real figures novelty repeated_bigrams",
    "memory": "keep_freed_memory return_freed_memory",
    "novelty": """
        FORMAT_VERSION MIN_LENGTH MIN_ORIGINAL POEMS_NAME SORTED_BY SUFFIXES_NAME TEXT_NAME
        plain sort_suffixes
    """,
    "objective": "CHUNK LinearCrossEntropy Objective",
    "perplexity": "CHUNK Score UNKNOWN_CHOICES WHOLE score tangshi_gpt without_header",
    "poems": "Corpus CorpusReport PoemRecord SPLITS StoredPoems read_corpus write_corpus",
    "request": """
        GENERATION_CONFIG_NAME GenerationConfig MAX_BEST_OF MAX_HEADER Request edges_of
        fit_start impose
    """,
    "rhyme_memory": "RhymeMemory",
    "sources": """
        NAMED_SOURCES NPM_PACKAGE NPM_VERSION RawPoem describe fetch_package fingerprint locate
        read_source
    """,
    "space": "FOR_TRAINING LEFT_OUT MARK TITLE about_model build main push",
    "table": "WHAT text_of",
    "trainer": "CHECKPOINT_NAME EpochSource Interrupted Trainer TrainingConfig find_checkpoint",
}
# names of modules that have become packages; the packages still have them, without a warning
KEPT = {
    "corpus": "add_vocabulary cluster load_corpus",
    "evaluation": "command_line held_out_corpus measure update_folder",
    "hub": "check_can_push find_folder push_folder",
    "novelty": "Match NoveltyIndex default_folder",
    "prosody": "FORMS form_of readings tone_mask",
}


@pytest.fixture
def forgotten():
    """Makes the import system forget the old modules, as if none had been imported yet."""
    for old in deprecated.MODULES:
        sys.modules.pop(f"poet_model.{old}", None)
        vars(poet_model).pop(old, None)


def test_the_table_of_names_here_is_that_of_the_package():
    assert OLD_NAMES.keys() == deprecated.MODULES.keys() | deprecated.NAMES.keys()
    assert {name: set(moved) for name, moved in deprecated.NAMES.items()} == {
        name: set(OLD_NAMES[name].split()) for name in deprecated.NAMES
    }
    for renamed in deprecated.RENAMED:
        old, name = renamed.split(".")
        assert old in deprecated.MODULES and name in OLD_NAMES[old].split()


@pytest.mark.parametrize("old", deprecated.MODULES)
def test_an_old_module_warns_and_has_its_names(forgotten, old):
    with pytest.warns(DeprecationWarning) as caught:
        module = importlib.import_module(f"poet_model.{old}")
    begins = "was split: use" if old in deprecated.SPLIT else "is now"
    (warning,) = [one for one in caught if str(one.message).startswith(f"poet_model.{old} {begins} poet_")]
    for home in deprecated.MODULES[old]:
        assert f"poet_model.{home}" in str(warning.message)
    for home, name in deprecated.SPLIT.get(old, {}).items():
        if name:
            assert f"poet_model.{home} ({name}, …)" in str(warning.message)
            assert getattr(importlib.import_module(f"poet_model.{home}"), name)
    for name in OLD_NAMES[old].split():
        found = getattr(module, name)
        homes = [importlib.import_module(f"poet_model.{home}") for home in deprecated.MODULES[old]]
        if f"{old}.{name}" in deprecated.RENAMED:
            home, _, new = deprecated.RENAMED[f"{old}.{name}"].rpartition(".")
            assert found is getattr(importlib.import_module(f"poet_model.{home}"), new)
        else:
            assert any(found is getattr(home, name, None) for home in homes)
    with pytest.raises(AttributeError, match=r"has no attribute 'no_such_name' \(see CHANGELOG\.md\)"):
        module.no_such_name  # noqa: B018


@pytest.mark.parametrize("old", deprecated.NAMES)
def test_a_package_that_was_a_module_warns_and_has_its_names(old):
    package = importlib.import_module(f"poet_model.{old}")
    for name, home in deprecated.NAMES[old].items():
        with pytest.warns(
            DeprecationWarning, match=f"poet_model.{old}.{name} is now poet_model.{home}.{name};"
        ):
            found = getattr(package, name)
        assert found is getattr(importlib.import_module(f"poet_model.{home}"), name)
    with pytest.raises(AttributeError, match=f"module 'poet_model.{old}' has no attribute 'no_such_name'"):
        package.no_such_name  # noqa: B018


@pytest.mark.parametrize("old", KEPT)
def test_a_package_keeps_names_without_a_warning(old):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        package = importlib.import_module(f"poet_model.{old}")
        assert all(callable(getattr(package, name)) or name == "FORMS" for name in KEPT[old].split())


def test_every_way_to_import_works_and_the_warning_names_the_line_that_asks(forgotten):
    with pytest.warns(DeprecationWarning) as caught:
        import poet_model.card
        from poet_model.trainer import Trainer, TrainingConfig

        from poet_model import table
        from poet_model.generation import Poem
    from poet_model.evaluation import report
    from poet_model.training import config, trainer

    assert Trainer is trainer.Trainer and TrainingConfig is config.TrainingConfig
    assert Poem is poet_model.Poem and table.text_of is report.report_text
    assert poet_model.card.write_card is importlib.import_module("poet_model.hub.card").write_card
    assert {warning.filename for warning in caught} == {__file__}


def test_the_new_modules_are_left_as_they_are(forgotten):
    from poet_model.hub import card

    importlib.import_module("poet_model.card")
    assert card.__name__ == card.__spec__.name == "poet_model.hub.card"


def test_the_changelog_tells_of_every_module_that_moved():
    table = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("### Deprecated")[1].split("### ")[0]
    assert [old for old in deprecated.MODULES if f"`{old}`" not in table.replace("poet_model.", "")] == []


def test_what_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'poet_model\.no_such_module'"):
        importlib.import_module("poet_model.no_such_module")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("poet_model.hub.trainer")


def test_it_costs_nothing_until_an_old_name_is_asked_for():
    code = "import sys; from poet_model import PoetError; print('poet_model.deprecated' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
