"""The options of a poem as flags of the command line. Only flags that are given appear in the result."""

from __future__ import annotations

import argparse
from typing import Any


def add_poem_options(parser: argparse.ArgumentParser) -> None:
    """Adds the start and the options of `generate` to a parser; see `poem_options`."""
    parser.add_argument("start", nargs="?", metavar="START", help="the first characters of each poem")
    group = parser.add_argument_group("options of the poems", "defaults of the requests, if there are any")

    def add(flag: str, help: str, **more: Any) -> None:
        group.add_argument(flag, default=None, help=help, **more)

    add("--form", "五絕, 七絕, 五律 or 七律")
    add("--tones", "level and oblique tones by one of the four templates: L0, L1 (the default) or L2",
        nargs="?", const=True, metavar="LEVEL")  # fmt: skip
    add("--template", "T1 to T4, with --tones")
    add(
        "--rhyme",
        "rhyme, in a group of 平水韻 such as 東 if one is given",
        nargs="?",
        const=True,
        metavar="GROUP",
    )
    add("--acrostic", "2 to 8 characters that the lines begin with (藏頭)", metavar="TEXT")
    add("--telestich", "2 to 8 characters that the lines end with (藏尾)", metavar="TEXT")
    add("--title", "the title, and so the topic")
    add("--author", "the poet whose style the poems imitate")
    add(
        "--original",
        "no line of five characters or more of a poem in the index",
        action="store_const",
        const=True,
    )
    add("--best-of", "candidates for each line; needs a form", type=int, metavar="N")
    add(
        "--temperature",
        "the logits are divided by it; 0 takes the likeliest character",
        type=float,
        metavar="T",
    )
    add("--top-k", "sample from the k likeliest characters only; 0 means all", type=int, metavar="K")
    add("--top-p", "sample from the likeliest characters only, with this probability together", type=float,
        metavar="P")  # fmt: skip
    add("--frequency-penalty", "nats off the logit of a character for each time it occurred", type=float,
        metavar="NATS")  # fmt: skip
    add("--max-length", "without a form, a poem of this many characters ends with its line", type=int,
        metavar="N")  # fmt: skip


_NAMES = (
    "start",
    "form",
    "tones",
    "template",
    "rhyme",
    "acrostic",
    "telestich",
    "title",
    "author",
    "original",
    "best_of",
    "temperature",
    "top_k",
    "top_p",
    "frequency_penalty",
    "max_length",
)


def poem_options(given: argparse.Namespace) -> dict[str, Any]:
    """The options of `generate` that were given, and the start, by their names."""
    return {name: getattr(given, name) for name in _NAMES if getattr(given, name) is not None}
