"""What two deviations hold where a name may mean another thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_embedded import table_view, tiny_model

from spatialvlm_ros.scene.facts import Query, Status
from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm
from spatialvlm_ros.vlm.embedded.doubt import HELD, doubtful_std
from spatialvlm_ros.vlm.embedded.glance import Decided
from spatialvlm_ros.vlm.interface import ModelAnswer, Question


def test_two_deviations_hold_what_they_should_of_a_number_of_a_doubtful_thing() -> None:
    rng = np.random.default_rng(0)
    apart = [(0.1, -0.3), (0.1, 0.05), (0.05, 0.12)]
    std = doubtful_std(0.004, apart)
    which = rng.choice(4, 100_000, p=[0.75, 0.1, 0.1, 0.05])
    drawn = np.array([0.0, -0.3, 0.05, 0.12])[which] + rng.normal(0, 0.004, len(which))
    assert float((np.abs(drawn) <= 2 * std).mean()) == pytest.approx(HELD, abs=0.005)
    # Where other things would give the same number, there is no doubt in it.
    assert doubtful_std(0.004, [(0.3, 0.001)]) == pytest.approx(0.004, rel=0.05)


def test_what_is_likelier_than_two_deviations_hold_is_told_without_doubt() -> None:
    assert doubtful_std(0.004, []) == doubtful_std(0.004, [(0.02, 0.5), (0.02, 0.1)]) == 0.004
    assert doubtful_std(0.004, [(0.06, 0.5)]) > 0.2


def test_a_length_says_how_far_it_is_of_other_things_that_a_name_may_well_mean(tmp_path: Path) -> None:
    tiny_model(tmp_path)
    vlm = EmbeddedVlm.from_folder(tmp_path)
    vlm.calibration = replace(vlm.calibration, deviations=(0.2, 0.9, 0.0))

    def answered(likely: float, **asked: bool) -> ModelAnswer:
        glance = vlm.look(table_view((240, 320)))
        meant = {"red block": 0, "blue can": 2}

        def decide(names: Sequence[str]) -> list[Decided]:
            others = ((0, 0.3 * (1 - likely)), (1, 0.7 * (1 - likely)))
            return [
                Decided(name, (2,), (0.9,), 0.99, supposed=likely, others=others if likely < HELD else ())
                if meant[name] == 2
                else Decided(name, (meant[name],), (0.9,), 0.99, supposed=1.0)
                for name in names
            ]

        glance.decide = decide  # type: ignore[method-assign]
        words, query = "How far is the red block from the blue can?", Query("distance", "red block", "blue can")
        return glance.answer([Question(words, query, **asked)])[0]

    sure, unsure, least = (answered(likely) for likely in (0.99, 0.9, 0.6))
    assert sure.status is Status.OK and sure.value == unsure.value and sure.std < 0.02
    # The other thing is nearer by about .18 m.
    assert 0.03 < unsure.std <= least.std < 0.1
    # Facts that the engine joins with depth's tell of such doubts themselves.
    assert answered(0.6, wordless=True).std == sure.std and unsure.own_std == sure.own_std
