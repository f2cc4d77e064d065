"""Request: the options of one generation request, validated before generation starts."""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Unpack

import numpy as np

from ..errors import InvalidValueError, check_number, check_text, excerpt, quoted
from ..novelty.index import NoveltyIndex
from ..prosody.lines import (
    FORMS,
    MAX_POEM,
    form_name,
    read_title,
    with_line_ends,
)
from ..prosody.templates import L0, L1, L2, TEMPLATES
from ..tokenizer import PoetTokenizer
from .fitting import EDGES, MAX_EDGE, edges_of, impose
from .form import RegularForm
from .form_options import FormOptions
from .keywords import keywords_of
from .masks import VocabularyMasks
from .options import DEFAULTS, GenerationConfig, Options
from .original import known_lines_of
from .parallel import check_form
from .placing import Placing

MAX_HEADER = 40  # characters of a title or an author, as in training
MAX_BEST_OF = 64
_HEADER = {"title": "題目", "author": "作者名"}  # the options of the header, with their names in Chinese
FORM_OF_KEYWORDS = "七絕"  # if no form is given
_TONES = {False: None, True: L1, "L0": L0, "L1": L1, "L2": L2}


@dataclass(frozen=True)
class Request:
    """The options of one generation request, validated and reconciled with each other.

    Attributes:
        start, form, author, title: text in the model's script; '' if not given.
        config: the sampling settings.
        seed: the seed of the first poem; poem i has seed + i.
        acrostic: the characters that the lines begin with, in the model's script; '' if not given.
        form_rules: the automaton of the form with its tones and rhymes; None if no form is imposed.
        placing: the places of the keywords in that form; None if no form is imposed.
        best_of: the number of candidates for each line.
        known_lines: an index of poems whose lines the new poem must not repeat; None allows every line.
        look_ahead: whether the character before a rhyme word is reweighted by how well a rhyme can follow.
        distinct_rhymes: whether no even line may end as the first or another even line does.
        parallel: whether the middle couplets of a 律詩 are to be parallel (對仗).
    """

    start: str
    form: str
    author: str
    title: str
    config: GenerationConfig
    seed: int
    acrostic: str = ""
    form_rules: RegularForm | None = None
    placing: Placing | None = None
    best_of: int = 1
    known_lines: NoveltyIndex | None = None
    look_ahead: bool = True
    distinct_rhymes: bool = False
    parallel: bool = False

    def form_of(self, rng: np.random.Generator) -> RegularForm | None:
        """The form of a poem, with its keywords at places that are drawn; None if no form is imposed."""
        return self.placing.draw(rng) if self.placing else None

    @property
    def is_guided(self) -> bool:
        """Whether the title counts for more or less than it does for the model."""
        return bool(self.title) and self.config.guidance_scale != 1

    @classmethod
    def make(
        cls,
        masks: VocabularyMasks,
        defaults: GenerationConfig,
        start: str = "",
        /,  # so that an option with the name of a parameter is an unknown option like any other
        **options: Unpack[Options],
    ) -> Request:
        """Validates the options of a call.

        Args:
            masks: the masks of the model's vocabulary.
            defaults: the model's sampling settings, used for those that are not given.
            start: the poem's first characters.
            **options: see Options.

        Raises:
            UnknownCharacterError: a character of the start, the title, the author, the acrostic, the
                telestich or a keyword is not in the vocabulary.
            InvalidValueError: another option is invalid, or the options do not fit together.
            CheckpointError: `original` is True, and there is no index of the corpus.
        """
        tokenizer = masks.tokenizer
        config, given = _split_options(defaults, options)
        _check_types(given)
        form = form_name(given["form"])
        seed = _seed(given["seed"])
        start = _start(tokenizer, start, config.max_length)
        author, title = _author(tokenizer, given["author"]), _title(tokenizer, given["title"])
        form, heads, tails = edges_of(tokenizer, form, given["acrostic"], given["telestich"], start)
        keywords = keywords_of(tokenizer, form, given["keywords"])
        form = form or (FORM_OF_KEYWORDS if keywords else "")
        tones, rhyme, parallel = given["tones"], given["rhyme"], given["parallel"]
        rules, placing = None, None
        if not form and (tones or rhyme):
            raise InvalidValueError(f"tones and rhyme need a form; give form, one of {' '.join(FORMS)}")
        if parallel:
            check_form(form)
        if form and (given["impose_form"] or tones or rhyme or parallel or heads or tails or keywords):
            wishes = FormOptions(form, _TONES[tones], given["template"], rhyme, heads, tails, keywords)
            form_options = replace(wishes, parallel=parallel)
            rules, start, placing = impose(masks, form_options, start, given["original"] is not False)
        return cls(
            start,
            form,
            author,
            title,
            config,
            seed,
            acrostic=heads,
            form_rules=rules,
            placing=placing,
            best_of=_best_of(given["best_of"], rules, config),
            known_lines=known_lines_of(given["original"], start, rules),
            look_ahead=given["look_ahead"],
            distinct_rhymes=given["distinct_rhymes"],
            parallel=parallel,
        )


