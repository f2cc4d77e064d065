"""Which libraries come with which extra of the package, for the message when one is missing."""

from __future__ import annotations

from pathlib import Path

_IS_CLONE = (Path(__file__).resolve().parents[1] / "pyproject.toml").is_file()
# the name of a module, and the extra that brings it; '' is the package itself
EXTRA_OF = {
    "numpy": "",
    "safetensors": "",
    "huggingface_hub": "",
    "opencc": "",
    "shtab": "",
    "torch": "torch",
    "tqdm": "",
    "tokenizers": "torch",
    "jinja2": "torch",
    "accelerate": "train",
    "gradio": "app",
    "fastapi": "app",
    "httpx": "app",
    "pandas": "app",
    "pyarrow": "bulk",
    "ray": "bulk",
    "matplotlib": "experiments",
}


def how_to_install(module: str) -> str:
    """How to install a library that is missing, as the end of a sentence; '' if no extra brings it.

    Example:
        >>> how_to_install("torch.nn")  # in a clone
        'install it in the folder of the project with: pip install ".[torch]"'
    """
    extra = EXTRA_OF.get(module.partition(".")[0])
    if extra is None:
        return ""
    brackets = f"[{extra}]" * bool(extra)
    if _IS_CLONE:
        return f'install it in the folder of the project with: pip install ".{brackets}"'
    return (
        f'install it with: pip install "poet-model{brackets}", or with {brackets} behind the wheel or the '
        f'folder that you installed: pip install "WHEEL{brackets}"'
    )
