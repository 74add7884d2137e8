"""Where bfloat16 is quicker than float32: on GPUs, and on processors with AVX-512; others only imitate it, many times slower."""

from __future__ import annotations

import torch


def reckoned_in_half(device: torch.device | str, wanted: bool = True) -> torch.autocast:
    """A context in which networks are reckoned in bfloat16 where that is ``wanted`` and ``device`` is quick at it."""
    kind = torch.device(device).type
    quick = kind != "cpu" or torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=wanted and quick)
