"""Bench: times real training steps on real poems, for one precision and batch size at a time.

It knows nothing about other trials or the findings file; offline_probe.py decides what to try, and when.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from offline_findings import Key
from offline_pieces import ROOT  # noqa: F401 - makes poet_model importable

FOR_ACCELERATE = {"fp16": "fp16", "bf16": "bf16", "fp32": "no"}
STEPS = 20
POEMS = 12_000  # enough for the steps of the largest batches
LSTM_WORDS = ("lstm", "rnn", "persist")  # in the names of its kernels


@dataclass(frozen=True)
class Device:
    """What is tried on one kind of device.

    Args:
        precisions: the most promising first.
        rows: sequences in a batch.
        warm_up: steps that are not timed.
    """

    name: str
    precisions: tuple[str, ...]
    rows: tuple[int, ...]
    warm_up: int


GPU = Device("gpu", ("fp16", "bf16", "fp32"), (128, 256, 512), warm_up=3)
CPU = Device("cpu", ("bf16", "fp32", "fp16"), (64,), warm_up=1)


class Bench:
    """Poems and settings for the trials of one process.

    Args:
        corpus: the path of the prepared Tang corpus.
        presets: settings by device (`gpu` or `cpu`) and stage.
        spawned: the time.time() at which this process was started.
    """

    def __init__(self, corpus: str, presets: dict, spawned: float):
        self.corpus, self.presets, self.spawned = corpus, presets, spawned

    def start(self) -> dict:
        """Import torch and look at the device; return the finding `machine`."""
        from poet_model.training.malloc import keep_freed_memory

        keep_freed_memory()  # before torch is imported, as in train.py
        import torch

        import poet_model.training.run  # noqa: F401 - as in train.py, whose time of importing is measured

        self.device = GPU if torch.cuda.is_available() else CPU
        free, total = torch.cuda.mem_get_info() if self.on_gpu else (0, 0)
        self.imported = time.time()
        return {
            "gpu": torch.cuda.get_device_name() if self.on_gpu else None,
            "gpu_free_mb": free >> 20,
            "gpu_memory_mb": total >> 20,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version() if self.on_gpu else None,
            "threads": torch.get_num_threads(),
        }

    def load(self) -> dict:
        """Read the poems; return the finding `loaded`."""
        from poet_model.corpus.prepare import load_corpus
        from poet_model.prosody.lines import FORMS, LINE_ENDS
        from poet_model.tokenizer import PoetTokenizer

        splits = load_corpus(self.corpus).splits
        train = splits["train"]
        texts = (part for poem in train for part in (poem.text, poem.title, poem.author))
        self.tokenizer = PoetTokenizer.from_texts(texts, min_count=1, required=LINE_ENDS + "".join(FORMS))
        self.poems, self.valid = train[:POEMS], splits["valid"][:200]
        self.epochs = {}
        self._epoch(min(self.device.rows))
        return {
            "import_seconds": round(self.imported - self.spawned, 2),
            "load_seconds": round(time.time() - self.imported, 2),
        }

    @property
    def on_gpu(self) -> bool:
        """Whether the steps run on a GPU."""
        return self.device is GPU

    def trial(self, stage: str, precision: str, rows: int, seconds: float) -> dict:
        """Time STEPS steps after a warm-up, or as many as `seconds` allow; return speed and memory."""
        import torch

        if precision == "fp16" and not self.on_gpu:
            return {"failed": "there is no fp16 on a CPU"}
        until = time.time() + seconds
        trainer, epoch = self._trainer(stage, precision, rows), self._epoch(rows)
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        warm_up = min(self.device.warm_up, len(epoch) - 1)
        for index in range(warm_up):
            self._step(trainer, epoch.batch(index))
            if time.time() > until - seconds / 2:
                break
        self._synchronize()
        started, steps, tokens = time.time(), 0, 0
        for index in range(warm_up, min(len(epoch), warm_up + STEPS)):
            batch = epoch.batch(index)
            self._step(trainer, batch)
            steps, tokens = steps + 1, tokens + batch.inputs.size
            if time.time() > until:
                break
        self._synchronize()
        spent = max(1e-6, time.time() - started)
        if not all(bool(weight.isfinite().all()) for weight in trainer.model.parameters()):
            return {"failed": "the weights became infinite or NaN"}
        peak = {"gpu_memory_mb": torch.cuda.max_memory_allocated() >> 20} if self.on_gpu else {}
        speed = {"tokens_per_second": round(tokens / spent), "steps_per_second": round(steps / spent, 3)}
        return {"steps": steps, **speed, **peak}

    def writing(self) -> dict:
        """Time scoring, writing and saving: what an evaluation and the end of a training run have to do."""
        from poet_model.evaluation.perplexity import score, without_header

        model = self._trainer("tang", "fp32", min(self.epochs)).model.eval()
        started = time.time()
        tokens = score(model, without_header(self.valid)).tokens
        scored = time.time()
        model.generate("", seed=0)
        written = time.time()
        with tempfile.TemporaryDirectory() as temporary:
            model.save_pretrained(Path(temporary) / "model")
        return {
            "scored_tokens_per_second": round(tokens / (scored - started)),
            "poem_seconds": round(written - scored, 3),
            "save_seconds": round(time.time() - written, 3),
        }

    def kernels(self, key: Key) -> dict:
        """Profile two steps (one on a CPU); return the LSTM's kernels, and the five slowest kernels."""
        from torch.profiler import ProfilerActivity, profile

        trainer, epoch = self._trainer(*key), self._epoch(key[2])
        activities = [ProfilerActivity.CUDA if self.on_gpu else ProfilerActivity.CPU]
        self._step(trainer, epoch.batch(0))
        try:
            with profile(activities=activities) as profiled:
                for index in range(2 if self.on_gpu else 1):
                    self._step(trainer, epoch.batch(index))
                self._synchronize()
        except RuntimeError as error:  # a machine may deny access to its performance counters
            return {"failed": str(error).split("\n")[0][:300]}
        time_of = "self_device_time_total" if self.on_gpu else "self_cpu_time_total"
        milliseconds = {event.key: getattr(event, time_of, 0) / 1000 for event in profiled.key_averages()}
        slowest = sorted(
            (name for name in milliseconds if milliseconds[name] > 0), key=milliseconds.get, reverse=True
        )
        return {
            "lstm": [name[:160] for name in slowest if any(word in name.lower() for word in LSTM_WORDS)],
            "slowest": [
                {"name": name[:120], "milliseconds": round(milliseconds[name], 3)} for name in slowest[:5]
            ],
        }

    def _epoch(self, rows: int):
        """An epoch of the poems in batches of at most `rows` sequences."""
        from poet_model.corpus.batches import HeaderRates, PoemBatches
        from poet_model.training.run import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS

        if rows not in self.epochs:
            batches = PoemBatches(
                self.poems,
                self.tokenizer,
                batch_size=rows,
                max_tokens=GPU_BATCH_TOKENS if self.on_gpu else CPU_BATCH_TOKENS,
                header=HeaderRates(),
            )
            self.epochs[rows] = batches.epoch(0)
        return self.epochs[rows]

    def _trainer(self, stage: str, precision: str, rows: int):
        """A fresh model and its Trainer, with the settings of a stage."""
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        from poet_model.config import PoetConfig
        from poet_model.model import PoetModel
        from poet_model.training.config import TrainingConfig
        from poet_model.training.poem_objective import PoemObjective
        from poet_model.training.trainer import Trainer

        AcceleratorState._reset_state(reset_partial_state=True)  # else the last precision is kept
        preset = self.presets[self.device.name][stage]
        accelerator = Accelerator(mixed_precision=FOR_ACCELERATE[precision], cpu=not self.on_gpu)
        model = PoetModel(PoetConfig(vocab_size=len(self.tokenizer), **preset["model"]), self.tokenizer)
        config = TrainingConfig(**preset["training"] | {"batch_size": rows})
        objective = PoemObjective.from_config(model.to(accelerator.device), config)
        objective.begin_step(0.0)  # like most steps; the full softmax is used only at the end of training
        return Trainer(
            objective.train(),
            None,  # its loop is not run
            evaluate=lambda model: {},
            save_best=lambda model, record: None,
            config=config,
            output=tempfile.gettempdir(),
            accelerator=accelerator,
        )

    def _step(self, trainer, batch) -> None:
        trainer.update(batch, trainer.config.learning_rate)

    def _synchronize(self) -> None:
        if self.on_gpu:
            import torch

            torch.cuda.synchronize()
