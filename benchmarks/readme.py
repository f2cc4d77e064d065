"""Updates the poems and tables of the READMEs: what the shipped model writes, and the results of benchmarks.

python benchmarks/readme.py
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import sys
from pathlib import Path

import peers_table
from common import ROOT

from poet_model.cli import write
from poet_model.errors import InvalidValueError, command

POEMS = (
    "poet write 春 --form 五絕 --tones --rhyme --seed 22 --scan",
    "poet write 明月 --form 七絕 --tones --rhyme --best-of 4 --seed 1 --scan",
    "poet write 山 --form 五律 --tones --rhyme --best-of 4 --seed 6 --scan",
)
RESULTS, EXPERIMENTS = ROOT / "benchmarks" / "results", ROOT / "assets" / "experiments"
WORDS = {
    "README.md": {
        "head": "| on two CPU cores with AVX512_BF16 | baseline | ours | times as fast | target |",
        "train": "training, tokens/s; baseline: fp32, padded batches, the softmax at every position",
        "write": "writing one poem, characters/s, threads: {}; baseline: `nn.LSTM` called for each character",
        "batch": "writing 64 poems at once, characters/s, threads: {}",
        "numpy": "a training step in NumPy, milliseconds, {}; baseline: torch's autograd",
        "size": "vocabulary {}, batch {}, {} steps, hidden size {}",
        "import": "`import poet_model`, seconds",
        "load": "`PoetModel.from_pretrained`, seconds, torch already imported",
        "no_torch": "without torch: import, load and first poem, seconds",
        "page": "`python app.py` until the page answers, seconds",
        "prepare": "preparing the corpus, seconds",
        "cold": "`poet write 春` in a new process, seconds, without bytecode",
        "warm": "`poet write 春` in a new process, seconds",
        "loop": "`poet bulk`, two workers, 五絕/s, form only; baseline: a loop over `generate`",
        "gpt2": "`poet bulk`, one worker, 五絕/s, form only; baseline: GPT-2 of equal size, 64 at once",
        "workers": "`poet bulk`, two workers, 五絕/s, form only; baseline: one worker",
    },
    "README.zh.md": {
        "head": "| 在兩個有 AVX512_BF16 的 CPU 核上 | 對照 | 本項目 | 倍數 | 目標 |",
        "train": "訓練，字/秒；對照：fp32、補齊的批次、每個位置都算 softmax",
        "write": "寫一首，字/秒，{} 線程；對照：逐字調用 `nn.LSTM`",
        "batch": "同時寫 64 首，字/秒，{} 線程",
        "numpy": "NumPy 訓練一步，毫秒，{}；對照：torch autograd",
        "size": "字彙 {}，批次 {}，{} 步，隱藏層 {}",
        "import": "`import poet_model`，秒",
        "load": "`PoetModel.from_pretrained`，秒，torch 已載入",
        "no_torch": "不用 torch：匯入、載入到寫完第一首，秒",
        "page": "`python app.py` 到網頁應答，秒",
        "prepare": "準備語料，秒",
        "cold": "新進程裏的 `poet write 春`，秒，沒有字節碼",
        "warm": "新進程裏的 `poet write 春`，秒",
        "loop": "`poet bulk`，兩個進程，五絕/秒，只定詩體；對照：逐首調用 `generate`",
        "gpt2": "`poet bulk`，一個進程，五絕/秒，只定詩體；對照：參數一樣多的 GPT-2，每批 64 首",
        "workers": "`poet bulk`，兩個進程，五絕/秒，只定詩體；對照：一個進程",
    },
}


def result(name: str, folder: Path = RESULTS) -> dict:
    """The results of a benchmark or an experiment."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def table(file: str) -> str:
    """The speed table for a README."""
    words = WORDS[file]
    rows = [words["head"], "|---|---|---|---|---|"]

    def add(what: str, baseline: str = "", ours: str = "", ratio: str = "", target: str = "") -> None:
        rows.append(f"| {what} | {baseline} | {ours} | {ratio} | {target} |")

    train = result("train_speed")
    baseline, ours = (train["contenders"][name]["median"] for name in ("plain recipe", "ours"))
    add(words["train"], f"{baseline:,.0f}", f"{ours:,.0f}", f"{train['ratio']:.1f}", "2.5")
    decode = result("decode_speed")
    for threads, contenders in decode["threads"].items():
        baseline, ours = contenders["nn.LSTM a character, batch 1"], contenders["ours, batch 1"]
        medians = f"{baseline['median']:,.0f}", f"{ours['median']:,.0f}"
        add(words["write"].format(threads), *medians, f"{ours['times_peer']:.1f}", "4")
    threads, contenders = list(decode["threads"].items())[-1]
    add(words["batch"].format(threads), "", f"{contenders['ours, batch 64']['median']:,.0f}")
    for size, steps in result("numpy_vs_torch")["sizes"].items():
        baseline, ours = steps["contenders"]["torch autograd"], steps["contenders"]["NumPy, fast"]
        medians = f"{1000 * baseline['median']:,.0f}", f"{1000 * ours['median']:,.0f}"
        numbers = (f"{int(part.split()[1]):,}" for part in size.split(", "))  # "V 2508, B 32, T 128, H 128"
        label = words["numpy"].format(words["size"].format(*numbers))
        add(label, *medians, f"{ours['times_torch']:.1f}", "1.2")
    speeds = {name: speed["median"] for name, speed in result("bulk")["poems_per_second"].items()}
    one, two = (speeds[f"poet bulk, local, {workers}, steady"] for workers in ("1 worker", "2 workers"))
    for name, ours, baseline, target in (
        ("loop", two, speeds["a loop over generate, NumPy"], ""),
        ("gpt2", one, speeds["GPT-2 of transformers, batch 64"], ""),
        ("workers", two, one, "1.7"),
    ):
        add(words[name], f"{baseline:,.0f}", f"{ours:,.0f}", f"{ours / baseline:.1f}", target)
    loading, start, writing = decode["loading_seconds"], result("start_up"), result("install")["writing"]
    for name, seconds, digits, target in (
        ("import", loading["import poet_model"], 3, "0.2"),
        ("load", loading["from_pretrained, torch imported"], 2, "1"),
        ("no_torch", loading["import, load and first poem without torch"], 2, "0.7"),
        ("cold", writing["cold_seconds"], 2, "1"),
        ("warm", writing["warm"]["poet write 春"]["seconds"], 2, "1"),
        ("page", start["first_answer_seconds"], 1, "8"),
        ("prepare", start["prepare_seconds"], 1, "30"),
    ):
        add(words[name], "", f"{seconds['median']:.{digits}f}", "", target)
    return "\n".join(rows) + "\n"


