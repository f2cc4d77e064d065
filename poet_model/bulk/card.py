"""The dataset card: what a run wrote, with which command and model, in the Hub's format. It only formats."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Any

from ..cores import usable_cores
from ..model_folder import CARD_NAME
from ..prosody import FORMS, LEVELS
from .finishing import Counts
from .row import COLUMNS

_SIZES = [("1K", 10**3), ("10K", 10**4), ("100K", 10**5), ("1M", 10**6), ("10M", 10**7), ("100M", 10**8)]


def card_text(record: dict[str, Any], counts: Counts, size: int, model: Path) -> str:
    """The text of README.md.

    Args:
        record: the record of the run.
        counts: the numbers of poems.
        size: the bytes of all shards.
        model: the folder of the model, whose card names its licence, if it does.
    """
    columns = "\n".join(f"| `{name}` | {type_} | {about} |" for name, (type_, about) in COLUMNS.items())
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return f"""---
{_license(model)}language:
- lzh
- zh
tags:
- poetry
- tang-poetry
- synthetic
size_categories:
- {size_category(counts.poems)}
configs:
- config_name: default
  data_files:
  - split: train
    path: data/*.{record["format"]}
---

# {counts.poems:,} poems by {record["model"]}

A character-level LSTM wrote these poems. Nobody chose among them, and no column judges their worth.

```
{record["command"]}
```

Poem i has the seed {record["seed"]} + i. With the same libraries ({versions}), the same
command gives the same files, byte for byte. The requests with all their options are in `requests.jsonl`, the
record of the run is `run.json`.

| | |
|---|---|
| model | {record["model"]}, SHA-256 of its weights `{record["model_sha256"]}` |
| poems | {counts.poems:,}, {counts.characters:,} characters, {_shown_size(size)} |
{_rows(counts)}| machine | {machine()} |

| column | type | |
|---|---|---|
{columns}
"""


def _rows(counts: Counts) -> str:
    """The rows of the table that count poems."""
    forms = [f"{name} {counts.forms[name]:,}" for name in FORMS if counts.forms[name]]
    forms += [f"of other shapes {counts.forms['']:,}"] * bool(counts.forms[""])
    levels = [f"{name} {counts.levels[name]:,}" for name in LEVELS if counts.levels[name]]
    copies = (
        f"{counts.duplicates:,} with the text of an earlier poem, {counts.near_duplicates:,} others with "
    )
    rows = {
        "forms": ", ".join(forms),
        "levels of tones": ", ".join(levels),
        "duplicates": copies + "two adjacent lines of one",
        "with a line of the corpus": ""
        if counts.with_copied_line is None
        else f"{counts.with_copied_line:,}",
        "that could not be written": f"{counts.failed:,}" if counts.failed else "",
    }
    return "".join(f"| {name} | {text} |\n" for name, text in rows.items() if text)


def _shown_size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 10**6 else f"{size / 1e3:,.1f} kB"


def _license(model: Path) -> str:
    """The licence that the model's card states, as a line of the front matter."""
    try:
        text = (model / CARD_NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.match(r"---\n(?:.*\n)*?(license: [\w.-]+\n)(?:.*\n)*?---\n", text)
    return found[1] if found else ""


def size_category(poems: int) -> str:
    """The size as the Hub names it, such as `10K<n<100K`."""
    below = next((i for i, (_, size) in enumerate(_SIZES) if poems < size), len(_SIZES))
    if below == 0:
        return "n<1K"
    return f"{_SIZES[below - 1][0]}<n<{_SIZES[below][0]}" if below < len(_SIZES) else "n>100M"


def machine() -> str:
    """A short description of this machine, without torch."""
    return f"CPU ({platform.machine()}), {usable_cores()} cores, Python {platform.python_version()}"
