"""The tower's training on a real, tiny pool: it learns, goes on where it stopped, and gives the same bytes twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spatialvlm_ros.training.embedded.altered import altered
from spatialvlm_ros.training.embedded.checkpoints import CheckpointError
from spatialvlm_ros.training.embedded.curve import plot_log, write_log
from spatialvlm_ros.training.embedded.pool import (
    GRIPPER,
    NOTHING,
    THING,
    TRUTH,
    Pool,
    PoolError,
    RegionShard,
    join,
    unpack_pictures,
)
from spatialvlm_ros.training.embedded.printed import printed
from spatialvlm_ros.training.embedded.render import Renderer
from spatialvlm_ros.training.embedded.scenes import SceneConfig
from spatialvlm_ros.training.embedded.tower_data import DataConfig, make_shard
from spatialvlm_ros.training.embedded.tower_phrases import attributes_of, draw_phrases, tower_words
from spatialvlm_ros.training.embedded.train import EmbeddedTraining, fill_pool, train_embedded
from spatialvlm_ros.training.embedded.train_gripper import (
    GripperTraining,
    load_gripper_run,
    new_gripper_run,
    train_gripper,
)
from spatialvlm_ros.training.embedded.train_tower import (
    TowerTraining,
    load_run,
    new_run,
    shards_in_use,
    train_tower,
)
from spatialvlm_ros.training.embedded.vocabulary import CONCEPTS, columns
from spatialvlm_ros.vlm.embedded.backend import EmbeddedVlm
from spatialvlm_ros.vlm.embedded.gripper_head import GripperConfig
from spatialvlm_ros.vlm.embedded.tower import TowerConfig

torch.set_num_threads(1)

DATA = DataConfig(seed=3, scenes=12, batch=12, segmented=0.3, min_pixels=30, scene=SceneConfig(160, 120, things=(3, 6)))
SIZES = TowerConfig(tower_words(), (8, 16, 24, 32), (0, 0, 1, 0), 32, 32, 1, 2, 16, CONCEPTS, 8)
TRAINING = TowerTraining(
    steps=24, first_shards=1, shards=1, runs=1, run_length=40, phrases=24, rate=4e-3, warm_up=4, average=0.9, save_every=8
)
HEAD = GripperConfig((8, 8, 12, 16), 8)


@pytest.fixture(scope="module")
def shard() -> tuple[RegionShard, dict[str, torch.Tensor]]:
    return make_shard(Renderer(), DATA, 0)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, shard: tuple[RegionShard, dict[str, torch.Tensor]]) -> Pool:
    made = Pool(tmp_path_factory.mktemp("pool"), DATA.meta())
    made.write(0, shard[1], "images")
    made.write(0, shard[0].tensors())
    return made


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(name == other and torch.equal(value, kept) for (name, value), (other, kept) in pairs)


def test_a_shard_is_what_it_says(shard: tuple[RegionShard, dict[str, torch.Tensor]]) -> None:
    regions, images = shard
    assert {int(kind) for kind in regions.kind} == {THING, NOTHING, GRIPPER}
    pictures, truth = unpack_pictures(regions)
    assert torch.isfinite(pictures).all() and pictures.abs().max() <= 1
    assert torch.isfinite(regions.scalars).all()
    things = regions.kind == THING
    # A proposal shows its thing, spoiled or not; a piece of the room shows none.
    overlap = ((pictures[:, 7] > 0) & truth).flatten(1).sum(1) / ((pictures[:, 7] > 0) | truth).flatten(1).sum(1)
    assert overlap[things].min() > 0.05 and overlap[things].median() > 0.7
    assert not ((regions.flags[regions.kind == NOTHING] & TRUTH) > 0).any()
    # Regions of one scene lie side by side, and no more scenes are there than were drawn.
    assert (regions.scene.diff() >= 0).all() and int(regions.scene.max()) < DATA.scenes
    assert images["present"].any() and torch.isfinite(images["tip"][images["present"] > 0]).all()
    assert torch.isnan(images["tip"][images["present"] == 0]).all()


def test_the_same_shard_comes_twice(shard: tuple[RegionShard, dict[str, torch.Tensor]]) -> None:
    again, _ = make_shard(Renderer(), replace(DATA), 0)
    assert all(torch.equal(value, shard[0].tensors()[name]) for name, value in again.tensors().items())
    other, _ = make_shard(Renderer(), replace(DATA, seed=4, scenes=4), 0)
    assert not torch.equal(other.color[:3], shard[0].color[:3])


def test_every_other_shard_is_of_finer_images(shard: tuple[RegionShard, dict[str, torch.Tensor]]) -> None:
    fine, _ = make_shard(Renderer(), replace(DATA, scenes=4), 1)
    plain, _ = make_shard(Renderer(), replace(DATA, scenes=4, fine_every=0), 1)
    # The same scenes: as many things or a few more, each with finer colour.
    assert len(plain) <= 1.5 * len(fine) and len(fine) <= 2.5 * len(plain)

    def steps(regions: RegionShard) -> float:
        things = regions.kind == THING
        return float((regions.color[things].float().diff(dim=3)).abs().mean())

    assert steps(fine) > 1.05 * steps(plain)
    again, _ = make_shard(Renderer(), replace(DATA, scenes=4), 1)
    assert torch.equal(again.color, fine.color)


def test_other_light_and_cameras_leave_depth_and_places_alone(shard: tuple[RegionShard, dict[str, torch.Tensor]]) -> None:
    pictures, truth = unpack_pictures(shard[0])
    after, masks = altered(np.random.default_rng(5), pictures, truth)
    mirrored = (after[:, 7].flip(2) == pictures[:, 7]).all(dim=(1, 2)) & (masks.flip(2) == truth).all(dim=(1, 2))
    same_way = (after[:, 7] == pictures[:, 7]).all(dim=(1, 2)) & (masks == truth).all(dim=(1, 2))
    assert (mirrored | same_way).all() and 0.2 < float((mirrored & ~same_way).float().mean()) < 0.8
    straight = torch.where(mirrored[:, None, None, None], after.flip(3), after)
    assert torch.equal(straight[:, 4:7], pictures[:, 4:7]) and after.abs().max() <= 1
    # Outside the image there is no colour, and inside it most of it is another, though not quite another.
    outside = (pictures[:, :3] == 0).all(dim=1)
    assert not straight[:, :3].abs().amax(dim=1)[outside].any()
    change = (straight[:, :3] - pictures[:, :3]).abs().mean(dim=(1, 2, 3))
    assert float((change > 0.005).float().mean()) > 0.9 and float(change.median()) < 0.2
    again, _ = altered(np.random.default_rng(5), pictures, truth)
    assert torch.equal(again, after)


def test_phrases_are_true_of_what_they_are_about(shard: tuple[RegionShard, dict[str, torch.Tensor]]) -> None:
    texts, answers = draw_phrases(np.random.default_rng(0), shard[0], 60)
    assert answers.shape == (60, len(shard[0])) and len(set(texts)) > 30
    known = {-1.0 if np.isnan(value) else value for value in answers.unique().tolist()}
    assert known == {-1.0, 0.0, 1.0}
    yes = (answers == 1).any(dim=1).float().mean()
    assert 0.4 < yes < 0.95
    # Nothing is true of what is no thing.
    assert not (answers[:, shard[0].kind == NOTHING] == 1).any()
    assert attributes_of(shard[0]).shape == (len(shard[0]), len(CONCEPTS))


@pytest.mark.parametrize("seed", range(3))
def test_print_leaves_a_thing_most_of_its_colour(seed: int, shard: tuple[RegionShard, dict[str, torch.Tensor]]) -> None:
    regions = shard[0]
    pictures, truth = unpack_pictures(regions)
    after, marked = printed(np.random.default_rng(seed), regions, pictures, truth, 1.0)
    things = (regions.kind == THING) & (truth.sum((1, 2)) >= 100)
    changed = (marked != pictures).any(dim=1)
    share = (changed & truth).sum((1, 2))[things] / truth.sum((1, 2))[things]
    assert float(share.max()) < 0.5 and float((share > 0.02).float().mean()) > 0.8
    assert not (changed & ~truth).any() and torch.equal(marked[:, 3:], pictures[:, 3:])
    # What most of it is coloured in is still known; what else is on it is not.
    assert torch.equal(after.concepts[:, columns("color")], regions.concepts[:, columns("color")])
    assert not (after.concepts[:, columns("has")][regions.kind == THING] == 0).any()


def test_training_resumes_to_the_same_bytes(pool: Pool, tmp_path: Path) -> None:
    whole = train_tower(new_run(SIZES, TRAINING), TRAINING, pool, draw_phrases)
    train_tower(new_run(SIZES, TRAINING), TRAINING, pool, draw_phrases, folder=tmp_path, stop_at=8)
    resumed = train_tower(load_run(tmp_path, TRAINING), TRAINING, pool, draw_phrases, folder=tmp_path)
    assert resumed.step == whole.step == TRAINING.steps
    assert same(resumed.tower, whole.tower) and same(resumed.averaged, whole.averaged)
    assert not same(whole.tower, whole.averaged)


def test_training_learns(pool: Pool, tmp_path: Path) -> None:
    training = replace(TRAINING, steps=60)
    run = train_tower(new_run(SIZES, training), training, pool, draw_phrases, stop_at=1)
    train_tower(run, training, pool, draw_phrases)
    first, last = run.log[0], run.log[-1]
    for name, share in (("mask", 0.8), ("attributes", 0.25)):
        assert last[name] < share * first[name], f"{name}: {first[name]} -> {last[name]}"
    write_log(tmp_path / "log.jsonl", run.log)
    plot_log(tmp_path / "curve.png", run.log, [{"step": 60, "right": 0.5}], "test")
    assert (tmp_path / "curve.png").read_bytes()[:4] == b"\x89PNG"
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == len(run.log)


def test_the_gripper_head_learns_and_resumes(pool: Pool, tmp_path: Path) -> None:
    training = GripperTraining(steps=40, shards=1, batch=12, rate=5e-3, warm_up=4, average=0.9, save_every=20)
    whole = train_gripper(new_gripper_run(HEAD, training), training, pool, stop_at=1)
    train_gripper(whole, training, pool)
    train_gripper(new_gripper_run(HEAD, training), training, pool, folder=tmp_path, stop_at=20)
    resumed = train_gripper(load_gripper_run(tmp_path, training), training, pool, folder=tmp_path)
    assert same(resumed.head, whole.head)
    for name, share in (("gripper mask", 0.5), ("gripper tip", 0.7)):
        assert whole.log[-1][name] < share * whole.log[0][name], f"{name}: {whole.log[0][name]} -> {whole.log[-1][name]}"


def test_a_checkpoint_of_another_network_or_none_is_refused(pool: Pool, tmp_path: Path) -> None:
    short = replace(TRAINING, steps=1)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_run(tmp_path / "nothing", short)
    train_tower(new_run(SIZES, short), short, pool, draw_phrases, folder=tmp_path)
    state = (tmp_path / "state.json").read_text()
    (tmp_path / "state.json").write_text(state.replace('"step": 1', '"step": 7', 1))
    with pytest.raises(CheckpointError, match="cut off"):
        load_run(tmp_path, short)
    (tmp_path / "state.json").write_text(state.replace('"embedding": 32', '"embedding": 48'))
    with pytest.raises(CheckpointError, match="another network"):
        load_run(tmp_path, short)


def test_a_pool_of_other_data_or_without_its_shard_is_refused(pool: Pool) -> None:
    with pytest.raises(PoolError, match="other settings"):
        Pool(pool.folder, replace(DATA, seed=5).meta())
    with pytest.raises(PoolError, match="has not come"):
        pool.regions(7, wait_s=0.1)


def test_more_shards_come_into_use() -> None:
    training = TowerTraining(steps=100, first_shards=2, shards=10)
    used = [shards_in_use(step, training) for step in range(100)]
    assert used[0] == 2 and used == sorted(used) and used[50] == used[-1] == 10


def test_joined_shards_keep_their_scenes_apart(shard: tuple[RegionShard, dict[str, torch.Tensor]]) -> None:
    both = join([shard[0], shard[0]])
    assert len(both) == 2 * len(shard[0])
    assert int(both.scene[len(shard[0])]) == int(shard[0].scene.max()) + 1


def test_all_of_it_ends_in_a_model_that_opens_and_stops_in_time(tmp_path: Path) -> None:
    config = EmbeddedTraining(
        out=tmp_path,
        data=DATA,
        tower=replace(TRAINING, steps=3, save_every=2),
        gripper=GripperTraining(steps=3, shards=1, batch=4, save_every=2),
        tower_sizes=SIZES,
        gripper_sizes=HEAD,
        calibration_scenes=3,
        report_scenes=3,
    )
    fill_pool(DATA, tmp_path / "pool", 1)
    assert train_embedded(replace(config, seconds=0.0)) is None
    assert train_embedded(config) is not None
    opened = EmbeddedVlm.from_folder(tmp_path / "model")
    assert not opened.answers and opened.calibration.prior_odds > 1
    assert (tmp_path / "tower.png").is_file() and (tmp_path / "gripper.jsonl").is_file()
