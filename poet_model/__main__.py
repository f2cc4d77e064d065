"""The command `poet`, also `python -m poet_model`: runs the command that its first word names."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .cli.commands import make_parser, module_of
from .errors import command


@command
def main(words: Sequence[str] | None = None) -> int:
    """Runs the command that the first word names with the other words."""
    words = sys.argv[1:] if words is None else list(words)
    name = make_parser().parse_args(words[:1]).command
    status: int = module_of(name).main(words[1:], prog=f"poet {name}")
    return status


if __name__ == "__main__":
    sys.exit(main())
