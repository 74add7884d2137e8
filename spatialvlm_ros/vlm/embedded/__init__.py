"""The embedded model: small, trained by us on our own scenes, and runs on one core.

Importing this package makes it known to transformers: ``AutoModelForImageTextToText``, ``AutoConfig`` and ``AutoProcessor`` then
open its folder, offline and without code from elsewhere.
"""

from __future__ import annotations

from .config import SpatialVlmConfig
from .model import SpatialVlmModel
from .processor import SpatialVlmProcessor

__all__ = ["SpatialVlmConfig", "SpatialVlmModel", "SpatialVlmProcessor"]


def _register() -> None:
    from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor

    AutoConfig.register(SpatialVlmConfig.model_type, SpatialVlmConfig, exist_ok=True)
    AutoModel.register(SpatialVlmConfig, SpatialVlmModel, exist_ok=True)
    AutoModelForImageTextToText.register(SpatialVlmConfig, SpatialVlmModel, exist_ok=True)
    AutoProcessor.register(SpatialVlmConfig, SpatialVlmProcessor, exist_ok=True)


_register()
