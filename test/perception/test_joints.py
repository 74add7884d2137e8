"""Pieces of surface and which of them are one thing."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from raycast import FLOOR, TABLE, Ball, Box, Can, render

from spatialvlm_ros.geometry.plane import Plane
from spatialvlm_ros.perception import joints
from spatialvlm_ros.perception.grid import make_grid
from spatialvlm_ros.perception.joint_features import Joints, features_of
from spatialvlm_ros.perception.joints import Trees, grouped, joined_things, shipped_trees
from spatialvlm_ros.perception.piece_sums import COUNT, DEPTH, FLAT, UV, V_INVERSE, PieceSums, U, V, sums_of
from spatialvlm_ros.perception.pieces import Look, look_at, numbered, pieces_of
from spatialvlm_ros.perception.tabletop import TabletopConfig, TabletopSegmenter
from spatialvlm_ros.scene.frame import SURE_ODDS, RGBDFrame

BLACK, ORANGE, BLUE = (35, 35, 38), (225, 120, 30), (40, 60, 170)
UNDER = Box((0.0, 0.0, 0.04), (0.1, 0.1, 0.08), BLUE, 0.5)
# Flush with the one below: no crease, no step.
UPON = Box((0.0, 0.0, 0.115), (0.1, 0.1, 0.07), BLACK, 0.5)
CONFIG = TabletopConfig()
THINGS: list[Box | Ball | Can] = [
    UNDER,
    UPON,
    Can((0.1, 0.2, 0.0), 0.08, 0.013, ORANGE),
    Can((-0.1, -0.2, 0.0), 0.035, 0.1, ORANGE),
]


def of_rules() -> TabletopSegmenter:
    return TabletopSegmenter(replace(CONFIG, parts=replace(CONFIG.parts, learnt=False)))


def overlaps(frame: RGBDFrame, owner: np.ndarray, segmenter: TabletopSegmenter) -> tuple[list[float], int]:
    """Best IoU of each of the things, and how many regions there are."""
    regions = segmenter.segment(frame).regions
    truths = [owner == 2 + index for index in range(owner.max() - 1)]
    return [max(float((r.mask & t).sum() / (r.mask | t).sum()) for r in regions) for t in truths], len(regions)


def look_of(things: list[Box | Ball | Can]) -> Look:
    frame, _ = render([TABLE, FLOOR, *things])
    found = TabletopSegmenter(CONFIG).segment(frame).plane
    assert found is not None
    grid = make_grid(frame, None, CONFIG.max_distance_m, CONFIG.work_width_px)
    look = look_at(grid, grid.surface(found.plane, CONFIG.noise, CONFIG.min_height_m, CONFIG.height_sigmas), CONFIG)
    assert look is not None
    return look


def tiles(look: Look) -> np.ndarray:
    """Many pieces that touch each other."""
    rows, columns = np.indices(look.domain.shape) // 9
    return numbered(np.where(look.domain, rows * 100 + columns + 1, 0).astype(np.int32))


@pytest.fixture(scope="module")
def look() -> Look:
    return look_of(THINGS)


def test_a_flush_stack_of_two_colors_is_two_things() -> None:
    frame, owner = render([TABLE, FLOOR, *THINGS])
    whole, count = overlaps(frame, owner, TabletopSegmenter(CONFIG))
    print("IoU", np.round(whole, 3), count, "regions")
    assert count == len(THINGS) and min(whole) > 0.85
    # The rules do not know black for a colour.
    assert min(overlaps(frame, owner, of_rules())[0][:2]) < 0.75


@pytest.mark.parametrize(
    ("x", "size"), [(0.0, (0.008, 0.09, 0.008)), (-0.03, (0.09, 0.012, 0.008)), (0.03, (0.008, 0.09, 0.012))]
)
def test_a_bar_that_is_nothing_but_edges_of_color_has_its_own_pieces(x: float, size: tuple[float, float, float]) -> None:
    things: list[Box | Ball | Can] = [UNDER, Box((x, 0.0, 0.08 + size[2] / 2), size, ORANGE, 0.5)]
    _, owner = render([TABLE, FLOOR, *things])
    look = look_of(things)
    pieces = np.zeros(look.grid.depth.shape, dtype=np.int32)
    pieces[look.window] = pieces_of(look, CONFIG.parts.piece_valley, CONFIG.parts.piece_edge)
    bar = owner[::2, ::2] == 3
    share_of_bar = np.bincount(pieces[bar], minlength=pieces.max() + 1) / np.bincount(pieces.ravel())
    assert (share_of_bar[pieces[bar]] > 0.5).mean() > 0.85


def test_a_printed_box_is_one_thing() -> None:
    frame, owner = render([TABLE, FLOOR, Box((0.0, 0.0, 0.1), (0.07, 0.16, 0.2), ORANGE, 0.3)])
    color = frame.color.copy()
    rows, columns = np.nonzero(owner == 2)
    blots = np.random.default_rng(0).integers(20, 240, (5, 4, 3))
    color[rows, columns] = blots[
        (rows - rows.min()) * 5 // (np.ptp(rows) + 1), (columns - columns.min()) * 4 // (np.ptp(columns) + 1)
    ]
    (whole,), count = overlaps(replace(frame, color=color), owner, TabletopSegmenter(CONFIG))
    print(f"IoU {whole:.3f}, {count} regions")
    assert count == 1 and whole > 0.85


def test_print_joins_nothing_over_a_clear_step_of_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is printed, and though one part goes around the step: trees that know nothing leave it to print alone."""
    behind: list[Box | Ball | Can] = [UNDER, Box((0.12, 0.0, 0.08), (0.06, 0.2, 0.16), ORANGE, 0.2)]
    look = look_of(behind)
    sums = sums_of(look, tiles(look))
    trees = replace(shipped_trees(), start=0.0, log_odds=np.zeros_like(shipped_trees().log_odds))
    monkeypatch.setattr(joints, "_print_shares", lambda of, values: np.full(len(of.pixel_m), np.inf))
    monkeypatch.setattr(joints, "_majority", lambda parts: np.ones(len(parts), dtype=np.intp))
    steps = features_of(Joints.of(look, sums))["step_sigmas"]
    odds = joints._odds(look, sums, trees)
    large = odds < joints._PRINTED_ODDS - 1e-9
    print(f"{np.count_nonzero(large)} of {len(odds)} pairs over a step; largest step without {steps[~large].max():.1f}")
    assert np.count_nonzero(large) > 5 and np.count_nonzero(~large) > 20
    assert steps[large].min() >= 4.0 and steps[~large].max() < 4.0


