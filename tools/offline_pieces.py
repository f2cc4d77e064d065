"""Splits a model folder into pieces of limited size; their folder always has one complete set.

Shared by the tools that train on a machine without a network and bring the model back. They import this file
first, because it makes `poet_model` importable from a clone. It handles files, and knows nothing about
models.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run from a clone, without installing

from poet_model.errors import CheckpointError  # noqa: E402
from poet_model.files import is_number, read_json  # noqa: E402

INDEX_NAME, REPORT_NAME = "pieces.json", "report.json"
FORMAT = 1
PIECE_BYTES = 15 << 20  # the offline machine returns files of at most 16 MiB
MAX_PIECES = 6  # the offline machine returns at most 8 files: the pieces, INDEX_NAME and REPORT_NAME
_NAME = re.compile(r"model-\d+\.tar\.\d")


def digest(data: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def _writing_to(output: Path) -> Iterator[None]:
    """Turns an OSError (no space, no permission) into a CheckpointError with one sentence."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"{output} cannot be written ({error.strerror or error}); what was saved there earlier is "
            "intact. Free some space, or give another --output"
        ) from error


def _write(path: Path, data: bytes) -> None:
    """Writes a file; when this returns, it is on the disk."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def put(path: Path, data: bytes, staging: Path) -> None:
    """Writes a file so that at any moment it is wholly the old one or wholly the new one.

    Args:
        staging: a folder of the same file system, where the data is written first.

    Raises:
        CheckpointError: no room, or the folder cannot be written.
    """
    temporary = staging / f"{path.name}.new"
    with _writing_to(path.parent):
        try:
            _write(temporary, data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def pack(folder: Path) -> bytes:
    """The files of a model folder as one tar, without the checkpoint and other folders in it.

    Raises:
        CheckpointError: a file cannot be read, for example while the folder is being replaced (see
            files.read_steadily).
    """
    buffer = io.BytesIO()
    try:
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path in sorted(folder.iterdir()):
                if path.is_file() and not path.name.startswith("."):
                    # read first: a log may grow meanwhile, and the size in its tar entry must match the data
                    data = path.read_bytes()
                    entry = tarfile.TarInfo(path.name)
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be read ({error.strerror})") from error
    return buffer.getvalue()


def publish(
    output: Path, archive: bytes, record: dict, staging: Path, *, piece_bytes: int = PIECE_BYTES
) -> None:
    """Puts a new set of pieces in the place of the one that `output` holds.

    New pieces are written under new names, INDEX_NAME is updated to list them, and the old pieces are
    deleted. If the process is killed in between, the old set or the new one is complete.

    Args:
        archive: what `pack` gave.
        record: what else INDEX_NAME records: `validation_loss`, `stage`, `bundle`, …
        staging: as in `put`.
        piece_bytes: the most bytes that a piece may have.

    Raises:
        CheckpointError: there is no space, or the model needs too many pieces; the old set is kept.
    """
    before = read_index(output)
    number = before["generation"] + 1 if before else 1
    chunks = [archive[start : start + piece_bytes] for start in range(0, len(archive), piece_bytes)]
    if len(chunks) > MAX_PIECES:
        raise CheckpointError(
            f"a model of {len(archive):,} bytes is more than {MAX_PIECES} pieces of {piece_bytes:,}; "
            "train a smaller one (hidden_size)"
        )
    pieces = {f"model-{number}.tar.{place}": chunk for place, chunk in enumerate(chunks)}
    listed = [{"name": n, "bytes": len(c), "sha256": digest(c)} for n, c in pieces.items()]
    with _writing_to(output):
        try:
            for name, chunk in pieces.items():
                _write(staging / name, chunk)  # all of them are there before the first one moves
            for name in pieces:
                os.replace(staging / name, output / name)
        finally:
            for name in pieces:
                (staging / name).unlink(missing_ok=True)
    index = {"format": FORMAT, "generation": number, **record, "pieces": listed}
    put(output / INDEX_NAME, (json.dumps(index, indent=2) + "\n").encode("utf-8"), staging)
    for path in output.iterdir():
        if _NAME.fullmatch(path.name) and path.name not in pieces:
            path.unlink()


def read_index(output: Path) -> dict | None:
    """What INDEX_NAME says; None if `output` holds no model yet.

    Raises:
        CheckpointError: the file is damaged, or of another format.
    """
    path = output / INDEX_NAME
    if not path.exists():
        return None
    index = read_json(path, dict, "fetch it again")
    if index.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {index.get('format')!r}, expected {FORMAT}; use the version of the tools "
            "that wrote it"
        )
    pieces = index.get("pieces")
    is_sound = isinstance(pieces, list) and all(
        isinstance(piece, dict)
        and _NAME.fullmatch(str(piece.get("name")))  # no path that leads elsewhere
        and isinstance(piece.get("bytes"), int)
        and isinstance(piece.get("sha256"), str)
        for piece in pieces
    )
    if not (
        is_sound and isinstance(index.get("generation"), int) and is_number(index.get("validation_loss"))
    ):
        raise CheckpointError(f"{path} is damaged: it names no pieces; fetch the folder again")
    return index


def join(output: Path) -> tuple[dict, bytes]:
    """What INDEX_NAME says, and the archive that the pieces make, each checked by size and SHA-256.

    Raises:
        CheckpointError: there is none, or a piece is missing or damaged.
    """
    index = read_index(output)
    if index is None:
        raise CheckpointError(
            f"{output} holds no {INDEX_NAME}; give the folder that tools/offline_train.py wrote (--output)"
        )
    chunks = []
    for piece in index["pieces"]:
        path = output / piece["name"]
        try:
            chunk = path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({error.strerror}); fetch it again") from error
        if len(chunk) != piece["bytes"] or digest(chunk) != piece["sha256"]:
            raise CheckpointError(
                f"{path} is damaged: {len(chunk):,} bytes with another SHA-256 than {INDEX_NAME} says "
                f"(of {piece['bytes']:,} bytes); fetch it again"
            )
        chunks.append(chunk)
    return index, b"".join(chunks)
