"""A Hub repository as a local folder, and a folder onto the Hub. Knows file names, not what they hold."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from .errors import CheckpointError, HubError, InvalidValueError, PoetError
from .files import LOG_NAME, SAMPLES_NAME

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CONFIG_NAME, WEIGHTS_NAME, TOKENIZER_NAME = "config.json", "model.safetensors", "tokenizer.json"
INDEX_NAME = f"{WEIGHTS_NAME}.index.json"
CARD_NAME, METRICS_NAME = "README.md", "metrics.json"
REQUIRED_FILES = (CONFIG_NAME, WEIGHTS_NAME, TOKENIZER_NAME)
REPORT_NAME, HELD_OUT_NAME = "corpus_report.json", "held_out.json"
EARLIER_LOG_NAME = "earlier_log.jsonl"
RECORDS = (CARD_NAME, METRICS_NAME, LOG_NAME, EARLIER_LOG_NAME, SAMPLES_NAME, REPORT_NAME, HELD_OUT_NAME)
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
DEFAULT_NAME = "user/tang-lstm"  # in the card, until it is pushed


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
    if (
        not isinstance(subfolder, str)
        or PurePosixPath(subfolder).is_absolute()
        or ".." in Path(subfolder).parts
    ):
        raise InvalidValueError(f"subfolder must be a path inside the model's repository, got {subfolder!r}")
    path = os.path.expanduser(name_or_path)  # os.path takes any text, also what can be no path
    local = Path(path, subfolder)
    if os.path.isfile(local / CONFIG_NAME):
        return _checked(local, str(local))
    if os.path.isdir(path):
        raise CheckpointError(f"{local} has no {CONFIG_NAME}; a model folder has {', '.join(REQUIRED_FILES)}")
    if os.path.exists(path):
        raise CheckpointError(f"{name_or_path} is a file; give the folder that holds {CONFIG_NAME}")
    from huggingface_hub import snapshot_download

    name, parts = str(name_or_path), [part for part in subfolder.split("/") if part]
    _check_token(token)
    if revision is not None and (not isinstance(revision, str) or not revision):
        raise InvalidValueError(f"revision must be a branch, a tag or a commit of {name}, got {revision!r}")

    def fetch(revision: str | None, *patterns: str, force: bool = False) -> Path:
        with explained(name, revision):
            snapshot = snapshot_download(
                name,
                revision=revision,
                cache_dir=cache_dir,
                token=token,
                force_download=force,
                local_files_only=local_files_only,
                allow_patterns=["/".join([*parts, pattern]) for pattern in patterns],
            )
        return Path(snapshot)

    first = fetch(revision, CONFIG_NAME, force=force_download)
    if (first / subfolder / CONFIG_NAME).is_file():
        check_config(first / subfolder)  # a name mistyped may be that of a model of many gigabytes
    commit = first.name
    folder = fetch(commit, *MODEL_FILES, force=force_download) / subfolder
    return _checked(folder, f"{name} on the Hub{f', {subfolder}' if subfolder else ''}")


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


def _check_token(token: str | bool | None) -> None:
    if isinstance(token, str) and not re.fullmatch(r"[\x21-\x7e]+", token):
        raise InvalidValueError(
            "token is no token of the Hub (hf_…): it is empty, or has spaces or other signs"
        )


@contextmanager
def explained(name: str, revision: str | None = None, *, writing: bool = False) -> Iterator[None]:
    """Turns what huggingface_hub raises into one of our errors, with a sentence that says what to do."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    missing = _LOG_IN.format(name) if writing else _NOT_FOUND.format(name)
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
    except (RepositoryNotFoundError, LocalTokenNotFoundError) as error:
        raise HubError(missing) from error
    except OfflineModeIsEnabled as error:
        raise HubError(f"{name}: the Hub was not asked, as HF_HUB_OFFLINE is set; unset it") from error
    except LocalEntryNotFoundError as error:
        where = f"{name}, revision {revision}," if revision else name
        raise HubError(
            f"{where} is no folder here and not whole in the cache, and {_silence(error)}; go online once, "
            "or give the path of a model folder"
        ) from error
    except HfHubHTTPError as error:
        raise HubError(_refusal(name, error, missing)) from error
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise HubError(
            f"{name}: the exchange with the Hub broke off ({_one_line(error)}); try again"
        ) from error


_NOT_FOUND = (
    "{!r} is no folder here, and the Hub shows you no model of that name: check the spelling; if it is "
    "private, log in with `hf auth login` or pass token="
)
_LOG_IN = "{!r} cannot be pushed by somebody unknown to the Hub: log in with `hf auth login` or pass token="


def _silence(error: BaseException) -> str:
    """Why the Hub gave nothing."""
    response = getattr(error.__cause__, "response", None)
    if response is not None:
        return f"the Hub answered {response.status_code}"
    return "the Hub did not answer" if error.__cause__ else "the Hub was not asked"


def _one_line(error: BaseException) -> str:
    """What an error says, without line breaks and request numbers."""
    return " ".join(re.sub(r"\(Request ID: [^)]*\)", "", str(error)).split())