def test_the_same_image_gives_the_same_bytes(look: Look) -> None:
    one, other = (joined_things(look.grid, look.surface, CONFIG).labels for _ in range(2))
    assert one.tobytes() == other.tobytes() and one.dtype == np.int32 and one.max() >= len(THINGS)


def test_it_is_told_how_sure_things_are_one_and_whole() -> None:
    frame, owner = render([TABLE, FLOOR, *THINGS])
    regions = TabletopSegmenter(CONFIG).segment(frame).regions
    stacked = [r for r in regions if np.isin(owner[r.mask], (2, 3)).mean() > 0.9]
    alone = [r for r in regions if np.isin(owner[r.mask], (4, 5)).mean() > 0.9]
    for region in (*stacked, *alone):
        print(f"joined at {region.joined_odds:.2f}, refused at {region.refused_odds:.2f}")
    assert len(stacked) == len(alone) == 2
    least = np.log(CONFIG.parts.one_thing / (1 - CONFIG.parts.one_thing))
    assert all(least < r.joined_odds <= SURE_ODDS and -SURE_ODDS <= r.refused_odds <= least for r in regions)
    # Two in a stack have the joint between them refused; what stands alone has nobody beside it.
    assert stacked[0].refused_odds == stacked[1].refused_odds > -SURE_ODDS == max(r.refused_odds for r in alone)
    assert all(np.isnan([r.joined_odds, r.refused_odds]).all() for r in of_rules().segment(frame).regions)


def test_nothing_above_the_plane_is_no_thing(look: Look) -> None:
    high = look.grid.surface(Plane(look.surface.plane.normal, -5.0, 0.0), CONFIG.noise, 0.007, 2.5)
    assert not high.above.any() and not joined_things(look.grid, high, CONFIG).labels.any()


def test_joined_sums_are_those_of_joined_pieces(look: Look) -> None:
    pieces = tiles(look)
    sums = sums_of(look, pieces)
    assert sums.sums[1:, COUNT].sum() == np.count_nonzero(pieces)
    into = grouped(sums.pairs[::5], len(sums.sums))
    quick, plain = sums.joined(into), sums_of(look, into[pieces].astype(np.int32))
    assert len(plain.pairs) > 9 and np.array_equal(quick.pairs, plain.pairs)
    # Pixels of two pieces that face each other across a third one are at a border of theirs until the third one is joined.
    near = np.abs(quick.border - plain.border) / np.maximum(np.abs(plain.border), 1)
    assert np.allclose(quick.sums[:, :-1], plain.sums[:, :-1]) and np.median(near) < 1e-9
    assert [len(hull) for hull in quick.hulls] == [len(hull) for hull in plain.hulls]
    assert np.allclose(quick.hull_px, plain.hull_px) and np.allclose(quick.both_px, plain.both_px)
    assert np.array_equal(quick.parts, plain.parts) and np.array_equal(plain.parts.sum(axis=1)[1:], plain.sums[1:, COUNT])


