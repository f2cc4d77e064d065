"""Writes model.safetensors with a fingerprint, and reads it with strict checks.

Nothing is ever unpickled, and torch is not needed. Tensors are NumPy arrays; those of type BF16, which NumPy
lacks, are uint16 arrays of the same bits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, TensorSpec, safe_open, serialize

from .errors import CheckpointError, InvalidValueError
from .files import parse_json, read_json
from .model_folder import INDEX_NAME, WEIGHTS_NAME

DTYPES = {"F16": np.float16, "BF16": np.uint16, "F32": np.float32, "F64": np.float64}
_NAMES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
_TYPE_OF = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
FINGERPRINT = "content_sha256"  # a key of the file's metadata
MAX_HEADER_BYTES = 1 << 20  # a hundred times more than a model of this package needs
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
Tensors = dict[str, np.ndarray]


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


def name_of(value: np.ndarray) -> str:
    """The name of a tensor's type in torch, such as `bfloat16`."""
    return _NAMES[_TYPE_OF[value.dtype]]


def is_finite(value: np.ndarray) -> bool:
    """Whether all numbers of a tensor are finite."""
    if value.dtype == np.uint16:
        return bool(((value & 0x7F80) != 0x7F80).all())  # infinities and NaN have an exponent of ones only
    return bool(np.isfinite(value).all())


def to_float32(value: np.ndarray) -> np.ndarray:
    """Converts a tensor of any type in DTYPES to float32."""
    if value.dtype == np.uint16:
        return (value.astype(np.uint32) << 16).view(np.float32)
    return value.astype(np.float32)


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
        digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
    return digest.hexdigest()


def load_weights(folder: Path, shapes: Mapping[str, Shape], about: str) -> tuple[Tensors, str]:
    """Reads the tensors of a model folder, from one file or from the shards that an index lists.

    Args:
        folder: the model folder.
        shapes: the names and shapes of exactly the tensors that the folder must have.
        about: the text that was given to `save_weights`; compared only if there is one file, with a
            fingerprint.

    Returns:
        The tensors by their names, and their fingerprint.

    Raises:
        CheckpointError: a file is missing or damaged, or belongs to another model or another format.
    """
    files, weight_map = _files_of(folder)
    headers = {path: _read_header(path) for path in files}
    marks = [header.pop("__metadata__", {}).get(FINGERPRINT) for header in headers.values()]
    file_of: dict[str, Path] = {}
    for path, header in headers.items():
        expected = {tensor for tensor, file in weight_map.items() if file == path.name} or set(header)
        if wrong := sorted(header.keys() ^ expected):
            raise CheckpointError(
                f"{folder / INDEX_NAME} and {path.name} disagree on {', '.join(wrong[:5])}; download both "
                "again"
            )
        file_of |= dict.fromkeys(header, path)
    _compare({name: headers[path][name] for name, path in file_of.items()}, shapes, files[0])
    weights: Tensors = {}
    for path in files:
        try:
            weights |= _read_tensors(path, headers[path])
        except _READING as error:
            raise _damaged(path, error) from error
    for name, value in weights.items():
        if not is_finite(value):
            raise CheckpointError(
                f"{file_of[name]}: {name} holds numbers that are not finite; download or save the file again"
            )
    mark = fingerprint(weights, about)
    if len(marks) == 1 and marks[0] not in (None, mark):
        raise CheckpointError(
            f"{files[0]}: weights, config.json and tokenizer.json are not those that were saved together "
            "(their fingerprint differs); download all of them again (force_download=True)"
        )
    return weights, mark


def _read_tensors(path: Path, header: dict[str, dict]) -> Tensors:
    """The tensors of a file whose header has been checked."""
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        values = np.frombuffer(data[begin + first : begin + last], DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint that `save_weights` wrote into a file; None if another program saved it."""
    return _read_header(path).get("__metadata__", {}).get(FINGERPRINT)


def _files_of(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """The weights file and {}; or all shards and the file name of each tensor, if there is only an index."""
    path, index = folder / WEIGHTS_NAME, folder / INDEX_NAME
    if path.is_file() or not index.is_file():
        return [path], {}
    weight_map = read_json(index, dict).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(
            f"{index}: weight_map does not name a file for each tensor; save the model again"
        )
    names = sorted({name if isinstance(name, str) else repr(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors") or "\\" in name:
            raise CheckpointError(
                f"{index}: {name!r} is not the file name of a shard; shards must be in the folder of the "
                "index and end in .safetensors"
            )
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise CheckpointError(f"{index}: {', '.join(missing[:5])} is missing; download the model again")
    return [folder / name for name in names], weight_map


def _read_header(path: Path) -> dict[str, dict]:
    """The JSON header of a safetensors file. The file is not trusted: nothing large is allocated."""
    try:
        with open(path, "rb") as file:
            start = file.read(64)
            size = int.from_bytes(start[:8], "little")
            file.seek(8)
            text = file.read(min(size, MAX_HEADER_BYTES))
    except OSError as error:
        raise _damaged(path, error) from error
    if size > MAX_HEADER_BYTES:
        for beginning, kind in OTHER_FILES.items():
            if start.startswith(beginning):
                raise CheckpointError(
                    f"{path} is {kind}; download the model again, or save it as safetensors"
                )
        raise _damaged(path, f"its header would have {size:,} bytes")
    try:
        with safe_open(path, framework="np"):  # checks offsets, types and sizes without reading a tensor
            pass
    except _READING as error:
        raise _damaged(path, error) from error
    return parse_json(text, path, dict)


def _damaged(path: Path, error: Exception | str) -> CheckpointError:
    size = path.stat().st_size if path.is_file() else 0
    return CheckpointError(
        f"{path} ({size:,} bytes) is not a readable safetensors file ({error}); download it again with "
        "force_download=True, or save it again"
    )


def _compare(entries: dict[str, dict], shapes: Mapping[str, Shape], path: Path) -> None:
    """Raises CheckpointError unless the names, shapes and types in the headers are those of the model."""
    wrong = [
        *(f"{name} is missing" for name in shapes if name not in entries),
        *(f"{name} is not part of the model" for name in entries if name not in shapes),
        *(
            f"{name} is {tuple(entries[name]['shape'])}, expected {shape}"
            for name, shape in shapes.items()
            if name in entries and tuple(entries[name]["shape"]) != shape
        ),
        *(
            f"{name} is of type {entry['dtype']}, expected one of {', '.join(DTYPES)}"
            for name, entry in entries.items()
            if entry["dtype"] not in DTYPES
        ),
    ]
    if wrong:
        more = f" (and {len(wrong) - 5} more)" if len(wrong) > 5 else ""
        raise CheckpointError(f"{path} does not fit config.json: {'; '.join(wrong[:5])}{more}")
