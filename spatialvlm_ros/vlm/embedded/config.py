"""Configuration of the embedded model, as transformers reads and writes it (config.json)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from transformers import PreTrainedConfig

from .calibration import Calibration
from .decoder import DecoderConfig
from .gripper_head import GripperConfig
from .tower import TowerConfig

Fields = TypeVar("Fields")


class SpatialVlmConfig(PreTrainedConfig):
    """Sizes, vocabularies and calibration of all parts, as plain data.

    Attributes:
        tower: fields of ``TowerConfig``.
        gripper: fields of ``GripperConfig``.
        decoder: fields of ``DecoderConfig``; None for a model that finds and does not answer.
        calibration: fields of ``Calibration``.
    """

    model_type = "spatialvlm"

    tower: dict[str, Any] | None = None
    gripper: dict[str, Any] | None = None
    decoder: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None

    def tower_config(self) -> TowerConfig:
        return filled(TowerConfig, self.tower)

    def gripper_config(self) -> GripperConfig:
        return filled(GripperConfig, self.gripper)

    def decoder_config(self) -> DecoderConfig | None:
        return None if self.decoder is None else DecoderConfig.from_json(self.decoder)

    def calibration_config(self) -> Calibration:
        return filled(Calibration, self.calibration)


def filled(kind: type[Fields], values: Mapping[str, Any] | None) -> Fields:
    """A dataclass from plain data. Raises ValueError for a field that it does not have."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values or {}) - known)
    if unknown:
        raise ValueError(f"config.json gives {unknown[0]!r} to {kind.__name__}, which has {', '.join(sorted(known))}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in (values or {}).items()})
