"""Numbers that training reckons in."""

from __future__ import annotations

import time

import torch
from torch import nn

from spatialvlm_ros.training.embedded.precision import reckoned_in_half


def test_half_precision_is_used_only_where_it_is_not_slower_by_far() -> None:
    """Processors that only imitate bfloat16 took four times as long for a layer, and eight times for a step of the tower."""
    torch.set_num_threads(1)
    layer, values = nn.Linear(256, 1024), torch.randn(512, 256)

    def seconds(wanted: bool) -> float:
        started = time.process_time()
        with reckoned_in_half("cpu", wanted):
            layer(values).float().square().sum().backward()
        return time.process_time() - started

    spent = {wanted: min(seconds(wanted) for _ in range(8)) for wanted in (False, True)}
    assert spent[True] < 2.5 * spent[False]


def test_what_does_not_want_it_is_reckoned_in_float32() -> None:
    with reckoned_in_half("cpu", wanted=False):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32
