"""PoetModel: the network with its tokenizer, as people know it from transformers: load, write, save, push."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from .config import PoetConfig
from .errors import CheckpointError, InvalidValueError
from .files import read_steadily, replaced_folder
from .generation.options import GenerationConfig
from .generation.writer import Writer
from .hub.card import write_card
from .hub.fetch import find_folder
from .hub.push import TRANSFORMERS_KEYS, copy_remote_code, push_folder
from .layers import LSTMLanguageModel
from .machine import device_named, dtype_named
from .model_folder import CARD_NAME, WEIGHTS_NAME, copy_records
from .stepper import TorchStepper
from .tokenizer import PoetTokenizer
from .weights import load_weights, read_fingerprint, save_weights


class PoetModel(LSTMLanguageModel, Writer):
    """A character-level LSTM language model of Tang poems, together with its tokenizer.

    Example:
        >>> model = PoetModel.from_pretrained("assets/tang-lstm")
        >>> poem = model.generate("春", seed=7)
        >>> poem.text[0]
        '春'
    """

    def __init__(
        self, config: PoetConfig, tokenizer: PoetTokenizer, generation_config: GenerationConfig | None = None
    ):
        if config.vocab_size != len(tokenizer):
            raise InvalidValueError(
                f"config.vocab_size is {config.vocab_size}, the tokenizer has {len(tokenizer)} ids; "
                "they must be equal"
            )
        super().__init__(
            config.vocab_size,
            config.hidden_size,
            config.num_layers,
            config.input_dropout,
            config.layer_dropout,
            config.output_dropout,
            cell=config.cell,
        )
        self.config, self.tokenizer = config, tokenizer
        self.generation_config = generation_config or GenerationConfig()
        self._stepper: tuple[list, list, TorchStepper] | None = None  # versions, weights, made from them
        self._loaded: tuple[Path, str] | None = None  # folder and fingerprint

    def train(self, mode: bool = True) -> PoetModel:
        """Switches training mode on or off, as every nn.Module does."""
        if mode or self.training:  # a fused optimizer changes weights without raising their version
            self._stepper = None
        return super().train(mode)

    def stepper(self) -> TorchStepper:
        """The same weights, laid out for decoding; made anew only when one has changed."""
        # Aliases are kept with the versions: an address is not given to another tensor while one lives.
        weights = [weight.detach() for weight in self.parameters()]
        versions = [(weight.data_ptr(), weight._version) for weight in weights]
        if self._stepper is None or self._stepper[0] != versions:
            self._stepper = (versions, weights, TorchStepper(self.embedding.weight, self.bias, self.lstm))
        return self._stepper[2]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Takes the model out of training mode while it writes."""
        was_training = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(was_training)

    def with_tokenizer(self, tokenizer: PoetTokenizer, config: PoetConfig) -> PoetModel:
        """A copy for another vocabulary: what both know keeps its weights, new characters start afresh.

        Args:
            tokenizer: the new vocabulary.
            config: the new configuration; hidden_size, num_layers and cell must be this model's.
        """
        for name in ("hidden_size", "num_layers", "cell"):
            if getattr(config, name) != getattr(self.config, name):
                raise InvalidValueError(
                    f"{name} is {getattr(config, name)}, but the model to start from has "
                    f"{getattr(self.config, name)}; give the same"
                )
        model = PoetModel(config, tokenizer, self.generation_config)
        model.lstm.load_state_dict(self.lstm.state_dict())
        pairs = [(new, self.tokenizer.ids[t]) for t, new in tokenizer.ids.items() if t in self.tokenizer.ids]
        new, old = torch.tensor(pairs).unbind(dim=1)
        with torch.no_grad():
            model.embedding.weight[new] = self.embedding.weight[old].to(model.embedding.weight)
            model.bias[new] = self.bias[old].to(model.bias)
        return model

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        dtype: torch.dtype = torch.float16,
        transformers: bool = False,
        push_to_hub: bool = False,
        **push,
    ) -> None:
        """Writes config, weights, tokenizer and generation settings; other files in `folder` stay.

        Args:
            folder: replaced in one step; at any moment it is wholly the old or wholly the new one.
            dtype: of the weights on disk; float16 halves the file and costs no measurable perplexity.
            transformers: whether to add two files of code with which transformers' AutoModelForCausalLM can
                load the model too (trust_remote_code=True); we never read them.
            push_to_hub: whether to push afterwards; further arguments are those of `push_to_hub`, with
                `repo_id` (the folder's name by default).

        Raises:
            InvalidValueError: a weight is not finite in `dtype`, or arguments for a push without one.
        """
        if push and not push_to_hub:
            raise InvalidValueError(f"{', '.join(push)}: only of use with push_to_hub=True; leave it out")
        weights = {
            name: _to_array(value.detach().to("cpu", dtype)) for name, value in self.state_dict().items()
        }
        with replaced_folder(Path(folder)) as fresh:
            self.config.save(fresh, TRANSFORMERS_KEYS if transformers else None)
            self.tokenizer.save(fresh)
            self.generation_config.save(fresh, {"do_sample": True} if transformers else None)
            if transformers:
                copy_remote_code(fresh)
            save_weights(fresh / WEIGHTS_NAME, weights, self.config.fingerprinted(self.tokenizer.characters))
        if push_to_hub:
            self.push_to_hub(
                push.pop("repo_id", Path(folder).resolve().name), transformers=transformers, **push
            )

    def push_to_hub(self, repo_id: str, *, transformers: bool = False, **options) -> str:
        """Saves the model to a temporary folder and uploads that in one commit; returns the commit's address.

        A model that was loaded and not changed goes with the card, figures and curves it was loaded with;
        another one with a card that has no figures.

        Args:
            repo_id: `user/name`.
            transformers: as in `save_pretrained`; without it, code that an earlier push added is deleted.
            **options: see `hub.push_folder`: private, token, revision, create_pr, commit_message,
                commit_description, tags.
        """
        import tempfile

        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "model"
            self.save_pretrained(folder, transformers=transformers)
            if self._loaded and read_fingerprint(folder / WEIGHTS_NAME) == self._loaded[1]:
                copy_records(self._loaded[0], folder)  # they speak of exactly these weights
            if not (folder / CARD_NAME).is_file():
                shape = {
                    name: getattr(self.config, name) for name in ("vocab_size", "hidden_size", "num_layers")
                }
                write_card(folder, {"model": {"parameters": self.num_parameters, **shape}})
            return push_folder(folder, repo_id, **options)

    @classmethod
    @torch.inference_mode(False)  # weights made inside it could never be trained, nor their changes be seen
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        revision: str | None = None,
        subfolder: str = "",
        cache_dir: str | Path | None = None,
        token: str | bool | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> PoetModel:
        """Loads a model from a folder or from the Hub, ready to write.

        While another process saves over the folder this gives the model from before or after, no mixture.

        Args:
            name_or_path: a model folder, or a Hub id such as `user/tang-lstm`.
            device: where to put it; the CPU by default.
            dtype: of the weights in memory, or its name; float32 by default, "auto" as on disk.
            revision, subfolder, cache_dir, token, force_download, local_files_only: as huggingface_hub has
                them.

        Raises:
            CheckpointError: the folder is damaged or not a model of ours.
            HubError: the Hub has no such model or cannot be reached.
            InvalidValueError: no such device here, or no such dtype.
        """
        target = device_named(device)
        folder = find_folder(
            name_or_path,
            revision=revision,
            subfolder=subfolder,
            cache_dir=cache_dir,
            token=token,
            force_download=force_download,
            local_files_only=local_files_only,
            check_config=PoetConfig.load,
        )
        model = read_steadily(folder, lambda: cls._read(folder, dtype))
        return model.requires_grad_(True).to(target).eval()  # a move as a whole keeps cuDNN's layout

    @classmethod
    def _read(cls, folder: Path, dtype: torch.dtype | str | None) -> PoetModel:
        """The model in a folder, every file of which is checked."""
        config = PoetConfig.load(folder)
        tokenizer = PoetTokenizer.load(folder)
        if len(tokenizer) != config.vocab_size:
            raise CheckpointError(
                f"{folder}: tokenizer.json has {len(tokenizer)} ids, config.json says vocab_size "
                f"{config.vocab_size}; take both from the same model"
            )
        with torch.device("meta"):
            model = cls(config, tokenizer, GenerationConfig.load(folder))
        shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        weights, fingerprint = load_weights(folder, shapes, config.fingerprinted(tokenizer.characters))
        model._loaded = folder, fingerprint
        tensors = {name: _to_tensor(value) for name, value in weights.items()}
        wanted = dtype_named(dtype, next(iter(tensors.values())).dtype)
        model.load_state_dict({name: value.to(wanted) for name, value in tensors.items()}, assign=True)
        return model


def _to_array(value: torch.Tensor) -> np.ndarray:
    """A tensor as weights.py has it."""
    return (value.view(torch.uint16) if value.dtype == torch.bfloat16 else value).contiguous().numpy()


def _to_tensor(value: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(value.copy())  # what was read from a file cannot be written to
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
