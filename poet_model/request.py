"""What is asked of a poem: settings and wishes, checked and fitted to each other before it is begun."""

from __future__ import annotations

import difflib
import inspect
import itertools
import json
import math
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from . import prosody
from .constraints import RegularForm
from .errors import CheckpointError, InvalidValueError
from .files import read_json, write_text
from .novelty import MIN_ORIGINAL, NoveltyIndex, default_folder
from .prosody import FORMS, L0, L1, L2, LINE_ENDS, SHAPES, TEMPLATES
from .script import is_hanzi
from .tokenizer import PoetTokenizer

GENERATION_CONFIG_NAME = "generation_config.json"
MAX_HEADER = 40  # characters of a title or an author, as in training
MAX_BEST_OF = 64
# what transformers may note in a generation_config.json; our ids are those of the tokenizer
_IDS = [f"{name}_token_id" for name in ("pad", "bos", "sep", "eos")]
_OF_TRANSFORMERS = ("transformers_version", "_from_model_config", "use_cache", *_IDS)
_TONES = {False: None, True: L1, "L0": L0, "L1": L1, "L2": L2}
_EDGES = {"acrostic": "藏頭", "telestich": "藏尾"}
_REPEATED_ENDS = re.compile(f"[{LINE_ENDS}]{{2,}}")


