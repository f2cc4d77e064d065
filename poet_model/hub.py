"""A Hub repository as a local folder, and a folder onto the Hub. Knows file names, not what they hold."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from .errors import CheckpointError, HubError, InvalidValueError, PoetError

CONFIG_NAME, WEIGHTS_NAME, TOKENIZER_NAME = "config.json", "model.safetensors", "tokenizer.json"
INDEX_NAME = f"{WEIGHTS_NAME}.index.json"
CARD_NAME, METRICS_NAME = "README.md", "metrics.json"
REQUIRED_FILES = (CONFIG_NAME, WEIGHTS_NAME, TOKENIZER_NAME)
RECORDS = (CARD_NAME, METRICS_NAME, "training_log.jsonl", "samples.jsonl", "corpus_report.json")
MODEL_FILES = (  # patterns: what a model folder may hold, and all that is ever pushed or fetched
    *REQUIRED_FILES,
    INDEX_NAME,
    "model-*-of-*.safetensors",
    "tokenizer_config.json",
    "generation_config.json",
    *RECORDS,
)
REMOTE_CODE = ("configuration_poet.py", "modeling_poet.py")  # for transformers; never fetched nor run by us
TRANSFORMERS_KEYS = {  # what config.json then says
    "auto_map": {
        "AutoConfig": "configuration_poet.PoetConfig",
        "AutoModelForCausalLM": "modeling_poet.PoetModel",
    },
    "dtype": "float32",
}
DEFAULT_NAME = "user/tang-lstm"  # in the card's examples, until it is pushed


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
        CheckpointError: a folder without the files of a model, or a name that can be no repository.
        HubError: the Hub has no such model, refuses it, or cannot be reached while nothing is cached.
    """
    path = os.path.expanduser(name_or_path)  # os.path takes any text, also what can be no path
    local = Path(path, subfolder)
    if os.path.isfile(local / CONFIG_NAME):
        return _checked(local, str(local))
    if os.path.isdir(path):
        raise CheckpointError(f"{local} has no {CONFIG_NAME}; a model folder has {', '.join(REQUIRED_FILES)}")
    if os.path.exists(path):
        raise CheckpointError(f"{name_or_path} is a file; give the folder that holds {CONFIG_NAME}")
    from huggingface_hub import snapshot_download

    name = str(name_or_path)
    prefix = f"{subfolder.strip('/')}/" if subfolder else ""
    with explained(name, revision):
        folder = snapshot_download(
            name,
            revision=revision,
            cache_dir=cache_dir,
            token=token,
            force_download=force_download,
            local_files_only=local_files_only,
            allow_patterns=[prefix + pattern for pattern in MODEL_FILES],
        )
    return _checked(Path(folder) / subfolder, f"{name} on the Hub{f', {subfolder}' if subfolder else ''}")


def _checked(folder: Path, name: str) -> Path:
    """The folder, if it has what a model needs."""
    missing = [file for file in REQUIRED_FILES if not (folder / file).is_file()]
    if (folder / INDEX_NAME).is_file() and WEIGHTS_NAME in missing:
        missing.remove(WEIGHTS_NAME)
    if missing:
        raise CheckpointError(
            f"{name} is no whole poet-lstm model: {', '.join(missing)} is missing; save or download it "
            "again, or give another name"
        )
    return folder


