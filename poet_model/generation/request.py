"""Request: the options of one generation request, validated before anything is written."""

from __future__ import annotations

import difflib
import re
import secrets
from dataclasses import dataclass, fields, replace
from typing import Unpack

import numpy as np

from ..errors import InvalidValueError
from ..novelty.index import MIN_ORIGINAL, NoveltyIndex, default_folder
from ..prosody.lines import FORMS, LINE_ENDS, split_lines
from ..prosody.templates import L0, L1, L2, TEMPLATES
from ..tokenizer import PoetTokenizer
from .fitting import edges_of, impose
from .form import RegularForm
from .form_options import FormOptions
from .masks import VocabularyMasks
from .options import DEFAULTS, GenerationConfig, Options

MAX_HEADER = 40  # characters of a title or an author, as in training
MAX_BEST_OF = 64
_TONES = {False: None, True: L1, "L0": L0, "L1": L1, "L2": L2}
_REPEATED_ENDS = re.compile(f"[{LINE_ENDS}]{{2,}}")


@dataclass(frozen=True)
class Request:
    """The options of one generation request, validated and reconciled with each other.

    Attributes:
        start, form, author, title: in the model's script; '' if not given.
        config: how characters are chosen.
        seed: of the first poem; poem i has seed + i.
        acrostic: the characters that the lines begin with, in the model's script.
        form_rules: what the form, its tones and rhymes allow; None if no form is imposed.
        best_of: how many candidates there are for each line.
        known_lines: an index of poems none of whose lines may stand in this one; None: any may.
        look_ahead: whether characters before a rhyme word are weighed by what may follow them.
    """

    start: str
    form: str
    author: str
    title: str
    config: GenerationConfig
    seed: int
    acrostic: str = ""
    form_rules: RegularForm | None = None
    best_of: int = 1
    known_lines: NoveltyIndex | None = None
    look_ahead: bool = True

    @classmethod
    def make(
        cls, masks: VocabularyMasks, defaults: GenerationConfig, start: str = "", **options: Unpack[Options]
    ) -> Request:
        """Checks the options of a caller.

        Args:
            masks: of the model's vocabulary.
            defaults: the model's settings, for those that are not given.
            start: the poem's first characters.

        Raises:
            UnknownCharacterError: a character of the start, an acrostic or the title is not in the
                vocabulary.
            InvalidValueError: anything else is not possible.
            CheckpointError: there is no index of the corpus to tell what is original.
        """
        tokenizer = masks.tokenizer
        config, asked = _settings(defaults, options)
        _check_types(start, asked)
        seed = _seed(asked["seed"])
        start = _start(tokenizer, start, config.max_length)
        form = tokenizer.normalize(asked["form"])
        if form and form not in FORMS:
            raise InvalidValueError(f"form must be one of {' '.join(FORMS)} or empty, got {form[:20]!r}")
        author, title = _author(tokenizer, asked["author"]), _title(tokenizer, asked["title"])
        form, heads, tails = edges_of(tokenizer, form, asked["acrostic"], asked["telestich"], start)
        tones, rhyme, rules = asked["tones"], asked["rhyme"], None
        if not form and (tones or rhyme):
            raise InvalidValueError(f"tones and rhyme need a form; give form, one of {' '.join(FORMS)}")
        if form and (asked["impose_form"] or tones or rhyme or heads or tails):
            wanted = FormOptions(form, _TONES[tones], asked["template"], rhyme, heads, tails)
            rules, start = impose(masks, wanted, start)
        return cls(
            start,
            form,
            author,
            title,
            config,
            seed,
            acrostic=heads,
            form_rules=rules,
            best_of=_best_of(asked["best_of"], rules, config),
            known_lines=_known_lines(asked["original"], start, rules),
            look_ahead=asked["look_ahead"],
        )


def _settings(defaults: GenerationConfig, options: dict) -> tuple[GenerationConfig, dict]:
    """The settings of GenerationConfig, and all other options with their defaults."""
    known = {field.name for field in fields(GenerationConfig)}
    asked = DEFAULTS | {name: value for name, value in options.items() if name in DEFAULTS}
    given = {name: value for name, value in options.items() if name not in asked and value is not None}
    if unknown := [name for name in given if name not in known]:
        names = [*DEFAULTS, *(field.name for field in fields(GenerationConfig))]
        near = difflib.get_close_matches(unknown[0], names, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}? " if near else ""
        raise InvalidValueError(
            f"there is no setting {unknown[0]!r} for writing a poem; {meant}known are {', '.join(names)}"
        )
    return replace(defaults, **given), asked


