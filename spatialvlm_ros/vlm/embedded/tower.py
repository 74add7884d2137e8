"""Which region a phrase means: a small convolutional network on pictures of regions, a text encoder, and how they are matched.

A phrase answers to a region when each of its words does: every word becomes a question of its own about the region's embedding
(a direction, a bias, and how much it counts), and the probabilities are multiplied. That a "striped cup" is a cup and striped is
thus built in and need not be learnt for every pair of words; the words are read in their context first, so that "with a blue cap"
asks for a cap and not for a blue thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from .crops import CHANNELS, SCALARS

#: No word rules a region out more firmly than this, which keeps a wrong certainty about one word from deciding all.
_FLOOR = -12.0
# Channels of ``relief``, and what brings the slope of a thing's surface to about 1.
_RELIEF, _RELIEF_GAIN = 6, 8.0


@dataclass(frozen=True)
class TowerConfig:
    """Sizes of the tower; its JSON form is a part of the model's config.json.

    Attributes:
        words: the vocabulary of phrases, see tokenizer.py; its first two entries are padding and the unknown word.
        channels: of the five stages, each half as large as the one before; the first has 32 x 32 pixels.
        blocks: residual blocks of each stage.
        embedding: width of a region's embedding.
        text_width, text_layers, text_heads: of the text encoder.
        max_words: of a phrase; the rest is cut off.
        attributes: names of what is told of a region without being asked, for captions: "color:red", "pattern:striped" ...
        mask_width: channels of the head that mends masks.
    """

    words: tuple[str, ...] = ("<pad>", "<unk>")
    channels: tuple[int, ...] = (32, 64, 128, 192)
    blocks: tuple[int, ...] = (0, 1, 1, 1)
    embedding: int = 192
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    max_words: int = 16
    attributes: tuple[str, ...] = ()
    mask_width: int = 32


@dataclass(frozen=True)
class Regions:
    """Encoded regions.

    Attributes:
        embedding: (N, D) float32.
        maps: feature maps of the stages, for the head that mends masks.
    """

    embedding: Tensor
    maps: tuple[Tensor, ...] = field(repr=False)


@dataclass(frozen=True)
class Phrases:
    """Encoded phrases: for each word a direction (P, L, D), a bias (P, L), and how much it counts (P, L), 0 for padding."""

    direction: Tensor
    bias: Tensor
    weight: Tensor


class Residual(nn.Module):
    """Two convolutions around which the input is added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(x + self.second_norm(self.second(inner)))


def relief(xyz: Tensor) -> Tensor:
    """How points (N, 3, 64, 64) change from place to place: (N, 6, 32, 32) in -1 .. 1, across and down the picture.

    A first layer hardly sees a thing's own relief beside the distance to what lies behind, and bfloat16 does not hold it at all.
    """
    with torch.autocast(xyz.device.type, enabled=False):
        padded = functional.pad(functional.avg_pool2d(xyz.float(), 2), (1, 1, 1, 1), mode="replicate")
        across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
        down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
        return (_RELIEF_GAIN * torch.cat([across, down], dim=1)).clamp(-1, 1)


class RegionEncoder(nn.Module):
    """Pictures (N, 8, 64, 64) and scalars (N, S) to embeddings (N, D) and feature maps."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        stages, before = [], CHANNELS
        for channels, blocks in zip(config.channels, config.blocks, strict=True):
            down = nn.Conv2d(before, channels, 3, stride=2, padding=1, bias=False)
            norm = nn.BatchNorm2d(channels)
            stages.append(nn.Sequential(down, norm, nn.ReLU(), *(Residual(channels) for _ in range(blocks))))
            # The second stage sees the relief as well.
            before = channels + (_RELIEF if not stages[1:] else 0)
        self.stages = nn.ModuleList(stages)
        self.scalars = nn.Sequential(nn.Linear(len(SCALARS), 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        width = sum(config.channels) + config.channels[-1] + 6 + 64
        self.head = nn.Sequential(nn.Linear(width, 384), nn.ReLU(), nn.Linear(384, config.embedding))
        self.norm = nn.LayerNorm(config.embedding)

    def forward(self, pictures: Tensor, scalars: Tensor) -> Regions:
        maps: list[Tensor] = []
        x = pictures.contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            x = stage(x if len(maps) != 1 else torch.cat([x, relief(pictures[:, 3:6]).to(x.dtype)], dim=1))
            maps.append(x)
        return self.pooled(pictures, scalars, tuple(maps))

    def pooled(self, pictures: Tensor, scalars: Tensor, maps: tuple[Tensor, ...]) -> Regions:
        """What becomes of the feature maps of pictures."""
        mask = pictures[:, 7:8]
        pooled = [*mean_and_spread(pictures[:, :3], mask)]
        for x in maps:
            mask = functional.avg_pool2d(mask, 2)
            share = mask / mask.sum(dim=(2, 3), keepdim=True).clamp_min(1e-4)
            pooled.append((x.float() * share).sum(dim=(2, 3)))
        features = torch.cat([*pooled, maps[-1].float().mean(dim=(2, 3)), self.scalars(scalars).float()], dim=1)
        return Regions(self.norm(self.head(features).float()), maps)


def mean_and_spread(color: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (N, 3) of a picture's colour over its region."""
    share = mask / mask.sum(dim=(2, 3), keepdim=True).clamp_min(1.0)
    mean = (color * share).sum(dim=(2, 3))
    variance = ((color - mean[:, :, None, None]) ** 2 * share).sum(dim=(2, 3))
    return mean, (variance + 1e-6).sqrt()


