"""Writes model.safetensors with a fingerprint, and reads it with strict checks.

Nothing is ever unpickled, and torch is not needed. Tensors are NumPy arrays; those of type BF16, which NumPy
lacks, are uint16 arrays of the same bits.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, TensorSpec, safe_open, serialize

from .arrays import FloatArray
from .errors import CheckpointError, InvalidValueError, excerpt
from .files import opened, parse_json
from .model_folder import INDEX_NAME, weight_files

DTYPES: Mapping[str, type] = {"F16": np.float16, "BF16": np.uint16, "F32": np.float32, "F64": np.float64}
_NAMES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
_TYPE_OF = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
FINGERPRINT = "content_sha256"  # a key of the file's metadata
MAX_HEADER_BYTES = 1 << 20  # a hundred times more than a model of this package needs
MAX_HOLED_BYTES = 64 << 20  # a smaller file may have holes: they can stand for the zeros of a new model
AGAIN = "download it again with force_download=True, or save it again"
OTHER_FILES = {  # the first bytes of files that are often found in place of a safetensors file
    b"version https://git-lfs": "a Git LFS pointer: the weights themselves were not fetched",
    b"<": "a web page",
    b"PK": "a zip archive or a torch pickle, which is not opened because it could run code",
    b"\x80": "a pickle, which is not opened because it could run code",
}

_READING = (
    SafetensorError,
    OSError,
    RuntimeError,
    ValueError,
)  # raised by safetensors, the system and NumPy for a bad file
Shape = tuple[int, ...]
Tensor = npt.NDArray[Any]  # of one of DTYPES
Tensors = dict[str, Tensor]


def save_weights(path: Path, weights: Tensors, about: str) -> None:
    """Writes the tensors with their fingerprint.

    Args:
        path: the file.
        weights: the tensors by their names.
        about: a text that is part of the fingerprint; `load_weights` must be given the same text.

    Raises:
        InvalidValueError: a number is not finite.
    """
    if broken := [name for name, value in weights.items() if not is_finite(value)]:
        raise InvalidValueError(
            f"{', '.join(broken[:5])}: not all finite in torch.{name_of(weights[broken[0]])}, so nothing "
            "was saved; either the training diverged, or the numbers need dtype=torch.float32"
        )
    specs = {
        name: TensorSpec(
            dtype=name_of(value), shape=value.shape, data_ptr=value.ctypes.data, data_len=value.nbytes
        )
        for name, value in weights.items()
    }
    # serialize_file is not used, because it creates files that only their owner may read
    path.write_bytes(_ordered(serialize(specs, {"format": "pt", FINGERPRINT: fingerprint(weights, about)})))


def name_of(value: Tensor) -> str:
    """The name of a tensor's type in torch, such as `bfloat16`."""
    return _NAMES[_TYPE_OF[value.dtype]]


def is_finite(value: Tensor) -> bool:
    """Whether all numbers of a tensor are finite."""
    if value.dtype == np.uint16:
        return bool(((value & 0x7F80) != 0x7F80).all())  # infinities and NaN have an exponent of ones only
    return bool(np.isfinite(value).all())


def to_float32(value: Tensor) -> FloatArray:
    """Converts a tensor of any type in DTYPES to float32. Numbers that are too large become infinite."""
    if value.dtype == np.uint16:
        return (value.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):
        return value.astype(np.float32, copy=False)


