"""A data set of a user's own images as what the embedded model learns from: regions with their names, things with questions.

A data set holds colours and masks, not depth; the images are read again from where they came from, by the source that the data
set's provenance names, and an image is used only where its key and the hash of its source are the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...scene.frame import Region, RGBDFrame
from ...scene.noise import DepthNoise, noise_on_plane
from ...scene.relations import RELATIONS, Kind
from ...scene.scene import SceneObject
from ...synthesis.pipeline import PipelineConfig, Registry
from ...synthesis.record import MaskRle, Picture
from ...vlm.embedded.decoder_sentences import verdict_word
from ...vlm.embedded.decoder_words import ASK, FULL, MAX_THINGS, NUMBER, Words, pointed
from ...vlm.embedded.looking import Proposed
from ...vlm.embedded.measured import bare_scene, measure
from ...vlm.embedded.object_tokens import NUM_FEATURES, object_tokens
from ...vlm.interface import View
from ..chat_data import ChatData, DataError
from .answers_data import Batch
from .answers_data_text import TYPES

_VERDICTS = {"yes": True, "no": False, "first": True, "second": False}


@dataclass
class UserImage:
    """One image.

    Attributes:
        pictures, scalars: (N, 8, 64, 64) and (N, S) of its regions, as the tower reads them.
        captions: what each region is called.
        tokens: (N, NUM_FEATURES) of the regions as measured; ``measured`` (N,) whether they were.
        asked: questions about them.
    """

    pictures: Tensor
    scalars: Tensor
    captions: list[str]
    tokens: np.ndarray
    measured: np.ndarray
    asked: list[UserQuestion] = field(default_factory=list)


@dataclass(frozen=True)
class UserQuestion:
    """A question with pointers: ``things`` are the regions that they stand for, ``verdict`` is the answer's first word."""

    relation: str
    text: str
    things: tuple[int, ...]
    verdict: str
    value_m: float


@dataclass
class UserData:
    """Images to learn from and to be judged on; ``dropped`` counts what could not be used, by cause."""

    train: list[UserImage] = field(default_factory=list)
    held_out: list[UserImage] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


