"""PoetTokenizer: maps characters to ids and back, and builds the stream of ids that the model reads."""

from __future__ import annotations

import functools
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .errors import CheckpointError, InvalidValueError, UnknownCharacterError, quoted
from .files import read_json, write_text
from .model_folder import MAX_TOKENIZER_BYTES, TOKENIZER_CONFIG_NAME, TOKENIZER_NAME
from .prosody.lines import with_line_ends
from .script import TraditionalScript, fold_punctuation, is_hanzi

SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<sep>", "<eos>")
PAD, UNK, BOS, SEP, EOS = range(5)
_PIECES = re.compile("|".join(map(re.escape, SPECIAL_TOKENS)) + r"|[\s\S]")
COMMON_STARTS = "春山月風花江不一白秋"  # frequent first characters of Tang poems, used as suggestions


class PoetTokenizer:
    """A tokenizer with one id per character.

    Ids 0 to 4 are `<pad> <unk> <bos> <sep> <eos>`; the characters follow in the order of `characters`.

    Args:
        characters: the vocabulary without special tokens, most frequent first.
        authors: the authors of the training poems, those with the most poems first; empty if unknown.

    Raises:
        InvalidValueError: an entry of `characters` is not a single character, or occurs twice.

    Example:
        >>> tokenizer = PoetTokenizer("，。春風五絕")
        >>> tokenizer.decode(tokenizer.encode_poem("春風，", form="五絕"))
        '<bos>五絕<sep><sep><sep>春風，<eos>'
    """

    def __init__(self, characters: Iterable[str], authors: Iterable[str] = ()):
        self.characters: tuple[str, ...] = tuple(characters)
        self.authors: tuple[str, ...] = tuple(authors)
        counts = Counter(self.characters)
        if bad := [c for c, count in counts.items() if len(c) != 1 or count > 1]:
            raise InvalidValueError(
                f"a vocabulary needs single characters, each only once, got {quoted(bad)}"
            )
        self.tokens: tuple[str, ...] = (*SPECIAL_TOKENS, *self.characters)
        self.ids: dict[str, int] = {token: index for index, token in enumerate(self.tokens)}

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        min_count: int = 2,
        required: Iterable[str] = (),
        authors: Iterable[str] = (),
    ) -> PoetTokenizer:
        """A tokenizer for the characters of some texts.

        Characters and authors are sorted by frequency, and ties by code point, so that the result is the same
        in every process.

        Args:
            texts: the texts.
            min_count: the least number of times a character must occur to be in the vocabulary.
            required: characters that are in the vocabulary in any case.
            authors: the author of each poem; '' if unknown.
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        kept = {c for c, count in counts.items() if count >= min_count} | set(required)
        poems = Counter(author for author in authors if author)
        return cls(
            sorted(kept, key=lambda c: (-counts[c], c)), sorted(poems, key=lambda name: (-poems[name], name))
        )

    def extended(self, other: PoetTokenizer) -> PoetTokenizer:
        """This vocabulary, followed by the characters and authors that only `other` has."""
        characters = dict.fromkeys([*self.characters, *other.characters])
        return PoetTokenizer(characters, dict.fromkeys([*self.authors, *other.authors]))

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, character: str) -> bool:
        return character in self.ids

    def encode(self, text: str) -> list[int]:
        """The ids of a text with special tokens, exactly as the `tokenizers` library encodes it."""
        return [self.ids.get(piece, UNK) for piece in _PIECES.findall(text)]

    def encode_characters(self, text: str) -> list[int]:
        """The ids of the characters of a text. `<sep>` is five characters here, never a special token.

        If the text has characters that are neither known nor hanzi, such as half-width marks or zero-width
        characters, its punctuation is folded, as by `script.fold_punctuation`.
        """
        return self._encode(text, fold_punctuation)

    def _encode(self, text: str, fold: Callable[[str], str]) -> list[int]:
        if any(character not in self.ids and not is_hanzi(character) for character in text):
            text = fold(text)
        return [self.ids.get(character, UNK) for character in text]

    def encode_header(self, title: str = "", author: str = "", form: str = "") -> list[int]:
        """The ids of the header before a poem, `<bos> form <sep> author <sep> title <sep>`."""
        encode = self.encode_characters
        return [BOS, *encode(form), SEP, *encode(author), SEP, *encode(title), SEP]

    def encode_poem(self, text: str, title: str = "", author: str = "", form: str = "") -> list[int]:
        """The ids of the whole stream: header, poem and `<eos>`.

        The text must be in the script of the vocabulary. If it has characters that are neither known nor
        hanzi, it is read as people write it, with `prosody.lines.with_line_ends`.
        """
        return [*self.encode_header(title, author, form), *self._encode(text, with_line_ends), EOS]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of some ids, with special tokens written out unless they are skipped.

        Raises:
            InvalidValueError: an id is not in the vocabulary.
        """
        wrong = [i for i in ids if not 0 <= i < len(self)]
        if wrong:
            raise InvalidValueError(f"id {wrong[0]} is not in a vocabulary of {len(self)} tokens")
        return "".join(self.tokens[i] for i in ids if not (skip_special_tokens and i < len(SPECIAL_TOKENS)))

    @functools.cached_property
    def script(self) -> TraditionalScript:
        """The converter of any text to the characters of this vocabulary."""
        return TraditionalScript(self.characters)

    def normalize(self, text: str) -> str:
        """Converts text in either script, with any punctuation width, to characters of this vocabulary."""
        return self.script.convert(text)

    def check_known(self, text: str) -> None:
        """Raises UnknownCharacterError for the first character that is not in the vocabulary."""
        for character in text:
            if character not in self.ids:
                raise UnknownCharacterError(character, self.suggest(character))

    def suggest(self, character: str) -> list[str]:
        """Up to five known characters: variants of the unknown one first, then common first characters."""
        variants = self.script.variants(character) if is_hanzi(character) else []
        starts = [c for c in COMMON_STARTS if c in self.ids] or [c for c in self.characters if is_hanzi(c)]
        return list(dict.fromkeys([*variants, *starts]))[:5]

    def save(self, folder: Path) -> None:
        """Writes `tokenizer.json`, in the format of the `tokenizers` library, and `tokenizer_config.json`."""
        from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

        tokenizer = Tokenizer(models.WordLevel(dict(self.ids), unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        tokenizer.decoder = decoders.Fuse()
        tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL_TOKENS])
        write_text(Path(folder) / TOKENIZER_NAME, tokenizer.to_str(pretty=True) + "\n")
        specials = {f"{token.strip('<>')}_token": token for token in SPECIAL_TOKENS}
        record = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "authors": list(self.authors),
        } | specials
        text = json.dumps(record, ensure_ascii=False, indent=2)
        write_text(Path(folder) / TOKENIZER_CONFIG_NAME, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> PoetTokenizer:
        """Reads `tokenizer.json`, and the authors from `tokenizer_config.json`, which may be missing.

        Raises:
            CheckpointError: a file is damaged, the ids do not run from 0 without a gap, or they do not begin
                with the special tokens.
        """
        path = Path(folder) / TOKENIZER_NAME
        model = read_json(path, dict, limit=MAX_TOKENIZER_BYTES).get("model")
        vocab = model.get("vocab") if isinstance(model, dict) else None
        if not isinstance(vocab, dict) or not all(type(i) is int for i in vocab.values()):
            raise CheckpointError(
                f"{path}: model.vocab is missing or does not map characters to ids; save the tokenizer again"
            )
        tokens = sorted(vocab, key=vocab.__getitem__)
        if [vocab[t] for t in tokens] != list(range(len(tokens))) or tuple(tokens[:5]) != SPECIAL_TOKENS:
            raise CheckpointError(f"{path}: ids must be 0, 1, 2 … and begin with {' '.join(SPECIAL_TOKENS)}")
        try:
            return cls(tokens[len(SPECIAL_TOKENS) :], _read_authors(Path(folder) / TOKENIZER_CONFIG_NAME))
        except InvalidValueError as error:
            raise CheckpointError(f"{path}: {error}") from error


def _read_authors(path: Path) -> list[str]:
    if not os.path.lexists(path):
        return []
    authors = read_json(path, dict).get("authors", [])
    if not isinstance(authors, list) or not all(isinstance(name, str) for name in authors):
        raise CheckpointError(f"{path}: authors must be a list of names; save the tokenizer again")
    return authors
