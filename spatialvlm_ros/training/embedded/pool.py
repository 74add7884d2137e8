"""Training examples on disk: shards of regions cut out of rendered scenes, written by one process and read by another.

Shards are numbered, and what is in a shard depends on its number and the seed alone. A reader that comes to a shard which is not
there yet waits for it, so that the order of the data depends on the configuration alone, however fast either process is.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...vlm.embedded.crops import REACH, XYZ_STEPS

#: Bits of ``RegionShard.flags``.
VALID, REGION, TRUTH, INSIDE = 1, 2, 4, 8
#: What a region is: a thing, something that is no thing at all, a gripper.
THING, NOTHING, GRIPPER = 0, 1, 2


class PoolError(RuntimeError):
    """Shards that do not come, or of other data than asked for. The text says which and what to do."""


@dataclass(frozen=True)
class RegionShard:
    """Regions, about seven a scene, scene after scene.

    Attributes:
        color: (N, 3, 64, 64) uint8, relative to white.
        xyz: (N, 3, 64, 64) int8, in radii of the region; 127 is ``crops.REACH``.
        flags: (N, 64, 64) uint8 of VALID, REGION (as proposed), TRUTH (pixels of the thing) and INSIDE (the image).
        scalars: (N, S) float32, ``crops.SCALARS``.
        concepts: (N, C) int8 of ``vocabulary.CONCEPTS``: 1 true, 0 false, -1 open.
        kind: (N,) uint8, THING, NOTHING or GRIPPER.
        scene: (N,) int32, which regions are of one image.
    """

    color: Tensor
    xyz: Tensor
    flags: Tensor
    scalars: Tensor
    concepts: Tensor
    kind: Tensor
    scene: Tensor

    def __len__(self) -> int:
        return len(self.kind)

    def tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def rows(self, index: Tensor) -> RegionShard:
        """Some of the regions, by number."""
        return RegionShard(**{name: tensor[index] for name, tensor in self.tensors().items()})


def join(shards: list[RegionShard]) -> RegionShard:
    """Several shards as one; scenes stay apart when each shard numbers its own from 0 up."""
    parts, first = [], 0
    for shard in shards:
        parts.append({**shard.tensors(), "scene": shard.scene + first})
        first = int(parts[-1]["scene"].max()) + 1 if len(shard) else first
    return RegionShard(**{name: torch.cat([part[name] for part in parts]) for name in parts[0]})


def pack_pictures(pictures: Tensor, truth: Tensor, inside: Tensor) -> dict[str, Tensor]:
    """``color``, ``xyz`` and ``flags`` of a shard from pictures (N, 8, 64, 64) and masks (N, 64, 64) bool; see crops.py."""
    color = ((pictures[:, :3] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    xyz = (pictures[:, 3:6] * XYZ_STEPS).round().clamp(-127, 127).to(torch.int8)
    bits = (pictures[:, 6] > 0.5, VALID), (pictures[:, 7] > 0.5, REGION), (truth, TRUTH), (inside, INSIDE)
    flags = sum((bit.to(torch.uint8) * value for bit, value in bits), torch.zeros_like(truth, dtype=torch.uint8))
    return {"color": color, "xyz": xyz, "flags": flags}


def unpack_pictures(shard: RegionShard) -> tuple[Tensor, Tensor]:
    """Pictures (N, 8, 64, 64) float32 as crops.py makes them, and the things' masks (N, 64, 64) bool."""
    inside = ((shard.flags & INSIDE) > 0)[:, None]
    color = (shard.color.float() / 127.5 - 1) * inside
    bits = torch.stack([(shard.flags & VALID) > 0, (shard.flags & REGION) > 0], dim=1).float()
    return torch.cat([color, shard.xyz.float() / XYZ_STEPS, bits], dim=1), (shard.flags & TRUTH) > 0


class Pool:
    """A folder of shards.

    Args:
        folder: made when it is not there.
        meta: what the data depends on (seed, sizes, concepts): a folder of other data is refused.

    Raises:
        PoolError: the folder holds other data.
    """

    def __init__(self, folder: Path, meta: Mapping[str, object]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**meta, "reach": REACH}, sort_keys=True, indent=1)
        path = folder / "pool.json"
        if not path.exists():
            _write(path, text.encode())
        elif path.read_text(encoding="utf-8") != text:
            raise PoolError(f"{folder} holds examples made with other settings; choose another folder or remove it")

    def path(self, number: int, kind: str = "regions") -> Path:
        return self.folder / f"{kind}-{number:05d}.safetensors"

    def has(self, number: int, kind: str = "regions") -> bool:
        return self.path(number, kind).exists()

    def write(self, number: int, tensors: Mapping[str, Tensor], kind: str = "regions") -> None:
        """Put a shard there, whole or not at all."""
        from safetensors.torch import save

        _write(self.path(number, kind), save({name: tensor.contiguous() for name, tensor in tensors.items()}))

    def read(self, number: int, kind: str = "regions", wait_s: float = 600.0) -> dict[str, Tensor]:
        """A shard, mapped into memory; waits until it is there.

        Raises:
            PoolError: it has not come within ``wait_s``.
        """
        from safetensors.torch import load_file

        path, end = self.path(number, kind), time.monotonic() + wait_s
        while not path.exists():
            if time.monotonic() > end:
                raise PoolError(f"{path} has not come in {wait_s:.0f} s; is the process that makes the data still running?")
            time.sleep(0.2)
        return load_file(path)

    def regions(self, number: int, wait_s: float = 600.0) -> RegionShard:
        """``read`` for regions."""
        return RegionShard(**self.read(number, "regions", wait_s))


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)
