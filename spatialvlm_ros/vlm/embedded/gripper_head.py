"""Where the robot's gripper is when nothing but the image tells: its pixels, and the point between its finger tips.

The class-agnostic grounder (perception/tabletop.py) drops what is attached to an arm at the image's edge, so this head looks at
the whole image at a low resolution. The point is reckoned as a camera measures: the mean of measured points that the network
points at, plus a small offset that it has learnt, for between the fingers there is often nothing but air.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .crops import Images, turned

#: Rows and columns of the small image, and of the maps that come out.
SMALL = (96, 128)
MAPS = (48, 64)
#: Red, green, blue, right, away, up (or height above the support plane), valid depth, whether the plane is known.
SMALL_CHANNELS = 8
# Lengths are given in this unit around a usual place, so that numbers are about 1.
_UNIT_M = 0.5
_AWAY_M = 0.7


@dataclass(frozen=True)
class GripperConfig:
    """Sizes of the head. ``channels`` of its four stages, ``width`` of the maps it ends with."""

    channels: tuple[int, ...] = (16, 32, 64, 96)
    width: int = 24


@dataclass(frozen=True)
class Grippers:
    """What the head says of B images.

    Attributes:
        present: (B,) log odds that a gripper is in sight.
        mask: (B, 48, 64) log odds of each cell.
        tip: (B, 3) metres along right, away, up from the camera.
        log_std: (B, 3) logarithm of its deviation in metres.
    """

    present: Tensor
    mask: Tensor
    tip: Tensor
    log_std: Tensor


def small_images(images: Images) -> tuple[Tensor, Tensor]:
    """(B, 8, 96, 128) float32 input of the head, and (B, 3, 96, 128) metres along right, away, up, NaN without depth."""
    height, width = images.sizes[0]
    # The finest level that is not much larger than what is needed.
    number = max((i for i, (h, w) in enumerate(images.sizes) if h >= SMALL[0] and w >= SMALL[1]), default=0)
    height, width = images.sizes[number]
    table = images.levels[number].reshape(-1, height, width, 7).permute(0, 3, 1, 2)
    pooled = functional.adaptive_avg_pool2d(table, SMALL)
    weight = pooled[:, 6:]
    valid = weight > 0.3
    xyz = turned(pooled[:, 3:6] / weight.clamp_min(1e-6), images.rotation).masked_fill(~valid, torch.nan)
    plane = torch.isfinite(images.height_m)
    lift = torch.nan_to_num(images.height_m)[:, None, None]
    scaled = torch.stack([xyz[:, 0], xyz[:, 1] - _AWAY_M, xyz[:, 2] + lift], dim=1) / _UNIT_M
    known = plane[:, None, None, None].expand(-1, 1, *SMALL).float()
    color = pooled[:, :3] * 2 - 1
    return torch.cat([color, torch.nan_to_num(scaled).clamp(-3, 3), valid.float(), known], dim=1), xyz


class GripperHead(nn.Module):
    """A small network on whole images."""

    def __init__(self, config: GripperConfig) -> None:
        super().__init__()
        stages, before = [], SMALL_CHANNELS + 2
        for channels in config.channels:
            layers: list[nn.Module] = []
            for stride, source in ((2, before), (1, channels)):
                layers += [
                    nn.Conv2d(source, channels, 3, stride=stride, padding=1, bias=False),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                ]
            stages.append(nn.Sequential(*layers))
            before = channels
        self.stages = nn.ModuleList(stages)
        self.context = nn.Linear(before, before)
        self.laterals = nn.ModuleList(nn.Conv2d(channels, config.width, 1) for channels in config.channels)
        self.mix = nn.Conv2d(config.width, config.width, 3, padding=1)
        self.maps = nn.Conv2d(config.width, 2, 1)
        self.present = nn.Linear(before, 1)
        self.tip = nn.Sequential(nn.Linear(before + config.width + 3, 96), nn.ReLU(), nn.Linear(96, 6))

    def forward(self, small: Tensor, xyz: Tensor) -> Grippers:
        """From ``small_images``."""
        rows = torch.linspace(-1, 1, small.shape[2], device=small.device)[None, None, :, None].expand(
            len(small), 1, -1, small.shape[3]
        )
        columns = torch.linspace(-1, 1, small.shape[3], device=small.device)[None, None, None].expand(
            len(small), 1, small.shape[2], -1
        )
        x = torch.cat([small, rows, columns], dim=1).contiguous(memory_format=torch.channels_last)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        pooled = x.float().amax(dim=(2, 3))
        x = self.laterals[-1](x + self.context(pooled.to(x.dtype))[:, :, None, None])
        for lateral, finer in zip(list(self.laterals)[-2::-1], maps[-2::-1], strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest") + lateral(finer)
        x = functional.relu(self.mix(functional.relu(x)))
        mask, where = self.maps(x).float().unbind(dim=1)
        tip, log_std = self._tip(x.float(), pooled, mask, where, xyz)
        return Grippers(self.present(pooled.float())[:, 0].float(), mask, tip, log_std)

    def _tip(self, x: Tensor, pooled: Tensor, mask: Tensor, where: Tensor, xyz: Tensor) -> tuple[Tensor, Tensor]:
        """The point between the tips (B, 3) and the logarithm of its deviation (B, 3)."""
        points = xyz[:, :, ::2, ::2].flatten(2)
        measured = torch.isfinite(points).all(dim=1)
        # Where depth is missing nothing can be pointed at; without any depth the camera itself is.
        score = (where.flatten(1) + functional.logsigmoid(mask.flatten(1))).masked_fill(~measured, -30.0)
        share = torch.softmax(score, dim=1)
        anchor = (torch.nan_to_num(points) * share[:, None]).sum(dim=2)
        attended = (x.flatten(2) * share[:, None]).sum(dim=2)
        unit = (anchor - anchor.new_tensor([0.0, _AWAY_M, 0.0])) / _UNIT_M
        offset, log_std = self.tip(torch.cat([pooled, attended, unit], dim=1)).float().chunk(2, dim=1)
        return anchor + 0.1 * offset, (log_std - 4.0).clamp(-7.0, 1.0)


def gripper_loss(found: Grippers, present: Tensor, mask: Tensor, tip: Tensor) -> dict[str, Tensor]:
    """Losses per image.

    Args:
        present: (B,) bool.
        mask: (B, 48, 64) float share of each cell that the gripper covers.
        tip: (B, 3) metres along right, away, up; NaN where it is not known.
    """
    there = present.float()
    cells = functional.binary_cross_entropy_with_logits(found.mask, mask, reduction="none").mean(dim=(1, 2))
    known = torch.isfinite(tip).all(dim=1) & present
    error = (found.tip - torch.nan_to_num(tip)).abs()
    # Laplace's law: less is made of the few that are far off than with squares.
    likelihood = (error * torch.exp(-found.log_std) + found.log_std).mean(dim=1) + 4.0
    return {
        "gripper there": functional.binary_cross_entropy_with_logits(found.present, there),
        "gripper mask": cells.mean() * 8.0,
        "gripper tip": (likelihood * known).sum() / known.sum().clamp_min(1),
        "gripper error": ((error.norm(dim=1) * known).sum() / known.sum().clamp_min(1)).detach(),
    }
