"""The other design that was tried: a network on the whole image that paints what a phrase means, with no proposals before it.

Its maps depend on the phrase by a scale and a shift for each channel (FiLM; Perez et al. 2018). It is kept to be compared with
the tower on equal terms (evaluation/designs_bench.py), not to be used.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...vlm.embedded.crops import Images, turned
from ...vlm.embedded.tokenizer import PhraseTokenizer
from .phrases import Phrase, PhraseMaker, truth
from .precision import reckoned_in_half
from .render import RenderedBatch

#: Rows and columns of the image and of the painted map.
SIZE, MAP = (120, 160), (60, 80)


@dataclass(frozen=True)
class WholeScenes:
    """Whole images of scenes with what is true of them.

    Attributes:
        images: (B, 8, 120, 160) float16: red, green, blue, right, away, height (or up), valid, plane known.
        ids: (B, 60, 80) int16: i + 1 the i-th thing of its image, else at most 0.
        concepts: of each image (things, C) int8, 1 true, 0 false, -1 open; -1 throughout for a thing that is not to be asked for.
    """

    images: Tensor
    ids: Tensor
    concepts: tuple[Tensor, ...]


def whole_scenes(batch: RenderedBatch, images: Images, good: np.ndarray) -> WholeScenes:
    """Whole images of a rendered batch; ``good`` (N,) bool which of its things are large enough to be asked for."""
    attributes = torch.tensor(np.nan_to_num(batch.attributes, nan=-1.0)).to(torch.int8)
    attributes[~torch.from_numpy(good)] = -1
    own = tuple(attributes[torch.from_numpy(batch.image == image)] for image in range(len(batch.color)))
    ids = functional.interpolate(batch.ids[:, None].float(), size=MAP, mode="nearest")[:, 0]
    return WholeScenes(whole_pictures(images).half(), ids.to(torch.int16), own)


def whole_pictures(images: Images) -> Tensor:
    """(B, 8, 120, 160) float32 input of the network."""
    height, width = images.sizes[0]
    table = images.levels[0].reshape(-1, height, width, 7).permute(0, 3, 1, 2)
    pooled = functional.adaptive_avg_pool2d(table, SIZE)
    weight = pooled[:, 6:]
    valid = weight > 0.3
    xyz = turned(torch.where(valid, pooled[:, 3:6] / weight.clamp_min(1e-6), torch.zeros_like(weight)), images.rotation)
    lift = torch.nan_to_num(images.height_m)[:, None, None]
    shifted = torch.stack([xyz[:, 0], xyz[:, 1] - 0.7, xyz[:, 2] + lift], dim=1) / 0.5 * valid
    known = torch.isfinite(images.height_m)[:, None, None, None].expand(-1, 1, *SIZE)
    return torch.cat([pooled[:, :3] * 2 - 1, shifted.clamp(-3, 3), valid.float(), known.float()], dim=1)


class WholeImageNet(nn.Module):
    """Images once, then a map for each phrase."""

    def __init__(
        self, words: int, channels: Sequence[int] = (24, 48, 96, 160), text_width: int = 128, max_words: int = 16
    ) -> None:
        super().__init__()
        stages, before = [], 10
        for width in channels:
            layers: list[nn.Module] = []
            for stride, source in ((2, before), (1, width)):
                layers += [nn.Conv2d(source, width, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            stages.append(nn.Sequential(*layers))
            before = width
        self.stages = nn.ModuleList(stages)
        self.words = nn.Embedding(words, text_width, padding_idx=0)
        self.places = nn.Parameter(torch.randn(max_words, text_width) * 0.02)
        layer = nn.TransformerEncoderLayer(text_width, 4, 2 * text_width, dropout=0.0, batch_first=True, norm_first=True)
        self.text = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        nn.init.normal_(self.words.weight, std=0.3)
        inner = 64
        self.laterals = nn.ModuleList(nn.Conv2d(width, inner, 1) for width in channels)
        self.films = nn.ModuleList(nn.Linear(text_width, 2 * inner) for _ in channels)
        self.mixes = nn.ModuleList(nn.Conv2d(inner, inner, 3, padding=1) for _ in channels)
        self.out = nn.Conv2d(inner, 1, 1)

    def encode(self, images: Tensor) -> list[Tensor]:
        """Feature maps of the four stages."""
        rows = torch.linspace(-1, 1, SIZE[0], device=images.device)[None, None, :, None].expand(len(images), 1, -1, SIZE[1])
        columns = torch.linspace(-1, 1, SIZE[1], device=images.device).expand(len(images), 1, SIZE[0], -1)
        x, maps = torch.cat([images, rows, columns], dim=1).contiguous(memory_format=torch.channels_last), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, maps: list[Tensor], image: Tensor, ids: Tensor) -> Tensor:
        """(P, 60, 80) log odds that a cell shows what phrase p (ids (P, L)) means on image number ``image`` (P,)."""
        hidden = ids == 0
        hidden = hidden & ~hidden.all(dim=1, keepdim=True)
        text = self.text(self.words(ids) + self.places[: ids.shape[1]], src_key_padding_mask=hidden)
        weight = (~hidden).float()[..., None]
        said = (text * weight).sum(1) / weight.sum(1)
        x: Tensor | None = None
        for level in reversed(range(len(maps))):
            own = self.laterals[level](maps[level])[image]
            if x is not None:
                own = own + functional.interpolate(x, size=own.shape[2:], mode="nearest")
            scale, shift = self.films[level](said).to(own.dtype)[:, :, None, None].chunk(2, dim=1)
            x = functional.relu(self.mixes[level](functional.relu(own * (1 + scale) + shift)))
        assert x is not None
        return self.out(x)[:, 0].float()


def train_whole_image(
    net: WholeImageNet,
    tokenizer: PhraseTokenizer,
    scenes: WholeScenes,
    cpu_seconds: float,
    seed: int = 0,
    images: int = 12,
    phrases: int = 5,
    rate: float = 2e-3,
    clock: Callable[[], float] = time.process_time,
) -> int:
    """Train for so many seconds of the clock, the rate falling along half a cosine of it; the number of steps made."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.05)
    began, step = clock(), 0
    net.train()
    while (spent := clock() - began) < cpu_seconds:
        rng = np.random.default_rng([seed, step])
        chosen = rng.integers(0, len(scenes.images), images)
        texts, owner, target, told = _questions(rng, scenes, chosen, phrases)
        ids = torch.from_numpy(tokenizer.encode(texts).ids)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * spent / cpu_seconds))
        with reckoned_in_half("cpu"):
            maps = net.encode(scenes.images[torch.from_numpy(chosen)].float())
            logits = net(maps, owner, ids)
        weight = told * torch.where(target > 0, 4.0, 1.0)
        loss = functional.binary_cross_entropy_with_logits(logits.float(), target, weight=weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
    return step


def _questions(
    rng: np.random.Generator, scenes: WholeScenes, chosen: np.ndarray, phrases: int
) -> tuple[list[str], Tensor, Tensor, Tensor]:
    """Texts, number in ``chosen`` of each one's image (P,), what to paint (P, 60, 80), and where that is not open."""
    maker, texts, owner, targets, known = PhraseMaker(rng), [], [], [], []
    for place, number in enumerate(chosen.tolist()):
        concepts = scenes.concepts[number].numpy().astype(np.float32)
        attributes = np.where(concepts < 0, np.float32(np.nan), concepts)
        askable = np.flatnonzero((concepts >= 0).any(axis=1))
        for _ in range(phrases):
            phrase = _phrase(rng, maker, attributes, askable)
            answers = truth([phrase], attributes)[0] if len(attributes) else np.zeros(0, np.float32)
            ids = scenes.ids[number].long()
            # Of id 0 and below nothing is true.
            yes = torch.from_numpy(np.concatenate([[0.0], np.nan_to_num(answers)]).astype(np.float32))
            sure = torch.from_numpy(np.concatenate([[1.0], np.isfinite(answers)]).astype(np.float32))
            texts.append(phrase.text)
            owner.append(place)
            targets.append(yes[ids.clamp_min(0)])
            known.append(sure[ids.clamp_min(0)])
    return texts, torch.tensor(owner), torch.stack(targets), torch.stack(known)


def _phrase(rng: np.random.Generator, maker: PhraseMaker, attributes: np.ndarray, askable: np.ndarray) -> Phrase:
    draw = rng.random()
    if not len(askable) or draw > 0.92:
        return maker.any()
    chosen = int(rng.choice(askable))
    phrase = maker.about(attributes[chosen], np.delete(attributes, chosen, axis=0))
    return phrase if draw < 0.62 else maker.wrong_about(phrase, attributes[chosen])
