"""The packages that training needs, and a check for missing ones. The module itself imports none of them."""

from __future__ import annotations

import importlib

from ..extras import how_to_install

# the name of the module: the name of its package for pip
NEEDED = {name: name for name in ("torch", "accelerate", "safetensors", "tokenizers", "numpy", "tqdm")}
NEEDED |= {"huggingface_hub": "huggingface_hub", "opencc": "OpenCC", "jinja2": "Jinja2"}


def missing_packages() -> str:
    """A sentence that names the needed packages that cannot be imported, with the reasons; '' if all can."""
    missing = {}
    for module, package in NEEDED.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing[package] = str(error)
    if not missing:
        return ""
    names, reasons = ", ".join(missing), "; ".join(missing.values())
    return f"training needs {names}, which cannot be imported ({reasons}); {how_to_install('accelerate')}"
