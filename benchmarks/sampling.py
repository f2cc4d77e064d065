"""Compares settings of sampling by variety, rules, novelty, a 4-gram judge, and a classifier.

    python benchmarks/sampling.py --output benchmarks/results/sampling.json --figure sampling.png

Each finished setting is a file in --folder, so that a run that was stopped goes on, and several processes can
measure different settings (--only) at the same time. Delete a file to measure its setting again. The
settings are those of sampling_settings.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from common import finish, show
from kneser_ney import CORPUS, MODEL, judge_poems, split_as_trained
from sampling_settings import COLUMNS, NEEDS_FORM, SETTINGS

from poet_model import PoetModel
from poet_model.errors import command
from poet_model.evaluation import intervals, metrics
from poet_model.evaluation.discriminator import real_beside_real, told_apart
from poet_model.evaluation.features import PoemFeatures
from poet_model.evaluation.kneser_ney import KneserNey
from poet_model.evaluation.measurement import real_poems
from poet_model.evaluation.metrics import Asked
from poet_model.evaluation.openings import Seconds, real_openings, variety, written_openings
from poet_model.files import write_text
from poet_model.from_scratch.experiments.common import new_figure
from poet_model.machine import machine
from poet_model.novelty.index import NoveltyIndex
from poet_model.prosody.lines import FORMS

BATCH = 64
POEMS_A_START = 32
SHOWN = (  # (metric, heading, format)
    *((f"distinct_{n}", f"dist-{n}", ".3f") for n in (1, 2, 3)),
    ("opening", "opening", ".3f"),
    ("structure", "form", ".3f"),
    ("rhyme", "rhyme", ".3f"),
    ("tones_L1", "tones", ".3f"),
    ("double_rhyme", "重韻", ".3f"),
    ("copied_lines", "copied", ".4f"),
    ("judge", "judge", ".2f"),
    ("auc", "AUC", ".4f"),
)
Row = dict[str, Any]


class Measurer:
    """Writes and measures the poems of a setting. What all settings need is made when it is first used.

    Args:
        judge: the corpus of the judge, as in `load_corpus`.
        poems_a_form: the poems to write in each form.
    """

    def __init__(self, judge: str, poems_a_form: int):
        self.poems_a_form = poems_a_form
        corpus = split_as_trained()
        self.train = corpus.splits["train"]
        self.real = real_poems(corpus)
        held_out = [poem.text for part in ("valid", "test") for poem in corpus.splits[part]]
        self.judge = KneserNey(poem.text for poem in judge_poems(judge, held_out))
        self.starts = real_openings([poem.text for poem in self.train])

    @cached_property
    def model(self) -> PoetModel:
        """The shipped model."""
        return PoetModel.from_pretrained(MODEL)

    @cached_property
    def features(self) -> PoemFeatures:
        """The features of the classifier."""
        return PoemFeatures([poem.text for poem in self.train])

    @cached_property
    def index(self) -> NoveltyIndex:
        """The training poems, in which copied lines are searched for."""
        return NoveltyIndex.build((poem.text, poem.title, poem.author) for poem in self.train)

    def real_row(self) -> Row:
        """The metrics of real poems; the AUC is that of two halves of them."""
        poems = metrics.draw_real(self.real, self.poems_a_form)
        return self._row(poems, self.starts) | {"auc": real_beside_real(self.features, self.real)}

    def row(self, options: dict[str, Any]) -> Row:
        """The metrics of the poems that the model writes with some options of `generate`."""
        started, poems = time.process_time(), []
        for form in FORMS:
            for first in range(0, self.poems_a_form, BATCH):
                count = min(BATCH, self.poems_a_form - first)
                written = self.model.generate(form=form, num_poems=count, seed=first, **options)
                poems += [(poem.text, form) for poem in written]
        seconds = (time.process_time() - started) / len(poems)
        openings = written_openings(self.model, list(self.starts), self._poems_a_start, **options)
        auc = told_apart(self.features, self.real, poems)
        return self._row(poems, openings) | {"auc": auc, "seconds_a_poem": round(seconds, 4)}

    @property
    def _poems_a_start(self) -> int:
        return max(len(FORMS), min(POEMS_A_START, self.poems_a_form))

    def _row(self, poems: Sequence[Asked], openings: Seconds) -> Row:
        nats = [values.sum() for values in self.judge.log_probs([text for text, _ in poems])]
        return {
            **metrics.estimates(poems, self.index),
            "judge": intervals.ratio(nats, [len(text) + 1 for text, _ in poems]),
            "opening": variety(openings, self._poems_a_start)["commonest"],
        }


def unmeasured(folder: Path, name: str, columns: Sequence[str]) -> list[str]:
    """The columns of a setting that are not in its file yet."""
    path = folder / f"{name}.json"
    done = json.loads(path.read_text(encoding="utf-8"))["columns"] if path.exists() else {}
    if name == "real":
        return [column for column in ("real",) if column not in done]
    is_possible = {
        column: "impose_form" not in COLUMNS[column] or not set(NEEDS_FORM) & SETTINGS[name].keys()
        for column in columns
    }
    return [column for column in columns if is_possible[column] and column not in done]


def measure(measurer: Measurer, folder: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    """Measures what is not in the files of the settings yet."""
    for name in names:
        path, options = folder / f"{name}.json", SETTINGS.get(name, {})
        for column in unmeasured(folder, name, columns):
            print(f"measuring {name}: {column}", file=sys.stderr, flush=True)
            row = measurer.real_row() if name == "real" else measurer.row(COLUMNS[column] | options)
            record = {"name": name, "options": options, "columns": {}}
            if path.exists():
                record = json.loads(path.read_text(encoding="utf-8"))
            record["columns"][column] = intervals.as_json(row) | {"poems_a_form": measurer.poems_a_form}
            write_text(path, json.dumps(record, ensure_ascii=False, indent=1) + "\n")


def table(records: Sequence[dict[str, Any]], column: str) -> list[list[str]]:
    """A row of cells for each setting: the values and half the widths of their 95 % intervals."""
    rows = []
    for record in records:
        row = record["columns"].get(column) or record["columns"].get("real")
        if row:
            cells = [_cell(row.get(name), shape) for name, _, shape in SHOWN]
            rows.append([record["name"], *cells, f"{row.get('seconds_a_poem', 0):.3f}"])
    return rows


def _cell(estimate: dict[str, Any] | None, shape: str) -> str:
    if estimate is None:
        return "–"
    value = format(estimate["value"], shape)
    if estimate["low"] is None:
        return value
    return f"{value}±{format((estimate['high'] - estimate['low']) / 2, shape).removeprefix('0')}"


def draw(records: Sequence[dict[str, Any]], path: Path) -> None:
    """The figure: how easily the poems are told from real ones, by their variety and by the judge."""
    figure = new_figure()
    figure.set_size_inches(12, 6)
    axes = figure.subplots(1, 2, sharey=True)
    ticks = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
    for axis, (metric, label) in zip(
        axes, (("distinct_2", "distinct-2"), ("judge", "nats a character (4-gram)")), strict=True
    ):
        for number, record in enumerate(records):
            for column, row in record["columns"].items():
                if metric not in row:
                    continue
                x, y = row[metric]["value"], min(row["auc"]["value"], 0.9995)
                colour = {"real": "black", "named": "tab:blue", "ruled": "tab:orange"}[column]
                axis.plot(
                    x, y, "*" if column == "real" else "o", color=colour, ms=14 if column == "real" else 6
                )
                if column != "real":
                    axis.annotate(str(number), (x, y), (4, 3), textcoords="offset points", color=colour)
        axis.set(xlabel=label, yscale="logit")
        axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("AUC of the classifier (0.5: as real)")
    names = [
        f"{number} {record['name']}" for number, record in enumerate(records) if record["name"] != "real"
    ]
    text = "star: real poems\nblue: form named\norange: form, tones, rhyme\n\n"
    axes[1].text(1.03, 1, text + "\n".join(names), transform=axes[1].transAxes, va="top", fontsize=9)
    figure.savefig(path, dpi=110)


@command
def main() -> None:
    """Measures, prints, and writes the results and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--poems", type=int, default=1000, help="poems a setting and column, in four forms")
    parser.add_argument(
        "--only", nargs="+", choices=["real", *SETTINGS], metavar="NAME", help="these settings only"
    )
    parser.add_argument("--columns", nargs="+", choices=list(COLUMNS), default=list(COLUMNS))
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/sampling"), help="for the finished settings"
    )
    parser.add_argument("--judge", default=CORPUS, help="the corpus of the judge, as for train.py")
    parser.add_argument("--output", type=Path, help="write the results to this file as JSON")
    parser.add_argument("--figure", type=Path, help="draw a figure into this file")
    parser.add_argument("--table", action="store_true", help="only show what is finished")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    names = options.only or ["real", *SETTINGS]
    if not options.table and any(unmeasured(options.folder, name, options.columns) for name in names):
        measurer = Measurer(options.judge, options.poems // len(FORMS))
        measure(measurer, options.folder, names, options.columns)
    files = [options.folder / f"{name}.json" for name in ["real", *SETTINGS]]
    records = [json.loads(path.read_text(encoding="utf-8")) for path in files if path.exists()]
    for column in COLUMNS:
        headings = [column, *(heading for _, heading, _ in SHOWN), "s/poem"]
        show(f"{column}: {COLUMNS[column]}", headings, table(records, column))
    if options.figure:
        draw(records, options.figure)
    finish({"benchmark": "sampling", "machine": machine(), "settings": records}, options.output)


if __name__ == "__main__":
    sys.exit(main())
