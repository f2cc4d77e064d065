"""The packages that training needs, and a check for missing ones. The module itself imports none of them."""

from __future__ import annotations

import importlib

from ..extras import how_to_install

NEEDED = (
    *("torch", "accelerate", "tokenizers", "jinja2", "tqdm"),
    *("numpy", "safetensors", "huggingface_hub", "opencc"),
)


def missing_packages() -> str:
    """A sentence that names the needed packages that cannot be imported, with the reasons; '' if all can."""
    missing = {}
    for module in NEEDED:
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing[module] = str(error)
    if not missing:
        return ""
    names, reasons = ", ".join(missing), "; ".join(missing.values())
    return f"training needs {names}, which cannot be imported ({reasons}); {how_to_install('accelerate')}"