def _refusal(name: str, error: Exception, missing: str) -> str:
    """What an answer that is an error means."""
    status = error.response.status_code
    message = error.response.headers.get("X-Error-Message") or _one_line(error)
    if status == 401 and message.startswith("Invalid credentials"):
        return (
            f"the Hub does not know the token that was sent for {name}: make a new one and `hf auth login`, "
            "or pass token="
        )
    if status == 401:  # what the Hub says to anybody about a repository that is private or does not exist
        return missing
    if status == 403:
        return f"the Hub refused {name}: {message}; `hf auth whoami` tells who you are"
    if status == 412:
        return f"somebody else changed {name} at the same moment; push again"
    if status in (408, 429) or status >= 500:
        return f"the Hub answered {status} for {name}; try again later"
    return f"the Hub refused {name}: {message}"


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

    Files of a model that are on the Hub but not in `folder` are deleted there (the code for transformers
    too, if this model was saved without); all others stay. Nothing is committed if nothing has changed.
    Until the commit, which is the last step but for tags, the Hub shows the old state.

    Args:
        private: of a new repository; an old one must be so already.
        revision: branch to commit to, created if it is missing; or a pull request, `refs/pr/1`.
        create_pr: whether to open a pull request against main instead.
        tags: git tags to put on the new commit.

    Returns:
        The address of the commit, or of the pull request.

    Raises:
        CheckpointError: `folder` is no whole model.
        InvalidValueError: `repo_id` can be no name, or an argument cannot be.
        HubError: the Hub cannot be reached or refuses, or a tag marks another commit already.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    folder = _checked(Path(folder), str(folder))
    check_name(repo_id)
    if isinstance(tags, str):
        raise InvalidValueError(f"tags must be a list of names, got {tags!r}; write [{tags!r}]")
    if create_pr and revision not in (None, "main"):
        raise InvalidValueError(f"a pull request is against main: leave out revision={revision!r}")
    if revision and re.fullmatch("[0-9a-f]{40}", revision):
        raise InvalidValueError(f"revision must be a branch to push to, got the commit {revision}")
    names = model_files(path.name for path in folder.iterdir() if path.is_file())
    api = api_with(token)
    with explained(repo_id, revision, writing=True):
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id  # with the user's name
        refs = api.list_repo_refs(repo_id)
        marked = {tag.name: tag.target_commit for tag in refs.tags}
        if revision in marked:
            raise InvalidValueError(f"revision must be a branch to push to, and {revision!r} is a tag")
        if revision and not create_pr and not revision.startswith("refs/"):
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        there = api.repo_info(repo_id, revision=None if create_pr else revision)
        check_visibility(repo_id, there.private, private)
        for tag in tags or ():
            if marked.get(tag, there.sha) != there.sha:
                raise HubError(
                    f"the tag {tag!r} of {repo_id} marks another commit already; give another name"
                )
        old = model_files(file.rfilename for file in there.siblings)
        commit = api.create_commit(
            repo_id,
            [
                *(CommitOperationDelete(path_in_repo=name) for name in old if name not in names),
                *(CommitOperationAdd(name, _content(folder / name, repo_id)) for name in names),
            ],
            revision=None if create_pr else revision,
            create_pr=create_pr,
            commit_message=commit_message or "Upload a Tang poem LSTM",
            commit_description=commit_description,
            parent_commit=None if create_pr else there.sha,
        )
        for tag in tags or ():
            if marked.get(tag, commit.oid) != commit.oid:
                raise HubError(
                    f"{commit.commit_url} was pushed, but the tag {tag!r} marks the commit before it; give "
                    "another name"
                )
            api.create_tag(repo_id, tag=tag, revision=commit.oid, exist_ok=True)
    return commit.pr_url or commit.commit_url


def check_visibility(repo_id: str, is_private: bool, wanted: bool | None) -> None:
    """Raises HubError if a repository that is there already is not as private as it was asked to be."""
    if wanted not in (None, is_private):
        now, then = ("private", "public") if is_private else ("public", "private")
        raise HubError(f"{repo_id} is {now} already: make it {then} in its settings on the Hub, then push")


def check_can_push(repo_id: str, *, private: bool | None = None, token: str | None = None) -> None:
    """Raises InvalidValueError or HubError, before hours of work, if it can be seen that a push would fail.

    Not seen before the push: whether a token of fine grain, or the user, may write to that very repository.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    check_name(repo_id)
    api = api_with(token)
    with explained(repo_id, writing=True):
        me = api.whoami()
        if me.get("auth", {}).get("accessToken", {}).get("role") == "read":
            raise HubError(
                f"a push to {repo_id} needs a token with the role write, and this one may only read"
            )
        with suppress(RepositoryNotFoundError):  # it will be made
            name = repo_id if "/" in repo_id else f"{me['name']}/{repo_id}"
            check_visibility(name, api.repo_info(name).private, private)


def api_with(token: str | None) -> HfApi:
    """The client, with a token that can be one; None: that of `hf auth login` or HF_TOKEN."""
    from huggingface_hub import HfApi

    _check_token(token)
    return HfApi(token=token)


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
    """What is uploaded for a file: itself; of the card, one that speaks of the repository it is pushed to."""
    if path.name != CARD_NAME:
        return path
    text = path.read_bytes().replace(f'"{DEFAULT_NAME}"'.encode(), f'"{repo_id}"'.encode())
    short = [f"- name: {name.split('/')[-1]}\n".encode() for name in (DEFAULT_NAME, repo_id)]
    return text.replace(*short)


def main(arguments: list[str]) -> int:
    """`python -m poet_model.hub space …`: see space.py."""
    if arguments[:1] == ["space"]:
        from . import space

        return space.main(arguments[1:])
    print("usage: python -m poet_model.hub space USER/NAME --model USER/NAME")
    return 0 if arguments[:1] in (["-h"], ["--help"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
