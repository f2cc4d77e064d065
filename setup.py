"""Copies into a wheel what stands at the top of the project: the model, the card's template, the page.

Everything else is said in pyproject.toml.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = "assets/tang-lstm"
PROJECT_FILES = ("model_card.md", "app.py", "README.md", "requirements.txt", "LICENSE", "NOTICE")


class BuildWithProjectFiles(build_py):
    """Puts PROJECT_FILES and the shipped model where poet_model/hub/project.py looks for them."""

    def run(self) -> None:
        if (weights := Path(SHIPPED, "model.safetensors")).stat().st_size < 1000:
            raise SystemExit(f"error: {weights} is only a pointer of Git LFS; run `git lfs pull` first")
        super().run()
        if not self.editable_mode:  # then they are read where they stand
            folder = Path(self.build_lib, "poet_model", "hub", "project_files")
            for name in (*PROJECT_FILES, *(path.as_posix() for path in Path(SHIPPED).iterdir())):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                self.copy_file(name, str(folder / name))


setup(cmdclass={"build_py": BuildWithProjectFiles})
