"""The packages that training needs, and which of them are missing. Importing this module imports none."""

from __future__ import annotations

import importlib

# module name -> name for pip
NEEDED = {name: name for name in ("torch", "accelerate", "safetensors", "tokenizers", "numpy", "tqdm")}
NEEDED |= {"huggingface_hub": "huggingface_hub", "opencc": "OpenCC"}


def missing_packages() -> str:
    """One sentence naming the needed packages that cannot be imported, with the reasons; '' if all can."""
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
