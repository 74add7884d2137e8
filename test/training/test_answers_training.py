"""The pool of measured things, and training on it: what is stored is what was measured; runs learn, resume and repeat."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spatialvlm_ros.scene.relations import RELATIONS
from spatialvlm_ros.training.embedded.answers_data import pool_things, usable
from spatialvlm_ros.training.embedded.answers_data_text import TYPES, all_questions, question_table
from spatialvlm_ros.training.embedded.measured_pool import (
    OF_ONE,
    OF_TWO,
    PoolConfig,
    make_pool,
    measured_images,
    read_shard,
    tables,
)
from spatialvlm_ros.training.embedded.train_decoder import DecoderTraining, train_decoder
from spatialvlm_ros.training.embedded.train_decoder_judge import ask, calibrate, summary, table_of
from spatialvlm_ros.vlm.embedded.decoder_files import load_decoder
from spatialvlm_ros.vlm.embedded.object_tokens import object_tokens

SEED = 12_000


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes with two noisy images each, on all of which things are found."""
    folder = tmp_path_factory.mktemp("pool")
    make_pool(PoolConfig(SEED, 2, scenes_a_shard=1), folder)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> DecoderTraining:
    torch.set_num_threads(1)
    return DecoderTraining(
        tmp_path / "run", steps=22, batch=40, layouts=200, dim=32, layers=1, heads=2, warm_up=4, learning_rate=4e-3,
        save_every=8, averaged=0.9,
    )  # fmt: skip


def test_a_shard_holds_what_was_measured_and_what_is_true(pool: Path) -> None:
    shards = sorted(pool.glob("*.safetensors"))
    assert [shard.name for shard in shards] == [f"measured-{seed:06d}.safetensors" for seed in (SEED, SEED + 1)]
    images, stored = list(measured_images(SEED, 2)), list(read_shard(shards[0]))
    assert len(images) == len(stored) == 2
    for image, kept in zip(images, stored, strict=True):
        rows, valid = object_tokens(image.scene, image.scene.objects)
        np.testing.assert_allclose(kept.features, rows, atol=2e-5)
        assert kept.seed == SEED and np.array_equal(kept.valid, valid) and np.array_equal(kept.triples, image.triples)
        said = tables(image.scene, image.triples)
        assert all(np.array_equal(kept.said[name], said[name], equal_nan=True) for name in said)
    a, b = images[0].scene.objects[:2]
    distance = RELATIONS["distance"].measure(images[0].scene, a, b)
    assert stored[0].said["two"][0, 1, OF_TWO.index("distance")] == pytest.approx([distance.value, distance.std], rel=1e-5)


def test_measured_things_are_near_the_true_ones(pool: Path) -> None:
    things = pool_things(sorted(pool.glob("*.safetensors")))
    for name in ("distance", "height", "left_difference", "gap"):
        error = np.abs(things.said[name][:, 0] - things.true[name])
        assert np.nanmedian(error) < 0.02 < np.nanmedian(np.abs(things.true[name])) or name == "height"
    # The tool's point has no height of its own.
    assert np.isnan(things.true["height"]).sum() == 4 and OF_ONE[0] == "height"


def test_a_pool_goes_on_where_it_was_cut_off_with_the_same_bytes(pool: Path, tmp_path: Path) -> None:
    again = make_pool(PoolConfig(SEED, 1, scenes_a_shard=1), tmp_path)[0]
    assert again.read_bytes() == (pool / again.name).read_bytes()
    kept = again.stat().st_mtime_ns
    make_pool(PoolConfig(SEED, 1, scenes_a_shard=1), tmp_path)
    assert again.stat().st_mtime_ns == kept and not list(tmp_path.glob("*.partial"))


def test_seeds_that_are_kept_for_judging_are_refused() -> None:
    with pytest.raises(ValueError, match="699999"):
        PoolConfig(699_990, 20)
    with pytest.raises(ValueError, match="freeze_things"):
        DecoderTraining(Path("out"), freeze_things=True)
    with pytest.raises(ValueError, match="noise_m -1"):
        DecoderTraining(Path("out"), noise_m=-1)


def test_no_pool_is_no_training(config: DecoderTraining, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="make a pool first"):
        train_decoder(replace(config, pool=tmp_path))


def test_a_run_learns_and_goes_on_after_a_cut_as_if_there_were_none(config: DecoderTraining, pool: Path) -> None:
    config = replace(config, pool=pool)
    rows: list[dict[str, float]] = []
    whole = train_decoder(config, rows.append)
    assert rows[-1]["step"] == 22 and rows[-1]["verdict"] < 0.8 * np.log(whole.config.to_json()["words"].__len__())
    first = json.loads((config.out / "log.jsonl").read_text().splitlines()[0])
    assert first["step"] == 20

    class CutError(Exception):
        pass

    def cut(row: dict[str, float]) -> None:
        raise CutError

    broken = replace(config, out=config.out.with_name("broken"))
    with pytest.raises(CutError):
        train_decoder(broken, cut)  # at step 20; the checkpoint is of step 16
    resumed = train_decoder(broken)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert (config.out / "curve.png").stat().st_size > 1000
    assert torch.equal(load_decoder(config.out).copy.weight, whole.copy.weight)
    with pytest.raises(ValueError, match="another configuration"):
        train_decoder(replace(broken, seed=9))


def test_what_reads_things_can_be_kept_as_it_is(config: DecoderTraining) -> None:
    start = train_decoder(replace(config, steps=2))
    tuned = train_decoder(replace(config, out=config.out.with_name("tuned"), steps=3, start=config.out, freeze_things=True))
    assert torch.equal(start.thing[0].weight, tuned.thing[0].weight) and torch.equal(start.pair[2].bias, tuned.pair[2].bias)
    assert not torch.equal(start.copy.weight, tuned.copy.weight)


def test_a_decoder_is_judged_beside_the_engine_and_the_best_constant(config: DecoderTraining, pool: Path) -> None:
    decoder = train_decoder(replace(config, steps=2))
    things = pool_things(sorted(pool.glob("*.safetensors")))
    table = question_table(all_questions(), decoder.vocabulary, decoder.config.max_question)
    said = ask(decoder, things, table, 40, seed=1)
    rows = table_of(said, things)
    assert set(rows) == {name for name in TYPES if len(usable(things, name))} and len(rows) >= 43
    # What the engine measured is far better than a constant, and both than what two steps can learn.
    assert rows["distance"]["engine_mae_m"] < 0.3 * rows["distance"]["constant_mae_m"] < rows["distance"]["decoder_mae_m"]
    assert rows["left"]["engine_right"] > 0.9 and summary(rows)["engine_right"] > 0.8
    before = float(np.abs(said.value - said.true)[said.pair < 0].mean())
    fitted = calibrate(decoder, said)
    again = ask(decoder, things, table, 40, seed=1)
    assert float(np.abs(again.value - again.true)[again.pair < 0].mean()) == pytest.approx(before)
    assert fitted["std_factor"] == pytest.approx(float(decoder.std_factor)) and len(fitted) == 9
