"""A model of the Hub as a folder on this machine. Knows file names, not what the files hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from ..errors import CheckpointError, InvalidValueError
from ..model_folder import CONFIG_NAME, MODEL_FILES, REQUIRED_FILES, check_folder
from .client import check_token, explained


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
    """The local folder of a model: `name_or_path` itself if it is one, else a snapshot from the Hub.

    All files come from one commit. Arguments are those of `huggingface_hub.snapshot_download`, and:

    Args:
        check_config: is given the folder as soon as it holds config.json, before anything large is fetched.

    Raises:
        CheckpointError: a folder without the files of a model, or a name that can be no repository.
        HubError: the Hub has no such model, refuses it, or cannot be reached while nothing is cached.
        InvalidValueError: an argument has the wrong type.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise InvalidValueError(f"the model must be a folder or a Hub name, got {name_or_path!r}")
    _check_subfolder(subfolder)
    local = _local_folder(name_or_path, subfolder)
    if local is not None:
        return local
    name = str(name_or_path)
    check_token(token)
    if revision is not None and (not isinstance(revision, str) or not revision):
        raise InvalidValueError(f"revision must be a branch, a tag or a commit of {name}, got {revision!r}")
    options = {
        "cache_dir": cache_dir,
        "token": token,
        "force_download": force_download,
        "local_files_only": local_files_only,
    }
    first = _snapshot(name, revision, subfolder, [CONFIG_NAME], options)
    if (first / subfolder / CONFIG_NAME).is_file():
        check_config(first / subfolder)  # a name mistyped may be that of a model of many gigabytes
    commit = first.name
    folder = _snapshot(name, commit, subfolder, MODEL_FILES, options) / subfolder
    return check_folder(folder, f"{name} on the Hub{f', {subfolder}' if subfolder else ''}")


def _check_subfolder(subfolder: str) -> None:
    if (
        not isinstance(subfolder, str)
        or PurePosixPath(subfolder).is_absolute()
        or ".." in Path(subfolder).parts
    ):
        raise InvalidValueError(f"subfolder must be a path inside the model's repository, got {subfolder!r}")


def _local_folder(name_or_path: str | Path, subfolder: str) -> Path | None:
    """The model's folder if there is one on this machine; None if it must be a name on the Hub."""
    path = os.path.expanduser(name_or_path)  # os.path takes any text, also what can be no path
    local = Path(path, subfolder)
    if os.path.isfile(local / CONFIG_NAME):
        return check_folder(local, str(local))
    if os.path.isdir(path):
        raise CheckpointError(f"{local} has no {CONFIG_NAME}; a model folder has {', '.join(REQUIRED_FILES)}")
    if os.path.exists(path):
        raise CheckpointError(f"{name_or_path} is a file; give the folder that holds {CONFIG_NAME}")
    return None


def _snapshot(
    name: str, revision: str | None, subfolder: str, patterns: Sequence[str], options: dict
) -> Path:
    """Fetches the files of `subfolder` that match a pattern; the folder of the snapshot."""
    from huggingface_hub import snapshot_download

    parts = [part for part in subfolder.split("/") if part]
    with explained(name, revision, near=_near(name)):
        snapshot = snapshot_download(
            name,
            revision=revision,
            allow_patterns=["/".join([*parts, pattern]) for pattern in patterns],
            **options,
        )
    return Path(snapshot)


def _near(path: str) -> str:
    """` (is it 'runs/tang-lstm'?)` if a model folder here has almost this path, else ''."""
    parent, name = os.path.split(os.path.expanduser(path))
    try:
        names = [entry.name for entry in os.scandir(parent or ".") if (Path(entry) / CONFIG_NAME).is_file()]
    except (OSError, ValueError):
        return ""
    close = get_close_matches(name, names, n=1)
    return f" (is it {os.path.join(parent, close[0])!r}?)" if close else ""
