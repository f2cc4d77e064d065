"""Folders from a stranger: each is a model that writes a poem, or one sentence, soon and in little memory."""

from __future__ import annotations

import shutil
import signal

import pytest
from hostile_folders import CASES, HANGS, WAYS, make_folder, outcome


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A model folder to damage copies of."""
    folder = tmp_path_factory.mktemp("whole") / "model"
    make_folder(folder)
    return folder


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No index, no model that the environment names, and an end to a test that hangs."""
    monkeypatch.setenv("POET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("POET_MODEL", "")
    signal.alarm(3 * HANGS)
    yield
    signal.alarm(0)


def test_the_whole_folder_is_good_in_each_way(whole):
    assert {way: outcome(way, whole) for way in WAYS} == dict.fromkeys(WAYS, "good")


def test_there_are_enough_of_them():
    assert len(CASES) > 500 and sum(case.is_record for case in CASES.values()) > 150


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_folder_harms_nobody(whole, tmp_path, name):
    case, folder = CASES[name], tmp_path / "model"
    shutil.copytree(whole, folder)
    case.damage(folder)
    if case.is_record:  # no poem needs it, and only the page reads it
        assert outcome("page", folder) == "good"
    else:
        assert {outcome(way, folder) for way in WAYS} <= {"good", "PoetError"}
