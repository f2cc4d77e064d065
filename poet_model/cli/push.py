"""`poet push FOLDER USER/NAME` pushes a model folder to the Hub."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..command_parser import new_parser
from ..errors import command
from ..hub.push import push_folder

EXAMPLES = """examples:
  hf auth login                             # once
  {prog} runs/tang-lstm user/tang-lstm
  {prog} runs/tang-lstm user/tang-lstm --tag v1 --private"""


def make_parser(prog: str = "poet push") -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = new_parser(
        prog,
        "Push a model folder to the Hub in one commit: the model, its card, figures and curves.",
        EXAMPLES,
        usage=f"{prog} FOLDER USER/NAME [OPTIONS]",
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="the model folder")
    add("repo_id", metavar="USER/NAME", help="the repository; created if it does not exist")
    add("--private", action="store_true", default=None, help="make the repository private if it is new")
    add("--revision", metavar="BRANCH", help="branch to commit to, or a pull request such as refs/pr/1")
    add("--create-pr", action="store_true", help="open a pull request instead of committing to main")
    add("--tag", action="append", metavar="NAME", help="tag of the commit; may be repeated")
    add("--message", metavar="TEXT", help="message of the commit")
    return parser


@command
def main(words: Sequence[str] | None = None, prog: str = "poet push") -> None:
    """Pushes the folder and prints the address of the commit."""
    options = make_parser(prog).parse_args(words)
    address = push_folder(
        options.folder,
        options.repo_id,
        private=options.private,
        revision=options.revision,
        create_pr=options.create_pr,
        commit_message=options.message,
        tags=options.tag,
    )
    print("pushed:", address)
