"""Finds files of the project's top folder that the package needs: the card's template and parts of a Space.

In a clone they are read from the top folder. In a wheel they are in `project_files` beside this module, where
setup.py copies them.
"""

from __future__ import annotations

from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
INSTALLED = Path(__file__).resolve().parent / "project_files"


def project_file(name: str) -> Path:
    """The path of a file in the project's top folder. The file may not exist."""
    return (INSTALLED if INSTALLED.is_dir() else CLONE) / name
