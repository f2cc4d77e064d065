"""The parts of a plain transformer: its configuration, its layers, and the cache of keys and values.

Pre-norm layers with rotary positions (Su et al. 2021). Nothing here knows tokens or poems; see gpt.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

HEAD_SIZE = 32  # D, features of an attention head
ROOM = 64  # tokens that an empty cache has room for


@dataclass(frozen=True)
class GPTConfig:
    """The architecture of a GPT.

    Args:
        vocab_size: V, the number of token ids.
        num_heads: N, the number of heads of each layer; the width H is N times HEAD_SIZE.
        inner_size: the width of the feed-forward part of each layer.
        num_layers: L, the number of layers.
        dropout: the rate on the embedded tokens, and on what each half of a layer adds, in training only.
    """

    vocab_size: int
    num_heads: int
    inner_size: int
    num_layers: int = 4
    dropout: float = 0.0

    @property
    def hidden_size(self) -> int:
        """H, the width of the embedding and of every layer."""
        return self.num_heads * HEAD_SIZE

    @property
    def num_parameters(self) -> int:
        """The number of trainable parameters of a GPT with this architecture."""
        width = self.hidden_size
        layer = 4 * width**2 + 2 * width * self.inner_size + 2 * width
        return self.vocab_size * (width + 1) + self.num_layers * layer + width

    @classmethod
    def of_size(
        cls, vocab_size: int, parameters: int, num_layers: int = 4, dropout: float = 0.0
    ) -> GPTConfig:
        """The architecture with about this number of parameters.

        The number of heads is that with which a feed-forward part of the usual width, 4 H, comes nearest;
        that width then makes up the difference.
        """

        def with_heads(heads: int, inner_size: int = 0) -> GPTConfig:
            return cls(vocab_size, heads, inner_size, num_layers, dropout)

        def difference(heads: int) -> int:
            return abs(with_heads(heads, 4 * heads * HEAD_SIZE).num_parameters - parameters)

        heads = min(range(1, 65), key=difference)
        missing = parameters - with_heads(heads).num_parameters
        return with_heads(heads, max(1, round(missing / (2 * num_layers * heads * HEAD_SIZE))))


class Cache:
    """The keys and values of the tokens that a batch of rows has read so far: the state of a GPT.

    Args:
        buffer: (L, 2, B, N, room, D) keys and values, of which the first `length` are those of tokens.
        length: the number of tokens.
    """

    def __init__(self, buffer: torch.Tensor, length: int = 0):
        self.buffer, self.length = buffer, length
        self._is_continued = False  # whether the place after these tokens is taken

    def continued(self, tokens: int) -> Cache:
        """A cache with room for `tokens` more. It shares the memory of this one, which stays as it is."""
        buffer, length = self.buffer, self.length + tokens
        if self._is_continued or length > buffer.shape[4]:
            shape = list(buffer.shape)
            shape[4] = max(ROOM, 2 * length)
            buffer = buffer.new_empty(shape)
            buffer[..., : self.length, :] = self.buffer[..., : self.length, :]
        else:
            self._is_continued = True
        return Cache(buffer, length)

    def rows(self, chosen: torch.Tensor) -> Cache:
        """The cache of the chosen rows (B,), as a copy."""
        return Cache(self.buffer[:, :, chosen, :, : self.length], self.length)

    @property
    def bytes_per_row(self) -> int:
        """The bytes that the tokens of one row take."""
        layers, two, _, heads, _, size = self.buffer.shape
        return layers * two * heads * self.length * size * self.buffer.element_size()


class Attention(nn.Module):
    """Causal self-attention with rotary positions."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        width = config.hidden_size
        self.num_heads = config.num_heads
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def forward(
        self, x: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor], past: torch.Tensor | None
    ) -> torch.Tensor:
        """Inputs (B, T, H) -> outputs (B, T, H).

        Args:
            x: the inputs.
            turn: cosines and sines (T, D / 2) of the positions.
            past: (2, B, N, S, D) keys and values of all tokens so far, whose last T are written here; None if
                the inputs are all tokens.
        """
        heads = self.queries_keys_values(x).unflatten(2, (3, self.num_heads, HEAD_SIZE))
        # float32, which is three times as fast as bf16 on a CPU with heads this small
        q, k, v = heads.float().permute(2, 0, 3, 1, 4)  # (B, N, T, D) each
        q, k, mask = rotated(q, *turn), rotated(k, *turn), None
        if past is not None:
            past[0, :, :, -x.shape[1] :], past[1, :, :, -x.shape[1] :] = k, v
            k, v = past
            if q.shape[2] > 1:
                mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=x.device)
                mask = mask.tril(k.shape[2] - q.shape[2])
        with torch.autocast(x.device.type, enabled=x.is_cuda and torch.is_autocast_enabled("cuda")):
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=past is None)
        return self.output(y.transpose(1, 2).flatten(2))


def rotated(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Turns the pairs (i, i + D / 2) of the features (..., T, D) by the angles of their positions."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


class Layer(nn.Module):
    """Attention and a feed-forward part; each reads normalized inputs and adds to them."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        width = config.hidden_size
        self.norms = nn.ModuleList(nn.LayerNorm(width, bias=False) for _ in range(2))
        self.attention = Attention(config)
        self.inner = nn.Linear(width, config.inner_size, bias=False)
        self.outer = nn.Linear(config.inner_size, width, bias=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor], past: torch.Tensor | None
    ) -> torch.Tensor:
        """As Attention.forward."""
        x = x + self.dropout(self.attention(self.norms[0](x), turn, past))
        return x + self.dropout(self.outer(F.gelu(self.inner(self.norms[1](x)))))
