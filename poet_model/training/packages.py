"""The packages that a training needs, and which of them are missing here. Imports none of them itself."""

from __future__ import annotations

import importlib

# module: what pip calls it
NEEDED = {name: name for name in ("torch", "accelerate", "safetensors", "tokenizers", "numpy", "tqdm")}
NEEDED |= {"huggingface_hub": "huggingface_hub", "opencc": "OpenCC"}


def missing_packages() -> str:
    """Which of the needed packages cannot be imported, and why, in one sentence; '' if there is none."""
    missing = {}
    for module, package in NEEDED.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing[package] = str(error)
    if not missing:
        return ""
    names, reasons = " ".join(missing), "; ".join(missing.values())
    return f"training needs {names}, which cannot be imported here ({reasons}): pip install {names}"
