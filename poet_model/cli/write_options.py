"""The words of `poet write` as options of `generate`, and the errors of `generate` in those words."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import InvalidValueError, PoetError, quoted
from ..prosody.lines import FORMS, read_title
from ..prosody.readings import all_groups, group_named, rhyme_groups
from .poem_options import NAMES, options_given

if TYPE_CHECKING:
    from ..generation.options import Options
    from ..tokenizer import PoetTokenizer

_SAID = "|".join(NAMES)
_ASSIGNED = re.compile(rf"""\b({_SAID})=(?:(True)|(?:False|""|'')|["']([^"']+)["'])""")
_BEGINNING = re.compile(rf"^({_SAID}|seed)(?= must)")
_LEFT_OUT = re.compile(rf"(?<=leave )({_SAID})(?= out| empty)")
_JOINED = re.compile(rf"\b({'|'.join(name for name in NAMES if '_' in name)})\b")
_BUILD = "python -m poet_model.novelty build"


def options_of(given: argparse.Namespace, tokenizer: PoetTokenizer) -> Options:
    """The options of `generate` that were given.

    Raises:
        InvalidValueError: they contradict each other, or the group of 平水韻 is none.
    """
    from ..generation.applicable import GIVE_FORM, NEED_FORM

    options = options_given(given)
    if isinstance(given.rhyme, str):
        _check_group(given.rhyme, tokenizer.normalize(read_title(given.rhyme)), given.start)
    if not any(options.get(name) for name in GIVE_FORM):
        for name in NEED_FORM:
            if options.get(name) and (name != "best_of" or given.best_of > 1):
                forms = " ".join(FORMS)
                raise InvalidValueError(f"{_option(name)} needs a form; give --form, one of {forms}")
    if given.template and not given.tones:
        raise InvalidValueError("--template needs tones; give --tones, too")
    return options


def _check_group(given: str, name: str, start: str) -> None:
    if group_named(name):
        return
    own = f" ({name} rhymes in {' or '.join(sorted(groups))})" if (groups := rhyme_groups(name)) else ""
    advice = "" if start else f"; if {quoted(given)} is the start, put it first: poet write {given} … --rhyme"
    raise InvalidValueError(
        f"--rhyme takes a group of 平水韻 in a level tone, and {quoted(given)} is none{own}; "
        f"the groups are {' '.join(all_groups())}{advice}"
    )


@contextlib.contextmanager
def errors_in_words() -> Iterator[None]:
    """A context manager in which an error that names options of `generate` names those of the command."""
    try:
        yield
    except PoetError as error:
        raise InvalidValueError(in_words(error)) from error


def in_words(error: PoetError) -> str:
    """The sentence of an error, with the options as a shell has them: `tones="L2"` is `--tones L2`."""
    sentence = _ASSIGNED.sub(_assigned, str(error).replace(_BUILD, "poet judge --index build"))
    for pattern in (_BEGINNING, _LEFT_OUT, _JOINED):
        sentence = pattern.sub(lambda match: _option(match[1]), sentence)
    return sentence


def _assigned(match: re.Match[str]) -> str:
    name, is_true, value = match.groups()
    return f"{_option(name)}{f' {value}' if value else ''}" if is_true or value else f"no {_option(name)}"


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
