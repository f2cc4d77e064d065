"""LinearCrossEntropy: the output layer and the loss in one function. It knows nothing about models."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

CHUNK = 1024  # rows of logits at a time; chunks that fit into a CPU's cache are also the fastest


class LinearCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy of `hidden @ weight^T + bias`, computed without storing all logits.

    The (N, V) logits and their gradient would be by far the largest arrays in training. Here the logits are
    computed for CHUNK rows at a time. The gradients are computed in the forward pass, too: d loss / d logits
    is the softmax, minus one at the target. Without `log_counts` the result equals
    `F.cross_entropy(F.linear(hidden, weight, bias).float(), targets, reduction="sum")`, with the same
    rounding under autocast.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        targets: torch.Tensor,
        log_counts: torch.Tensor | None,
    ) -> torch.Tensor:
        """Computes the loss in nats, and the gradients if they are needed.

        Args:
            hidden: (N, H) hidden states.
            weight, bias: (C, H) and (C,) of the output layer.
            targets: (N,) the index of the correct class of each row.
            log_counts: (C,) added to the logits, except to that of a row's own target; None for zeros.

        Returns:
            () the sum over the rows.
        """
        device = hidden.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        low_hidden, low_weight, low_bias = (t.detach().to(dtype) for t in (hidden, weight, bias))
        needs_gradients = any(ctx.needs_input_grad)
        if needs_gradients:
            d_hidden = torch.empty_like(low_hidden)
            d_weight, d_bias = (torch.zeros_like(t, dtype=torch.float32) for t in (weight, bias))
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, len(hidden), CHUNK):
            rows = low_hidden[start : start + CHUNK]
            own = targets[start : start + CHUNK, None]
            logits = F.linear(rows, low_weight, low_bias).float()  # (n, C)
            of_target = logits.gather(1, own)
            if log_counts is not None:
                logits = logits.add_(log_counts).scatter_(1, own, of_target)
            normalizer = logits.logsumexp(1, keepdim=True)
            total += (normalizer - of_target).sum()
            if needs_gradients:
                d_logits = logits.sub_(normalizer).exp_()
                d_logits.scatter_add_(1, own, torch.full_like(of_target, -1.0))
                d_bias += d_logits.sum(0)
                d_logits = d_logits.to(dtype)
                d_hidden[start : start + CHUNK] = d_logits @ low_weight
                d_weight += d_logits.T @ rows
        if needs_gradients:
            ctx.save_for_backward(d_hidden, d_weight, d_bias)
            ctx.dtypes = hidden.dtype, weight.dtype, bias.dtype
        return total

    @staticmethod
    def backward(ctx: Any, d_total: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Returns the gradients of hidden, weight and bias: those from `forward`, times that of the loss."""
        gradients = (d * d_total for d in ctx.saved_tensors)
        return *(d.to(dtype) for d, dtype in zip(gradients, ctx.dtypes, strict=True)), None, None
