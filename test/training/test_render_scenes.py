"""Rendered training scenes: what they say about themselves agrees with their pixels."""

from __future__ import annotations

import time
from dataclasses import fields

import numpy as np
import pytest
import torch

from spatialvlm_ros.simulation.depth_noise import add_noise
from spatialvlm_ros.simulation.random_scene import SceneSampling, random_scene
from spatialvlm_ros.simulation.raycast import render
from spatialvlm_ros.training.embedded.composites import random_design
from spatialvlm_ros.training.embedded.composites_builder import rotation_z
from spatialvlm_ros.training.embedded.noise import NoiseConfig
from spatialvlm_ros.training.embedded.render import RenderedBatch, Renderer
from spatialvlm_ros.training.embedded.scenes import GRIPPER_ID, STRUCTURE_ID, SUPPORT_ID, Placed, SceneConfig
from spatialvlm_ros.training.embedded.scenes import random_scene as random_training_scene
from spatialvlm_ros.training.embedded.vocabulary import CONCEPT_INDEX, CONCEPTS, KIND_NAMES, columns
from spatialvlm_ros.training.embedded.vocabulary_colors import COLORS

torch.set_num_threads(1)

SMALL = SceneConfig(width_px=160, height_px=120)
SEEDS = range(40, 64)


@pytest.fixture(scope="module")
def batch() -> RenderedBatch:
    return Renderer().batch(SEEDS, SMALL)


def points(batch: RenderedBatch) -> np.ndarray:
    """(B, H, W, 3) of the true depth, camera frame."""
    z = batch.true_depth_m.numpy()
    k = batch.intrinsics
    x = (np.arange(z.shape[2])[None, None] - k[:, 2, None, None]) / k[:, 0, None, None] * z
    y = (np.arange(z.shape[1])[None, :, None] - k[:, 3, None, None]) / k[:, 1, None, None] * z
    return np.stack([x, y, z], axis=3)


def test_the_same_seed_gives_the_same_bytes_in_whatever_batch(batch: RenderedBatch) -> None:
    renderer = Renderer()
    again = renderer.batch(SEEDS, SMALL)
    for field in fields(RenderedBatch):
        one, other = getattr(batch, field.name), getattr(again, field.name)
        if isinstance(one, list):
            assert one == other
        else:
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other), err_msg=field.name)
    alone = renderer.batch([SEEDS[5]], SMALL)
    # Sums are taken in another order in a smaller batch: last bits may differ, and what is rounded may fall to the other side.
    assert (alone.ids[0] == batch.ids[5]).float().mean() > 0.999
    assert torch.isclose(alone.true_depth_m[0], batch.true_depth_m[5], atol=1e-5, equal_nan=True).float().mean() > 0.999
    assert torch.isclose(alone.depth_m[0], batch.depth_m[5], atol=1e-5, equal_nan=True).float().mean() > 0.99
    assert ((alone.color[0].int() - batch.color[5].int()).abs() <= 1).float().mean() > 0.99
    assert not np.array_equal(renderer.batch([SEEDS[6]], SMALL).color[0], alone.color[0])


def test_ids_depth_and_counts_agree(batch: RenderedBatch) -> None:
    ids, depth = batch.ids.numpy(), batch.true_depth_m.numpy()
    np.testing.assert_array_equal(ids == 0, np.isnan(depth))
    assert set(np.unique(ids[ids < 0])) <= {SUPPORT_ID, STRUCTURE_ID, GRIPPER_ID}
    for n in range(len(batch.image)):
        seen = (ids[batch.image[n]] == batch.index[n] + 1).sum()
        assert seen == batch.visible_px[n] <= batch.full_px[n]
    assert ids.max() <= batch.index.max() + 1
    assert ((batch.visible_share >= 0) & (batch.visible_share <= 1)).all()
    # Most things are seen, some are partly hidden.
    assert np.median(batch.visible_share[batch.visible_px > 0]) > 0.8
    assert (batch.visible_share[batch.visible_px > 0] < 0.7).any()


def test_pixels_lie_on_the_plane_and_in_the_boxes_of_their_things(batch: RenderedBatch) -> None:
    p, ids = points(batch), batch.ids.numpy()
    for i in range(len(ids)):
        height = p[i] @ batch.plane[i, :3] + batch.plane[i, 3]
        on = ids[i] == SUPPORT_ID
        np.testing.assert_allclose(height[on], 0.0, atol=2e-4)
        assert (height[(ids[i] > 0)] > -1e-3).all()
    filled = []
    for n in np.flatnonzero(batch.visible_px > 30):
        own = p[batch.image[n]][ids[batch.image[n]] == batch.index[n] + 1]
        local = (own - batch.center_m[n]) @ batch.turn[n]
        assert (np.abs(local) <= batch.extents_m[n] / 2 + 1.5e-3).all(), KIND_NAMES[batch.kinds[n]]
        if batch.visible_share[n] > 0.98:
            filled.append(np.median((local.max(0) - local.min(0)) / batch.extents_m[n]))
    # The boxes are tight: what is wholly seen spans most of them.
    assert len(filled) > 30
    assert np.median(filled) > 0.85


