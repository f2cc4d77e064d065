"""Fetches a model from the Hub into a local folder.

It does not read the files itself; `check_config` may read config.json before the rest is fetched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import CheckpointError, InvalidValueError, quoted
from ..folders import finish_save
from ..model_folder import CONFIG_NAME, MODEL_FILES, REQUIRED_FILES, check_folder
from .client import check_token, explained
from .network import download
from .project import SHIPPED, shipped_folder


def find_folder(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    subfolder: str = "",
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    check_config: Callable[[Path], object] = lambda folder: None,
) -> Path:
    """The local folder of a model: `name_or_path` itself if it is a folder, else a snapshot from the Hub.

    All files of a snapshot come from the same commit.

    Args:
        name_or_path: a model folder, or a Hub id such as `user/tang-lstm`. `assets/tang-lstm` is the shipped
            model, unless there is another folder of this name.
        subfolder: the model's folder inside the repository or inside `name_or_path`; '' for the top folder.
        revision, cache_dir, token, force_download, local_files_only: as in
            `huggingface_hub.snapshot_download`.
        check_config: called with the folder once config.json is there, before large files are fetched.

    Raises:
        CheckpointError: the folder lacks model files, or a file is a link that leads out of it, or the name
            is not a valid name of a repository.
        HubError: the Hub has no such model, refuses access, or cannot be reached and the cache has no copy.
        InvalidValueError: an argument has the wrong type.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise InvalidValueError(f"the model must be a folder or a Hub name, got {quoted(name_or_path)}")
    _check_subfolder(subfolder)
    local = _local_folder(name_or_path, subfolder)
    if local is not None:
        return local
    name = str(name_or_path)
    check_token(token)
    if revision is not None and (not isinstance(revision, str) or not revision):
        raise InvalidValueError(
            f"revision must be a branch, a tag or a commit of {name}, got {quoted(revision)}"
        )
    options = {
        "cache_dir": cache_dir,
        "token": token,
        "force_download": force_download,
        "local_files_only": local_files_only,
    }
    first = _snapshot(name, revision, subfolder, [CONFIG_NAME], options)
    if (first / subfolder / CONFIG_NAME).is_file():
        check_config(first / subfolder)  # a mistyped name may belong to another model of many gigabytes
    commit = first.name
    folder = _snapshot(name, commit, subfolder, MODEL_FILES, options) / subfolder
    return check_folder(folder, f"{name} on the Hub{f', {subfolder}' if subfolder else ''}")


def _check_subfolder(subfolder: str) -> None:
    if (
        not isinstance(subfolder, str)
        or PurePosixPath(subfolder).is_absolute()
        or ".." in Path(subfolder).parts
    ):
        raise InvalidValueError(
            f"subfolder must be a path inside the model's repository, got {quoted(subfolder)}"
        )


def _local_folder(name_or_path: str | Path, subfolder: str) -> Path | None:
    """The model's folder if it is on this machine; None if `name_or_path` must be a name on the Hub."""
    path = os.path.expanduser(name_or_path)  # os.path accepts any text, even one that cannot be a path
    local = Path(path, subfolder)
    finish_save(local)
    if os.path.isfile(local / CONFIG_NAME):
        if not Path(os.path.realpath(local)).is_relative_to(os.path.realpath(path)):
            raise CheckpointError(f"{local} leads out of {path}; give the folder itself, without subfolder=")
        return check_folder(local, str(local))
    if os.path.isdir(path):
        raise CheckpointError(f"{local} has no {CONFIG_NAME}; a model folder has {', '.join(REQUIRED_FILES)}")
    if os.path.exists(path):
        raise CheckpointError(f"{name_or_path} is a file; give the folder that holds {CONFIG_NAME}")
    if Path(path) == Path(SHIPPED) and shipped_folder().is_dir() and not subfolder:
        return check_folder(shipped_folder(), SHIPPED)  # so that examples work outside a clone, too
    return None


def _snapshot(
    name: str, revision: str | None, subfolder: str, patterns: Sequence[str], options: dict[str, Any]
) -> Path:
    """Fetches the files of `subfolder` that match a pattern, and returns the folder of the snapshot."""
    parts = [part for part in subfolder.split("/") if part]
    with explained(name, revision, near=_near(name)):
        return download(
            name,
            revision=revision,
            allow_patterns=["/".join([*parts, pattern]) for pattern in patterns],
            **options,
        )


def _near(path: str) -> str:
    """A hint such as ` (is it 'runs/tang-lstm'?)` if there is a model folder with a similar path, else ''."""
    parent, name = os.path.split(os.path.expanduser(path))
    try:
        names = [entry.name for entry in os.scandir(parent or ".") if (Path(entry) / CONFIG_NAME).is_file()]
    except (OSError, ValueError):
        return ""
    close = get_close_matches(name, names, n=1)
    return f" (is it {os.path.join(parent, close[0])!r}?)" if close else ""