def _split_options(
    defaults: GenerationConfig, options: Mapping[str, object]
) -> tuple[GenerationConfig, dict[str, Any]]:
    """The sampling settings, and all other options with their defaults filled in."""
    settings = [field.name for field in fields(GenerationConfig)]
    if unknown := [name for name in options if name not in DEFAULTS and name not in settings]:
        names = ["start", "num_poems", *DEFAULTS, *settings]
        near = difflib.get_close_matches(unknown[0][:MAX_HEADER], names, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}? " if near else ""
        raise InvalidValueError(
            f"there is no generation option {quoted(unknown[0])}; {meant}the options are {', '.join(names)}"
        )
    given: dict[str, Any] = {name: options[name] for name in settings if options.get(name) is not None}
    others = {name: options.get(name, default) for name, default in DEFAULTS.items()}
    return replace(defaults, **given), others


def _check_types(given: dict[str, Any]) -> None:
    """Checks everything but form and start, before any of it is read."""
    for name, chinese in _HEADER.items():
        check_text(name, given[name], MAX_HEADER, chinese)
    for name, chinese in EDGES.items():
        check_text(name, given[name], MAX_EDGE, chinese)
    for name in ("impose_form", "look_ahead", "distinct_rhymes", "parallel"):
        if not isinstance(given[name], bool):
            raise InvalidValueError(f"{name} must be True or False, got {quoted(given[name])}")
    tones, template, rhyme = given["tones"], given["template"], given["rhyme"]
    if not isinstance(tones, (bool, str)) or tones not in _TONES:
        raise InvalidValueError(
            'tones must be True (L1), False, or one of "L0", "L1", "L2" (see docs/prosody.md), '
            f"got {quoted(tones)}"
        )
    if not isinstance(template, str) or template not in ("", *TEMPLATES) or (template and not tones):
        raise InvalidValueError(
            f"template must be one of {' '.join(TEMPLATES)} (see docs/prosody.md), and needs tones; "
            f"got {quoted(template)} and tones={tones!r}"
        )
    if not isinstance(rhyme, (bool, str)):
        raise InvalidValueError(f"rhyme must be True or a group of 平水韻 such as 東, got {quoted(rhyme)}")
    if isinstance(rhyme, str):
        check_text("rhyme", rhyme, MAX_HEADER, "韻部")


def _seed(seed: int | None) -> int:
    if seed is None:
        return secrets.randbelow(2**31)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise InvalidValueError(f"seed must be a whole number from 0 to 2^63-1, got {quoted(seed)}")
    return int(seed)


def _start(tokenizer: PoetTokenizer, start: str, max_length: int) -> str:
    """The start in the model's script, with `，` or `。` at each line end."""
    if not isinstance(start, str):
        raise InvalidValueError(f"start must be text, got {quoted(start)}")
    if len(start) <= min(4 * max_length, MAX_POEM):  # a longer start is refused below without being read
        start = tokenizer.normalize(with_line_ends(start))
    if len(start) > max_length:
        raise InvalidValueError(
            f"the start has {len(start):,} characters; at most {max_length} fit: shorten it, or set "
            "max_length higher",
            chinese=f"起首有 {len(start)} 字，最多 {max_length} 字，請刪短些。",
        )
    tokenizer.check_known(start)
    return start


def _title(tokenizer: PoetTokenizer, title: str) -> str:
    title = tokenizer.normalize(read_title(title))
    check_text("title", title, MAX_HEADER, _HEADER["title"])  # one sign such as ㍿ becomes several characters
    tokenizer.check_known(title)
    return title


def _author(tokenizer: PoetTokenizer, author: str) -> str:
    given = " ".join(author.split())
    author = tokenizer.normalize(read_title(author))
    check_text("author", author, MAX_HEADER, _HEADER["author"])
    if author and tokenizer.authors and author not in tokenizer.authors:
        near = difflib.get_close_matches(author, tokenizer.authors, cutoff=0.5)
        others = list(dict.fromkeys([*near, *tokenizer.authors[:8]]))
        in_chinese = ", written in Chinese" * author.isascii()
        raise InvalidValueError(
            f"the model was trained on no poem by {quoted(given)}; it knows {len(tokenizer.authors):,} "
            f"authors, such as {' '.join(others)}; give one of them{in_chinese}, or leave author empty",
            chinese=f"模型沒讀過「{excerpt(given)}」的詩；它認得 {len(tokenizer.authors):,} 位作者，"
            f"例如{'、'.join(others)}；請換一位，或留空。",
        )
    tokenizer.check_known(author)
    return author


def _best_of(best_of: int, rules: RegularForm | None, config: GenerationConfig) -> int:
    check_number("best_of", best_of, 1, MAX_BEST_OF, whole=True)
    if best_of > 1 and not rules:
        raise InvalidValueError(
            "best_of needs an imposed form, so that all candidates for a line have the same length; give "
            f"form, one of {' '.join(FORMS)}"
        )
    return best_of if config.temperature else 1  # at temperature 0 all candidates would be the same