def test_the_tip_lies_by_the_gripper(batch: RenderedBatch) -> None:
    p, ids = points(batch), batch.ids.numpy()
    gaps = []
    for i, kind in enumerate(batch.gripper_kind):
        grip = ids[i] == GRIPPER_ID
        assert np.isfinite(batch.tip_m[i]).all() == (kind != "")
        if not kind:
            assert not grip.any()
        elif grip.sum() > 50:
            gaps.append(np.linalg.norm(p[i][grip] - batch.tip_m[i], axis=1).min())
    assert len(gaps) >= 4
    assert np.median(gaps) < 0.05


def test_depth_noise_is_that_of_sensors_and_can_be_turned_off(batch: RenderedBatch) -> None:
    error = (batch.depth_m - batch.true_depth_m).numpy()
    valid = np.isfinite(error)
    assert 0.01 < 1 - valid.mean() < 0.35
    assert 0.0004 < np.nanmedian(np.abs(error)) < 0.01
    # Near the edges of things depth jumps; elsewhere hardly.
    assert (np.abs(error[valid]) > 0.1).mean() < 0.02
    z = batch.true_depth_m.numpy()
    near, far = valid & (z < 0.7), valid & (z > 1.2) & (z < 2.5)
    assert np.median(np.abs(error[far])) > 1.5 * np.median(np.abs(error[near]))
    clean = Renderer(noise=NoiseConfig(depth=0.0)).batch(SEEDS[:4], SMALL)
    measured, true = clean.depth_m.numpy(), clean.true_depth_m.numpy()
    within = np.isfinite(true) & (true > 0.2) & (true < 7.5)
    np.testing.assert_allclose(measured[within], true[within], atol=1e-5)


def test_attributes_agree_with_what_is_seen(batch: RenderedBatch) -> None:
    """Concepts are 1, 0 or NaN; nothing is said of hidden things; red things are red on the image."""
    a = batch.attributes
    assert a.shape == (len(batch.image), len(CONCEPTS))
    assert set(np.unique(a[~np.isnan(a)])) == {0.0, 1.0}
    assert np.isnan(a[batch.visible_px == 0]).all()
    nouns = a[batch.visible_px > 0][:, columns("noun")]
    assert ((nouns == 1).sum(1) >= 1).all()
    assert ((a[:, columns("color")] == 1).sum(1) <= 1).all()
    big = Renderer(noise=NoiseConfig(grain=0.0, jpeg=0.0)).batch(range(300, 324), SMALL)
    right = {}
    for n in np.flatnonzero(big.visible_px > 60):
        rgb = np.median(big.color[big.image[n]].numpy()[big.ids[big.image[n]].numpy() == big.index[n] + 1], axis=0)
        rgb = rgb / max(rgb.max(), 1)
        for color, largest in (("red", 0), ("green", 1), ("blue", 2)):
            if big.attributes[n, CONCEPT_INDEX[f"color:{color}"]] == 1:
                right.setdefault(color, []).append(rgb[largest] == rgb.max())
    assert all(len(right[c]) >= 2 and np.mean(right[c]) > 0.8 for c in ("red", "green", "blue")), right
    assert set(COLORS) >= set(right)


def test_a_handle_that_is_hidden_is_open() -> None:
    """Of mugs whose handle is not on the image nobody can say that they have one."""
    rng = np.random.default_rng(0)
    scenes = [random_training_scene(rng, SceneConfig(320, 240, gripper=0.0, pitch_deg=(-40.0, -15.0))) for _ in range(8)]
    for scene in scenes:
        scene.things = [
            Placed(random_design(rng, "mug"), rotation_z(rng.uniform(0, 6.28)), np.array([x, y, 0.0]))
            for x in (-0.08, 0.08)
            for y in (-0.08, 0.08)
        ]
    rendered = Renderer().render(scenes, range(8))
    handle = rendered.attributes[rendered.visible_px > 300, CONCEPT_INDEX["part:handle"]]
    assert (handle == 1).sum() > 8
    assert np.isnan(handle).sum() > 0
    assert not (handle == 0).any()


def test_bad_input_is_named() -> None:
    renderer = Renderer()
    with pytest.raises(ValueError, match="at least one scene"):
        renderer.batch([])


def test_it_is_faster_than_the_mesh_renderer() -> None:
    """Same number of pixels and things, both with depth noise: a ratio of processor times, so that load matters little."""
    sampling = SceneSampling(width_px=(320, 320), height_px=(240, 240), fx_px=(230, 320), num_things=(3, 9))
    renderer = Renderer()
    renderer.batch(range(4))
    ratios = []
    for repeat in range(2):
        start = time.process_time()
        renderer.batch(range(8 * repeat, 8 * repeat + 8))
        middle = time.process_time()
        for seed in range(3 * repeat, 3 * repeat + 3):
            scene = random_scene(seed, sampling)
            add_noise(render(scene).depth_m, scene.camera, "stereo", seed)
        ratios.append((time.process_time() - middle) / 3 / ((middle - start) / 8))
    assert max(ratios) > 1.0, f"the mesh renderer takes only {ratios} times as long"
