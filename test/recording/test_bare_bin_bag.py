"""Real frames of a shelf's bin with a mirror for a bottom: what is asked about is what somebody drew, and what is said is so."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from spatialvlm_ros.recording.synthesis_sources import BagSource
from spatialvlm_ros.share import config_file
from spatialvlm_ros.synthesis.ask import AskOptions, make_example
from spatialvlm_ros.synthesis.record import Dropped, Example, Picture

BAG = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "bags" / "apc_real_frames_ros2"
# Which way one thing's middle lies from the other's where the words hold, in the optical frame.
WAYS = {"left": (0, -1), "right": (0, 1), "behind": (2, 1), "front": (2, -1)}


@cache
def examples() -> list[tuple[Picture, Example]]:
    assert BAG.exists(), f"{BAG} is missing: the real recordings belong next to the repository"
    found = []
    for item in BagSource(BAG).items(0, 9):
        assert not isinstance(item, Dropped), item
        found.append((item, make_example(item, AskOptions(), 0)))
    return found


def drawn(picture: Picture) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By name: the mask that somebody drew, and the middle of what is seen there (3,), metres."""
    assert picture.depth_m is not None and picture.camera is not None
    cloud = picture.camera.back_project(picture.depth_m)
    found = {}
    file = json.loads(Path(config_file("regions", "apc_real_frames_ros2.json")).read_text())
    for thing in file["pictures"][picture.key]["things"]:
        mask = np.zeros(picture.depth_m.shape, np.uint8)
        cv2.fillPoly(mask, [np.array(thing["polygon"], np.int32)], 1)
        low, high = np.quantile(cloud[(mask > 0) & np.isfinite(picture.depth_m)], (0.03, 0.97), axis=0)
        found[thing["name"]] = (mask > 0, (low + high) / 2)
    return found


def test_every_picture_gives_pairs_about_things_that_were_drawn() -> None:
    assert len(examples()) == 5
    for picture, example in examples():
        masks = {name: mask for name, (mask, _) in drawn(picture).items()}
        meant = []
        for thing in example.objects:
            own = thing.mask.mask()
            # Most of it, for its reflection is seen below it.
            meant.append(max(masks, key=lambda name: np.count_nonzero(own & masks[name])))
            assert np.count_nonzero(own & masks[meant[-1]]) > 0.5 * np.count_nonzero(own), thing.name
        assert len(set(meant)) == len(meant) >= 2
        assert all(thing.origin == "unsupported" for thing in example.objects) and not example.canonical


def test_what_is_said_agrees_with_what_was_drawn() -> None:
    told: Counter[str] = Counter()
    sigmas = []
    for picture, example in examples():
        there = drawn(picture)
        middles = {}
        for thing in example.objects:
            own = thing.mask.mask()
            middles[thing.number] = there[max(there, key=lambda name: np.count_nonzero(own & there[name][0]))][1]
        for pair in example.pairs:
            if len(pair.objects) != 2:
                continue
            off = middles[pair.objects[0].number] - middles[pair.objects[1].number]
            word = pair.query.relation.removeprefix("which_").split("_or_")[0]
            if pair.query.relation == "distance":
                sigmas.append(abs(pair.value - np.linalg.norm(off)) / pair.std)
                assert sigmas[-1] < 3, pair.question
            elif word in WAYS and pair.polarity != "unsure":
                axis, way = WAYS[word]
                assert (pair.polarity in ("yes", "first")) == (way * off[axis] > 0), pair.question
            else:
                continue
            told[word] += 1
    # A middle of what is seen is not that of the thing: of some dozen such distances one may be that far off, not several.
    assert np.count_nonzero(np.array(sigmas) > 2) <= 0.2 * len(sigmas)
    assert told["distance"] >= 10 and told["left"] >= 5 and told["behind"] >= 10


@pytest.mark.parametrize("relation", ["height", "above", "gap", "vertical_distance", "tall"])
def test_what_a_mirror_hides_is_not_said(relation: str) -> None:
    assert not [pair for _, example in examples() for pair in example.pairs if pair.query.relation == relation]