def test_the_sums_are_those_of_the_pixels(look: Look) -> None:
    pieces = tiles(look)
    sums = sums_of(look, pieces)
    height = look.surface.height[look.window]
    for piece in range(1, int(pieces.max()) + 1, 7):
        rows, columns = np.nonzero(pieces == piece)
        depth = look.links.depth[rows, columns].astype(np.float64)
        flat = look.grid.xyz[look.window][rows, columns] @ look.surface.plane.basis().T
        for column, values in ((U, columns), (V, rows), (UV, rows * columns), (DEPTH, depth), (V_INVERSE, rows / depth)):
            assert sums.sums[piece, column] == pytest.approx(values.sum())
        assert np.allclose(sums.sums[piece, FLAT], flat.sum(axis=0), rtol=1e-5, atol=1e-4)
        ordered = np.sort(height[rows, columns])
        assert (sums.low[piece], sums.high[piece]) == tuple(ordered[int(s * (len(rows) - 1))] for s in (0.03, 1 - 0.03))
        corners = np.stack([columns, rows], axis=1).astype(np.int32)
        hull = cv2.convexHull(corners)
        assert sums.hull_px[piece] == pytest.approx(cv2.contourArea(hull) + 0.5 * cv2.arcLength(hull, True) + 1)


def test_features_do_not_depend_on_the_pieces_numbers(look: Look) -> None:
    pieces = tiles(look)
    count = int(pieces.max())
    sums, turned = sums_of(look, pieces), sums_of(look, np.where(pieces > 0, count + 1 - pieces, 0).astype(np.int32))
    features, others = (np.stack(list(features_of(Joints.of(look, of)).values()), axis=1) for of in (sums, turned))
    assert len(features) == len(sums.pairs) > 9 and np.isfinite(features).all()
    there = [turned.pairs.tolist().index([count + 1 - b, count + 1 - a]) for a, b in sums.pairs.tolist()]
    # The noise of a step is that at one of its two sides.
    assert np.allclose(features, others[there], rtol=0.05, atol=1e-6)


def test_groups_have_no_gaps_and_nobody_stays_nobody() -> None:
    into = grouped(np.array([[1, 4], [4, 2], [5, 6]]), 8)
    assert into[0] == 0 and into[1] == into[2] == into[4] and into[5] == into[6] and sorted(set(into.tolist())) == list(range(5))


def test_shipped_trees_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = shipped_trees()
    assert Trees.from_json(trees.to_json()).to_json() == trees.to_json()
    data = (joints.FOLDER / joints.FILE).read_bytes()
    assert hashlib.sha256(data).hexdigest() in (joints.FOLDER / "SHA256SUMS").read_text() and len(data) < 1_000_000
    shutil.copytree(joints.FOLDER, tmp_path / "joints")
    (tmp_path / "joints" / joints.FILE).write_bytes(data.replace(b"names", b"nomes"))
    monkeypatch.setattr(joints, "FOLDER", tmp_path / "joints")
    shipped_trees.cache_clear()
    try:
        with pytest.raises(ValueError, match="SHA256SUMS"):
            shipped_trees()
    finally:
        shipped_trees.cache_clear()


def test_trees_of_another_kind_are_refused(look: Look) -> None:
    trees = shipped_trees()
    with pytest.raises(ValueError, match="other features"):
        joined_things(look.grid, look.surface, CONFIG, replace(trees, names=trees.names[::-1]))
    with pytest.raises(ValueError, match="no trees"):
        Trees.from_json('{"names": []}')
    with pytest.raises(ValueError, match="do not fit"):
        Trees.from_json(replace(trees, log_odds=trees.log_odds[:, :3]).to_json())


def test_a_tree_is_a_table_of_answers() -> None:
    trees = Trees(("a", "b"), 0.5, np.array([[0, 1]]), np.array([[1.0, 2.0]]), np.array([[1.0, 2.0, 3.0, 4.0]]))
    asked = np.array([[0.0, 0.0], [0.0, 3.0], [3.0, 0.0], [3.0, 3.0]])
    assert trees(asked).tolist() == [1.5, 2.5, 3.5, 4.5]


def test_one_piece_has_no_pairs(look: Look) -> None:
    sums = sums_of(look, np.where(look.domain, 1, 0).astype(np.int32))
    assert isinstance(sums, PieceSums) and sums.pairs.shape == (0, 2) and sums.border.shape[0] == 0
    assert sums.sums[1, COUNT] == np.count_nonzero(look.domain)
