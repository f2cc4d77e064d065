"""The folder of a Gradio Space that shows a model of the Hub; and that folder onto the Hub.

    python -m poet_model.hub space user/tang-poet --model user/tang-lstm

It holds the page, what the page needs of the package, the same pins, and, if this is a clone of the project,
its model, for when the Hub cannot be reached. The page reads from the front matter of the Space's README.md
which model it shows.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

from ..errors import HubError, InvalidValueError, PoetError
from ..files import write_text
from .client import api_with, check_name, explained
from .project import CLONE, INSTALLED, project_file
from .push import check_visibility

PACKAGE = Path(__file__).resolve().parents[1]
BUNDLED = Path("assets") / "tang-lstm"
# folders of the package that the page does not need, and the commands
LEFT_OUT = ("corpus", "evaluation", "from_scratch", "training", "remote_code", INSTALLED.name)
LEFT_OUT += ("__main__.py", "__pycache__")
MARK = "poet_model/__init__.py"  # a Space of ours has it
FOR_TRAINING = "# Only to train:"  # below this line of requirements.txt
TITLE = """
# 唐詩 LSTM

A small neural network that writes Tang poems, one character at a time. The model is
[{model}](https://huggingface.co/{model}){instead}.
"""
INSTEAD = "; one that comes with the page stands in when it cannot be fetched"


def build(folder: str | Path, model: str) -> None:
    """Writes the Space's files into a new folder.

    Args:
        model: the Hub id of the model to show.

    Raises:
        InvalidValueError: `folder` is there already, or `model` can be no name.
    """
    folder = Path(folder)
    check_name(model)
    if not project_file("app.py").is_file():
        raise InvalidValueError(
            f"{project_file('app.py')} is missing, the page of the Space; install poet-model again, or run "
            "this in a clone of the project"
        )
    _make_folder(folder)
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    if has_bundled():
        shutil.copytree(CLONE / BUNDLED, folder / BUNDLED)
    for name in ("app.py", "LICENSE", "NOTICE"):
        shutil.copyfile(project_file(name), folder / name)
    requirements = project_file("requirements.txt").read_text(encoding="utf-8")
    write_text(folder / "requirements.txt", requirements.split(FOR_TRAINING)[0])
    write_text(folder / "README.md", _readme(model))


def has_bundled() -> bool:
    """Whether there is a model to go with a Space: a clone has one, an installed package not."""
    return (CLONE / BUNDLED).is_dir() and not INSTALLED.is_dir()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_new = not any(folder.iterdir())
    except OSError as error:
        raise InvalidValueError(f"{folder} cannot be made ({error.strerror}); give another folder") from error
    if not is_new:
        raise InvalidValueError(f"{folder} is there already; give a new folder, or delete it first")


def _readme(model: str) -> str:
    """The Space's README.md: the front matter of the project's with the model's name, and a few words."""
    ours = project_file("README.md").read_text(encoding="utf-8").split("---\n")[1]
    front_matter = re.sub(r"^models: .*$", f"models: [{model}]", ours, flags=re.MULTILINE)
    title = TITLE.format(model=model, instead=INSTEAD if has_bundled() else "")
    return f"---\n{front_matter}---\n{title}"


def push(folder: str | Path, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
    """Makes the Space hold exactly the files of `folder`, in one commit; creates it if need be.

    Returns:
        The Space's address.

    Raises:
        InvalidValueError: `repo_id` can be no name.
        HubError: the Hub cannot be reached or refuses, or the Space is there and another one.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    check_name(repo_id)
    files = {path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*") if path.is_file()}
    api = api_with(token)
    with explained(repo_id, writing=True):
        url = api.create_repo(repo_id, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
        now = api.repo_info(url.repo_id, repo_type="space")
        check_visibility(url.repo_id, now.private, private)
        there = {file.rfilename for file in now.siblings} - {".gitattributes"}
        if there - {"README.md"} and MARK not in there:
            raise HubError(f"{repo_id} is a Space of another kind, which would be deleted; give another name")
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
    """What the person who makes a Space should know about its model; '' if all is well."""
    try:
        with explained(model):
            private = api_with(token).model_info(model).private
    except HubError as error:
        shown = "the model that comes with it" if has_bundled() else "no model"
        return f"{error}; until it is there, the Space shows {shown}"
    return (
        f"{model} is private: give the Space a secret HF_TOKEN in its settings, to fetch it"
        if private
        else ""
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line of `python -m poet_model.hub space`."""
    parser = argparse.ArgumentParser(
        prog="python -m poet_model.hub space",
        description="Makes a Gradio Space that shows a model of the Hub.",
    )
    parser.add_argument("repo_id", metavar="USER/NAME", help="the Space; created if it is not there")
    parser.add_argument("--model", required=True, metavar="USER/NAME", help="the model that it shows")
    parser.add_argument("--folder", type=Path, help="also keep the Space's files here")
    parser.add_argument("--no-push", action="store_true", help="only write the folder")
    parser.add_argument("--private", action="store_true", default=None, help="if the Space is new")
    options = parser.parse_args(arguments)
    if options.no_push and options.folder is None:
        parser.error("--no-push without --folder does nothing")
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = options.folder or Path(temporary) / "space"
            build(folder, options.model)
            if not has_bundled():
                print(
                    f"note: the Space has no model to stand in when {options.model} cannot be fetched, as "
                    f"only a clone of the project brings one; you may put yours into {BUNDLED.as_posix()}"
                )
            if options.folder:
                print("written:", folder)
            if not options.no_push:
                if note := about_model(options.model):
                    print("note:", note)
                print("pushed:", push(folder, options.repo_id, private=options.private))
    except PoetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