class PhraseEncoder(nn.Module):
    """Words (P, L) to what each of them asks of a region."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        width = config.text_width
        self.words = nn.Embedding(len(config.words), width, padding_idx=0)
        self.places = nn.Parameter(torch.randn(config.max_words, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, config.text_heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.text_layers, enable_nested_tensor=False)
        self.direction = nn.Linear(width, config.embedding)
        self.bias = nn.Linear(width, 1)
        self.weight = nn.Linear(width, 1)
        nn.init.normal_(self.words.weight, std=0.3)
        nn.init.constant_(self.bias.bias, -1.0)

    def forward(self, ids: Tensor) -> Phrases:
        padding = ids == 0
        # A row without words would have nothing to look at; its weights are 0 all the same.
        padding = padding & ~padding.all(dim=1, keepdim=True)
        x = self.words(ids) + self.places[: ids.shape[1]]
        x = self.layers(x, src_key_padding_mask=padding).float()
        weight = torch.sigmoid(self.weight(x)[..., 0]) * (ids != 0)
        return Phrases(self.direction(x).float(), self.bias(x)[..., 0].float(), weight.float())


def match(phrases: Phrases, regions: Regions) -> Tensor:
    """(P, N) log of the probability that a region answers to a phrase, by its words alone."""
    return match_words(phrases, regions).sum(dim=1).clamp_min(3 * _FLOOR)


def match_words(phrases: Phrases, regions: Regions) -> Tensor:
    """(P, L, N) what each word adds to ``match``, at most 0."""
    width = regions.embedding.shape[1]
    product = phrases.direction.reshape(-1, width) @ regions.embedding.T / width**0.5
    asked = product.reshape(*phrases.bias.shape, -1) + phrases.bias[..., None]
    return phrases.weight[..., None] * functional.logsigmoid(asked).clamp_min(_FLOOR)


class MaskHead(nn.Module):
    """Feature maps and the region as proposed to the mask of the thing that it is of: logits (N, 64, 64)."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(channels, config.mask_width, 1) for channels in config.channels)
        self.mix = nn.Conv2d(config.mask_width + 4, config.mask_width, 3, padding=1)
        self.out = nn.Conv2d(config.mask_width, 4, 1)
        # The proposal itself is where learning starts.
        self.trust = nn.Parameter(torch.tensor(2.0))

    def forward(self, pictures: Tensor, maps: tuple[Tensor, ...]) -> Tensor:
        x = self.laterals[-1](maps[-1])
        for lateral, finer in zip(list(self.laterals)[-2::-1], maps[-2::-1], strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest") + lateral(finer)
        proposal = functional.pixel_unshuffle(pictures[:, 7:8], 2)
        x = functional.relu(self.mix(torch.cat([functional.relu(x), proposal.to(x.dtype)], dim=1)))
        logits = functional.pixel_shuffle(self.out(x), 2)[:, 0].float()
        return logits + self.trust * (2 * pictures[:, 7] - 1)


class RegionTextTower(nn.Module):
    """All of it, with heads that tell attributes without being asked."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.config = config
        self.regions = RegionEncoder(config)
        self.phrases = PhraseEncoder(config)
        self.masks = MaskHead(config)
        self.attributes = nn.Linear(config.embedding, len(config.attributes))

    def forward(self, pictures: Tensor, scalars: Tensor, ids: Tensor) -> Tensor:
        """(P, N) log of the probability that region n answers to phrase p; see the encoders for shapes."""
        return match(self.phrases(ids), self.regions(pictures, scalars))
