"""What a decoder knows of a number: a mixture of logistic densities on a signed logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .object_tokens import MAX_M

# Of the range in which a quantile lies; float32 tells no more apart.
_HALVINGS = 24


@dataclass(frozen=True)
class Density:
    """A mixture of logistic densities of u = asinh(value / scale_m).

    Attributes:
        log_weight, location, spread: (B, K), of u.
        copied: (B,) metres: the length among the tokens' that it starts from; 0 without.
    """

    log_weight: Tensor
    location: Tensor
    spread: Tensor
    scale_m: float
    copied: Tensor

    def log_likelihood(self, value_m: Tensor) -> Tensor:
        """(B,) of values in metres (B,), per unit of u."""
        z = (torch.asinh(value_m / self.scale_m)[:, None] - self.location) / self.spread
        each = -z.abs() - 2 * F.softplus(-z.abs()) - self.spread.log()
        return torch.logsumexp(self.log_weight + each, -1)

    def below(self, value_m: Tensor) -> Tensor:
        """(B,) probability that the number is below values in metres (B,)."""
        z = (torch.asinh(value_m / self.scale_m)[:, None] - self.location) / self.spread
        return (self.log_weight.exp() * torch.sigmoid(z)).sum(-1)

    def quantile(self, share: float) -> Tensor:
        """(B,) metres, within the range of the tokens' lengths; by bisection."""
        return self.quantiles((share,))[0]

    def quantiles(self, shares: Sequence[float]) -> Tensor:
        """(S, B) as ``quantile``, all by one bisection."""
        wanted = torch.tensor(shares, device=self.location.device)[:, None]
        most = math.asinh(MAX_M / self.scale_m)
        # A mixture's quantile lies between those of its components.
        own = (self.location + torch.logit(wanted)[..., None] * self.spread).clamp(-most, most)
        low, high = own.amin(-1), own.amax(-1)
        weight, slope = self.log_weight.exp(), 1 / self.spread
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = (weight * torch.sigmoid((middle[..., None] - self.location) * slope)).sum(-1) < wanted
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return self.scale_m * torch.sinh((low + high) / 2)