@contextmanager
def explained(name: str, revision: str | None = None) -> Iterator[None]:
    """Turns what huggingface_hub raises into one of our errors, with a sentence that says what to do."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except PoetError:
        raise
    except HFValidationError as error:
        raise CheckpointError(
            f"{name!r} is neither a folder on this machine nor a possible Hub name such as {DEFAULT_NAME}; "
            "check the path"
        ) from error
    except RevisionNotFoundError as error:
        raise HubError(
            f"{name} has no revision {revision!r}; give a branch, a tag or a commit of it"
        ) from error
    except GatedRepoError as error:
        raise HubError(
            f"{name} is gated: ask for access on its page on the Hub, then log in with `hf auth login` or "
            "pass token="
        ) from error
    except RepositoryNotFoundError as error:
        raise HubError(_NOT_FOUND.format(name)) from error
    except OfflineModeIsEnabled as error:
        raise HubError(f"{name}: the Hub was not asked, as HF_HUB_OFFLINE is set; unset it") from error
    except LocalEntryNotFoundError as error:
        raise HubError(
            f"{name!r} is no folder here, is not whole in the cache, and the Hub was not asked or did not "
            "answer; go online once, or give the path of a model folder"
        ) from error
    except HfHubHTTPError as error:
        raise HubError(_refusal(name, error)) from error
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise HubError(f"{name!r}: the exchange with the Hub broke off ({error}); try again") from error


_NOT_FOUND = (
    "{!r} is no folder here, and the Hub shows you no model of that name: check the spelling; if it is "
    "private, log in with `hf auth login` or pass token="
)


def _refusal(name: str, error: Exception) -> str:
    """What an answer that is an error means."""
    status = error.response.status_code
    message = error.response.headers.get("X-Error-Message", "")
    if status == 401 and message.startswith("Invalid credentials"):
        return (
            f"the Hub does not know the token that was sent for {name}: make a new one and `hf auth login`, "
            "or pass token="
        )
    if status == 401:  # what the Hub says to anybody about a repository that is private or does not exist
        return _NOT_FOUND.format(name)
    if status == 403:
        return f"the Hub refused {name}: {message or error}; pass a token that may do this (`hf auth whoami`)"
    if status == 412:
        return f"somebody else changed {name} at the same moment; push again"
    return f"the Hub refused {name} ({error}); try again later"


def copy_remote_code(folder: Path) -> None:
    """Puts the code for transformers into a model folder."""
    for name in REMOTE_CODE:
        shutil.copyfile(Path(__file__).resolve().parent / "remote_code" / name, folder / name)


def model_files(names: Iterable[str]) -> list[str]:
    """Those names that are files of a model."""
    patterns = (*MODEL_FILES, *REMOTE_CODE)
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


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

    Files of a model that are on the Hub but not in `folder` are deleted there; all others stay. Nothing is
    committed if nothing has changed. Until the commit, which is the last step, the Hub shows the old state.

    Args:
        revision: branch to commit to, created if it is missing.
        create_pr: whether to open a pull request instead.
        tags: git tags to put on the new commit.

    Returns:
        The address of the commit, or of the pull request.

    Raises:
        CheckpointError: `folder` is no whole model.
        InvalidValueError: `repo_id` can be no name.
        HubError: the Hub cannot be reached or refuses, or a tag marks another commit already.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    folder = _checked(Path(folder), str(folder))
    check_name(repo_id)
    names = model_files(path.name for path in folder.iterdir() if path.is_file())
    api = HfApi(token=token)
    with explained(repo_id, revision):
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id  # with the user's name
        if revision and not create_pr:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        there = model_files(api.list_repo_files(repo_id, revision=None if create_pr else revision))
        commit = api.create_commit(
            repo_id,
            [
                *(CommitOperationDelete(path_in_repo=name) for name in there if name not in names),
                *(CommitOperationAdd(name, _content(folder / name, repo_id)) for name in names),
            ],
            revision=None if create_pr else revision,
            create_pr=create_pr,
            commit_message=commit_message or "Upload a Tang poem LSTM",
            commit_description=commit_description,
        )
        marked = {tag.name: tag.target_commit for tag in api.list_repo_refs(repo_id).tags} if tags else {}
        for tag in tags or ():
            if marked.get(tag, commit.oid) != commit.oid:
                raise HubError(
                    f"{commit.commit_url} was pushed, but the tag {tag!r} marks another commit already; give "
                    "another name"
                )
            api.create_tag(repo_id, tag=tag, revision=commit.oid, exist_ok=True)
    return commit.pr_url or commit.commit_url


def check_name(repo_id: str) -> None:
    """Raises InvalidValueError unless `repo_id` could be a repository."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InvalidValueError(
            f"{repo_id!r} is no possible Hub name; give one such as {DEFAULT_NAME}"
        ) from error


def _content(path: Path, repo_id: str) -> bytes | Path:
    """What is uploaded for a file: itself; of the card, one whose example loads what is pushed."""
    if path.name != CARD_NAME:
        return path
    return path.read_bytes().replace(f'"{DEFAULT_NAME}"'.encode(), f'"{repo_id}"'.encode())


def main(arguments: list[str]) -> int:
    """`python -m poet_model.hub space …`: see space.py."""
    if arguments[:1] != ["space"]:
        print("usage: python -m poet_model.hub space USER/NAME --model USER/NAME", file=sys.stderr)
        return 2
    from .space import main

    return main(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
