"""Five-character quatrains in rows of 26, a two-layer LSTM: the laboratory's exercise.

    python -m poet_model.from_scratch.experiments.quatrain_lab

A row is a start sign, 24 characters (four lines of five with their punctuation), an end sign; the
vocabulary is in the order of frequency, the output layer begins by Xavier. Published: 12,842 rows,
training loss about 3.4 at 30 epochs, 1.66 s an epoch on a GPU. A GPU is used if there is one.
"""

from __future__ import annotations

import time
from collections import Counter

import numpy as np

from .common import need, progress, run_experiment

ROWS, WIDTH, SIZE, BATCH, EPOCHS, RATE = 12_842, 26, 256, 64, 30, 2e-3
START, END = 0, 1
STARTS = ("日", "清明", "風光", "花", "雪", "月", "雨", "三", "九")
PUBLISHED = {"loss": 3.4, "seconds_per_epoch": 1.66}


def load_quatrains(quick: bool) -> list[str]:
    """五絕 of Tang, then of Song, 24 characters each."""
    need("opencc")
    from ...corpus.prepare import load_corpus

    names = ("tang300",) if quick else ("tang", "song")
    poems = [poem for name in names for group in load_corpus(name).splits.values() for poem in group]
    return [poem.text for poem in poems if poem.form == "五絕"][: 64 if quick else ROWS]


def array_of(poems: list[str]) -> tuple[np.ndarray, list[str]]:
    """(N, 26) ids, and the characters by frequency."""
    counts = Counter(c for poem in poems for c in poem)
    characters = ["<start>", "<end>", *sorted(counts, key=lambda c: (-counts[c], c))]
    ids = {c: index for index, c in enumerate(characters)}
    return np.array([[START, *(ids[c] for c in poem), END] for poem in poems]), characters


def run(quick: bool) -> dict:
    """Trains; a row every five epochs; a poem for each start, first seed."""
    torch = need("torch")
    from torch.nn import functional as F

    array, characters = array_of(load_quatrains(quick))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    modules = torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(len(characters), SIZE),
            "lstm": torch.nn.LSTM(SIZE, SIZE, num_layers=2, batch_first=True),
            "output": torch.nn.Linear(SIZE, len(characters)),
        }
    ).to(device)
    torch.nn.init.xavier_uniform_(modules["output"].weight)
    rows = torch.from_numpy(array).to(device)
    epochs = 1 if quick else EPOCHS
    steps = epochs * -(-len(rows) // BATCH)
    optimizer = torch.optim.Adam(modules.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)

    table, curve = [], []
    for epoch in progress(range(1, epochs + 1), epochs, "epochs"):
        started, total = time.perf_counter(), 0.0
        for batch in rows[torch.randperm(len(rows), device=device)].split(BATCH):
            hidden, _ = modules["lstm"](modules["embedding"](batch[:, :-1]))
            loss = F.cross_entropy(modules["output"](hidden).flatten(0, 1), batch[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        curve.append(round(total / len(rows), 4))
        if epoch % 5 == 0 or epoch in (1, epochs):
            table.append([epoch, curve[-1], round(time.perf_counter() - started, 2)])

    def write(start: str) -> str:
        """24 characters that begin with `start`, drawn at temperature 0.8."""
        rng, text, state = np.random.default_rng(0), start, None
        ids = [START, *(characters.index(c) for c in start)]
        with torch.inference_mode():
            while len(text) < WIDTH - 2:
                hidden, state = modules["lstm"](
                    modules["embedding"](torch.tensor([ids], device=device)), state
                )
                logits = modules["output"](hidden[0, -1]).double().cpu().numpy()[2:] / 0.8
                weights = np.exp(logits - logits.max()).cumsum()
                ids = [2 + int((weights <= rng.random() * weights[-1]).sum())]
                text += characters[ids[0]]
        return text

    return {
        "columns": ["epoch", "training loss", "seconds"],
        "rows": table,
        "curve": curve,
        "shape": list(array.shape),
        "loss": curve[-1],
        "seconds_per_epoch": float(np.median([row[2] for row in table])),
        "device": device,
        "published": PUBLISHED,
        "poems": {start: write(start) for start in STARTS if set(start) <= set(characters)},
        "notes": [
            f"array {array.shape}, vocabulary {len(characters):,}; training loss {curve[-1]:.3f} "
            f"(published: about {PUBLISHED['loss']}) on {device}"
        ],
    }


def draw(record: dict, figure) -> None:
    """Training loss by epoch."""
    axes = figure.subplots()
    axes.plot(range(1, len(record["curve"]) + 1), record["curve"], label="ours")
    axes.axhline(PUBLISHED["loss"], linestyle="--", color="gray", label="published, epoch 30")
    axes.set(xlabel="epoch", ylabel="training loss (nats)", title="Quatrains in rows of 26")
    axes.legend()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
