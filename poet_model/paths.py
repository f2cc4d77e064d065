"""Shortens paths for what is published: the folders of a machine name its user, and help nobody else."""

from __future__ import annotations

import os
from pathlib import PurePath, PureWindowsPath


def shown_argument(argument: str) -> str:
    """A word of a command line as it may be published: each path in it as by `shown_path`.

    The path may be the whole word, follow an option (`--corpus=…`), or be joined to others (`A+B`).
    """
    option, equals, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    if argument.startswith("-") and not equals:
        return argument
    paths = [value] if os.path.exists(value) else [path.strip() for path in value.split("+")]
    shown = [shown_path(path) for path in paths]
    if (
        len(paths) > 1 and shown != paths
    ):  # a `+` may also be part of a path, the end of which is then among them
        shown = [PurePath(path).name or path for path in shown]
    return option + equals + "+".join(shown)


def shown_path(path: str) -> str:
    """A path as it may be published: its last part, if it leads out of the working directory.

    A path inside is returned relative to the working directory; a text that is not a path, unchanged.
    """
    windows = PureWindowsPath(path)
    if windows.drive or ("\\" in path and (windows.root or ".." in windows.parts)):
        return windows.name
    home, here = PurePath(os.path.expanduser("~")), PurePath(os.path.abspath("."))
    whole = PurePath(os.path.abspath(os.path.expanduser(path)))
    is_given_whole = os.path.isabs(path) or path.startswith("~") or ".." in PurePath(path).parts
    if here in home.parents:  # such as `/`, in which the path of any file begins with a user's folder
        is_inside = not is_given_whole and not os.path.lexists(whole)
    else:
        is_inside = whole.is_relative_to(here) and not path.startswith("~")
    if is_inside:
        return os.path.relpath(whole) if is_given_whole else path
    return "~" if whole == home else whole.name
