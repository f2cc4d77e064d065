"""PoetModel: the network with its tokenizer. Loading, saving and pushing work as in transformers."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any, Unpack

import torch

from .config import PoetConfig
from .errors import InvalidValueError
from .folders import read_steadily, replaced_folder
from .generation.options import GenerationConfig
from .generation.writer import Writer
from .hub.card import write_card
from .hub.fetch import find_folder
from .hub.push import TRANSFORMERS_KEYS, PushOptions, copy_remote_code, push_folder
from .layers import LSTMLanguageModel, new_embedding
from .machine import device_named, dtype_named
from .model_folder import CARD_NAME, WEIGHTS_NAME, copy_records
from .stepper import TorchStepper
from .tensors import to_array, to_tensor
from .tokenizer import PoetTokenizer
from .weights import check_finite, load_weights, read_fingerprint, save_weights


class PoetModel(LSTMLanguageModel, Writer):
    """A character-level LSTM language model of Tang poems, together with its tokenizer.

    Example:
        >>> from poet_model import PoetModel
        >>> model = PoetModel.from_pretrained("assets/tang-lstm")
        >>> print(model.generate("春", form="五絕", tones=True, rhyme=True, seed=22))
        春水行人醉，紗筵枕上愁。
        一朝歌落盡，無復最高樓。
    """

    def __init__(
        self, config: PoetConfig, tokenizer: PoetTokenizer, generation_config: GenerationConfig | None = None
    ):
        if config.vocab_size != len(tokenizer):
            raise InvalidValueError(
                f"config.vocab_size is {config.vocab_size}, the tokenizer has {len(tokenizer)} ids; "
                "they must be equal"
            )
        rates = config.input_dropout, config.layer_dropout, config.output_dropout
        super().__init__(config.vocab_size, config.hidden_size, config.num_layers, *rates, cell=config.cell)
        self.config: PoetConfig = config
        self.tokenizer: PoetTokenizer = tokenizer
        self.generation_config: GenerationConfig = generation_config or GenerationConfig()
        # (versions, weights, stepper), where the stepper in use was made from these weights
        self._stepper: tuple[list[tuple[int, int]], list[torch.Tensor], TorchStepper] | None = None
        # the folder that the model was loaded from, and the fingerprint of its weights
        self._loaded: tuple[Path, str] | None = None

    def train(self, mode: bool = True) -> PoetModel:
        """Switches training mode on or off and returns the model, as in every nn.Module."""
        if mode or self.training:  # a fused optimizer changes weights without incrementing their version
            self._stepper = None
        return super().train(mode)

    def stepper(self) -> TorchStepper:
        """The model as a Stepper for decoding, which applies no dropout, whatever the mode of the model.

        In evaluation mode it is created again only after a weight has changed.
        """
        if self.training:
            return TorchStepper(self.embedding.weight, self.bias, self.lstm)
        # The weights are kept with the versions, so that no other tensor can be allocated at their addresses.
        weights = [weight.detach() for weight in self.parameters()]
        versions = [(weight.data_ptr(), weight._version) for weight in weights]
        kept = self._stepper  # read once, because another thread may set it to None
        if kept is None or kept[0] != versions:
            stepper = TorchStepper(self.embedding.weight, self.bias, self.lstm)
            self._stepper = kept = versions, weights, stepper
        return kept[2]

    def __getstate__(self) -> dict[str, Any]:
        """What is copied or pickled: everything but what decoding has cached."""
        return self.__dict__ | {"_stepper": None}

    def with_tokenizer(self, tokenizer: PoetTokenizer, config: PoetConfig) -> PoetModel:
        """A copy of the model for another vocabulary, in which new characters have initial weights.

        Args:
            tokenizer: the tokenizer with the new vocabulary.
            config: the new configuration, with the same hidden_size, num_layers and cell as this model.

        Raises:
            InvalidValueError: hidden_size, num_layers or cell differs.
        """
        for name in ("hidden_size", "num_layers", "cell"):
            if getattr(config, name) != getattr(self.config, name):
                raise InvalidValueError(
                    f"{name} is {getattr(config, name)}, but the model to start from has "
                    f"{getattr(self.config, name)}; use that value"
                )
        weights = new_embedding(len(tokenizer), config.hidden_size)
        both = [token for token in tokenizer.ids if token in self.tokenizer.ids]
        new, old = ([ids[token] for token in both] for ids in (tokenizer.ids, self.tokenizer.ids))
        for name, value in weights.items():
            value[new] = self.get_parameter(name).detach()[old].to(value)
        with torch.device("meta"):  # no weights are drawn for layers that are copied
            model = PoetModel(config, tokenizer, self.generation_config)
        weights |= copy.deepcopy(self.lstm).float().cpu().state_dict(prefix="lstm.")
        model.load_state_dict(weights, assign=True)
        return model

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        dtype: torch.dtype = torch.float16,
        transformers: bool = False,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        **push: Unpack[PushOptions],
    ) -> None:
        """Writes config, weights, tokenizer and generation settings into a folder; its other files stay.

        Args:
            folder: the folder, which is replaced atomically: other processes see the old or the new model.
            dtype: the type of the weights on disk; float16 halves the file at no measurable cost in
                perplexity.
            transformers: whether to add two files of code, with which AutoModelForCausalLM of transformers
                can load the model too (trust_remote_code=True). This package never reads them.
            push_to_hub: whether to push the model afterwards.
            repo_id: the name of the repository; by default the folder's name.
            **push: further arguments of `push_to_hub`.

        Raises:
            InvalidValueError: a weight is not finite in `dtype`, or an argument is only for push_to_hub=True.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> model = PoetModel.from_pretrained("assets/tang-lstm")
            >>> with TemporaryDirectory() as folder:
            ...     model.save_pretrained(folder, dtype=torch.float32)
            ...     PoetModel.from_pretrained(folder).num_parameters == model.num_parameters
            True
        """
        only = [*["repo_id"] * (repo_id is not None), *push]
        if only and not push_to_hub:
            raise InvalidValueError(f"{', '.join(only)} is for a push only: add push_to_hub=True, or omit it")
        weights = {
            name: to_array(value.detach().to("cpu", dtype)) for name, value in self.state_dict().items()
        }
        with replaced_folder(Path(folder)) as fresh:
            self.config.save(fresh, TRANSFORMERS_KEYS if transformers else None)
            self.tokenizer.save(fresh)
            self.generation_config.save(fresh, {"do_sample": True} if transformers else None)
            if transformers:
                copy_remote_code(fresh)
            save_weights(fresh / WEIGHTS_NAME, weights, self.config.fingerprinted(self.tokenizer.characters))
        if push_to_hub:
            self.push_to_hub(repo_id or Path(folder).resolve().name, transformers=transformers, **push)

    def push_to_hub(self, repo_id: str, *, transformers: bool = False, **options: Unpack[PushOptions]) -> str:
        """Saves the model to a temporary folder and uploads it in one commit.

        A model that was loaded and has not changed is pushed with the card, metrics and training records of
        its folder. Any other model gets a card without metrics.

        Args:
            repo_id: the name of the repository, `user/name`.
            transformers: as in `save_pretrained`; without it, code that an earlier push added is deleted.
            **options: private, token, revision, create_pr, commit_message, commit_description and tags; see
                `hub.push_folder`.

        Returns:
            The URL of the commit, or of the pull request.

        Example:
            >>> model = PoetModel.from_pretrained("assets/tang-lstm")
            >>> model.push_to_hub("user/tang-lstm", private=True)  # doctest: +SKIP
            'https://huggingface.co/user/tang-lstm/commit/…'
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "model"
            self.save_pretrained(folder, transformers=transformers)
            if self._loaded and read_fingerprint(folder / WEIGHTS_NAME) == self._loaded[1]:
                copy_records(self._loaded[0], folder)  # they describe exactly these weights
            if not (folder / CARD_NAME).is_file():
                shape = {
                    name: getattr(self.config, name) for name in ("vocab_size", "hidden_size", "num_layers")
                }
                write_card(folder, {"model": {"parameters": self.num_parameters, **shape}})
            return push_folder(folder, repo_id, **options)

    @classmethod
    @torch.inference_mode(False)  # weights created in inference mode have no version and cannot be trained
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
        """Loads a model from a folder or from the Hub, in evaluation mode.

        If another process saves to the folder meanwhile, the result is the old or the new model, never a
        mixture.

        Args:
            name_or_path: a model folder, or a Hub id such as `user/tang-lstm`.
            device: the device of the model; the CPU by default.
            dtype: the type of the weights in memory, or its name; float32 by default, "auto" for the type on
                disk.
            revision, subfolder, cache_dir, token, force_download, local_files_only: as in
                `huggingface_hub.snapshot_download`.

        Raises:
            CheckpointError: the folder is damaged, or does not hold a model of this package.
            HubError: the Hub has no such model or cannot be reached.
            InvalidValueError: there is no such device on this machine, or no such dtype.

        Example:
            >>> PoetModel.from_pretrained("assets/tang-lstm", dtype="float16").bias.dtype
            torch.float16
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
        # `.to` of the whole model, unlike that of single weights, keeps them in one block for cuDNN
        return model.requires_grad_(True).to(target).eval()

    @classmethod
    def _read(cls, folder: Path, dtype: torch.dtype | str | None) -> PoetModel:
        """Reads the model from a folder and checks every file."""
        config = PoetConfig.load(folder)
        tokenizer = PoetTokenizer.load(folder)
        config.check_vocabulary(folder, len(tokenizer))
        with torch.device("meta"):
            model = cls(config, tokenizer, GenerationConfig.load(folder))
        shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        weights, fingerprint = load_weights(folder, shapes, config.fingerprinted(tokenizer.characters))
        model._loaded = folder, fingerprint
        target = dtype_named(dtype, to_tensor(next(iter(weights.values()))).dtype)
        # each array is freed as soon as it is converted
        tensors = {name: to_tensor(weights.pop(name)).to(target) for name in list(weights)}
        check_finite(folder, {name: bool(value.isfinite().all()) for name, value in tensors.items()})
        model.load_state_dict(tensors, assign=True)
        return model
