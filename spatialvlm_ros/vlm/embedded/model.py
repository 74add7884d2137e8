"""The embedded model as one network of transformers: what is it (tower), where is the gripper, what is the answer (decoder)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from .config import SpatialVlmConfig
from .crops import CHANNELS, SCALARS, SIZE_PX
from .decoder import AnswerDecoder
from .decoder_words import POINTERS
from .gripper_head import GripperHead, Grippers
from .tower import Regions, RegionTextTower, match
from .tower_folded import folded_regions


@dataclass
class SpatialVlmOutput(ModelOutput):
    """What the model says of regions.

    Attributes:
        log_match: (P, N) log of the probability that region n answers to phrase p, before calibration.
        masks: (N, 64, 64) log odds of the pixels of each region's window.
        attributes: (N, A) log odds of what can be told of a region without a question, ``TowerConfig.attributes``.
    """

    log_match: Tensor | None = None
    masks: Tensor | None = None
    attributes: Tensor | None = None


class SpatialVlmModel(PreTrainedModel):
    """``tower``, ``gripper`` and ``decoder``, each of which is trained for itself (training/embedded) and used by ``backend``."""

    config_class = SpatialVlmConfig
    base_model_prefix = ""
    main_input_name = "pictures"
    _no_split_modules: tuple[str, ...] = ()

    def __init__(self, config: SpatialVlmConfig) -> None:
        super().__init__(config)
        self.tower = RegionTextTower(config.tower_config())
        self.gripper = GripperHead(config.gripper_config())
        decoder = config.decoder_config()
        self.decoder = AnswerDecoder(decoder) if decoder is not None else None
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        """Each part has set its own weights already; what is not saved has to be set again, for loading starts from nothing."""
        if isinstance(module, AnswerDecoder):
            ids = [module.vocabulary.id(pointer) for pointer in POINTERS]
            module.pointer_ids = torch.tensor(ids, device=module.temperature.device)

    def tie_weights(self, *_: Any, **__: Any) -> None:
        """Nothing is shared."""

    def forward(self, pictures: Tensor, scalars: Tensor, phrases: Tensor) -> SpatialVlmOutput:
        """Match phrases with regions.

        Args:
            pictures, scalars: (N, 8, 64, 64) and (N, S) of regions, see crops.py.
            phrases: (P, L) int64 numbers of words, see tokenizer.py.

        Raises:
            ValueError: other shapes.
        """
        if (
            pictures.ndim != 4
            or pictures.shape[1:] != (CHANNELS, SIZE_PX, SIZE_PX)
            or scalars.shape != (len(pictures), len(SCALARS))
        ):
            raise ValueError(
                f"pictures {tuple(pictures.shape)} and scalars {tuple(scalars.shape)} must be "
                f"(N, {CHANNELS}, {SIZE_PX}, {SIZE_PX}) and (N, {len(SCALARS)})"
            )
        regions = self.tower.regions(pictures, scalars)
        return SpatialVlmOutput(
            log_match=match(self.tower.phrases(phrases), regions),
            masks=self.tower.masks(pictures, regions.maps),
            attributes=self.tower.attributes(regions.embedding),
        )

    def regions(self, pictures: Tensor, scalars: Tensor) -> Regions:
        """Encode regions once, for many phrases; without gradients."""
        regions: Regions = folded_regions(self.tower.regions, pictures, scalars)
        return regions

    def grippers(self, small: Tensor, xyz: Tensor) -> Grippers:
        """See ``GripperHead``."""
        found: Grippers = self.gripper(small, xyz)
        return found

    @torch.no_grad()
    def generate(
        self,
        pictures: Tensor,
        scalars: Tensor,
        things: Tensor,
        present: Tensor,
        names: Tensor,
        said: Tensor,
        questions: Tensor,
        testimony: Tensor,
        forms: Tensor,
        **_: Any,
    ) -> Tensor:
        """Answer questions about one image, the way of transformers: numbers of words in, numbers of words out.

        Of what is not in sight, may be one of several things, or could not be measured, it says so and tells no number. The
        gripper is no region: ``backend.EmbeddedVlm`` finds it.

        Args:
            pictures, scalars: of the image's regions, see ``forward``.
            things: (N, F) object tokens of the regions, rows of ``object_tokens``.
            present: (N,) bool, which regions could be measured.
            names: (Q, 3, L) int64, words of what each question is about in order of its pointers, 0 for none and for the gripper.
            said: (Q, 3, M) int64, the same names in the decoder's words, for the answer.
            questions: (Q, Lq) int64 decoder words with pointers, see ``AnswerDecoder.prompt``.
            testimony: (Q, 3, N) how far colour and depth say that each region answers to each name, see ``witness.testify``.
            forms: (Q, 3, N) what the forms of the regions say of each name's noun, see ``witness.forms_say``.

        Returns:
            (Q, T) int64 decoder words, 0 behind the end; ``SpatialVlmProcessor.batch_decode`` makes text of them.
        """
        from .answering import answer_words

        if self.decoder is None:
            raise ValueError("this model has no decoder: it finds things and does not answer")
        return answer_words(self, pictures, scalars, things, present, names, said, questions, testimony, forms)


def config_of(
    tower: RegionTextTower, decoder: AnswerDecoder | None, calibration: Mapping[str, Any], gripper: Mapping[str, Any]
) -> SpatialVlmConfig:
    """The configuration of a model that is put together from trained parts."""
    return SpatialVlmConfig(
        tower=_plain(asdict(tower.config)),
        gripper=_plain(dict(gripper)),
        decoder=None if decoder is None else decoder.config.to_json(),
        calibration=dict(calibration),
    )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
