"""The options of a poem, as flags of the commands that write poems. Only flags that are given count."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..generation.options import Options

# options of `generate` that the parsers have under the same name
NAMES = (
    *("form", "tones", "template", "rhyme", "distinct_rhymes", "parallel", "acrostic", "telestich"),
    *("keywords", "title", "author", "original", "best_of", "look_ahead", "impose_form", "temperature"),
    *("top_k", "top_p", "min_p", "typical_p", "frequency_penalty", "guidance_scale", "mmi_lambda"),
    "max_length",
)
LEVELS = ("L0", "L1", "L2")


def add_poem_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `generate`, but for the seed, to a parser."""
    _add_poem(parser.add_argument_group("the poem"))
    _add_rules(parser.add_argument_group("its rules"))
    _add_sampling(parser.add_argument_group("the choice of characters (defaults: those of the model)"))


def options_given(given: argparse.Namespace) -> Options:
    """The options of `generate` that were given."""
    found: dict[str, Any] = {n: getattr(given, n) for n in NAMES if getattr(given, n) is not None}
    return cast("Options", found)


def _add_poem(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--form", metavar="FORM", help="五絕, 七絕, 五律 or 七律: the number and length of its lines")
    add("--title", metavar="TEXT", help="the title, and so the topic")
    add("--author", metavar="NAME", help="the poet whose style it imitates, such as 李白")
    add("--acrostic", metavar="TEXT", help="藏頭: 2 to 8 characters that the lines begin with")
    add("--telestich", metavar="TEXT", help="藏尾: 2 to 8 characters that the lines end with")
    add(
        "--keywords",
        nargs="+",
        metavar="WORD",
        help="1 to 4 words that must stand in the poem, each whole in one line",
    )
    add(
        "--original",
        action="store_true",
        default=None,
        help="no line of five characters or more may occur in 全唐詩; needs `poet judge --index build` once",
    )


def _add_rules(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--tones",
        nargs="?",
        const=True,
        type=_level,
        metavar="LEVEL",
        help="平仄 by a template, at level L0 (strictest), L1 or L2 (without LEVEL: L1)",
    )
    add("--template", choices=("T1", "T2", "T3", "T4"), help="the template of the tones (default: any)")
    add(
        "--rhyme",
        nargs="?",
        const=True,
        metavar="GROUP",
        help="押韻 in a group of 平水韻 such as 東 (without GROUP: any)",
    )
    add(
        "--parallel",
        action=argparse.BooleanOptionalAction,
        help="對仗 in the middle couplets of a 五律 or 七律, which repeat no character",
    )
    add(
        "--distinct-rhymes",
        action=argparse.BooleanOptionalAction,
        help="no even line ends as the first or another even line does, even if they need not rhyme",
    )
    add(
        "--no-impose-form",
        dest="impose_form",
        action="store_false",
        default=None,
        help="tell the model the form, but leave it free to break it",
    )


def _level(word: str) -> str:
    if word not in LEVELS:
        raise argparse.ArgumentTypeError(
            f"{word!r} is not {', '.join(LEVELS[:-1])} or {LEVELS[-1]}; if it is the start, put it first: "
            f"{word} … --tones"
        )
    return word


def _add_sampling(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--best-of", type=int, metavar="N", help="choose each line of a form from N candidates")
    add(
        "--mmi-lambda",
        type=float,
        metavar="X",
        help="choose lines that would fit any poem less often, 0 to 1",
    )
    add("--temperature", type=float, metavar="X", help="0 takes the likeliest characters, 1.2 is bold")
    add("--top-k", type=int, metavar="N", help="choose from the N likeliest characters; 0: from all")
    add("--top-p", type=float, metavar="X", help="choose from the likeliest that have probability X together")
    add(
        "--min-p",
        type=float,
        metavar="X",
        help="choose from those at least X times as likely as the likeliest",
    )
    add("--typical-p", type=float, metavar="X", help="choose from the most typical that have X together")
    add("--frequency-penalty", type=float, metavar="X", help="against repeated characters; 0: none")
    add("--guidance-scale", metavar="X", type=float, help="how much the title counts; 1: as the model has it")
    add("--max-length", type=int, metavar="N", help="characters after which a poem without a form ends")
    add(
        "--no-look-ahead",
        dest="look_ahead",
        action="store_false",
        default=None,
        help="do not lead the model to a rhyme word before it is due",
    )
