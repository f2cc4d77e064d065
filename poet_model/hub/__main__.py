"""`python -m poet_model.hub space`, the older name of `poet space`."""

from __future__ import annotations

import sys

from ..errors import command


@command
def main(arguments: list[str]) -> int:
    """Runs the command line of `python -m poet_model.hub`; see space.py for `space`."""
    if arguments[:1] == ["space"]:
        from . import space

        return space.main(arguments[1:], prog="python -m poet_model.hub space")
    print("usage: python -m poet_model.hub space USER/NAME --model USER/NAME")
    return 0 if arguments[:1] in (["-h"], ["--help"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
