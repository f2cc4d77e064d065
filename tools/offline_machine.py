"""The machine before training: the packages that it has, the wheels that it lacks, its free memory.

Standard library only: it runs before the bundle's wheels are installed.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

from offline_contents import Bundle
from offline_pieces import ROOT

from poet_model.errors import InvalidValueError

PACKAGES = ("torch", "numpy", "accelerate", "safetensors", "tokenizers", "huggingface_hub", "tqdm", "OpenCC")
# The memory that a training needs: the RAM needed grows with the corpora; the GPU memory is what the smallest
# batches need
RAM_BYTES, RAM_BYTES_PER_CHARACTER, GPU_BYTES = 1.5 * 2**30, 10, 3 * 2**30


def child_environment(site: Path) -> dict[str, str]:
    """The environment of a process that trains: the installed wheels come first, and no network is used."""
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "HF_HUB_OFFLINE": "1",
        "POET_CACHE": str(site.with_name("cache")),  # removed with the work folder: no later run needs it
    }


def install_wheels(bundle: Bundle, site: Path) -> list[str]:
    """Install into `site` those wheels of the bundle whose modules cannot be imported; return their names.

    Raises:
        InvalidValueError: a missing wheel is for another version of Python, or pip fails.
    """
    missing = [
        name
        for name, modules in bundle.manifest["wheels"].items()
        if subprocess.run(
            [sys.executable, "-c", "\n".join(f"import {module}" for module in modules)],
            env=child_environment(site),
            cwd=ROOT,
            capture_output=True,
        ).returncode
    ]
    if not missing:
        return []
    here, made_for = ".".join(platform.python_version_tuple()[:2]), bundle.manifest["python"]
    if here != made_for:
        raise InvalidValueError(
            f"this is Python {here}, which lacks {', '.join(missing)}; the bundle has them for Python "
            f"{made_for}: make a bundle with tools/offline_bundle.py --python {here}"
        )
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-compile", "--no-cache-dir", "--upgrade", "--target", str(site)]
    done = subprocess.run(
        [*command, *(str(bundle.folder / name) for name in missing)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise InvalidValueError(f"pip cannot install {', '.join(missing)} ({reason}); install it by hand")
    return missing


def versions(site: Path) -> dict[str, str | None]:
    """The versions of Python and of the packages that a training needs; None for a missing one."""
    paths = [*sys.path[::-1], str(site)]  # the last one of a name wins
    distributions = importlib.metadata.distributions(path=paths)
    installed = {one.metadata["Name"].lower().replace("-", "_"): one.version for one in distributions}
    return {"python": platform.python_version()} | {name: installed.get(name.lower()) for name in PACKAGES}


def free_memory() -> int | None:
    """The bytes of RAM that a process may still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def check_memory(free: int | None, needed: float, what: str) -> None:
    """Raise InvalidValueError if fewer bytes are free than needed; `free` is None where it is not known."""
    if free is not None and free < needed:
        raise InvalidValueError(
            f"only {free / 2**30:.1f} GiB of {what} is free, and training needs {needed / 2**30:.1f}; stop "
            "other programs, or give a bundle with fewer poems"
        )
