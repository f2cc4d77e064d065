"""The files of a model: one `.npz` file, or a folder with `model.safetensors`. Nothing is ever unpickled.

Here, a model is a configuration of plain JSON values, named arrays and a vocabulary. char_lm.py builds the
model from them.
"""

from __future__ import annotations

import json
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..files import make_folder, replaced_file
from ..folders import replaced_folder
from .config import CharLMConfig
from .functional import Array, check_shape
from .vocabulary import FILE_NAME as TOKENIZER_NAME
from .vocabulary import Vocabulary, read_json

CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"
MAX_UNPACKED = 8  # times the size of the `.npz` file; weights do not compress to less than half of theirs
# everything that zipfile, zlib and NumPy's header parser raise on damaged bytes
_DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    RuntimeError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
)


def write_model(
    target: str | Path, config: dict[str, Any], parameters: Mapping[str, Array], vocabulary: Vocabulary
) -> None:
    """Writes one `.npz` file if the name of `target` ends in .npz, else a folder.

    The folder's weights and vocabulary are in the format of the torch half, with the same names; only its
    config.json is specific to this half. After a kill or a power cut, the old or the new model is there.
    """
    target, text = Path(target), json.dumps(config, indent=2)
    make_folder(target.parent)
    if target.suffix == ".npz":
        tokens = np.array(vocabulary.tokens[5:])
        with replaced_file(target) as file:
            arrays: dict[str, Any] = {**parameters, CONFIG_NAME: np.array(text), "characters": tokens}
            np.savez(file, **arrays)
        return
    from safetensors.numpy import save

    with replaced_folder(target) as fresh:
        (fresh / WEIGHTS_NAME).write_bytes(save(dict(parameters)))
        vocabulary.save(fresh)
        (fresh / CONFIG_NAME).write_text(text + "\n", encoding="utf-8")


def read_model(source: str | Path) -> tuple[dict[str, Any], dict[str, Array], Vocabulary]:
    """Reads what `write_model` wrote, or the folder of a model of the torch half.

    Returns:
        The configuration, the parameters by name, and the vocabulary.

    Raises:
        ValueError: a file is missing, damaged, or of another kind.
    """
    source = Path(source)
    if source.suffix == ".npz":
        return _read_npz(source)
    config, arrays = _read_folder(source)
    return config, arrays, Vocabulary.load(source)


def _read_npz(path: Path) -> tuple[dict[str, Any], dict[str, Array], Vocabulary]:
    arrays = read_arrays(path)
    try:
        config, characters = json.loads(str(arrays.pop(CONFIG_NAME))), arrays.pop("characters").tolist()
        return config, arrays, Vocabulary(characters)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path} is not a model file: {error} is missing or wrong in it") from error


def _read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    for name in (CONFIG_NAME, WEIGHTS_NAME, TOKENIZER_NAME):
        if not (folder / name).is_file():  # reading a pipe would never end
            raise ValueError(f"{folder} is not a model folder: it has no {name}")
    try:
        return read_json(folder / CONFIG_NAME), load_file(folder / WEIGHTS_NAME)
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise ValueError(f"{folder} is damaged: {error}") from error


def read_arrays(path: Path) -> dict[str, Array]:
    """All arrays of a `.npz` file. Pickled objects, which could run code, are refused.

    Raises:
        ValueError: the file is missing, damaged, or of another kind.
    """
    if not path.is_file():
        raise ValueError(f"{path} does not exist; give a .npz file or a model folder")
    try:
        with np.load(path, allow_pickle=False) as file:
            size = sum(member.file_size for member in file.zip.infolist())
            if size > MAX_UNPACKED * path.stat().st_size:
                raise ValueError(f"it would unpack to {size:,} bytes")
            return {name: file[name] for name in file.files}
    except _DAMAGED as error:
        raise ValueError(f"{path} is damaged or not a .npz file; use an earlier file") from error


def check_arrays(arrays: dict[str, Array], config: CharLMConfig, source: str | Path) -> None:
    """Raises ValueError unless the names and shapes of the arrays are those of a model's parameters."""
    if config.num_layers > len(arrays):
        raise ValueError(f"{source} lacks the weights of {config.num_layers} layers; use an earlier file")
    expected = config.shapes()
    if missing := sorted(expected.keys() - arrays.keys()):
        raise ValueError(f"{source} lacks {', '.join(missing[:3])}: it is another kind of model")
    if foreign := sorted(arrays.keys() - expected.keys()):
        raise ValueError(f"{source} also holds {', '.join(foreign[:3])}: it is another kind of model")
    for name, shape in expected.items():
        check_shape(f"{name} in {source}", arrays[name].shape, shape)
