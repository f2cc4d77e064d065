"""A laboratory exercise: a two-layer LSTM learns five-character quatrains in rows of 26.

    python -m poet_model.from_scratch.experiments.quatrain_lab

A row is a start token, 24 characters (four lines of five with their punctuation) and an end token. The
vocabulary is sorted by frequency, and the output layer is initialized by Xavier. Published: 12,842 rows, a
training loss of about 3.4 after 30 epochs, 1.66 s per epoch on a GPU. A GPU is used if there is one.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np

from .common import need, progress, run_experiment

ROWS, WIDTH, SIZE, BATCH, EPOCHS, RATE = 12_842, 26, 256, 64, 30, 2e-3
START, END = 0, 1
STARTS = ("日", "清明", "風光", "花", "雪", "月", "雨", "三", "九")
PUBLISHED = {"loss": 3.4, "seconds_per_epoch": 1.66}


def load_quatrains(quick: bool) -> list[str]:
    """五絕 of the Tang, then of the Song, 24 characters each, punctuation included."""
    need("opencc")
    from ...corpus.prepare import load_corpus

    names = ("tang300",) if quick else ("tang", "song")
    poems = [poem for name in names for group in load_corpus(name).splits.values() for poem in group]
    return [poem.text for poem in poems if poem.form == "五絕"][: 64 if quick else ROWS]


def array_of(poems: list[str]) -> tuple[np.ndarray, list[str]]:
    """The ids (N, 26), and the characters, most frequent first."""
    counts = Counter(c for poem in poems for c in poem)
    characters = ["<start>", "<end>", *sorted(counts, key=lambda c: (-counts[c], c))]
    ids = {c: index for index, c in enumerate(characters)}
    return np.array([[START, *(ids[c] for c in poem), END] for poem in poems]), characters


def new_network(vocab_size: int, device: str) -> Any:
    """Embedding, two LSTM layers and output layer; the output layer is initialized by Xavier."""
    torch = need("torch")
    torch.manual_seed(0)
    network = torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(vocab_size, SIZE),
            "lstm": torch.nn.LSTM(SIZE, SIZE, num_layers=2, batch_first=True),
            "output": torch.nn.Linear(SIZE, vocab_size),
        }
    ).to(device)
    torch.nn.init.xavier_uniform_(network["output"].weight)
    return network


def train_epoch(network: Any, optimizer: Any, schedule: Any, rows: Any) -> float:
    """Makes one pass over the rows (N, 26) and returns the mean loss."""
    torch = need("torch")
    total = 0.0
    for batch in rows[torch.randperm(len(rows), device=rows.device)].split(BATCH):
        hidden, _ = network["lstm"](network["embedding"](batch[:, :-1]))
        logits = network["output"](hidden).flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item() * len(batch)
    return total / len(rows)


def write(network: Any, characters: list[str], start: str, device: str) -> str:
    """A poem of 24 characters that begins with `start`, sampled with seed 0 at temperature 0.8."""
    torch = need("torch")
    rng, text, state = np.random.default_rng(0), start, None
    ids = [START, *(characters.index(c) for c in start)]
    with torch.inference_mode():
        while len(text) < WIDTH - 2:
            hidden, state = network["lstm"](network["embedding"](torch.tensor([ids], device=device)), state)
            logits = network["output"](hidden[0, -1]).double().cpu().numpy()[2:] / 0.8
            weights = np.exp(logits - logits.max()).cumsum()
            ids = [2 + int((weights <= rng.random() * weights[-1]).sum())]
            text += characters[ids[0]]
    return text


def run(quick: bool) -> dict[str, Any]:
    """Trains; the table has a row for every fifth epoch. Then writes one poem for each start."""
    torch = need("torch")
    array, characters = array_of(load_quatrains(quick))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = new_network(len(characters), device)
    rows = torch.from_numpy(array).to(device)
    epochs = 1 if quick else EPOCHS
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    steps = epochs * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    table, curve = [], []
    for epoch in progress(range(1, epochs + 1), epochs, "epochs"):
        started = time.perf_counter()
        curve.append(round(train_epoch(network, optimizer, schedule, rows), 4))
        if epoch % 5 == 0 or epoch in (1, epochs):
            table.append([epoch, curve[-1], round(time.perf_counter() - started, 2)])
    known = [start for start in STARTS if set(start) <= set(characters)]
    return {
        "columns": ["epoch", "training loss", "seconds"],
        "rows": table,
        "curve": curve,
        "shape": list(array.shape),
        "loss": curve[-1],
        "seconds_per_epoch": float(np.median([row[2] for row in table])),
        "device": device,
        "published": PUBLISHED,
        "poems": {start: write(network, characters, start, device) for start in known},
        "notes": [
            f"array {array.shape}, vocabulary {len(characters):,}; training loss {curve[-1]:.3f} "
            f"(published: about {PUBLISHED['loss']}) on {device}"
        ],
    }


def draw(record: dict[str, Any], figure: Any) -> None:
    """Plots the training loss by epoch."""
    axes = figure.subplots()
    axes.plot(range(1, len(record["curve"]) + 1), record["curve"], label="ours")
    axes.axhline(PUBLISHED["loss"], linestyle="--", color="gray", label="published, epoch 30")
    axes.set(xlabel="epoch", ylabel="training loss (nats)", title="Quatrains in rows of 26")
    axes.legend()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
