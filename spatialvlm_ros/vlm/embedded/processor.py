"""What prepares RGB-D images and questions for the embedded model, the way of transformers: AutoProcessor opens it offline.

It proposes regions as the engine does, unless masks are given, cuts them out, measures them, and replaces each name of a question
by a pointer; ``SpatialVlmModel.generate`` finds which region a name means.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import BatchFeature
from transformers.processing_utils import ProcessorMixin

from ...geometry.camera import CameraModel
from ...language.names import with_article
from ...language.questions import QuestionError, parse_question
from ...scene.frame import FrameError, Region, RGBDFrame
from ...scene.noise import DepthNoise
from ..interface import View
from .crops import CHANNELS, SCALARS, SIZE_PX
from .decoder_words import ASK, BRIEF, MAX_THINGS, Words, pointed, within
from .glance import is_gripper
from .looking import Proposed
from .measured import bare_scene, measure
from .object_tokens import NUM_FEATURES, object_tokens
from .tokenizer import PhraseTokenizer
from .witness import forms_say, looks_of, testify

_FILE = "processor_config.json"
_DEVICE = torch.device("cpu")


class SpatialVlmProcessor(ProcessorMixin):
    """RGB-D images and questions to the model's inputs, and its words back to text.

    Args:
        tower_words: vocabulary of names, as in ``TowerConfig.words``.
        decoder_words: vocabulary of questions and answers, as in ``DecoderConfig.words``; none for a model without a decoder.
        max_words: of a name.
        max_question: words of a question.
    """

    def __init__(
        self, tower_words: Sequence[str], decoder_words: Sequence[str] = (), max_words: int = 16, max_question: int = 40
    ) -> None:
        super().__init__()
        self.names = PhraseTokenizer(tower_words, max_words)
        self.words = Words(decoder_words) if decoder_words else None
        self.max_question = max_question

    # -- files ----------------------------------------------------------------------------------------------------------

    def save_pretrained(self, save_directory: str | Path, **_: Any) -> list[str]:
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "processor_class": type(self).__name__,
            "tower_words": list(self.names.words),
            "decoder_words": list(self.words.words) if self.words is not None else [],
            "max_words": self.names.max_words,
            "max_question": self.max_question,
        }
        (folder / _FILE).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        return [str(folder / _FILE)]

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **_: Any) -> SpatialVlmProcessor:
        path = Path(pretrained_model_name_or_path) / _FILE
        if not path.is_file():
            raise OSError(f"{path} does not exist: give the folder of an embedded model")
        settings = json.loads(path.read_text(encoding="utf-8"))
        settings.pop("processor_class", None)
        return cls(**settings)

    # -- in -------------------------------------------------------------------------------------------------------------

    def __call__(
        self,
        images: npt.ArrayLike,
        text: str | Sequence[str],
        depth: npt.NDArray[np.floating[Any]],
        intrinsics: Sequence[float],
        masks: npt.NDArray[np.bool_] | None = None,
        up: npt.ArrayLike | None = None,
        robot: npt.NDArray[np.bool_] | None = None,
        noise: DepthNoise | None = None,
        **_: Any,
    ) -> BatchFeature:
        """Prepare one image and questions about it.

        Args:
            images: (H, W, 3) uint8 RGB, or a picture of PIL.
            text: questions with names in them: "How far is the red mug from the can?"
            depth: (H, W) metres, aligned with the image; NaN, 0 or infinite where invalid.
            intrinsics: fx, fy, cx, cy in pixels.
            masks: (N, H, W) bool, regions to choose among; the things on the table where they are not given.
            up: (3,) against gravity in the optical frame, where it is known.
            robot: (H, W) bool, pixels of the robot, where they are known.
            noise: of the depth camera, where it is known.

        Raises:
            QuestionError: a question that the grammar cannot read (its text names the nearest forms), or one that is too long.
            FrameError, CameraError: images that do not belong together, or intrinsics of no camera.
        """
        color = np.ascontiguousarray(np.asarray(images))
        if color.dtype != np.uint8 or color.ndim != 3:
            raise FrameError(f"the image is {color.shape} {color.dtype}, expected (H, W, 3) uint8 of 0 to 255")
        if robot is not None and (robot.shape != color.shape[:2] or robot.dtype != np.bool_):
            raise FrameError(f"robot is {robot.shape} {robot.dtype}, expected {color.shape[:2]} bool")
        fx, fy, cx, cy = (float(value) for value in intrinsics)
        camera = CameraModel(color.shape[1], color.shape[0], fx, fy, cx, cy)
        frame = RGBDFrame(0, color, np.asarray(depth, np.float32), camera, "camera")
        proposals = () if masks is None else tuple(Region(np.asarray(mask, bool), "", 1.0, "given") for mask in masks)
        direction = None if up is None else np.asarray(up, np.float64)
        looked = Proposed(View(color, frame, proposals, up=direction, robot=robot, noise=noise), _DEVICE)
        questions, every, said = self._questions([text] if isinstance(text, str) else list(text))
        # The gripper is no region.
        encoded = self.names.encode(["" if is_gripper(name) else name for name in every]).ids
        names = torch.from_numpy(encoded).reshape(len(questions), MAX_THINGS, -1)
        looks, shape = looks_of(looked.appearances), (len(questions), MAX_THINGS, len(looked.proposals))
        testimony = torch.from_numpy(testify(every, looks).astype(np.float32)).reshape(shape)
        forms = forms_say([self.names.split(name) for name in every], looks)
        things, present = _things(frame, looked, direction)
        pictures, scalars = looked.pictures if looked.proposals else _no_pictures()
        return BatchFeature(
            {
                "pictures": pictures,
                "scalars": scalars,
                "things": torch.from_numpy(things),
                "present": torch.from_numpy(present),
                "names": names,
                "said": said,
                "questions": questions,
                "testimony": testimony,
                "forms": torch.from_numpy(forms.astype(np.float32)).reshape(shape),
            }
        )

    def _questions(self, texts: Sequence[str]) -> tuple[Tensor, list[str], Tensor]:
        """(Q, L) decoder words with pointers; 3 names a question, "" for none; (Q, 3, M) decoder words of these names."""
        if self.words is None:
            raise ValueError("this model has no decoder: it finds things and does not answer")
        rows, names = [], []
        for text in texts:
            asked = parse_question(text).names
            found = pointed(text, asked)
            if found is None:
                raise QuestionError(f"the names of {text!r} cannot be told apart; use up to {MAX_THINGS} different names")
            said, order = found
            words = within(self.words, said, self.max_question)
            if words is None:
                raise QuestionError(f"{text!r} names its things behind its first {self.max_question} words; ask more briefly")
            rows.append(words)
            names.append([asked[index] for index in order] + [""] * (MAX_THINGS - len(order)))
        questions = torch.zeros(len(rows), max(map(len, rows), default=1) + 2, dtype=torch.long)
        for row, ids in zip(questions, rows, strict=True):
            row[: len(ids)] = torch.tensor(ids)
        questions[:, -2], questions[:, -1] = self.words.id(BRIEF), self.words.id(ASK)
        every = [name for three in names for name in three]
        spelled = _padded([self.words.ids_of(with_article(name)) if name else [] for name in every])
        return questions, every, spelled.reshape(len(rows), MAX_THINGS, -1)

    # -- out ------------------------------------------------------------------------------------------------------------

    def batch_decode(self, ids: Tensor | Sequence[Sequence[int]], **_: Any) -> list[str]:
        """Texts of what ``generate`` gives."""
        if self.words is None:
            raise ValueError("this model has no decoder: it finds things and does not answer")
        rows = ids.tolist() if isinstance(ids, Tensor) else ids
        return [self.words.text_of(number for number in row if number) for row in rows]

    def decode(self, ids: Tensor | Sequence[int], **_: Any) -> str:
        """The text of one row."""
        return self.batch_decode(torch.as_tensor(ids)[None])[0]


def _things(
    frame: RGBDFrame, looked: Proposed, up: npt.NDArray[np.float64] | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Object tokens (N, F) of the proposals, and (N,) which of them could be measured."""
    noise = looked.noise
    scene = bare_scene(frame, looked.plane, up, noise, looked.view.robot)
    rows = np.zeros((len(looked.proposals), NUM_FEATURES), np.float32)
    present = np.zeros(len(looked.proposals), np.bool_)
    for index, region in enumerate(looked.proposals):
        thing = measure(frame, region, scene, noise, index + 1)
        if thing is not None:
            tokens, valid = object_tokens(scene, [thing])
            rows[index], present[index] = tokens[0], valid[0]
    return rows, present


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """(N, L) int64, 0 behind the end of each row."""
    out = torch.zeros(len(rows), max(1, max(map(len, rows), default=1)), dtype=torch.long)
    for row, ids in zip(out, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return out


def _no_pictures() -> tuple[Tensor, Tensor]:
    return torch.zeros(0, CHANNELS, SIZE_PX, SIZE_PX), torch.zeros(0, len(SCALARS))