@dataclass(frozen=True)
class GenerationConfig:
    """How characters are chosen.

    Args:
        temperature: logits are divided by it; 0 takes the likeliest character every time.
        top_k: only the k likeliest characters are drawn from; 0 means all.
        top_p: only the likeliest characters that together have at least this probability are drawn from.
        max_length: after this many characters the poem ends with the line it is in.
        frequency_penalty: nats that a character loses for each time the poem has it already, against
            repetition; not right behind itself (叠字, as in 青青). With the default the shipped model repeats
            about one character a poem, as real poems do; without it, it repeats several.

    Raises:
        InvalidValueError: a value has the wrong type or is out of range.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 1.0
    max_length: int = 128
    frequency_penalty: float = 1.5

    def __post_init__(self):
        for name, low, high, kind in (
            ("temperature", 0, 100, (int, float)),
            ("top_k", 0, math.inf, (int,)),
            ("top_p", 0, 1, (int, float)),
            ("frequency_penalty", 0, 100, (int, float)),
            ("max_length", 1, 4096, (int,)),
        ):
            value = getattr(self, name)
            right_type = isinstance(value, kind) and not isinstance(value, bool)
            if not right_type or not low <= value <= high or (name == "top_p" and value == 0):
                what = "a whole number" if kind == (int,) else "a number"
                least = "above 0" if name == "top_p" else f"from {low}"
                bound = "upwards" if high == math.inf else f"to {high}"
                raise InvalidValueError(f"{name} must be {what} {least} {bound}, got {value!r}")

    def save(self, folder: Path, more: dict | None = None) -> None:
        """Writes `generation_config.json` into `folder`, with `more` keys for other libraries."""
        text = json.dumps((more or {}) | asdict(self), indent=2)
        write_text(Path(folder) / GENERATION_CONFIG_NAME, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> GenerationConfig:
        """Reads `generation_config.json` from `folder`; without that file the defaults hold."""
        path = Path(folder) / GENERATION_CONFIG_NAME
        if not os.path.lexists(path):
            return cls()
        record = read_json(path, dict)
        for name in _OF_TRANSFORMERS:
            record.pop(name, None)
        if record.pop("do_sample", True) is not True:
            raise CheckpointError(
                f"{path}: do_sample must be true here; for the likeliest poem take temperature 0"
            )
        known = {field.name for field in fields(cls)}
        if unknown := sorted(record.keys() - known):
            raise CheckpointError(f"{path}: unknown settings {unknown[:5]}; known are {sorted(known)}")
        try:
            return cls(**record)
        except InvalidValueError as error:
            raise CheckpointError(f"{path}: {error}") from error


@dataclass(frozen=True)
class Request:
    """What is wished for, checked and brought to the model's script.

    Attributes:
        rules: what the form, its tones and rhymes allow; None if no form is imposed.
        best_of: how many candidates there are for each line.
        known_lines: an index of poems none of whose lines may stand in this one; None: any may.
    """

    start: str
    form: str
    author: str
    title: str
    config: GenerationConfig
    seed: int
    rules: RegularForm | None = None
    best_of: int = 1
    known_lines: NoveltyIndex | None = None

    @classmethod
    def make(
        cls,
        tokenizer: PoetTokenizer,
        defaults: GenerationConfig,
        start: str = "",
        *,
        form: str = "",
        author: str = "",
        title: str = "",
        tones: bool | str = False,
        template: str = "",
        rhyme: bool | str = False,
        acrostic: str = "",
        telestich: str = "",
        impose_form: bool = True,
        best_of: int = 1,
        original: bool | NoveltyIndex = False,
        seed: int | None = None,
        **overrides,
    ) -> Request:
        """Checks a caller's wishes; they are those of `PoetModel.generate`.

        Raises:
            UnknownCharacterError: a character of the start, an acrostic or the title is not in the
                vocabulary.
            InvalidValueError: anything else is not possible.
            CheckpointError: there is no index of the corpus to tell what is original.
        """
        texts = {"start": start, "form": form, "author": author, "title": title}
        texts |= {"acrostic": acrostic, "telestich": telestich}
        for name, value in texts.items():
            if not isinstance(value, str):
                raise InvalidValueError(f"{name} must be text, got {value!r}")
        if not isinstance(impose_form, bool):
            raise InvalidValueError(f"impose_form must be True or False, got {impose_form!r}")
        if not isinstance(tones, (bool, str)) or tones not in _TONES:
            raise InvalidValueError(
                f'tones must be True (L1), False, or one of "L0", "L1", "L2" (see prosody.py), got {tones!r}'
            )
        if template not in ("", *TEMPLATES) or (template and not tones):
            raise InvalidValueError(
                f"template must be one of {' '.join(TEMPLATES)} (see prosody.Template), together with tones; "
                f"got {template!r} and tones={tones!r}"
            )
        if not isinstance(rhyme, (bool, str)):
            raise InvalidValueError(f"rhyme must be True or a group of 平水韻 such as 東, got {rhyme!r}")
        config = _config(defaults, overrides)
        seed = _seed(seed)
        start = _start(tokenizer, start, config.max_length)
        form = tokenizer.normalize(form)
        if form and form not in FORMS:
            raise InvalidValueError(f"form must be one of {' '.join(FORMS)} or empty, got {form[:20]!r}")
        author, title = _author(tokenizer, author), _title(tokenizer, title)
        form, heads, tails = edges_of(tokenizer, form, acrostic, telestich, start)
        if not form and (tones or rhyme):
            raise InvalidValueError(f"tones and rhyme need a form; give form, one of {' '.join(FORMS)}")
        rules = None
        if form and (impose_form or tones or rhyme or heads or tails):
            wishes = {"level": _TONES[tones], "template": template, "rhyme": rhyme}
            wishes |= {"heads": heads, "tails": tails}
            rules, start = impose(tokenizer, form, start, **wishes)
        best_of = _best_of(best_of, rules, config)
        known_lines = _known_lines(original, start, rules)
        return cls(start, form, author, title, config, seed, rules, best_of, known_lines)


def _config(defaults: GenerationConfig, overrides: dict) -> GenerationConfig:
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = [field.name for field in fields(GenerationConfig)]
    if unknown := [name for name in given if name not in settings]:
        wishes = inspect.signature(Request.make).parameters.values()
        known = [wish.name for wish in wishes if wish.kind == wish.KEYWORD_ONLY] + settings
        near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}? " if near else ""
        raise InvalidValueError(
            f"there is no setting {unknown[0]!r} for writing a poem; {meant}known are {', '.join(known)}"
        )
    return replace(defaults, **given)


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
        line = prosody.split_lines(start)[match.line - 1]
        is_whole = line[-1] in LINE_ENDS or bool(rules and len(line) == rules.length)
        whose = f"{match.author or '無名氏'}《{match.title or '無題'}》"
        if match.is_whole and is_whole and len(match.text) >= MIN_ORIGINAL:
            raise InvalidValueError(
                f"the start's line {match.text!r} is not original: it stands in {whose}; give "
                f"{match.text[:-1]!r} at most, or leave original out",
                chinese=f"起首的「{match.text}」是現成詩句，見{whose}；最多給「{match.text[:-1]}」，或不求原創。",
            )
    return index


def edges_of(
    tokenizer: PoetTokenizer, form: str, acrostic: str, telestich: str, start: str
) -> tuple[str, str, str]:
    """The form, heads and tails of an acrostic and a telestich, in the model's script.

    Without a form, the one that has room for them.

    Raises:
        UnknownCharacterError: one is not in the vocabulary.
        InvalidValueError: too few or many, one that is no hanzi, or a start that begins otherwise.
    """
    edges = {}
    for name, given in (("acrostic", acrostic), ("telestich", telestich)):
        edges[name] = tokenizer.normalize(given)
        if odd := [c for c in edges[name] if not is_hanzi(c)]:
            raise InvalidValueError(
                f"{name} must be 2 to 8 hanzi, got {odd[0]!r} in {given[:20]!r}; leave it out",
                chinese=f"{_EDGES[name]}要 2 至 8 個漢字，「{odd[0]}」不是漢字，請刪去。",
            )
        if given and not 2 <= (count := len(edges[name])) <= 8:
            advice = "leave some out" if count > 8 else "add one, or take start instead"
            raise InvalidValueError(
                f"{name} must be 2 to 8 hanzi, the first for the first line and so on, got {count}: "
                f"{given[:20]!r}; {advice}",
                chinese=f"{_EDGES[name]}要 2 至 8 個漢字，每句一字，現有 {count} 字。",
            )
        tokenizer.check_known(edges[name])
    needed = max(map(len, edges.values()))
    if needed and not form:
        form = "七絕" if needed <= 4 else "七律"
    if needed > SHAPES.get(form, (needed, 0))[0]:
        longer = next(other for other in FORMS if SHAPES[other] == (8, SHAPES[form][1]))
        name = max(edges, key=lambda name: len(edges[name]))
        raise InvalidValueError(
            f"a {form} has {SHAPES[form][0]} lines, and the {name} {edges[name]!r} has {needed} characters; "
            f"take form={longer!r}, or fewer",
            chinese=f"{form}只有 {SHAPES[form][0]} 句，{_EDGES[name]}「{edges[name]}」有 {needed} 字；"
            f"請選{longer}，或少寫幾字。",
        )
    heads, tails = edges.values()
    if start and heads and start[0] != heads[0]:
        raise InvalidValueError(
            f"the start {start[:10]!r} does not begin with the first head {heads[0]!r}; leave the start out",
            chinese=f"起首「{start[:10]}」不是以藏頭的「{heads[0]}」開頭，請把起首留空。",
        )
    return form, heads, tails


def impose(tokenizer: PoetTokenizer, form: str, start: str, **wishes) -> tuple[RegularForm, str]:
    """The rules for some wishes, those of RegularForm, and the start as the form has it.

    Raises:
        InvalidValueError: they cannot all be kept; the message says why, and what could be instead.
    """
    try:
        rules = RegularForm(tokenizer, form, start=start, **wishes)
        return rules, fit_start(rules, start)
    except InvalidValueError as error:
        able = (names for *names, less in _less(form, wishes) if _is_possible(tokenizer, start, less))
        nearest = list(itertools.islice(able, 2))  # one of them may be no control of the page's
        if not nearest:
            raise
        english, chinese = (" or ".join(names[0] for names in nearest), "，或".join(n[1] for n in nearest))
        raise InvalidValueError(
            f"{error}; with {english} it would",
            chinese=error.chinese and f"{error.chinese.rstrip('。')}；若{chinese}，就可以。",
        ) from None


def _is_possible(tokenizer: PoetTokenizer, start: str, wishes: dict) -> bool:
    try:
        fit_start(RegularForm(tokenizer, start=start, **wishes), start)
    except InvalidValueError:
        return False
    return True


def _less(form: str, wishes: dict) -> Iterator[tuple[str, str, dict]]:
    """Smaller wishes, the nearest first, each with its name in English and in Chinese."""
    wishes = {"form": form, **wishes}
    level, rhyme = wishes["level"], wishes["rhyme"]
    if level is not None and level < L1:
        yield "tones=True", "平仄用 L1", wishes | {"level": L1}
    if level is not None and level < L2:
        yield 'tones="L2"', "平仄放寬到 L2", wishes | {"level": L2}
    if wishes["template"]:
        yield 'template=""', "不指定譜式", wishes | {"template": ""}
    if isinstance(rhyme, str):
        yield "rhyme=True", "不指定韻部", wishes | {"rhyme": True}
    if rhyme:
        yield "rhyme=False", "不押韻", wishes | {"rhyme": False}
    if level is not None:
        yield "tones=False", "不論平仄", wishes | {"level": None, "template": ""}
    for other in FORMS:
        if other != form and SHAPES[other][0] >= max(len(wishes["heads"]), len(wishes["tails"])):
            yield f"form={other!r}", f"改用{other}", wishes | {"form": other}
    if rhyme and level is not None:
        yield (
            "neither rhyme nor tones",
            "不押韻也不論平仄",
            wishes | {"rhyme": False, "level": None, "template": ""},
        )


def fit_start(rules: RegularForm, start: str) -> str:
    """The start as the form has it: with its line ends, if it was written without any.

    Raises:
        InvalidValueError: it breaks the form, the tones or the rhyme; the message says where.
    """
    given = [line.rstrip(LINE_ENDS) for line in prosody.split_lines(start)]
    if len(given) == 1:
        given = [given[0][i : i + rules.length] for i in range(0, len(given[0]), rules.length)]
    if all(len(line) == rules.length for line in given[:-1]):  # which sign ends a line is the form's business
        is_ended = start.endswith(tuple(LINE_ENDS))
        start = prosody.join_lines(given)
        start = start if is_ended or not start else start[:-1]
    for count in range(1, len(start) + 1):
        if rules.state_of(start[:count]) is None:
            fitting, wrong = start[: count - 1], start[count - 1]
            fits = f"{fitting!r} would" if fitting else "no start that begins so would"
            chinese_fits = f"「{fitting}」可以" if fitting else "不能以它開頭"
            raise InvalidValueError(
                f"the start {start[:40]!r} does not fit {rules.wishes} at its character {count}, "
                f"{wrong!r}; {fits}",
                chinese=f"起首「{start[:40]}」不合{rules.wishes_in_chinese}："
                f"第 {count} 字（連標點）「{wrong}」不行；{chinese_fits}。",
            )
    return start
