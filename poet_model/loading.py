"""`load`: the shipped model, or another one, by whichever of torch and NumPy is there."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from .errors import InvalidValueError, quoted
from .extras import how_to_install
from .hub.project import shipped_folder

if TYPE_CHECKING:
    from .model import PoetModel
    from .numpy_model import NumpyPoetModel

BACKENDS = ("auto", "numpy", "torch")


@overload
def load(
    name_or_path: str | Path | None = None,
    backend: Literal["auto"] = "auto",
    *,
    revision: str | None = None,
    token: str | bool | None = None,
) -> PoetModel | NumpyPoetModel: ...


@overload
def load(
    name_or_path: str | Path | None = None,
    *,
    backend: Literal["numpy"],
    revision: str | None = None,
    token: str | bool | None = None,
) -> NumpyPoetModel: ...


@overload
def load(
    name_or_path: str | Path | None = None,
    *,
    backend: Literal["torch"],
    revision: str | None = None,
    token: str | bool | None = None,
) -> PoetModel: ...


def load(
    name_or_path: str | Path | None = None,
    backend: str = "auto",
    *,
    revision: str | None = None,
    token: str | bool | None = None,
) -> PoetModel | NumpyPoetModel:
    """Loads a model that writes poems; without arguments, the one that comes with the package.

    Args:
        name_or_path: a model folder, or a Hub id such as `user/tang-lstm`.
        backend: `numpy` gives a NumpyPoetModel, which starts fastest; `torch` a PoetModel, which can also use
            a GPU and be trained; `auto` takes torch if it is installed. Both write the same poems.
        revision, token: for a Hub id, as in `PoetModel.from_pretrained`, which has more such options.

    Raises:
        CheckpointError: the folder is damaged, or does not hold a model of this package.
        HubError: the Hub has no such model or cannot be reached.
        InvalidValueError: an argument is invalid, or torch is asked for and not installed.

    Example:
        >>> import poet_model
        >>> print(poet_model.load().generate("春", form="五絕", tones=True, rhyme=True, seed=22))
        春水行人醉，紗筵枕上愁。
        一朝歌落盡，無復最高樓。
    """
    if backend not in BACKENDS:
        raise InvalidValueError(f"backend must be one of {', '.join(BACKENDS)}, got {quoted(backend)}")
    has_torch = importlib.util.find_spec("torch") is not None
    if backend == "torch" and not has_torch:
        raise InvalidValueError(
            "backend='torch' needs torch, which is not installed; leave backend out to write without it, or "
            + how_to_install("torch")
        )
    name = shipped_folder() if name_or_path is None else name_or_path
    if has_torch and backend != "numpy":
        from .model import PoetModel

        return PoetModel.from_pretrained(name, revision=revision, token=token)
    from .numpy_model import NumpyPoetModel

    return NumpyPoetModel.from_pretrained(name, revision=revision, token=token)
