"""The model behind the page, with its name, its folder, and an index of 全唐詩 if there is one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Unpack

import yaml

from ..errors import CheckpointError, PoetError
from ..generation.options import GenerationConfig, Options
from ..generation.poem import Poem
from ..generation.stream import PoemStream
from ..hub.project import SHIPPED
from ..novelty.index import NoveltyIndex, default_folder
from ..tokenizer import PoetTokenizer


class Model(Protocol):
    """The interface that the page needs; PoetModel and NumpyPoetModel implement it."""

    @property
    def num_parameters(self) -> int: ...

    @property
    def tokenizer(self) -> PoetTokenizer: ...

    @property
    def generation_config(self) -> GenerationConfig: ...

    def generate(self, start: str = "", **options: Unpack[Options]) -> Poem: ...

    def stream(self, start: str = "", **options: Unpack[Options]) -> PoemStream: ...


@dataclass(frozen=True)
class Poet:
    """The model that the page shows, and its data.

    Attributes:
        name: the name of the model on the page: that of its folder, without the way there, or its Hub id.
        folder: the folder with its metrics and training log.
        index: the poems that lines are compared with; None if no index has been built on this machine.
    """

    name: str
    folder: Path
    model: Model
    index: NoveltyIndex | None = None


def load_poet(
    root: Path, open_model: Callable[[str | Path], tuple[Path, Model]], chosen: str | None = None
) -> Poet:
    """Loads the model for the page, and the index of 全唐詩 if there is one.

    The model is the chosen one, else the one named by the environment variable POET_MODEL, else the one named
    by the Space in `root`, else the one bundled in `root`. If the model of the Space cannot be fetched, the
    bundled one is used instead, with a note on stderr.

    Args:
        root: the folder of app.py.
        open_model: takes a model folder or a Hub id; returns the local folder and the model.
        chosen: a model folder or a Hub id.

    Raises:
        CheckpointError: the model that was chosen, named by POET_MODEL, or bundled cannot be loaded, or that
            of the Space cannot and there is no bundled one.
    """
    bundled = root / SHIPPED
    chosen, of_space = chosen or os.environ.get("POET_MODEL"), model_of_space(root)
    name = chosen or of_space or bundled.name
    if chosen and Path(chosen).is_dir():
        name = Path(chosen).resolve().name
    try:
        folder, model = open_model(chosen or of_space or bundled)
    except PoetError as error:
        if chosen or not of_space or not bundled.is_dir():  # an installed package creates Spaces without one
            raise CheckpointError(f"the page has no model to show: {error}") from error
        print(f"note: the page shows the bundled model instead, because {error}", file=sys.stderr)
        name = f"{bundled.name}（代 for {of_space}）"
        folder, model = open_model(bundled)
    return Poet(name, folder, model, open_index())


def model_of_space(root: Path) -> str:
    """The Hub id of the model that a Space shows; '' if `root` is not a Space or names no model.

    It is the first entry of `models` in the front matter of the Space's README.md. In the README of this
    project the list is empty.
    """
    try:
        before, front_matter, _ = (root / "README.md").read_text(encoding="utf-8").split("---\n", 2)
        card = yaml.safe_load(front_matter)
    except (OSError, ValueError, yaml.YAMLError):  # no README, not UTF-8, no front matter, or invalid YAML
        return ""
    is_space = not before and isinstance(card, dict) and card.get("sdk") == "gradio"
    models = card.get("models") if is_space else None
    return models[0] if isinstance(models, list) and models and isinstance(models[0], str) else ""


def open_index() -> NoveltyIndex | None:
    """The index of 全唐詩, or None if it has not been built on this machine or cannot be read."""
    try:
        folder = default_folder()
        return NoveltyIndex.load(folder) if folder.exists() else None  # a missing index is normal
    except (PoetError, OSError) as error:
        print(f"note: the page cannot compare poems with 全唐詩: {error}", file=sys.stderr)
    return None
