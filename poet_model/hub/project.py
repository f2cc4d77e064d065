"""Files of the project's top folder that the package needs: the card's template, the parts of a Space.

In a clone they are read where they stand. setup.py copies them into a wheel, into `project_files`
beside this file.
"""

from __future__ import annotations

from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
INSTALLED = Path(__file__).resolve().parent / "project_files"


def project_file(name: str) -> Path:
    """The path of a file of the project's top folder; it need not be there."""
    return (INSTALLED if INSTALLED.is_dir() else CLONE) / name
