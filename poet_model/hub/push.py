"""A model folder onto the Hub, in one commit. Knows file names, not what the files hold."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import HubError, InvalidValueError
from ..model_folder import CARD_NAME, REMOTE_CODE, check_folder, model_files
from .client import DEFAULT_NAME, api_with, check_name, explained

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi

TRANSFORMERS_KEYS = {  # what config.json then says
    "auto_map": {
        "AutoConfig": "configuration_poet.PoetConfig",
        "AutoModelForCausalLM": "modeling_poet.PoetModel",
    },
    "dtype": "float32",
}


def copy_remote_code(folder: Path) -> None:
    """Puts the code for transformers into a model folder."""
    for name in REMOTE_CODE:
        shutil.copyfile(Path(__file__).resolve().parent / "remote_code" / name, folder / name)


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
    folder = check_folder(Path(folder), str(folder))
    check_name(repo_id)
    _check_target(revision, create_pr, tags)
    names = model_files(path.name for path in folder.iterdir() if path.is_file())
    api = api_with(token)
    with explained(repo_id, revision, writing=True):
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id  # with the user's name
        branch = None if create_pr else revision
        marked = _prepare_branch(api, repo_id, branch)
        there = api.repo_info(repo_id, revision=branch)
        check_visibility(repo_id, there.private, private)
        for tag in tags or ():
            if marked.get(tag, there.sha) != there.sha:
                raise HubError(
                    f"the tag {tag!r} of {repo_id} marks another commit already; give another name"
                )
        commit = api.create_commit(
            repo_id,
            _changes(folder, names, model_files(file.rfilename for file in there.siblings), repo_id),
            revision=branch,
            create_pr=create_pr,
            commit_message=commit_message or "Upload a Tang poem LSTM",
            commit_description=commit_description,
            parent_commit=None if create_pr else there.sha,
        )
        _tag(api, repo_id, commit, tags or (), marked)
    return commit.pr_url or commit.commit_url


def _check_target(revision: str | None, create_pr: bool, tags: list[str] | None) -> None:
    """Raises InvalidValueError for what cannot be pushed to, before the Hub is asked."""
    if isinstance(tags, str):
        raise InvalidValueError(f"tags must be a list of names, got {tags!r}; write [{tags!r}]")
    if create_pr and revision not in (None, "main"):
        raise InvalidValueError(f"a pull request is against main: leave out revision={revision!r}")
    if revision and re.fullmatch("[0-9a-f]{40}", revision):
        raise InvalidValueError(f"revision must be a branch to push to, got the commit {revision}")


def _prepare_branch(api: HfApi, repo_id: str, branch: str | None) -> dict[str, str]:
    """Creates the branch if it is missing (None: main, or a pull request); commits of the tags by name."""
    marked = {tag.name: tag.target_commit for tag in api.list_repo_refs(repo_id).tags}
    if branch in marked:
        raise InvalidValueError(f"revision must be a branch to push to, and {branch!r} is a tag")
    if branch and not branch.startswith("refs/"):
        api.create_branch(repo_id, branch=branch, exist_ok=True)
    return marked


def _changes(
    folder: Path, names: list[str], old: list[str], repo_id: str
) -> list[CommitOperationAdd | CommitOperationDelete]:
    """What a commit does: files of `names` are written, those of `old` that are not among them deleted."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    return [
        *(CommitOperationDelete(path_in_repo=name) for name in old if name not in names),
        *(CommitOperationAdd(name, _content(folder / name, repo_id)) for name in names),
    ]


def _tag(api: HfApi, repo_id: str, commit: CommitInfo, tags: Sequence[str], marked: dict[str, str]) -> None:
    """Puts tags on the new commit; `marked` says which tags were there before it."""
    for tag in tags:
        if marked.get(tag, commit.oid) != commit.oid:
            raise HubError(
                f"{commit.commit_url} was pushed, but the tag {tag!r} marks the commit before it; give "
                "another name"
            )
        api.create_tag(repo_id, tag=tag, revision=commit.oid, exist_ok=True)


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


def _content(path: Path, repo_id: str) -> bytes | Path:
    """What is uploaded for a file: itself; of the card, one that speaks of the repository it is pushed to."""
    if path.name != CARD_NAME:
        return path
    text = path.read_bytes().replace(f'"{DEFAULT_NAME}"'.encode(), f'"{repo_id}"'.encode())
    short = [f"- name: {name.split('/')[-1]}\n".encode() for name in (DEFAULT_NAME, repo_id)]
    return text.replace(*short)
