"""Copies into a wheel what stands at the top of the project: the card's template and the parts of a Space.

Everything else is said in pyproject.toml.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PROJECT_FILES = ("model_card.md", "app.py", "README.md", "requirements.txt", "LICENSE", "NOTICE")


class BuildWithProjectFiles(build_py):
    """Puts PROJECT_FILES where poet_model/hub/project.py looks for them."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # then they are read where they stand
            folder = Path(self.build_lib, "poet_model", "hub", "project_files")
            folder.mkdir(parents=True, exist_ok=True)
            for name in PROJECT_FILES:
                self.copy_file(name, str(folder / name))


setup(cmdclass={"build_py": BuildWithProjectFiles})
