"""Eleven optimizers in order of complexity, gradient clipping, and schedules of the learning rate.

In the equations p is a parameter, g its gradient, η the learning rate and t the step, counted from 1. ε and
the bias corrections stand where torch.optim has them, so that each optimizer equals its torch twin.
AdaBound, which torch lacks, follows its paper.
"""

from __future__ import annotations

from .adam import AdaBound, Adam, Adamax, AdamW, NAdam
from .adaptive import Adadelta, Adagrad, RMSProp
from .base import Optimizer, clip_gradients
from .gradient_descent import SGD, Momentum, Nesterov
from .schedules import SCHEDULES, Cosine, HalveWhenLossRises, StepDecay

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "rmsprop": RMSProp,
    "adadelta": Adadelta,
    "adam": Adam,
    "adamw": AdamW,
    "adamax": Adamax,
    "nadam": NAdam,
    "adabound": AdaBound,
}

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "AdaBound",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Cosine",
    "HalveWhenLossRises",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "RMSProp",
    "StepDecay",
    "clip_gradients",
]
