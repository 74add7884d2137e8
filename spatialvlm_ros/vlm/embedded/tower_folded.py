"""The encoder of regions as it is used, on a CPU: normalisation folded into convolutions, weights kept as these read them.

The same numbers as ``RegionEncoder.forward`` up to rounding, in two thirds of the time. No gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

from .crops import SIZE_PX
from .tower import RegionEncoder, Regions, Residual, relief

# What torch's own compiler calls: convolutions on weights that were brought into the order in which they are read.
_ONE_DNN = torch.backends.mkldnn.is_available() and all(
    hasattr(torch.ops.mkldnn, name) for name in ("_reorder_convolution_weight", "_convolution_pointwise")
)


@dataclass(frozen=True)
class _Convolution:
    """A convolution with what normalises it, followed by the positive part."""

    weight: Tensor
    bias: Tensor
    stride: int
    packed: Tensor | None

    @staticmethod
    def of(convolution: nn.Conv2d, norm: nn.BatchNorm2d, edge_px: int) -> _Convolution:
        """For inputs of this edge: told nothing of that, oneDNN may choose an order that is read 30 times slower."""
        assert norm.running_mean is not None and norm.running_var is not None
        gain = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        weight = (convolution.weight * gain[:, None, None, None]).contiguous(memory_format=torch.channels_last)
        stride = convolution.stride[0]
        how = [1, 1], [stride, stride], [1, 1], 1, [1, weight.shape[1], edge_px, edge_px]
        packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *how) if _ONE_DNN else None
        return _Convolution(weight, norm.bias - norm.running_mean * gain, stride, packed)

    def __call__(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Of x (N, C, h, w); ``added`` (N, C', h', w') is added before the positive part is taken."""
        how = [1, 1], [self.stride, self.stride], [1, 1], 1
        if self.packed is not None and added is None:
            result: Tensor = torch.ops.mkldnn._convolution_pointwise(x, self.packed, self.bias, *how, "relu", [], "")
            return result
        if self.packed is not None:
            fused = torch.ops.mkldnn._convolution_pointwise.binary
            result = fused(x, added, self.packed, self.bias, *how, "add", 1.0, "relu", [], "")
            return result
        found = functional.conv2d(x, self.weight, self.bias, self.stride, padding=1)
        return functional.relu_(found if added is None else found + added)


class Folded:
    """The convolutions of an encoder as its weights are now."""

    def __init__(self, encoder: RegionEncoder) -> None:
        self.stages: list[list[_Convolution]] = []
        # Not the encoder itself, which would then never be forgotten.
        self._parts = [part for part in encoder.stages.modules() if isinstance(part, nn.Conv2d | nn.BatchNorm2d)]
        self._weights = self._read()
        edge_px = SIZE_PX
        for stage in encoder.stages:
            down, norm, _, *blocks = stage
            layers = [_Convolution.of(down, norm, edge_px)]
            edge_px //= 2
            for block in blocks:
                assert isinstance(block, Residual)
                both = (block.first, block.first_norm), (block.second, block.second_norm)
                layers += [_Convolution.of(convolution, each, edge_px) for convolution, each in both]
            self.stages.append(layers)

    def _read(self) -> list[tuple[int, int]]:
        """Where each of the encoder's numbers are, and how often they were changed there."""
        kept = (each for part in self._parts for each in (*part._parameters.values(), *part._buffers.values()))
        return [(each.data_ptr(), each._version) for each in kept if each is not None]

    def is_of_now(self) -> bool:
        """Whether the encoder's weights are still those that were folded."""
        return self._read() == self._weights

    def maps(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of pictures (N, 8, 64, 64), as of ``Regions``."""
        maps: list[Tensor] = []
        x = pictures
        for down, *blocks in self.stages:
            if len(maps) == 1:
                x = torch.cat([x, relief(pictures[:, 3:6])], dim=1)
            x = down(x.contiguous(memory_format=torch.channels_last))
            for first, second in zip(blocks[::2], blocks[1::2], strict=True):
                x = second(first(x), x)
            maps.append(x)
        return tuple(maps)


_FOLDED: WeakKeyDictionary[RegionEncoder, Folded] = WeakKeyDictionary()


@torch.no_grad()
def folded_regions(encoder: RegionEncoder, pictures: Tensor, scalars: Tensor) -> Regions:
    """``encoder(pictures, scalars)`` in evaluation, quicker on a CPU."""
    if encoder.training or pictures.device.type != "cpu" or pictures.dtype != torch.float32:
        regions: Regions = encoder(pictures, scalars)
        return regions
    known = _FOLDED.get(encoder)
    if known is None or not known.is_of_now():
        known = _FOLDED[encoder] = Folded(encoder)
    pooled: Regions = encoder.pooled(pictures, scalars, known.maps(pictures))
    return pooled
