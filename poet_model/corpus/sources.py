"""Reads poems from the npm package, a clone, a folder, a file or a data set. It does no cleaning."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from ..errors import CorpusError, quoted
from ..model_folder import CONFIG_NAME, WEIGHTS_NAME
from ..paths import shown_path
from ..terminal import valid_text
from .fetch import NPM_PACKAGE, NPM_VERSION, TARBALLS, fetch_dataset, fetch_package
from .records import RawPoem, read_json, read_json_lines, read_table
from .text_file import read_text
from .utf8 import decoded

NAMED_SOURCES = {  # name -> pattern of files in the package's folder quantangshi
    "tang": "poet.tang.*.json",
    "song": "poet.song.*.json",
    "tang300": "唐诗三百首.json",
}
READERS: dict[str, Callable[[str, Path], Iterable[RawPoem]]] = {
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".csv": read_table,
    ".tsv": partial(read_table, delimiters="\t"),
    ".txt": read_text,
}
SUFFIXES = tuple(READERS)
_COLLECTION = re.compile(r"poet\.tang\.\d+\.json$")


def read_source(source: str) -> Iterator[RawPoem]:
    """Reads all records of a source.

    Args:
        source: `tang`, `song` or `tang300` (from the npm package, which is downloaded once); a path to a
            clone of chinese-poetry, a folder, a file that ends in one of SUFFIXES, or the package's `.tgz`;
            or a Hub data set id such as `user/poems`.

    Raises:
        CorpusError: the source is missing, cannot be downloaded, is not UTF-8, or is not valid JSON.
    """
    path = locate(source)
    if path.is_file() and path.name.lower().endswith(TARBALLS):
        yield from _read_tarball(path, NAMED_SOURCES.get(source, NAMED_SOURCES["tang"]))
        return
    files = _files_of(path)
    if not files:
        raise CorpusError(
            f"{path} contains no poems: expected files that end in {', '.join(SUFFIXES)}; "
            "add one or give another path"
        )
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise _unreadable(file, error) from error
        yield from _read_file(_utf8(data, file), file)


def describe(source: str) -> str:
    """A short description of a source for reports: the package, or how many files of a folder are read.

    A path is shortened as in `paths.shown_path`, because reports are published with the model.
    """
    if source in NAMED_SOURCES:
        return f"{source} ({NPM_PACKAGE}@{NPM_VERSION})"
    path = locate(source)
    shown = valid_text(shown_path(source))
    if not path.is_dir():
        return shown
    total = sum(file.is_file() for file in path.rglob("*"))
    return f"{shown} ({len(_files_of(path)):,} of {total:,} files)"


def locate(source: str) -> Path:
    """The local file or folder of a source, downloaded if necessary.

    Raises:
        CorpusError: the source is missing or cannot be downloaded.
    """
    if source in NAMED_SOURCES:
        return fetch_package()
    with contextlib.suppress(OSError, RuntimeError):  # the name is too long, or ~user has no home folder
        path = Path(source).expanduser()
        if source.strip() and path.exists():
            if (path / CONFIG_NAME).is_file() and (path / WEIGHTS_NAME).is_file():
                raise CorpusError(f"corpus {quoted(source)} is the folder of a model; give poems")
            return path
    if re.fullmatch(r"[\w.-]+/[\w.-]+", source) and not source.lower().endswith((*SUFFIXES, *TARBALLS)):
        return fetch_dataset(source, SUFFIXES)
    raise CorpusError(
        f"corpus {quoted(source)} was not found: there is no such file or folder; "
        f"give a path, one of {', '.join(NAMED_SOURCES)}, or a Hub data set id such as user/poems"
    )


def _files_of(path: Path) -> list[Path]:
    """The files to read, in a fixed order; in a clone of chinese-poetry, only those of 全唐诗."""
    if path.is_file():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    collection = [file for file in files if _COLLECTION.search(file.name)]
    return sorted(collection, key=_number) or files


def _number(path: Path) -> int:
    """The number in a file name, such as 5000 in `poet.tang.5000.json`; 0 without one."""
    number = re.search(r"\d+", path.name)
    return int(number.group()) if number else 0


def _read_tarball(path: Path, wanted: str) -> Iterator[RawPoem]:
    try:
        with tarfile.open(path) as archive:
            members = [m for m in archive if m.isfile() and fnmatchcase(m.name, f"*/quantangshi/{wanted}")]
            files = {path / m.name: archive.extractfile(m) for m in members}
            contents = {name: file.read() for name, file in files.items() if file}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise CorpusError(
            f"{path} is damaged ({error}); delete it: a named corpus such as tang is then downloaded again"
        ) from error
    if not contents:
        raise CorpusError(
            f"{path} does not contain quantangshi/{wanted}; "
            f"give the tarball of the npm package {NPM_PACKAGE}@{NPM_VERSION}"
        )
    for name in sorted(contents, key=_number):
        yield from _read_file(_utf8(contents.pop(name), name), name)


def _utf8(data: bytes, path: Path) -> str:
    convert = f"iconv -f ENCODING -t UTF-8 {shlex.quote(str(path))} > utf8.txt"
    return decoded(data, path, f"leave it out, or convert it first, as in `{convert}`")


def _read_file(text: str, path: Path) -> Iterable[RawPoem]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise CorpusError(
            f"{path} cannot be read as a corpus: expected a file that ends in {', '.join(READERS)}; "
            "rename or convert it"
        )
    return reader(text, path)


def fingerprint(paths: Iterable[Path]) -> list[list[list[str]]]:
    """The name and SHA-256 of each file to read, by path: a cache key that changes whenever the poems may.

    Sizes and times would not do: a file can be replaced by one that has the same.

    Raises:
        CorpusError: a file cannot be read.
    """
    return [[[str(file.absolute()), _sha256(file)] for file in _files_of(path)] for path in paths]


def _sha256(file: Path) -> str:
    try:
        with open(file, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> CorpusError:
    return CorpusError(f"{file} cannot be read ({error}); make it readable or leave it out")
