"""Builds the folder of a Gradio Space that shows a model from the Hub, and pushes that folder.

    poet space user/tang-poet --model user/tang-lstm

The folder holds the page, the parts of the package that the page needs, the page's part of the pinned
requirements.txt, and the shipped model, which is used when the Hub cannot be reached. The page reads the name
of the model that it shows from the front matter of the Space's README.md.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..command_parser import new_parser
from ..errors import HubError, InvalidValueError, command
from ..files import write_text
from ..model_folder import check_folder, check_links, model_files
from .client import api_with, check_name, explained
from .project import INSTALLED, SHIPPED, project_file, shipped_folder
from .push import check_visibility

PACKAGE = Path(__file__).resolve().parents[1]
# folders of the package that the page does not need, and the command-line modules
LEFT_OUT = (
    *("bulk", "cli", "corpus", "evaluation", "from_scratch", "training", "remote_code", INSTALLED.name),
    *("__main__.py", "__pycache__"),
)
MARK = "poet_model/__init__.py"  # a file that every Space made by this program has
EXAMPLES = """examples:
  {prog} user/tang-poet --model user/tang-lstm
  {prog} user/tang-poet --model user/tang-lstm --folder space --no-push"""
FOR_TRAINING = "# Only to train:"  # the lines of requirements.txt below this one are left out
TITLE = """
# 唐詩 LSTM

A small neural network that writes Tang poems, one character at a time. The model is
[{model}](https://huggingface.co/{model}){instead}.

Variables of the Space: `POET_MODEL` names another model to show, `HF_ENDPOINT=https://…` a mirror of the
Hub to fetch it from, and the secret `HF_TOKEN` is a token that may read a private model.
"""
INSTEAD = "; if it cannot be fetched, the page uses the model that comes with it"


def build(folder: str | Path, model: str) -> None:
    """Writes the files of a Space into a new folder.

    Args:
        folder: the folder, which must not exist yet or must be empty.
        model: the Hub id of the model to show.

    Raises:
        InvalidValueError: `folder` is not empty or cannot be created, `model` is not a valid name, or the
            page is missing in this installation.
    """
    folder = Path(folder)
    check_name(model)
    if not project_file("app.py").is_file():
        raise InvalidValueError(
            f"the page of the Space, {project_file('app.py')}, is missing; install poet-model again, or run "
            "this command in a clone of the project"
        )
    _make_folder(folder)
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    if has_bundled():
        shipped = check_folder(shipped_folder(), SHIPPED)
        (folder / SHIPPED).mkdir(parents=True)
        for name in model_files(path.name for path in shipped.iterdir() if path.is_file()):
            shutil.copyfile(shipped / name, folder / SHIPPED / name)
    for name in ("app.py", "LICENSE", "NOTICE"):
        shutil.copyfile(project_file(name), folder / name)
    requirements = project_file("requirements.txt").read_text(encoding="utf-8")
    write_text(folder / "requirements.txt", requirements.split(FOR_TRAINING)[0])
    write_text(folder / "README.md", _readme(model))


def has_bundled() -> bool:
    """Whether there is a model to copy into the Space. In a Space it may have been deleted."""
    return shipped_folder().is_dir()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_new = not any(folder.iterdir())
    except OSError as error:
        raise InvalidValueError(
            f"{folder} cannot be created ({error.strerror}); give another folder"
        ) from error
    if not is_new:
        raise InvalidValueError(f"{folder} is not empty; give a new or empty folder, or delete it first")


def _readme(model: str) -> str:
    """The Space's README.md: the front matter of the project's README.md for this model, and a short text."""
    of_project = project_file("README.md").read_text(encoding="utf-8").split("---\n")[1]
    front_matter = re.sub(r"^models: .*$", f"models: [{model}]", of_project, flags=re.MULTILINE)
    title = TITLE.format(model=model, instead=INSTEAD if has_bundled() else "")
    return f"---\n{front_matter}---\n{title}"


def push(folder: str | Path, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
    """Replaces the files of a Space with those of `folder` in one commit; creates the Space if needed.

    Args:
        folder: the folder that `build` has written.
        repo_id: the name of the Space, `user/name`.
        private: whether a new Space is private; an existing one must already be as requested. None accepts
            either.
        token: a token of the Hub; None uses that of `hf auth login` or HF_TOKEN.

    Returns:
        The URL of the Space.

    Raises:
        InvalidValueError: `repo_id` is not a valid name.
        CheckpointError: a file is a link that leads out of the folder.
        HubError: the Hub cannot be reached or refuses, or the existing Space was not made by this program.
    """
    check_name(repo_id)
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    files = {path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*") if path.is_file()}
    check_links(Path(folder), files)
    api = api_with(token)
    with explained(repo_id, writing=True):
        url = api.create_repo(repo_id, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
        now = api.space_info(url.repo_id)
        check_visibility(url.repo_id, now.private, private)
        there = {file.rfilename for file in now.siblings or ()} - {".gitattributes"}
        if there - {"README.md"} and MARK not in there:
            raise HubError(
                f"{repo_id} is a Space of another kind, whose files would be deleted; give another name"
            )
        api.create_commit(
            url.repo_id,
            [
                *(CommitOperationDelete(path_in_repo=name) for name in sorted(there - files.keys())),
                *(CommitOperationAdd(name, path) for name, path in sorted(files.items())),
            ],
            repo_type="space",
            commit_message="Upload a page that writes Tang poems",
            parent_commit=now.sha,
        )
    return str(url)


def about_model(model: str, token: str | None = None) -> str:
    """A note for the user if the Space will not be able to fetch its model; '' if it will."""
    try:
        with explained(model):
            private = api_with(token).model_info(model).private
    except HubError as error:
        shown = "the model that comes with it" if has_bundled() else "no model"
        return f"{error}; until the model can be fetched, the Space shows {shown}"
    return (
        f"{model} is private; add a secret HF_TOKEN in the Space's settings, so that it can fetch the model"
        if private
        else ""
    )


def make_parser(prog: str = "poet space") -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = new_parser(
        prog,
        "Create or update a Gradio Space that shows a model from the Hub.",
        EXAMPLES,
        usage=f"{prog} USER/NAME --model USER/NAME [OPTIONS]",
    )
    parser.add_argument("repo_id", metavar="USER/NAME", help="the Space; created if it does not exist")
    parser.add_argument("--model", required=True, metavar="USER/NAME", help="the model that the Space shows")
    parser.add_argument("--folder", type=Path, help="also keep the Space's files in this folder")
    parser.add_argument("--no-push", action="store_true", help="only write the folder")
    parser.add_argument("--private", action="store_true", default=None, help="make a new Space private")
    return parser


@command
def main(words: Sequence[str] | None = None, prog: str = "poet space") -> None:
    """Makes the Space that the command line describes."""
    parser = make_parser(prog)
    options = parser.parse_args(words)
    if options.no_push and options.folder is None:
        parser.error("--no-push without --folder does nothing; give --folder too")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary) / "space"
        build(folder, options.model)
        if not has_bundled():
            print(
                f"note: the Space has no model to show when {options.model} cannot be fetched, because "
                f"{shipped_folder()} is missing; you may add yours as {SHIPPED}"
            )
        if options.folder:
            print("written:", folder)
        if not options.no_push:
            if note := about_model(options.model):
                print("note:", note)
            print("pushed:", push(folder, options.repo_id, private=options.private))