def _check_types(start: str, asked: dict) -> None:
    texts = {"start": start} | {
        name: asked[name] for name in ("form", "author", "title", "acrostic", "telestich")
    }
    for name, value in texts.items():
        if not isinstance(value, str):
            raise InvalidValueError(f"{name} must be text, got {value!r}")
    for name in ("impose_form", "look_ahead"):
        if not isinstance(asked[name], bool):
            raise InvalidValueError(f"{name} must be True or False, got {asked[name]!r}")
    tones, template, rhyme = asked["tones"], asked["template"], asked["rhyme"]
    if not isinstance(tones, (bool, str)) or tones not in _TONES:
        raise InvalidValueError(
            'tones must be True (L1), False, or one of "L0", "L1", "L2" (see prosody/templates.py), '
            f"got {tones!r}"
        )
    if template not in ("", *TEMPLATES) or (template and not tones):
        raise InvalidValueError(
            f"template must be one of {' '.join(TEMPLATES)} (see prosody.Template), together with tones; "
            f"got {template!r} and tones={tones!r}"
        )
    if not isinstance(rhyme, (bool, str)):
        raise InvalidValueError(f"rhyme must be True or a group of 平水韻 such as 東, got {rhyme!r}")


def _seed(seed: int | None) -> int:
    if seed is None:
        return secrets.randbelow(2**31)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise InvalidValueError(f"seed must be a whole number from 0 to 2^63-1, got {seed!r}")
    return int(seed)


def _start(tokenizer: PoetTokenizer, start: str, max_length: int) -> str:
    """The start in the model's script, with one sign at a line end."""
    if len(start) <= 4 * max_length:  # else it is too long whatever is folded away
        start = _REPEATED_ENDS.sub(_one_end, tokenizer.normalize(start)).lstrip(LINE_ENDS)
    if len(start) > max_length:
        raise InvalidValueError(
            f"the start has {len(start)} characters; at most {max_length} fit: shorten it, or set "
            "max_length higher",
            chinese=f"起首有 {len(start)} 字，最多 {max_length} 字，請刪短些。",
        )
    tokenizer.check_known(start)
    return start


def _one_end(ends: re.Match) -> str:
    return "。" if "。" in ends[0] else "，"


def _title(tokenizer: PoetTokenizer, title: str) -> str:
    _check_length("title", "題目", title)
    title = tokenizer.normalize(title).strip("《》")
    tokenizer.check_known(title)
    return title


def _author(tokenizer: PoetTokenizer, author: str) -> str:
    _check_length("author", "作者名", author)
    author = tokenizer.normalize(author)
    if author and tokenizer.authors and author not in tokenizer.authors:
        near = difflib.get_close_matches(author, tokenizer.authors, cutoff=0.5)
        others = list(dict.fromkeys([*near, *tokenizer.authors[:8]]))
        raise InvalidValueError(
            f"the model has read no poem by {author!r}; it knows {len(tokenizer.authors):,} authors, such as "
            f"{' '.join(others)}: take one of them, or none",
            chinese=f"模型沒讀過「{author}」的詩；它認得 {len(tokenizer.authors):,} 位作者，"
            f"例如{'、'.join(others)}；請換一位，或留空。",
        )
    tokenizer.check_known(author)
    return author


def _check_length(name: str, chinese: str, value: str) -> None:
    if len(value) > MAX_HEADER:
        raise InvalidValueError(
            f"the {name} has {len(value)} characters; at most {MAX_HEADER} fit: shorten it",
            chinese=f"{chinese}有 {len(value)} 字，最多 {MAX_HEADER} 字，請刪短些。",
        )


def _best_of(best_of: int, rules: RegularForm | None, config: GenerationConfig) -> int:
    if isinstance(best_of, bool) or not isinstance(best_of, int) or not 1 <= best_of <= MAX_BEST_OF:
        raise InvalidValueError(f"best_of must be a whole number from 1 to {MAX_BEST_OF}, got {best_of!r}")
    if best_of > 1 and not rules:
        raise InvalidValueError(
            "best_of compares lines of one length, which a form that is imposed gives; give form, one of "
            f"{' '.join(FORMS)}"
        )
    return best_of if config.temperature else 1  # else all candidates would be the same


def _known_lines(original: bool | NoveltyIndex, start: str, rules: RegularForm | None) -> NoveltyIndex | None:
    """The index that tells which lines are not original, if they are to be."""
    if original is False:
        return None
    if original is not True and not isinstance(original, NoveltyIndex):
        raise InvalidValueError(f"original must be True, False or a NoveltyIndex, got {original!r}")
    index = NoveltyIndex.load(default_folder()) if original is True else original
    for match in index.find(start):
        line = split_lines(start)[match.line - 1]
        is_whole = line[-1] in LINE_ENDS or bool(rules and len(line) == rules.length)
        whose = f"{match.author or '無名氏'}《{match.title or '無題'}》"
        if match.is_whole and is_whole and len(match.text) >= MIN_ORIGINAL:
            raise InvalidValueError(
                f"the start's line {match.text!r} is not original: it stands in {whose}; give "
                f"{match.text[:-1]!r} at most, or leave original out",
                chinese=f"起首的「{match.text}」是現成詩句，見{whose}；最多給「{match.text[:-1]}」，或不求原創。",
            )
    return index