def experiments_table(_: str = "") -> str:
    """The table of the experiments: the published result of each, and ours."""
    runs = {path.stem: result(path.stem, EXPERIMENTS) for path in EXPERIMENTS.glob("*.json")}
    best = runs["optimizers"]["rows"][0]
    zeros = {row[0]: row for row in runs["initialization"]["rows"]}["zeros"]
    mini, lab = runs["tang_mini_numpy"], runs["quatrain_lab"]
    tang_10k, autograd = runs["tang_10k"], runs["autograd_lstm"]
    rows = {
        "gradients": ("", f"largest error {runs['gradients']['largest_error']:.0e} (float64)"),
        "optimizers": (
            "",
            f"largest difference to torch {runs['optimizers']['largest_difference']:.0e}; best: {best[0]}, "
            f"perplexity {best[3]:.1f} after 20 epochs",
        ),
        "adagrad_vs_adam": (
            "",
            "error {0[4]:.2g} and {1[4]:.2g} on sparse gradients, {4[4]:.2g} and {5[4]:.2g} when the "
            "optimum has moved".format(*runs["adagrad_vs_adam"]["rows"]),
        ),
        "initialization": ("", f"zero weights: norm of the recurrent gradient {zeros[4]:g}"),
        "tang_mini_numpy": (
            "perplexity {perplexity}, {seconds_per_epoch} s an epoch".format(**mini["published"]),
            f"{mini['perplexity']:.2f}, {mini['seconds_per_epoch']} s",
        ),
        "bptt_toy": ("loss 0.650 (faulty BPTT)", f"{runs['bptt_toy']['final_loss']:.3f}"),
        "sine": ("", f"squared error {runs['sine']['final_loss']:.1e} after 75 steps"),
        "autograd_lstm": (
            f"validation perplexity {autograd['published']['perplexity']}",
            f"{autograd['perplexity']:.1f}",
        ),
        "tang_10k": (
            f"loss {tang_10k['published']['loss_with_padding']} with padding counted",
            f"{tang_10k['best_with_padding']:.3f}; without padding {tang_10k['best_without_padding']:.3f}",
        ),
        "quatrain_lab": (
            "loss about {loss}, {seconds_per_epoch} s an epoch on a GPU".format(**lab["published"]),
            f"{lab['loss']:.3f}, {lab['seconds_per_epoch']:.0f} s on a {lab['device'].upper()}",
        ),
    }
    lines = [f"| `{name}` | {published} | {ours} |" for name, (published, ours) in rows.items()]
    return "\n".join(["| | published | ours |", "|---|---|---|", *lines]) + "\n"


def poems(_: str = "") -> str:
    """The commands of POEMS with what they print."""
    shown = []
    for line in POEMS:
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            status = write.main(shlex.split(line)[2:])
        if status:
            raise InvalidValueError(f"`{line}` ended with status {status}; correct it")
        shown.append(f"$ {line}\n{written.getvalue()}")
    return "```text\n" + "\n".join(shown) + "```\n"


def bulk_table(_: str = "") -> str:
    """The table of docs/bulk.md."""
    bulk = result("bulk")
    rows = [f"| {bulk['where']} | quatrains/s | times the loop |", "|---|---|---|"]
    for name, speed in bulk["poems_per_second"].items():
        rows.append(f"| {name} | {speed['median']:,.0f} | {speed['times_loop']:.1f} |")
    return "\n".join(rows) + "\n"


def memory_table(_: str = "") -> str:
    """The table of the memory in docs/bulk.md."""
    rows = [f"| {name} | {mib:,.0f} |" for name, mib in result("bulk")["memory_mib"].items()]
    return "\n".join(["| | MiB |", "|---|---|", *rows]) + "\n"


# for each file: the mark of a part, and what makes that part
PARTS = [
    *((file, "poems", poems) for file in WORDS),
    *((file, "speed", table) for file in WORDS),
    ("docs/bulk.md", "speed", bulk_table),
    ("docs/peers.md", "peers", peers_table.markdown),
    ("docs/bulk.md", "memory", memory_table),
    ("poet_model/from_scratch/README.md", "results", experiments_table),
]


@command
def main() -> None:
    """Replaces the parts in all files."""
    for file, mark, make in PARTS:
        path = ROOT / file
        text = path.read_text(encoding="utf-8")
        pattern = re.compile(rf"(?<=<!-- {mark} -->\n)(?:(?:\|.*\n)+|```text\n(?:.*\n)*?```\n)")
        if not pattern.search(text):
            raise InvalidValueError(f"{file} has no table or text after <!-- {mark} -->; add both")
        path.write_text(pattern.sub(lambda _, m=make, f=file: m(f), text), encoding="utf-8")
        print("written:", file)


if __name__ == "__main__":
    sys.exit(main())
