"""Recorded robosuite episodes: what is read of them, judged on a recording of our own cell in the recorder's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatialvlm_ros.cli import main
from spatialvlm_ros.engine import SpatialEngine
from spatialvlm_ros.environments.table_cell import TableCell
from spatialvlm_ros.evaluation.robosuite_bench import BIN, ENGINE, load_episode, task_for
from spatialvlm_ros.scene.facts import Query, Status
from spatialvlm_ros.simulation import SimConfig


def recording(cell: TableCell, count: int = 2) -> dict[str, Any]:
    """Images of our cell, its tall can called robosuite's, as the recorder would write them."""
    sim, name = cell.sim, "red block"
    links = list(sim.link_poses())
    capsules = [c for c in sim.robot_capsules() if c.frame in links]
    rows: dict[str, list[Any]] = {key: [] for key in ("color", "depth_m", "links", "tool", "thing", "staged", "done", "stamp_ns")}
    for index in range(count):
        image = sim.render()
        poses = sim.link_poses()
        rows["color"].append(image.color)
        rows["depth_m"].append(image.depth_mm.astype(np.float32) / 1000)
        rows["links"].append(np.stack([poses[link] for link in links]))
        rows["tool"].append(sim.tool_pose_base())
        rows["thing"].append(sim.objects()[name].pose[:3, 3])
        rows["staged"].append(0.1 * index)
        rows["done"].append(False)
        rows["stamp_ns"].append(image.stamp_ns)
        sim.step(0.2)
    return {
        **{key: np.array(values) for key, values in rows.items()},
        "capsule_link": np.array([links.index(c.frame) for c in capsules]),
        "capsules": np.array([[*c.p0, *c.p1, c.radius_m] for c in capsules]),
        "world_from_camera": sim.camera_pose_base, "focal_px": sim.camera_intrinsics.fx,
        "goal": sim.objects()["green plate"].pose[:3, 3], "object": "Can", "kind": "success", "camera": "front", "seed": 0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cell = TableCell(SimConfig(3, 320, 240, objects=("red block", "green plate")))
    path = tmp_path_factory.mktemp("episodes") / "00_Can_success.npz"
    np.savez(path, **recording(cell))
    cell.close()
    return path


def test_an_episode_reads_as_the_engine_wants_it(file: Path) -> None:
    episode, staged, dt_s = load_episode(file)
    assert len(episode.shots) == 2 and not episode.success and dt_s == pytest.approx(0.2)
    assert staged.tolist() == [0.0, 0.1]
    shot = episode.shots[0]
    task = task_for("red block", dt_s)
    scene = SpatialEngine(ENGINE).observe(shot.frame, ["gripper", "red block", BIN], shot.robot)
    for query in (Query("distance", "gripper", "red block"), Query("horizontal_distance", "red block", BIN)):
        assert query in task.queries()
        fact = SpatialEngine(ENGINE).facts(scene, [query])[0]
        truth = shot.truth[Query(query.relation, query.subject, "red can")] if query.object == "red block" else None
        truth = shot.truth[Query(query.relation, "red can", query.object)] if truth is None else truth
        assert fact.status is Status.OK and fact.value == pytest.approx(truth, abs=0.01)


def test_the_engine_is_told_that_tf_and_the_scale_of_depth_are_exact(file: Path) -> None:
    shot = load_episode(file)[0].shots[0]
    engine = SpatialEngine(ENGINE)
    scene = engine.observe(shot.frame, ["gripper", "red block", BIN], shot.robot)
    by_tf, by_depth = engine.facts(scene, [Query("distance", "gripper", BIN), Query("distance", "gripper", "red block")])
    assert by_tf.std < 0.001 < by_depth.std
    thing = scene.find("red block").thing
    assert thing is not None and np.array_equal(thing.own_covariance, thing.covariance)


def test_elevations_are_above_where_the_thing_came_to_lie(file: Path, tmp_path: Path) -> None:
    """robosuite lets things fall a few millimetres at first; the engine measures from the floor that they fall to."""
    with np.load(file) as data:
        content = {name: data[name] for name in data.files}
    path = tmp_path / "fallen.npz"
    thing = np.repeat(content["thing"][:1], 2, axis=0) + np.array([[0, 0, 0.004], [0, 0, 0]])
    np.savez(path, **{**content, "thing": thing})
    shots = load_episode(path)[0].shots
    assert [shot.truth[Query("elevation", "red can")] for shot in shots] == pytest.approx([0.004, 0.0], abs=1e-9)


def test_no_episodes_say_how_to_make_some(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench-reward-robosuite", "--episodes", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "record some" in capsys.readouterr().err


def test_an_unknown_thing_is_refused(file: Path, tmp_path: Path) -> None:
    with np.load(file) as data:
        content = {name: data[name] for name in data.files}
    path = tmp_path / "strange.npz"
    np.savez(path, **{**content, "object": "Teapot"})
    with pytest.raises(ValueError, match="'Teapot'; known are Can"):
        load_episode(path)
