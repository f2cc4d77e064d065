"""Poet: the model behind the page, with its name, its folder, and an index of the poems it must not copy."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import yaml

from ..errors import CheckpointError, PoetError
from ..generation.poem import Poem
from ..generation.stream import PoemStream
from ..novelty.index import NoveltyIndex, default_folder

BUNDLED = Path("assets", "tang-lstm")


class Model(Protocol):
    """What the page needs of a model; PoetModel has it."""

    @property
    def num_parameters(self) -> int: ...

    @property
    def tokenizer(self): ...  # a PoetTokenizer

    def generate(self, start: str = "", **options) -> Poem: ...

    def stream(self, start: str = "", **options) -> PoemStream: ...


@dataclass(frozen=True)
class Poet:
    """What the page shows.

    Attributes:
        name: how the page calls the model: a folder or a Hub id.
        folder: where its metrics and its training log are.
        index: the poems in which lines are looked up; None if nobody has built an index here.
    """

    name: str
    folder: Path
    model: Model
    index: NoveltyIndex | None = None


def load_poet(root: Path, open_model: Callable[[str | Path], tuple[Path, Model]]) -> Poet:
    """The model that the page is to show, and the index of 全唐詩 if there is one.

    That is the model named by the environment variable POET_MODEL, else the one of the Space in `root`, else
    the one bundled in `root`. If the Space's cannot be fetched, the bundled one stands in, with a note.

    Args:
        root: the folder of app.py.
        open_model: takes a model folder or a Hub id; returns the folder on this machine, and the model.

    Raises:
        CheckpointError: the model named by POET_MODEL, or the bundled one, cannot be loaded;
            or the Space's cannot, and none is bundled.
    """
    bundled = root / BUNDLED
    chosen, of_space = os.environ.get("POET_MODEL"), model_of_space(root)
    name = chosen or of_space or bundled.name
    try:
        folder, model = open_model(chosen or of_space or bundled)
    except PoetError as error:
        if chosen or not of_space or not bundled.is_dir():  # a Space made by an installed package has none
            raise CheckpointError(f"the page has no model to show: {error}") from error
        print(f"note: the page shows the model that came with it, as {error}", file=sys.stderr)
        name = f"{bundled.name}（代 for {of_space}）"
        folder, model = open_model(bundled)
    return Poet(name, folder, model, open_index())


def model_of_space(root: Path) -> str:
    """The Hub id of the model that a Space shows; '' if `root` is no Space, or one without such a model.

    It is the first of `models` in the front matter of the Space's README.md. In this project's own README
    the list is empty.
    """
    try:
        before, front_matter, _ = (root / "README.md").read_text(encoding="utf-8").split("---\n", 2)
        card = yaml.safe_load(front_matter)
    except (OSError, ValueError, yaml.YAMLError):  # no README, not UTF-8, no front matter, or no YAML in it
        return ""
    is_space = not before and isinstance(card, dict) and card.get("sdk") == "gradio"
    models = card.get("models") if is_space else None
    return models[0] if isinstance(models, list) and models and isinstance(models[0], str) else ""


def open_index() -> NoveltyIndex | None:
    """The index of 全唐詩, if somebody has built it on this machine."""
    try:
        return NoveltyIndex.load(default_folder())
    except PoetError as error:
        if default_folder().exists():  # that it is not there is no news
            print(f"note: the page does not look poems up: {error}", file=sys.stderr)
    return None
