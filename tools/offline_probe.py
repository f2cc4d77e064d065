"""Real training steps timed in every precision and batch size: what offline_train.py decides by.

It runs in a process of its own, and adds each finding to a file of JSON lines at once: a crash or a hang
loses the trial that caused it, no other, and a second probe goes on behind it. Each line has a `kind`:

    machine   versions, GPU and its free memory
    loaded    seconds until the poems were ready, by the seconds of importing and of reading
    begin     the trial that follows
    trial     tokens and steps a second and peak memory of some steps; or `failed`, why there are none
    writing   scored tokens a second, seconds of a poem and of saving
    kernels   of a trial's steps: those of the LSTM, and the five dearest
    done      nothing is left
    refused   a setting is impossible
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import offline_pieces  # noqa: F401 - makes poet_model importable

from poet_model.errors import PoetError
from poet_model.files import append_json_line, read_json_lines

STAGES = ("mixed", "tang")
GPU_ROWS, CPU_ROWS = (128, 256, 512), (64,)
GPU_PRECISIONS, CPU_PRECISIONS = ("fp16", "bf16", "fp32"), ("bf16", "fp32", "fp16")
FOR_ACCELERATE = {"fp16": "fp16", "bf16": "bf16", "fp32": "no"}
GPU_BATCH_TOKENS, CPU_BATCH_TOKENS = 64 * 1024, 8192  # as training/run.py has them
STEPS = 20
GPU_WARM_UP, CPU_WARM_UP = 3, 1
POEMS = 12_000  # enough for the steps of the largest batches
TRIAL_SECONDS = 8.0  # at most
SMALLER_IS_BETTER = 0.95  # a smaller batch almost as fast makes more steps of the same time
LSTM_WORDS = ("lstm", "rnn", "persist")


def fastest(findings: list[dict], stage: str = "") -> dict | None:
    """The best sound trial of a stage (by default of the first that has any); None if there is none.

    Of trials that are nearly as fast as the fastest the one with the smallest batches.
    """
    if not stage:
        return next((found for name in STAGES if (found := fastest(findings, name))), None)
    sound = [
        one for one in findings if one["kind"] == "trial" and one["stage"] == stage and "failed" not in one
    ]
    if not sound:
        return None
    enough = SMALLER_IS_BETTER * max(one["tokens_per_second"] for one in sound)
    sound = [one for one in sound if one["tokens_per_second"] >= enough]
    return min(sound, key=lambda one: (one["rows"], -one["tokens_per_second"]))


def key_of(finding: dict) -> tuple:
    """What a trial is: stage, precision, rows."""
    return finding["stage"], finding["precision"], finding["rows"]


@dataclass
class Probe:
    """The trials of one process.

    Args:
        settings: `corpus` (prepared, the path), `presets` (by machine, `gpu` or `cpu`, and stage), `results`
            (the file of findings), `deadline` and `spawned` (of time.time()).
        trial_seconds: the most seconds that a trial may take.
    """

    settings: dict
    trial_seconds: float = TRIAL_SECONDS

    def run(self) -> None:
        """All trials that have no finding yet, the most telling first, until time is up."""
        self._start()
        found = self.findings()
        done = {key_of(one) for one in found if one["kind"] == "trial"}
        precisions, rows = (GPU_PRECISIONS, GPU_ROWS) if self.on_gpu else (CPU_PRECISIONS, CPU_ROWS)
        kinds = [(precision, number) for precision in precisions for number in rows]
        self._try_all([("mixed", *kind) for kind in kinds if ("mixed", *kind) not in done], share=0.5)
        self._add("writing", **self._writing())
        by_speed = self._sound("mixed")
        self._try_all([("tang", *key[1:]) for key in by_speed if ("tang", *key[1:]) not in done], share=0.6)
        for key in by_speed if self.on_gpu else by_speed[:1]:
            if time.time() < self.settings["deadline"] - 2:
                self._kernels(key)
        self._add("done")

    def findings(self) -> list[dict]:
        """What stands in the file of findings, from a process before this one too."""
        return read_json_lines(Path(self.settings["results"]))

    def _add(self, kind: str, **finding) -> None:
        append_json_line(Path(self.settings["results"]), {"kind": kind, **finding})

    def _sound(self, stage: str) -> list[tuple]:
        """Trials of a stage that went well, the fastest first."""
        sound = [
            o for o in self.findings() if o["kind"] == "trial" and o["stage"] == stage and "failed" not in o
        ]
        return [key_of(one) for one in sorted(sound, key=lambda one: -one["tokens_per_second"])]

    def _start(self) -> None:
        """Loads everything, and says how long that took and where we are."""
        from poet_model.training.malloc import keep_freed_memory

        keep_freed_memory()  # as train.py does, before torch
        import torch
        from accelerate import Accelerator  # noqa: F401 - part of the time that is measured

        from poet_model.corpus.prepare import load_corpus
        from poet_model.prosody.lines import FORMS
        from poet_model.tokenizer import PoetTokenizer

        self.on_gpu = torch.cuda.is_available()
        free, total = torch.cuda.mem_get_info() if self.on_gpu else (0, 0)
        self._add(
            "machine",
            gpu=torch.cuda.get_device_name() if self.on_gpu else None,
            gpu_free_mb=free >> 20,
            gpu_memory_mb=total >> 20,
            cuda=torch.version.cuda,
            cudnn=torch.backends.cudnn.version() if self.on_gpu else None,
            threads=torch.get_num_threads(),
        )
        imported = time.time()
        corpus = load_corpus(self.settings["corpus"])
        train = corpus.splits["train"]
        texts = (part for poem in train for part in (poem.text, poem.title, poem.author))
        self.tokenizer = PoetTokenizer.from_texts(texts, min_count=1, required="，。" + "".join(FORMS))
        self.poems, self.valid = train[:POEMS], corpus.splits["valid"][:200]
        self.epochs = {}
        self._epoch(min(GPU_ROWS if self.on_gpu else CPU_ROWS))
        seconds = {
            "import_seconds": imported - self.settings["spawned"],
            "load_seconds": time.time() - imported,
        }
        self._add("loaded", **{name: round(value, 2) for name, value in seconds.items()})

    def _try_all(self, keys: list[tuple], share: float) -> None:
        """Trials one after the other, within a share of the time that is left."""
        until = time.time() + share * (self.settings["deadline"] - time.time())
        for place, key in enumerate(keys):
            seconds = min(self.trial_seconds, (until - time.time()) / (len(keys) - place))
            named = dict(zip(("stage", "precision", "rows"), key, strict=True))
            if seconds <= 0:
                self._add("trial", **named, failed="no time was left for it")
                continue
            self._add("begin", **named, seconds=round(seconds, 1))
            try:
                self._add("trial", **named, **self._trial(*key, seconds))
            except PoetError:
                raise
            except (RuntimeError, ValueError, NotImplementedError) as error:  # out of memory is one of them
                self._add(
                    "trial", **named, failed=str(error).strip().split("\n")[0][:300] or type(error).__name__
                )

    def _epoch(self, rows: int):
        """An epoch of the real poems in batches of that many rows at most."""
        from poet_model.corpus.batches import HeaderRates, PoemBatches

        if rows not in self.epochs:
            most = GPU_BATCH_TOKENS if self.on_gpu else CPU_BATCH_TOKENS
            batches = PoemBatches(
                self.poems, self.tokenizer, batch_size=rows, max_tokens=most, header=HeaderRates()
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

        AcceleratorState._reset_state(
            reset_partial_state=True
        )  # else it keeps the first precision it was given
        preset = self.settings["presets"]["gpu" if self.on_gpu else "cpu"][stage]
        accelerator = Accelerator(mixed_precision=FOR_ACCELERATE[precision], cpu=not self.on_gpu)
        model = PoetModel(PoetConfig(vocab_size=len(self.tokenizer), **preset["model"]), self.tokenizer)
        config = TrainingConfig(**preset["training"] | {"batch_size": rows})
        objective = PoemObjective.from_config(model.to(accelerator.device), config)
        objective.begin_step(0.0)  # as most steps are; the softmax is whole only at the end
        return Trainer(
            objective.train(),
            None,  # its loop is not run
            evaluate=lambda model: {},
            save_best=lambda model, record: None,
            config=config,
            output=tempfile.gettempdir(),
            accelerator=accelerator,
        )

    def _trial(self, stage: str, precision: str, rows: int, seconds: float) -> dict:
        """The speed of some steps after a warm-up: STEPS of them, or as many as `seconds` allow."""
        import torch

        if precision == "fp16" and not self.on_gpu:
            return {"failed": "there is no fp16 on a CPU"}
        until = time.time() + seconds
        trainer, epoch = self._trainer(stage, precision, rows), self._epoch(rows)
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        warm = min(GPU_WARM_UP if self.on_gpu else CPU_WARM_UP, len(epoch) - 1)
        for place in range(warm):
            self._step(trainer, epoch.batch(place))
            if time.time() > until - seconds / 2:
                break
        self._wait()
        started, steps, tokens = time.time(), 0, 0
        for place in range(warm, min(len(epoch), warm + STEPS)):
            batch = epoch.batch(place)
            self._step(trainer, batch)
            steps, tokens = steps + 1, tokens + batch.inputs.size
            if time.time() > until:
                break
        self._wait()
        spent = max(1e-6, time.time() - started)
        if not all(bool(weight.isfinite().all()) for weight in trainer.model.parameters()):
            return {"failed": "weights that are no numbers came of it"}
        peak = {"gpu_memory_mb": torch.cuda.max_memory_allocated() >> 20} if self.on_gpu else {}
        speed = {"tokens_per_second": round(tokens / spent), "steps_per_second": round(steps / spent, 3)}
        return {"steps": steps, **speed, **peak}

    def _step(self, trainer, batch) -> None:
        trainer.update(batch, trainer.config.learning_rate)

    def _wait(self) -> None:
        if self.on_gpu:
            import torch

            torch.cuda.synchronize()

    def _writing(self) -> dict:
        """How fast poems are scored, written and saved: what evaluations and the end will take."""
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

    def _kernels(self, key: tuple) -> None:
        """The kernels of two steps, by PyTorch's profiler."""
        from torch.profiler import ProfilerActivity, profile

        named = dict(zip(("stage", "precision", "rows"), key, strict=True))
        self._add("begin", **named, profiled=True)
        trainer, epoch = self._trainer(*key), self._epoch(key[2])
        activities = [ProfilerActivity.CUDA if self.on_gpu else ProfilerActivity.CPU]
        self._step(trainer, epoch.batch(0))
        try:
            with profile(activities=activities) as profiled:
                for place in range(2 if self.on_gpu else 1):
                    self._step(trainer, epoch.batch(place))
                self._wait()
        except RuntimeError as error:  # a machine may forbid its counters
            self._add("kernels", **named, failed=str(error).split("\n")[0][:300])
            return
        which = "self_device_time_total" if self.on_gpu else "self_cpu_time_total"
        times = {event.key: getattr(event, which, 0) / 1000 for event in profiled.key_averages()}  # ms
        dear = sorted((name for name in times if times[name] > 0), key=times.get, reverse=True)
        of_lstm = [name for name in dear if any(word in name.lower() for word in LSTM_WORDS)]
        show = [{"name": name[:120], "milliseconds": round(times[name], 3)} for name in dear[:5]]
        self._add("kernels", **named, lstm=[name[:160] for name in of_lstm], dearest=show)


def main(arguments: list[str] | None = None, make: Callable[[dict], Probe] = Probe) -> int:
    """Called by offline_train.py with the path of the settings; returns the exit status.

    Args:
        make: the probe for these settings.
    """
    (path,) = sys.argv[1:] if arguments is None else arguments
    probe = make(json.loads(Path(path).read_text(encoding="utf-8")))
    try:
        probe.run()
    except (PoetError, TypeError) as error:  # TypeError: an unknown name in a preset
        probe._add("refused", message=str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
