"""Pushes a model folder to the Hub in one commit. It uses the names of the files, not their contents."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from ..errors import CheckpointError, HubError, InvalidValueError
from ..folders import finish_save
from ..model_folder import CARD_NAME, REMOTE_CODE, check_folder, model_files
from .client import DEFAULT_NAME, api_with, check_name, explained

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi

TRANSFORMERS_KEYS: dict[str, Any] = {  # added to config.json for transformers
    "auto_map": {
        "AutoConfig": "configuration_poet.PoetConfig",
        "AutoModelForCausalLM": "modeling_poet.PoetModel",
    },
    "dtype": "float32",
}


def copy_remote_code(folder: Path) -> None:
    """Copies the code for transformers into a model folder."""
    for name in REMOTE_CODE:
        shutil.copyfile(Path(__file__).resolve().parent / "remote_code" / name, folder / name)


class PushOptions(TypedDict, total=False):
    """The options of `push_folder`, all of which are optional."""

    private: bool | None
    token: str | None
    revision: str | None
    create_pr: bool
    commit_message: str | None
    commit_description: str | None
    tags: list[str] | None


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
    """Uploads the model files of a folder in one commit, and creates the repository if it does not exist.

    Model files that are on the Hub but not in `folder` are deleted there, including the code for
    transformers if this model was saved without it; all other files stay. Nothing is committed if nothing
    has changed. Until the commit, which is the last step before the tags, the Hub shows the old state.

    Args:
        private: whether a new repository is private; an existing one must already be as requested.
        revision: the branch to commit to, created if it is missing; or a pull request, `refs/pr/1`.
        create_pr: whether to open a pull request against main instead.
        tags: git tags for the new commit.

    Returns:
        The URL of the commit, or of the pull request.

    Raises:
        CheckpointError: `folder` is not a complete model, or a file in it is a link that leads out of it.
        InvalidValueError: `repo_id` is not a valid name, or another argument is invalid.
        HubError: the Hub cannot be reached or refuses, or a tag already points to another commit.
    """
    folder = _checked(Path(folder))
    check_name(repo_id)
    _check_target(revision, create_pr, tags)
    names = model_files(path.name for path in folder.iterdir() if path.is_file())
    api = api_with(token)
    with explained(repo_id, revision, writing=True):
        # adds the user's name if `repo_id` has none
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        branch = None if create_pr else revision
        tagged = _prepare_branch(api, repo_id, branch)
        info = api.model_info(repo_id, revision=branch)
        check_visibility(repo_id, info.private, private)
        for tag in tags or ():
            if tagged.get(tag, info.sha) != info.sha:
                raise HubError(
                    f"the tag {tag!r} of {repo_id} already points to another commit; give another name"
                )
        commit = api.create_commit(
            repo_id,
            _changes(folder, names, model_files(file.rfilename for file in info.siblings or ()), repo_id),
            revision=branch,
            create_pr=create_pr,
            commit_message=commit_message or "Upload a Tang poem LSTM",
            commit_description=commit_description,
            parent_commit=None if create_pr else info.sha,
        )
        _tag(api, repo_id, commit, tags or (), tagged)
    return commit.pr_url or commit.commit_url


def _checked(folder: Path) -> Path:
    """A complete model folder, in which a save that was cut off has been finished."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the model folder that is to be pushed")
    finish_save(folder)
    return check_folder(folder, str(folder))


def _check_target(revision: str | None, create_pr: bool, tags: list[str] | None) -> None:
    """Raises InvalidValueError for tags or a revision that no push can have, before the Hub is contacted."""
    if isinstance(tags, str):
        raise InvalidValueError(f"tags must be a list of names, got {tags!r}; write [{tags!r}]")
    if create_pr and revision not in (None, "main"):
        raise InvalidValueError(f"a pull request is opened against main; leave out revision={revision!r}")
    if revision and re.fullmatch("[0-9a-f]{40}", revision):
        raise InvalidValueError(f"revision must be a branch to push to, got the commit {revision}")


def _prepare_branch(api: HfApi, repo_id: str, branch: str | None) -> dict[str, str]:
    """Creates a branch if it is missing, and returns the commit of each existing tag.

    Args:
        branch: its name; None for main, or for a new pull request.

    Returns:
        The hashes of the tagged commits by the names of the tags.
    """
    tagged = {tag.name: tag.target_commit for tag in api.list_repo_refs(repo_id).tags}
    if branch in tagged:
        raise InvalidValueError(f"revision must be a branch to push to, but {branch!r} is a tag")
    if branch and not branch.startswith("refs/"):
        api.create_branch(repo_id, branch=branch, exist_ok=True)
    return tagged


def _changes(
    folder: Path, names: list[str], old: list[str], repo_id: str
) -> list[CommitOperationAdd | CommitOperationDelete]:
    """The operations of a commit that adds the files `names` and deletes those that are only in `old`."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    return [
        *(CommitOperationDelete(path_in_repo=name) for name in old if name not in names),
        *(CommitOperationAdd(name, _content(folder / name, repo_id)) for name in names),
    ]


def _tag(api: HfApi, repo_id: str, commit: CommitInfo, tags: Sequence[str], tagged: dict[str, str]) -> None:
    """Tags the new commit. `tagged` maps the tags that existed before it to their commits."""
    for tag in tags:
        if tagged.get(tag, commit.oid) != commit.oid:
            raise HubError(
                f"{commit.commit_url} was pushed, but the tag {tag!r} points to the commit before it; give "
                "another name"
            )
        api.create_tag(repo_id, tag=tag, revision=commit.oid, exist_ok=True)


def check_visibility(repo_id: str, is_private: bool | None, wanted: bool | None) -> None:
    """Raises HubError if an existing repository is public although a private one is wanted, or vice versa."""
    if wanted not in (None, is_private):
        now, then = ("private", "public") if is_private else ("public", "private")
        raise HubError(
            f"{repo_id} already exists and is {now}; make it {then} in its settings on the Hub, then push"
        )


def check_can_push(repo_id: str, *, private: bool | None = None, token: str | None = None) -> None:
    """Checks whether a later push is possible, so that hours of work are not done in vain.

    Whether the user, or a fine-grained token, may write to this repository cannot be checked in advance.

    Raises:
        InvalidValueError: `repo_id` is not a valid name, or `token` cannot be a token.
        HubError: the push would fail, or the Hub cannot be reached.
    """
    check_name(repo_id)
    from huggingface_hub.errors import RepositoryNotFoundError

    api = api_with(token)
    with explained(repo_id, writing=True):
        me = api.whoami()
        if me.get("auth", {}).get("accessToken", {}).get("role") == "read":
            raise HubError(
                f"a push to {repo_id} needs a token with the role write, but this token may only read; pass "
                "another one"
            )
        with suppress(RepositoryNotFoundError):  # the push will create it
            name = repo_id if "/" in repo_id else f"{me['name']}/{repo_id}"
            check_visibility(name, api.model_info(name).private, private)


def _content(path: Path, repo_id: str) -> bytes | Path:
    """The content to upload for a file: its path, or for the card its text with the repository's name."""
    if path.name != CARD_NAME:
        return path
    text = path.read_bytes().replace(f'"{DEFAULT_NAME}"'.encode(), f'"{repo_id}"'.encode())
    old, new = (f"- name: {name.split('/')[-1]}\n".encode() for name in (DEFAULT_NAME, repo_id))
    return text.replace(old, new)
