"""Puts the pieces from an offline training together into a model folder.

python tools/offline_unpack.py OUT assets/candidate
"""

from __future__ import annotations

import argparse
import io
import math
import sys
import tarfile
from pathlib import Path

from offline_pieces import join

from poet_model.errors import CheckpointError, PoetError
from poet_model.folders import replaced_folder
from poet_model.model_folder import how_to_write
from poet_model.terminal import on_any_terminal


def unpack(output: Path, target: Path) -> dict:
    """Puts the pieces in `output` together in the folder `target`; returns what their index says.

    Raises:
        CheckpointError: a piece is missing or damaged, or `target` holds something already.
    """
    index, data = join(output)
    if target.is_dir() and any(target.iterdir()):
        raise CheckpointError(
            f"{target} is not empty, and its files would be mixed with those of the model; give a new folder"
        )
    with replaced_folder(target) as fresh:
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                archive.extractall(fresh, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise CheckpointError(
                f"the pieces in {output} do not form a valid archive ({error}); fetch them again"
            ) from error
        except OSError as error:
            raise CheckpointError(f"{target} cannot be written ({error.strerror}); make room") from error
    return index


@on_any_terminal
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, metavar="OUT", help="what offline_train.py wrote (--output)")
    parser.add_argument("target", type=Path, metavar="FOLDER", help="a new folder for the model")
    options = parser.parse_args(arguments)
    try:
        index = unpack(options.output, options.target)
    except PoetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    perplexity = math.exp(min(index["validation_loss"], 50))
    print(
        f"{options.target}: validation perplexity {perplexity:.2f}, step {index['step']} of {index['stage']}"
    )
    print(f"\n{how_to_write(options.target)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
