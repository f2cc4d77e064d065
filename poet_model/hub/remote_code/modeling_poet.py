"""A Tang poem LSTM for transformers' AutoModelForCausalLM: the same model.safetensors, the same logits.

This class has no dropout, and does not enforce form, tones or rhyme. The package `poet_model` trains the
model and can enforce all rules.
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .configuration_poet import PoetConfig


class _Stack(nn.Module):
    """A stack of single-layer LSTMs, or of vanilla RNNs."""

    def __init__(self, config: PoetConfig):
        super().__init__()
        kind = nn.RNN if config.cell == "handwritten_rnn" else nn.LSTM
        size = config.hidden_size
        self.layers = nn.ModuleList(kind(size, size, batch_first=True) for _ in range(config.num_layers))


class PoetModel(PreTrainedModel, GenerationMixin):
    """An embedding, an LSTM stack, and the embedding again as the output layer."""

    config_class = PoetConfig

    def __init__(self, config: PoetConfig):
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.lstm = _Stack(config)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """The input embedding, which methods such as `resize_token_embeddings` need."""
        return self.embedding

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **_: object,
    ) -> CausalLMOutputWithPast:
        """Ids (B, T) -> logits (B, T, V). The state starts at 0, and padding is skipped."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        # moves padding to the end and keeps the order of the rest
        order = attention_mask.argsort(dim=1, descending=True, stable=True)
        hidden = self.embedding(input_ids.gather(1, order))
        for layer in self.lstm.layers:
            hidden, _ = layer(hidden)
        back = order.argsort(dim=1)[..., None].expand_as(hidden)
        logits = F.linear(hidden.gather(1, back), self.embedding.weight, self.bias)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        return CausalLMOutputWithPast(loss=loss, logits=logits)

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **_):
        """The inputs of one step: the whole text, because the recurrent state is not kept between steps."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def generate(self, inputs=None, **options):
        """Generates ids as every transformers model does.

        A prompt without a header, such as 春, is given an empty one, because every poem of the training data
        has a header. It is not part of the returned ids.
        """
        ids, config = options.pop("input_ids", inputs), self.config
        if ids is None:
            ids = torch.empty(1, 0, dtype=torch.long, device=self.device)
        mask = options.pop("attention_mask", None)
        mask = torch.ones_like(ids) if mask is None else mask
        header = torch.tensor([[config.bos_token_id, *[config.sep_token_id] * 3]], device=ids.device)
        header = header.expand(len(ids), -1)[:, : 0 if (ids == config.bos_token_id).any() else None]
        ids, mask = torch.cat([header, ids], dim=1), torch.cat([torch.ones_like(header), mask], dim=1)
        defaults = {
            "do_sample": True,
            "eos_token_id": config.eos_token_id,
            "pad_token_id": config.pad_token_id,
            "guidance_scale": 1,  # of the model's own code, where it is about titles
            "suppress_tokens": [i for i in range(5) if i != config.eos_token_id],
        }
        written = super().generate(ids, attention_mask=mask, **defaults | options)
        if isinstance(written, torch.Tensor):
            return written[:, header.shape[1] :]
        written.sequences = written.sequences[:, header.shape[1] :]
        return written