def read_user_data(data: ChatData, registry: Registry) -> UserData:
    """Regions, names and questions of a data set of ours.

    Raises:
        DataError: it is not of 'spatialvlm synthesize', or none of its images can be read again.
    """
    if not data.spatial:
        raise DataError(
            f"{data.path} has no masks and numbers; the embedded model learns from data sets of 'spatialvlm synthesize'"
        )
    try:
        provenance = json.loads((data.path / "provenance.json").read_text(encoding="utf-8"))
        config = PipelineConfig.from_json(provenance["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{data.path} does not say where its images come from (provenance.json): {error}") from error
    try:
        source = registry.source(config.source)
    except (OSError, ValueError) as error:
        raise DataError(
            f"the images of {data.path} cannot be read again ({error}); their depth is needed, put the recordings back"
        ) from error
    rows = data.rows.select_columns([name for name in data.rows.column_names if name not in ("images", "messages")])
    wanted = {rows[row]["key"]: (row, side) for side in ("train", "held_out") for row in getattr(data, side)}
    found = UserData()
    for picture in source.items(0, len(source)):
        if not isinstance(picture, Picture) or picture.key not in wanted:
            continue
        row, side = wanted.pop(picture.key)
        image = _image_of(picture, rows[row], found.dropped)
        if image is not None:
            getattr(found, side).append(image)
    found.dropped["source_gone"] += len(wanted)
    found.dropped += Counter()
    if not found.train:
        reasons = ", ".join(f"{cause} {count}" for cause, count in sorted(found.dropped.items()))
        raise DataError(f"no image of {data.path} can be learnt from ({reasons or 'all are held out'})")
    return found


def _image_of(picture: Picture, row: Mapping[str, Any], dropped: Counter[str]) -> UserImage | None:
    if picture.source_sha256 != row["source_sha256"]:
        dropped["source_changed"] += 1
        return None
    if picture.depth_m is None or picture.camera is None:
        dropped["no_depth"] += 1
        return None
    frame = RGBDFrame(picture.stamp_ns, picture.color, picture.depth_m, picture.camera, picture.frame_id)
    regions = _regions(row["objects"])
    if not regions or regions[0].mask.shape != picture.color.shape[:2]:
        dropped["no_regions"] += 1
        return None
    proposed = Proposed(_view(picture, frame, regions), torch.device("cpu"))
    if len(proposed.proposals) != len(regions):
        dropped["empty_region"] += 1
        return None
    pictures, scalars = proposed.pictures
    scene = bare_scene(frame, proposed.plane, picture.up, proposed.noise)
    things = [measure(frame, region, scene, proposed.noise, at + 1) for at, region in enumerate(regions)]
    tokens, measured = _tokens(scene, things)
    image = UserImage(pictures, scalars, [thing["caption"] for thing in row["objects"]], tokens, measured)
    places = {thing["number"]: at for at, thing in enumerate(row["objects"])}
    for pair in row["pairs"]:
        question = question_of(pair, places)
        if question is not None and measured[list(question.things)].all():
            image.asked.append(question)
    return image


def _regions(objects: Sequence[Mapping[str, Any]]) -> list[Region]:
    found = []
    for thing in objects:
        rle = thing["mask"]
        mask = MaskRle(rle["height"], rle["width"], tuple(rle["counts"])).mask()
        found.append(Region(mask, thing["caption"], float(thing["score"] or 1.0), thing["origin"]))
    return found


def _view(picture: Picture, frame: RGBDFrame, regions: Sequence[Region]) -> View:
    """As the engine would show it: with the plane that things stand on, where it is found."""
    from ...perception.tabletop import TabletopSegmenter

    plane = TabletopSegmenter().segment(frame, up=picture.up).plane
    noise = picture.noise or DepthNoise()
    if plane is None:
        return View(picture.color, frame, tuple(regions), up=picture.up, noise=noise)
    noise = noise_on_plane(frame, plane.coefficients, plane.inliers, noise)
    return View(picture.color, frame, tuple(regions), plane.coefficients, picture.up, noise=noise)


def _tokens(scene: Any, things: Sequence[SceneObject | None]) -> tuple[np.ndarray, np.ndarray]:
    tokens = np.zeros((len(things), NUM_FEATURES), np.float32)
    measured = np.zeros(len(things), np.bool_)
    known = [at for at, thing in enumerate(things) if thing is not None]
    tokens[known], measured[known] = object_tokens(scene, [thing for thing in things if thing is not None])
    return tokens, measured


def question_of(pair: Mapping[str, Any], places: Mapping[int, int]) -> UserQuestion | None:
    """A pair (schema.pair_type) as the decoder reads it; None for relations, views and names that it does not know.

    Args:
        places: which region each number of the row's things is.
    """
    relation = pair["relation"]
    if relation not in TYPES or pair["view"] or pair["polarity"] == "unsure" or pair["value"] is None:
        return None
    names = [name for name in (pair["subject"], pair["object"], pair["third"]) if name]
    said = pointed(pair["question"], names)
    if said is None or len(names) != len(pair["objects"]):
        return None
    text, order = said
    things = tuple(places[pair["objects"][at]] for at in order)
    if RELATIONS[relation].kind is Kind.ESTIMATE:
        return UserQuestion(relation, text, things, NUMBER, float(pair["value"]))
    return UserQuestion(relation, text, things, verdict_word(relation, _VERDICTS[pair["polarity"]], order), float("nan"))


def batch_of(asked: Sequence[tuple[UserImage, UserQuestion]], words: Words, longest: int) -> Batch:
    """Questions of several images as one batch, without sentences."""
    count = len(asked)
    texts = [words.ids_of(question.text)[:longest] for _, question in asked]
    width = max(map(len, texts))
    ids = np.zeros((count, width + 2), np.int64)
    objects, present = np.zeros((count, MAX_THINGS, NUM_FEATURES), np.float32), np.zeros((count, MAX_THINGS), np.bool_)
    for row, ((image, question), text) in enumerate(zip(asked, texts, strict=True)):
        ids[row, : len(text)] = text
        ids[row, width:] = words.id(FULL), words.id(ASK)
        objects[row, : len(question.things)] = image.tokens[list(question.things)]
        present[row, : len(question.things)] = True
    verdict = np.array([words.id(question.verdict) for _, question in asked], np.int64)
    value = np.array([question.value_m for _, question in asked], np.float32)
    nothing = np.zeros(count, np.int64)
    answer = np.zeros((count, 1), np.int64)
    relation = np.array([TYPES.index(question.relation) for _, question in asked], np.int64)
    weight = np.ones(count, np.float32)
    return Batch(objects, present, ids, verdict, value, weight, answer, relation, nothing, nothing.astype(np.bool_))