def _ordered(data: bytes) -> bytes:
    """The bytes of a file with its metadata sorted, so that equal models give equal files."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    return data[:8] + json.dumps(header, separators=(",", ":")).encode().ljust(size) + data[8 + size :]


def fingerprint(weights: Tensors, about: str) -> str:
    """SHA-256 of all names, types, shapes and numbers, and of `about`."""
    digest = hashlib.sha256(about.encode("utf-8", "surrogatepass"))
    for name, value in sorted(weights.items()):
        digest.update(f"{name} torch.{name_of(value)} {tuple(value.shape)}".encode())
        digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def load_weights(folder: Path, shapes: Mapping[str, Shape], about: str) -> tuple[Tensors, str]:
    """Reads the tensors of a model folder, from one file or from the shards that an index lists.

    They are copies: what happens to the files later does not change them. The caller converts them to the
    type it needs, and then calls `check_finite`.

    Args:
        folder: the model folder.
        shapes: the names and shapes of exactly the tensors that the folder must have.
        about: the text that was given to `save_weights`; compared only if the files have a fingerprint.

    Returns:
        The tensors by their names, and their fingerprint.

    Raises:
        CheckpointError: a file is missing or damaged, or belongs to another model or another format.
    """
    files, weight_map = weight_files(folder)
    if weight_map and (wrong := sorted(weight_map.keys() ^ shapes.keys())):
        raise CheckpointError(
            f"{folder / INDEX_NAME} and config.json disagree on {_listed(wrong)}; download both again"
        )
    headers = {path: _read_header(path) for path in files}
    marks = {(header.pop("__metadata__", None) or {}).get(FINGERPRINT) for header in headers.values()}
    for path, header in headers.items():
        expected = {tensor for tensor, file in weight_map.items() if file == path.name} or set(header)
        if wrong := sorted(header.keys() ^ expected):
            raise CheckpointError(
                f"{folder / INDEX_NAME} and {excerpt(path.name)} disagree on {_listed(wrong)}; download both "
                "again"
            )
    _compare({name: entry for header in headers.values() for name, entry in header.items()}, shapes, files[0])
    weights: Tensors = {}
    for path, header in headers.items():
        weights |= _read_tensors(path, header)
    mark = fingerprint(weights, about)
    if marks - {None, mark}:
        raise CheckpointError(
            f"{files[0]}: weights, config.json and tokenizer.json are not those that were saved together "
            "(their fingerprint differs); download all of them again (force_download=True)"
        )
    return weights, mark


def check_finite(folder: Path, is_finite: Mapping[str, bool]) -> None:
    """Raises CheckpointError if a tensor is not finite in the type in which the model is used.

    Args:
        folder: the model folder, for the message.
        is_finite: whether all numbers of a tensor are finite, by its name.
    """
    if wrong := [name for name, finite in is_finite.items() if not finite]:
        raise CheckpointError(
            f"{folder}: {wrong[0]} holds numbers that are not finite, or too large for the type in which the "
            "model is loaded; download or save the weights again"
        )


def _read_tensors(path: Path, header: dict[str, dict[str, Any]]) -> Tensors:
    """The tensors of a file whose header has been checked."""
    tensors = {}
    with opened(path, AGAIN) as file:
        begin = 8 + int.from_bytes(file.read(8), "little")
        if os.fstat(file.fileno()).st_size > MAX_HOLED_BYTES and _has_holes(file):
            raise _damaged(path, "parts of it were never written")
        for name, entry in header.items():
            tensors[name] = np.empty(entry["shape"], DTYPES[entry["dtype"]])
            file.seek(begin + entry["data_offsets"][0])
            if file.readinto(tensors[name].data) < tensors[name].nbytes:
                raise _damaged(path, "it became shorter while it was read")
    return tensors


def _has_holes(file: BinaryIO) -> bool:
    """Whether parts of a file are not stored on the disk. They are read as zeros, without limit."""
    if not hasattr(os, "SEEK_HOLE"):
        return False
    try:
        return os.lseek(file.fileno(), 0, os.SEEK_HOLE) < os.fstat(file.fileno()).st_size
    except OSError:  # the file system does not say
        return False
    finally:
        os.lseek(file.fileno(), 0, os.SEEK_SET)


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint that `save_weights` wrote into a file; None if another program saved it."""
    return (_read_header(path).get("__metadata__") or {}).get(FINGERPRINT)


def _read_header(path: Path) -> dict[str, dict[str, Any]]:
    """The JSON header of a safetensors file. The file is not trusted: nothing large is allocated."""
    with opened(path, AGAIN) as file:
        start = file.read(64)
        size = int.from_bytes(start[:8], "little")
        file.seek(8)
        text = file.read(min(size, MAX_HEADER_BYTES))
    if size > MAX_HEADER_BYTES:
        for beginning, kind in OTHER_FILES.items():
            if start.startswith(beginning):
                raise CheckpointError(
                    f"{path} is {kind}; download the model again, or save it as safetensors"
                )
        raise _damaged(path, f"its header would have {size:,} bytes")
    try:
        # checks offsets, types and sizes without reading a tensor, and does not map the file into memory
        with safe_open(path, framework="np", backend="pread"):
            pass
    except _READING as error:
        raise _damaged(path, error) from error
    return parse_json(text, path, dict)


def _damaged(path: Path, error: Exception | str) -> CheckpointError:
    size = path.stat().st_size if path.is_file() else 0
    reason = str(error).removeprefix("Error while deserializing header: ")
    return CheckpointError(
        f"{path} ({size:,} bytes) is not a readable safetensors file ({excerpt(reason)}); {AGAIN}"
    )


def _listed(names: list[str]) -> str:
    """At most five names, each cut to a length that can be read."""
    return ", ".join(map(excerpt, names[:5]))


def _compare(entries: dict[str, dict[str, Any]], shapes: Mapping[str, Shape], path: Path) -> None:
    """Raises CheckpointError unless the names, shapes and types in the headers are those of the model."""
    known = [name for name in shapes if name in entries]
    wrong = [
        *(f"{name} is missing" for name in shapes if name not in entries),
        *(f"{excerpt(name)} is not part of the model" for name in entries if name not in shapes),
        *(
            f"{name} is {excerpt(str(tuple(entries[name]['shape'])))}, expected {shapes[name]}"
            for name in known
            if tuple(entries[name]["shape"]) != shapes[name]
        ),
        *(
            f"{name} is of type {entries[name]['dtype']}, expected one of {', '.join(DTYPES)}"
            for name in known
            if entries[name]["dtype"] not in DTYPES
        ),
    ]
    if wrong:
        more = f" (and {len(wrong) - 5} more)" if len(wrong) > 5 else ""
        raise CheckpointError(f"{path} does not fit config.json: {'; '.join(wrong[:5])}{more}")
