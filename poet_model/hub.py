"""A Hub repository as a local folder, and a folder onto the Hub. Knows file names, not what they hold."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import CheckpointError, HubError

REQUIRED_FILES = ("config.json", "model.safetensors", "tokenizer.json")
MODEL_FILES = (
    *REQUIRED_FILES,
    "tokenizer_config.json",
    "generation_config.json",
    "training_log.jsonl",
    "samples.jsonl",
    "metrics.json",
    "corpus_report.json",
    "README.md",
)


def find_folder(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    subfolder: str = "",
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> Path:
    """The local folder of a model: `name_or_path` itself if it is one, else a snapshot from the Hub.

    All files come from one commit. Arguments are those of `huggingface_hub.snapshot_download`.

    Raises:
        CheckpointError: a local folder without the files of a model, or a name that can be no repository.
        HubError: the Hub has no such model, refuses it, or cannot be reached while nothing is cached.
    """
    path = os.path.expanduser(name_or_path)  # os.path takes any text, also what can be no path
    local = Path(path, subfolder)
    if os.path.isfile(local / REQUIRED_FILES[0]):
        return _checked(local)
    if os.path.isdir(path):
        raise CheckpointError(f"{local} has no config.json; a model folder has {', '.join(REQUIRED_FILES)}")
    if os.path.exists(path):
        raise CheckpointError(f"{name_or_path} is a file; give the folder that holds {REQUIRED_FILES[0]}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name = str(name_or_path)
    prefix = f"{subfolder.strip('/')}/" if subfolder else ""
    try:
        folder = snapshot_download(
            name,
            revision=revision,
            cache_dir=cache_dir,
            token=token,
            force_download=force_download,
            local_files_only=local_files_only,
            allow_patterns=[prefix + file for file in MODEL_FILES],
        )
    except HFValidationError as error:
        raise CheckpointError(
            f"{name!r} is neither a folder on this machine nor a possible Hub name such as user/tang-lstm; "
            "check the path"
        ) from error
    except RevisionNotFoundError as error:
        raise HubError(
            f"{name} has no revision {revision!r}; give a branch, a tag or a commit of it"
        ) from error
    except RepositoryNotFoundError as error:
        raise HubError(
            f"{name!r} is no folder here, and the Hub shows you no model of that name: check the spelling; "
            "if it is private or gated, log in with `hf auth login` or pass token="
        ) from error
    except LocalEntryNotFoundError as error:
        raise HubError(
            f"{name!r} is no folder here, is not whole in the cache, and the Hub was not asked or did not "
            "answer; go online once, or give the path of a model folder"
        ) from error
    except HfHubHTTPError as error:
        raise HubError(f"the Hub refused {name!r}: {error}; check the name and your token") from error
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise HubError(
            f"{name!r} could not be fetched from the Hub ({error}); try again, or give a model folder"
        ) from error
    return _checked(Path(folder) / subfolder)


def _checked(folder: Path) -> Path:
    if missing := [name for name in REQUIRED_FILES if not (folder / name).is_file()]:
        raise CheckpointError(
            f"{folder} is no whole model: {', '.join(missing)} is missing; save or download it again"
        )
    return folder


def push_folder(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    commit_message: str | None = None,
    commit_description: str | None = None,
    tags: list[str] | None = None,
) -> str:
    """Uploads the files of a model folder, and no others, in one commit; creates the repository if need be.

    Args:
        revision: branch to commit to, created if it is missing.
        tags: git tags to put on the new commit.

    Returns:
        The address of the commit.

    Raises:
        CheckpointError: `folder` is no whole model.
        HubError: the Hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    folder = _checked(Path(folder))
    api = HfApi(token=token)
    try:
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id  # with the user's name
        if revision and not create_pr:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            allow_patterns=list(MODEL_FILES),
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message or "Upload a Tang poem LSTM",
            commit_description=commit_description,
        )
        for tag in tags or ():
            api.create_tag(repo_id, tag=tag, revision=commit.oid, exist_ok=True)
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise HubError(
            f"{repo_id!r} could not be pushed: {error}; check the name and `hf auth whoami`"
        ) from error
    return str(commit)
