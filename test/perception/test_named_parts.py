"""One region for two names of different colours is cut where the colours meet, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.camera import CameraModel
from spatialvlm_ros.perception.appearance import Appearance
from spatialvlm_ros.perception.colors import color_shares, white_point
from spatialvlm_ros.perception.named_parts import part_by_names, part_of_color
from spatialvlm_ros.perception.names import parse
from spatialvlm_ros.scene.frame import Region, RGBDFrame

CAMERA = CameraModel(160, 120, 150.0, 150.0, 79.5, 59.5)
WOOD, RED, DARK_RED, BLUE = (190, 150, 110), (215, 20, 20), (120, 12, 12), (25, 40, 150)
NAMES = ("red block", "blue block", "gripper")


def picture(*patches: tuple[tuple[int, int, int], slice, slice]) -> RGBDFrame:
    """Wood with noise, and patches (colour, rows, columns) painted over it in order."""
    color = np.empty((120, 160, 3), np.uint8)
    color[:] = WOOD
    color[:4] = 250
    for paint, rows, columns in patches:
        color[rows, columns] = paint
    grain = np.random.default_rng(0).integers(-6, 7, color.shape)
    noisy = np.clip(color.astype(np.int16) + grain, 0, 255).astype(np.uint8)
    return RGBDFrame(0, noisy, np.ones((120, 160), np.float32), CAMERA, "camera")


def region(rows: slice, columns: slice) -> Region:
    mask = np.zeros((120, 160), np.bool_)
    mask[rows, columns] = True
    return Region(mask, joined_odds=0.5, refused_odds=-0.5)


def looks(frame: RGBDFrame, regions: list[Region]) -> list[Appearance]:
    white = white_point(frame.color)
    return [Appearance(color_shares(frame.color[item.mask], white), {"block": 0.8}) for item in regions]


# A red block in light and shade on a blue one, in a region whose rim shows the table all around.
STACK = ((RED, slice(40, 52), slice(60, 90)), (DARK_RED, slice(52, 66), slice(60, 90)), (BLUE, slice(66, 88), slice(60, 90)))
WHOLE = region(slice(37, 90), slice(57, 93))


def test_a_flush_stack_is_cut_where_its_colours_meet() -> None:
    frame = picture(*STACK)
    parted = part_by_names(frame, [WHOLE], looks(frame, [WHOLE]), NAMES)
    assert list(parted) == [0]
    upper, lower = sorted((part.mask for part in parted[0]), key=lambda mask: np.nonzero(mask)[0].mean())
    assert not (upper & lower).any() and np.array_equal(upper | lower, WHOLE.mask)
    assert upper[40:65, 60:90].all() and lower[67:88, 60:90].all()
    assert all(np.isnan(part.joined_odds) and np.isnan(part.refused_odds) for part in parted[0])


def test_a_finger_across_the_upper_thing_does_not_join_what_is_below_it() -> None:
    frame = picture(*STACK, ((40, 40, 40), slice(36, 66), slice(70, 76)))
    whole = region(slice(37, 90), slice(57, 93))
    whole.mask[37:66, 70:76] = False
    parted = part_by_names(frame, [whole], looks(frame, [whole]), NAMES)
    upper = min((part.mask for part in parted[0]), key=lambda mask: np.nonzero(mask)[0].mean())
    assert upper[40:65, 60:70].all() and upper[40:65, 76:90].all()


@pytest.mark.parametrize(
    "names", [("red block",), ("red block", "red cube"), ("red block", "gripper"), ("red block", "green plate")]
)
def test_one_name_or_one_colour_cuts_nothing(names: tuple[str, ...]) -> None:
    frame = picture(*STACK)
    assert part_by_names(frame, [WHOLE], looks(frame, [WHOLE]), names) == {}


def test_a_thing_that_answers_elsewhere_leaves_the_region_whole() -> None:
    """There is a blue block beside it, so that nothing says that the blue of the red one is a thing."""
    frame = picture(*STACK, (BLUE, slice(60, 80), slice(110, 130)))
    regions = [WHOLE, region(slice(60, 80), slice(110, 130))]
    assert part_by_names(frame, regions, looks(frame, regions), NAMES) == {}


def test_both_names_have_to_vouch_for_the_region() -> None:
    frame = picture(*STACK)
    asked: list[str] = []

    def may_mean(name: str, region: Region) -> bool:
        assert region is WHOLE
        asked.append(name)
        return name != "off-blue block"

    for other, parted in (("off-blue block", []), ("blue block", [0])):
        names = ("red block", other)
        assert list(part_by_names(frame, [WHOLE], looks(frame, [WHOLE]), names, may_mean)) == parted
    assert asked == ["red block", "off-blue block", "red block", "blue block"]


@pytest.mark.parametrize(
    "spots", [[(slice(48, 70), slice(66, 84))], [(slice(row, row + 6), slice(60, 90)) for row in (44, 58, 72)]]
)
def test_print_and_stripes_stay_on_their_thing(spots: list[tuple[slice, slice]]) -> None:
    frame = picture((RED, slice(40, 88), slice(60, 90)), *((BLUE, rows, columns) for rows, columns in spots))
    assert part_by_names(frame, [WHOLE], looks(frame, [WHOLE]), NAMES) == {}


def test_what_has_a_names_colour_is_cut_off_prints_too() -> None:
    """Whoever asks looks at the part; a colour that is not there, or all there is, parts nothing."""
    frame = picture(*STACK)
    cut = part_of_color(frame, WHOLE, parse("red block"))
    assert cut is not None
    part, rest = (each.mask for each in cut)
    assert not (part & rest).any() and np.array_equal(part | rest, WHOLE.mask)
    # Corners go with the table that shows around them.
    assert part[42:65, 62:88].all() and rest[67:86, 62:88].all()
    printed = picture((RED, slice(40, 90), slice(60, 90)), (BLUE, slice(55, 75), slice(66, 84)))
    label = part_of_color(printed, region(slice(40, 90), slice(60, 90)), parse("blue block"))
    assert label is not None and label[0].mask[57:73, 68:82].all() and not label[0].mask[:53].any()
    assert part_of_color(frame, WHOLE, parse("yellow block")) is None
    assert (
        part_of_color(picture((RED, slice(40, 90), slice(60, 90))), region(slice(40, 90), slice(60, 90)), parse("red can"))
        is None
    )
