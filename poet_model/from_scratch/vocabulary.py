"""Characters <-> ids, and the file that stores them. It takes text unchanged, and needs no model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<sep>", "<eos>")
PAD, UNK, BOS, SEP, EOS = range(5)
LINE_ENDS = "，。"
FILE_NAME = "tokenizer.json"


class Vocabulary:
    """One id per character. Ids 0 to 4 are `<pad> <unk> <bos> <sep> <eos>`, as in the model that ships.

    Args:
        characters: the characters, without the special tokens, most frequent first.
    """

    def __init__(self, characters: Iterable[str]):
        self.tokens = (*SPECIAL_TOKENS, *characters)
        self.ids = {token: index for index, token in enumerate(self.tokens)}
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

    def check_known(self, text: str) -> None:
        """Raises ValueError if a character is not in the vocabulary; it names the first such character."""
        for character in text:
            if character not in self.ids or character in SPECIAL_TOKENS:
                known = "".join(self.tokens[5:]).replace("，", "").replace("。", "")[:8]
                raise ValueError(
                    f"{character!r} is not among the {len(self) - 5:,} characters that the model knows "
                    f"(traditional script if it was trained on that); it knows for example {known}"
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
            ids = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
            tokens = sorted(ids, key=ids.__getitem__)
            if [ids[token] for token in tokens] != list(range(len(ids))):
                raise ValueError("its ids do not run from 0 without a gap")
            if tuple(tokens[:5]) != SPECIAL_TOKENS:
                raise ValueError(f"its first tokens are not {' '.join(SPECIAL_TOKENS)}")
            return cls(tokens[5:])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a valid vocabulary: {error}") from error
