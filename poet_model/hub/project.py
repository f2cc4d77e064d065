"""Finds files of the project's top folder that the package needs: the shipped model, the card, the page.

In a clone they are read from the top folder. In a wheel they are in `project_files` beside this module, where
setup.py copies them.
"""

from __future__ import annotations

from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
INSTALLED = Path(__file__).resolve().parent / "project_files"
SHIPPED_NAME = "tang-lstm"
SHIPPED = f"assets/{SHIPPED_NAME}"  # the folder of the model that comes with the project


def project_folder() -> Path:
    """The project's top folder, in a wheel the folder with what the wheel has of it."""
    return INSTALLED if INSTALLED.is_dir() else CLONE


def project_file(name: str) -> Path:
    """The path of a file or a folder in the project's top folder. It may not exist."""
    return project_folder() / name


def shipped_folder() -> Path:
    """The folder of the model that comes with the project. A Space may lack it."""
    return project_file(SHIPPED)
