"""Trains a model, as `python train.py`; the same as `poet train`, see poet_model/training/__main__.py."""

from __future__ import annotations

import sys

from poet_model.training.__main__ import main

if __name__ == "__main__":
    sys.exit(main(prog="python train.py"))
