"""Pixels to answers in one network, small: the tower's region encoder, a head that places what it sees, and the answer decoder.

The shipped model measures with depth and reads the engine's numbers. Here nothing is measured: what the decoder reads of a thing
is what the encoder made of its pixels, so that the paper's ablations (encoder, labels, mixture, inputs) have something to act on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...vlm.embedded.crops import SCALARS
from ...vlm.embedded.decoder import AnswerDecoder, DecoderConfig, Prompted
from ...vlm.embedded.object_tokens import DIRECTIONS, FIELDS, NUM_FEATURES
from ...vlm.embedded.tower import RegionEncoder, TowerConfig
from .ablations_data import SIGHTS, Crops
from .answers_data import Batch
from .answers_data_text import all_words
from .vocabulary import CONCEPTS

# Where guesses begin: a thing of 7 cm at 0.8 m.
_DISTANCE_M, _SIZE_M, _STD_M = 0.8, 0.07, 0.03
_EMBEDDING = 128


@dataclass(frozen=True)
class SmallSizes:
    """Sizes of the network; all fields are its class's own."""

    channels: tuple[int, ...] = (24, 48, 96, 128)
    blocks: tuple[int, ...] = (0, 0, 1, 0)
    decoder_dim: int = 64
    decoder_layers: int = 2
    decoder_heads: int = 4


def decoder_sizes(sizes: SmallSizes | None = None) -> DecoderConfig:
    """Of the decoder, with its vocabulary."""
    sizes = sizes or SmallSizes()
    return DecoderConfig(all_words(), dim=sizes.decoder_dim, layers=sizes.decoder_layers, heads=sizes.decoder_heads)


class PixelsToAnswers(nn.Module):
    """``encoder`` and ``decoder`` are the embedded model's classes; ``place`` and ``attributes`` read the encoder."""

    def __init__(self, sizes: SmallSizes | None = None) -> None:
        super().__init__()
        sizes = sizes or SmallSizes()
        self.encoder = RegionEncoder(TowerConfig(channels=sizes.channels, blocks=sizes.blocks, embedding=_EMBEDDING))
        self.attributes = nn.Linear(_EMBEDDING, len(CONCEPTS))
        # Direction 3, distance 1, box 3, deviations 2.
        self.place = nn.Sequential(nn.Linear(_EMBEDDING + SIGHTS, 128), nn.GELU(), nn.Linear(128, 9))
        self.decoder = AnswerDecoder(decoder_sizes(sizes))
        self.register_buffer("directions", torch.tensor(DIRECTIONS, dtype=torch.float32).abs(), persistent=False)
        nn.init.normal_(self.place[-1].weight, std=0.01)
        nn.init.zeros_(self.place[-1].bias)

    def embed(self, pictures: Tensor, sight: Tensor) -> Tensor:
        """(N, D) of pictures (N, 8, 32, 32) and sights (N, SIGHTS)."""
        scalars = functional.pad(sight, (0, len(SCALARS) - SIGHTS))
        found: Tensor = self.encoder(pictures, scalars).embedding
        return found

    def tokens(self, embedding: Tensor, sight: Tensor) -> Tensor:
        """(N, NUM_FEATURES) object tokens as the encoder guesses them; see object_tokens.py."""
        raw = self.place(torch.cat([embedding, sight], 1)).float()
        way = sight[:, :3] + 0.1 * raw[:, :3]
        position = way * (_DISTANCE_M * torch.exp(raw[:, 3:4].clamp(-2, 2)))
        box = _SIZE_M * torch.exp(raw[:, 4:7].clamp(-3, 3))
        return self.described(position, box, _STD_M * torch.exp(raw[:, 7:9].clamp(-4, 3)))

    def described(self, position: Tensor, box: Tensor, std: Tensor) -> Tensor:
        """(N, NUM_FEATURES) tokens of upright boxes: centres (N, 3), extents (N, 3), their deviations (N, 2), metres."""
        out = position.new_zeros(len(position), NUM_FEATURES)
        fields = {
            "position": position,
            "box": box,
            "extents": box,
            "size": box.prod(1, keepdim=True) ** (1 / 3),
            "reach": box @ self.directions.T / 2,
            "std": std[:, :1].expand(-1, 3),
            "box_std": std[:, 1:].expand(-1, 3),
            "extents_std": std[:, 1:].expand(-1, 3),
            "size_std": std[:, 1:],
        }
        for name, value in fields.items():
            out[:, FIELDS[name]] = value
        # Seen now, by a camera that knows up; of the support nothing is known.
        out[:, FIELDS["kind"].start : FIELDS["kind"].stop - 1] = 1.0
        return out

    def forward(self, crops: Crops, batch: Batch, inputs: str, *, blind: bool = False, shuffled: bool = False) -> Prompted:
        """What the decoder says to questions about crops (``batch.objects`` holds their numbers).

        Args:
            blind: the decoder sees no things, only the question (control).
            shuffled: each thing has another's pixels, and its own place in the image (control).
        """
        index = torch.from_numpy(batch.objects[..., 0]).long()
        used, inverse = torch.unique(index, return_inverse=True)
        shown = used.roll(len(used) // 2) if shuffled else used
        pictures = crops.pictures(shown, inputs).contiguous(memory_format=torch.channels_last)
        tokens = self.tokens(self.embed(pictures, crops.sight[used]), crops.sight[used])
        objects = tokens[inverse.reshape(-1)].reshape(*index.shape, NUM_FEATURES)
        return self.prompt(torch.zeros_like(objects) if blind else objects, batch)

    def told(self, crops: Crops, batch: Batch, noise: Tensor) -> Prompted:
        """The same about things whose places are told: true but for noise, a share (N,) of their distance and size."""
        index = torch.from_numpy(batch.objects[..., 0]).long()
        used, inverse = torch.unique(index, return_inverse=True)
        share = noise[used, None]
        position, box = crops.centre[used], boxes(crops)[used]
        distance, edge = position.norm(dim=1, keepdim=True), box.mean(dim=1, keepdim=True)
        std = torch.cat([share * distance, share * edge], 1) / 2
        moved = position + std[:, :1] * torch.randn_like(position)
        tokens = self.described(moved, (box + std[:, 1:] * torch.randn_like(box)).clamp_min(0.005), std)
        return self.prompt(tokens[inverse.reshape(-1)].reshape(*index.shape, NUM_FEATURES), batch)

    def prompt(self, objects: Tensor, batch: Batch) -> Prompted:
        return self.decoder.prompt(objects, torch.from_numpy(batch.present), torch.from_numpy(batch.question))


def boxes(crops: Crops) -> Tensor:
    """(N, 3) extents to the right, away and up, metres."""
    c, s = crops.yaw.cos().abs(), crops.yaw.sin().abs()
    along, across, high = crops.size.unbind(1)
    return torch.stack([c * along + s * across, s * along + c * across, high], 1)
