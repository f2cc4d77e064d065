"""A Tang poem LSTM for transformers' AutoModelForCausalLM: the same model.safetensors, the same logits.

It has no dropout and imposes nothing on a poem; `poet_model` trains it and writes with all its rules.
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .configuration_poet import PoetConfig


class _Stack(nn.Module):
    """Single-layer LSTMs (or vanilla RNNs), one on the other."""

    def __init__(self, config: PoetConfig):
        super().__init__()
        kind = nn.RNN if config.cell == "handwritten_rnn" else nn.LSTM
        size = config.hidden_size
        self.layers = nn.ModuleList(kind(size, size, batch_first=True) for _ in range(config.num_layers))


class PoetModel(PreTrainedModel, GenerationMixin):
    """Embedding, LSTM stack, and the embedding again as output layer."""

    config_class = PoetConfig

    def __init__(self, config: PoetConfig):
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.lstm = _Stack(config)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """What `resize_token_embeddings` and others look for."""
        return self.embedding

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **_,
    ) -> CausalLMOutputWithPast:
        """Ids (B, T) -> logits (B, T, V); the state begins at 0, and padding is passed over."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        order = attention_mask.argsort(
            dim=1, descending=True, stable=True
        )  # padding to the end, all else stays
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
        """The whole text at each step: there is no cache of keys and values."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def generate(self, inputs=None, **options):
        """As always; a text without a header, such as 春, gets the empty one that poems stand behind."""
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
            "suppress_tokens": [i for i in range(5) if i != config.eos_token_id],
        }
        written = super().generate(ids, attention_mask=mask, **defaults | options)
        if isinstance(written, torch.Tensor):
            return written[:, header.shape[1] :]  # nobody asked for the header
        written.sequences = written.sequences[:, header.shape[1] :]
        return written
