"""Characters <-> ids, and the file that stores them. It needs no model."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import InvalidValueError, quoted
from ..prosody.lines import LINE_ENDS, with_line_ends
from ..script import TraditionalScript

SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<sep>", "<eos>")
PAD, UNK, BOS, SEP, EOS = range(5)
FILE_NAME = "tokenizer.json"
MAX_JSON_BYTES = 6 << 20


class Vocabulary:
    """One id per character. Ids 0 to 4 are `<pad> <unk> <bos> <sep> <eos>`, as in the model that ships.

    Args:
        characters: the characters, without the special tokens, most frequent first.
    """

    def __init__(self, characters: Iterable[str]):
        self.tokens: tuple[str, ...] = (*SPECIAL_TOKENS, *characters)
        self.ids: dict[str, int] = {token: index for index, token in enumerate(self.tokens)}
        if len(self.ids) != len(self.tokens) or any(len(c) != 1 for c in self.tokens[5:]):
            raise ValueError("a vocabulary must consist of single characters, each of them once")

    @classmethod
    def from_texts(cls, texts: Iterable[str], size: int | None = None) -> Vocabulary:
        """All characters of the texts, or the `size` most frequent. Ties are ordered by code point."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        return cls(sorted(counts, key=lambda c: (-counts[c], c))[:size])

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """The ids of the characters of a text. Unknown characters become `<unk>`."""
        return [self.ids.get(character, UNK) for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids, without special tokens."""
        return "".join(self.tokens[i] for i in ids if i >= len(SPECIAL_TOKENS))

    def read_start(self, text: str) -> str:
        """The first characters of a poem as people write them, read as the torch half reads them.

        The lines end in `，` or `。` if the vocabulary has these, and the characters are those of the
        vocabulary's script. Without OpenCC they stay in their own.
        """
        text = with_line_ends(text)
        if text and find_spec("opencc"):
            text = self._script.convert(text)
        return "".join(c for c in text if c not in LINE_ENDS or c in self.ids)

    @functools.cached_property
    def _script(self) -> TraditionalScript:
        return TraditionalScript(self.tokens[len(SPECIAL_TOKENS) :])

    def check_known(self, text: str) -> None:
        """Raises InvalidValueError for the first character that is not in the vocabulary."""
        for character in text:
            if character not in self.ids or character in SPECIAL_TOKENS:
                known = "".join(c for c in self.tokens[5:] if c not in LINE_ENDS)[:8]
                opencc = "" if find_spec("opencc") else "; to give simplified ones, install opencc"
                raise InvalidValueError(
                    f"{quoted(character)} is not among the {len(self) - 5:,} characters that the model "
                    f"knows; it knows for example {known}{opencc}"
                )

    def save(self, folder: Path) -> None:
        """Writes `tokenizer.json` in the format of Hugging Face's `tokenizers` library."""
        model = {"type": "WordLevel", "vocab": self.ids, "unk_token": "<unk>"}
        text = json.dumps({"version": "1.0", "model": model}, ensure_ascii=False, indent=1)
        (Path(folder) / FILE_NAME).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """Reads a `tokenizer.json` that `save` or the torch half wrote."""
        path = Path(folder) / FILE_NAME
        try:
            ids = read_json(path)["model"]["vocab"]
            tokens = sorted(ids, key=ids.__getitem__)
            if [ids[token] for token in tokens] != list(range(len(ids))):
                raise ValueError("its ids do not run from 0 without a gap")
            if tuple(tokens[:5]) != SPECIAL_TOKENS:
                raise ValueError(f"its first tokens are not {' '.join(SPECIAL_TOKENS)}")
            return cls(tokens[5:])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is not a valid vocabulary: {error}") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file of a model.

    Raises:
        OSError, ValueError, RecursionError: it is missing, far too large, or damaged.
    """
    if (size := path.stat().st_size) > MAX_JSON_BYTES:
        raise ValueError(f"{path.name} has {size:,} bytes, more than the limit of {MAX_JSON_BYTES:,}")
    return json.loads(path.read_bytes().decode("utf-8"))
