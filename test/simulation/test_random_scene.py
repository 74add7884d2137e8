"""Random scenes: solids are what they claim, things stand where they can, cameras look as asked."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import open3d as o3d
import pytest

from spatialvlm_ros.simulation import solids
from spatialvlm_ros.simulation.random_camera import distance_to_part_m
from spatialvlm_ros.simulation.random_scene import SUPPORT_KINDS, RandomScene, SceneSampling, Thing, random_scene
from spatialvlm_ros.simulation.solids import Mesh

SOLIDS = {
    "box": solids.box((0.1, 0.2, 0.3)),
    "cylinder": solids.cylinder(0.05, 0.1),
    "cone": solids.cone(0.05, 0.1),
    "stump": solids.cone(0.05, 0.1, 0.02),
    "sphere": solids.sphere(0.05),
    "cup": solids.cup(0.04, 0.09, 0.003, 0.03),
    "mug": solids.mug(0.04, 0.09),
    "bowl": solids.bowl(0.08, 0.06),
    "bottle": solids.bottle(0.035, 0.22),
    "plate": solids.plate(0.1),
    "ring": solids.ring(0.05, 0.03, 0.03),
    "l_block": solids.l_block(0.1, 0.08, 0.03, 0.02),
}
CROWDED = SceneSampling(num_things=(10, 14), crowding=1.0, share_stacked=0.5, things_spacing_m=0.002, clutter=(2, 4))


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_are_closed_and_centred(name: str) -> None:
    mesh = SOLIDS[name]
    edges = Counter((int(t[i]), int(t[(i + 1) % 3])) for t in mesh.triangles for i in range(3))
    assert all(count == 1 and edges[(b, a)] == 1 for (a, b), count in list(edges.items())), "an edge without its neighbour"
    assert np.allclose(mesh.vertices.min(axis=0), -mesh.vertices.max(axis=0), atol=1e-12)
    assert len(np.unique(mesh.triangles)) == len(mesh.vertices), "a vertex that no triangle uses"


@pytest.mark.parametrize(
    ("mesh", "volume_m3"),
    [
        (SOLIDS["box"], 0.1 * 0.2 * 0.3),
        (SOLIDS["cylinder"], np.pi * 0.05**2 * 0.1),
        (SOLIDS["cone"], np.pi * 0.05**2 * 0.1 / 3),
        (SOLIDS["sphere"], 4 / 3 * np.pi * 0.05**3),
        (SOLIDS["ring"], np.pi * (0.05**2 - 0.03**2) * 0.03),
        (SOLIDS["l_block"], (0.1 * 0.02 + 0.06 * 0.02) * 0.03),
    ],
)
def test_volumes(mesh: Mesh, volume_m3: float) -> None:
    # What a 64-sided polygon lacks of its circle: 1 - sin(2 pi / 64) / (2 pi / 64) = 0.16 %; a ball lacks it twice over.
    assert mesh.volume_m3() == pytest.approx(volume_m3, rel=0.005)


def test_hollow_things_are_hollow() -> None:
    for name in ("cup", "mug", "bowl"):
        width, _, height = SOLIDS[name].extents_m()
        assert 0 < SOLIDS[name].volume_m3() < 0.35 * width**2 * height


def test_a_box_needs_three_sides() -> None:
    with pytest.raises(ValueError, match="three lengths"):
        solids.box((0.1, 0.0, 0.1))


def fingerprint(scene: RandomScene) -> str:
    digest = hashlib.sha256()
    for thing in scene.things:
        digest.update(thing.name.encode() + thing.color.tobytes() + thing.vertices_world().tobytes())
    for part in scene.structure:
        digest.update(part.kind.encode() + part.color.tobytes() + part.vertices_world().tobytes())
    digest.update(scene.world_from_camera.matrix().tobytes() + repr(scene.camera).encode() + scene.light.position_m.tobytes())
    return digest.hexdigest()


def test_a_seed_is_a_scene() -> None:
    prints = [fingerprint(random_scene(seed)) for seed in range(6)]
    assert prints == [fingerprint(random_scene(seed)) for seed in range(6)]
    assert len(set(prints)) == 6


@pytest.mark.parametrize("kind", SUPPORT_KINDS)
def test_things_have_names_of_their_own_and_finite_places(kind: str) -> None:
    for seed in range(8):
        scene = random_scene(seed, SceneSampling(support_weights={kind: 1.0}))
        assert scene.support == kind
        assert len(scene.things) >= 3
        assert len({thing.name for thing in scene.things}) == len(scene.things)
        for thing in scene.things:
            assert thing.name.split()[1] == thing.shape
            assert np.isfinite(thing.vertices_world()).all()
            rotation = thing.world_from_thing.rotation
            assert np.allclose(rotation @ rotation.T, np.eye(3)) and np.linalg.det(rotation) == pytest.approx(1.0)
        stands = kind in ("table", "floor")
        assert np.isfinite(scene.support_height_m) == stands
        assert sum(part.is_support for part in scene.structure) == int(stands)


@pytest.mark.parametrize("sampling", [SceneSampling(), CROWDED], ids=["default", "crowded"])
def test_things_rest_on_what_is_said_to_carry_them(sampling: SceneSampling) -> None:
    stacked = 0
    for seed in range(20):
        scene = random_scene(seed, sampling)
        for index, thing in enumerate(scene.things):
            vertices = thing.vertices_world()
            bottom = vertices[:, 2].min()
            if thing.supported_by < 0:
                assert bottom == pytest.approx(scene.support_height_m, abs=1e-9)
                continue
            stacked += 1
            assert thing.supported_by < index
            below = scene.things[thing.supported_by].vertices_world()
            assert bottom == pytest.approx(below[:, 2].max(), abs=1e-9)
            middle = vertices[:, :2].mean(axis=0)
            assert (below[:, :2].min(axis=0) < middle).all() and (middle < below[:, :2].max(axis=0)).all()
    assert stacked >= 6


def test_things_stay_on_their_table() -> None:
    for seed in range(12):
        scene = random_scene(seed, SceneSampling(support_weights={"table": 1.0}, num_things=(12, 12)))
        top = next(part for part in scene.structure if part.is_support)
        half = top.mesh.extents_m() / 2
        for thing in scene.things:
            if thing.supported_by < 0:
                assert (np.abs(top.world_from_part.inverse().apply(thing.vertices_world()))[:, :2] <= half[:2]).all()


def surface_points(thing: Thing, rng: np.random.Generator) -> np.ndarray:
    """Vertices of a thing and a thousand random points of its triangles, in the world."""
    vertices = thing.vertices_world()
    corners = vertices[thing.mesh.triangles]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = corners[rng.choice(len(corners), 1000, p=areas / areas.sum())]
    weights = rng.dirichlet((1.0, 1.0, 1.0), 1000)
    return np.vstack([vertices, np.einsum("nc,ncj->nj", weights, chosen)])


@pytest.mark.parametrize("kind", SUPPORT_KINDS)
def test_nothing_cuts_into_anything_else(kind: str) -> None:
    """Judged by signed distances from the meshes, not by the footprints that the scenes were made with."""
    rng = np.random.default_rng(0)
    sampling = SceneSampling(
        num_things=(10, 14), crowding=1.0, share_stacked=0.5, things_spacing_m=0.002, support_weights={kind: 1.0}
    )
    for seed in range(3):
        scene = random_scene(seed, sampling)
        points = [surface_points(thing, rng) for thing in scene.things]
        solid = [(thing.mesh, thing.vertices_world()) for thing in scene.things]
        solid += [(part.mesh, part.vertices_world()) for part in scene.structure]
        for own, (mesh, vertices) in enumerate(solid):
            field = o3d.t.geometry.RaycastingScene(nthreads=1)
            field.add_triangles(o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(mesh.triangles.astype(np.uint32)))
            others = np.vstack([cloud for index, cloud in enumerate(points) if index != own]).astype(np.float32)
            depth = field.compute_signed_distance(o3d.core.Tensor(others), nthreads=1).numpy()
            # Touching counts as clear, and float32 knows a metre to a ten-thousandth of a millimetre.
            assert depth.min() > -2e-5, f"{kind}, seed {seed}: solid {own} is cut into by {-1000 * depth.min():.3f} mm"


def axis_angles_deg(scene: RandomScene) -> tuple[float, float]:
    """Pitch and roll of a scene's camera from its matrix alone."""
    right, _, forward = scene.world_from_camera.rotation.T
    level = np.cross(forward, (0.0, 0.0, 1.0))
    level /= np.linalg.norm(level)
    roll = np.arctan2(np.cross(level, right) @ forward, level @ right)
    return float(np.degrees(np.arcsin(forward[2]))), float(np.degrees(roll))


@pytest.mark.parametrize("kind", SUPPORT_KINDS)
@pytest.mark.parametrize("pitch_deg", [-80.0, -45.0, 0.0, 40.0, 80.0])
def test_cameras_look_as_asked(kind: str, pitch_deg: float) -> None:
    for roll_deg in (-45.0, 45.0):
        sampling = SceneSampling(
            pitch_deg=(pitch_deg, pitch_deg), roll_deg=(roll_deg, roll_deg), support_weights={kind: 1.0}, wall_probability=1.0
        )
        scene = random_scene(3, sampling)
        assert axis_angles_deg(scene) == pytest.approx((pitch_deg, roll_deg), abs=1e-6)
        position = scene.world_from_camera.translation
        assert min(distance_to_part_m(position, part) for part in scene.structure) > 0.05
        assert min(np.linalg.norm(thing.vertices_world() - position, axis=1).min() for thing in scene.things) > 0.19


def test_default_cameras_have_most_things_in_view() -> None:
    shares = []
    for seed in range(30):
        scene = random_scene(seed)
        middles = np.array([thing.world_from_thing.translation for thing in scene.things])
        pixels = scene.camera.project(scene.world_from_camera.inverse().apply(middles))
        shares.append(((pixels >= 0) & (pixels < (scene.camera.width, scene.camera.height))).all(axis=1).mean())
    assert np.mean(shares) > 0.85
    assert min(shares) > 0.3


def test_the_ranges_of_the_camera_are_kept() -> None:
    sampling = SceneSampling(width_px=(320, 800), height_px=(240, 600), fx_px=(300.0, 700.0), camera_distance_m=(1.0, 1.1))
    cameras = [random_scene(seed, sampling).camera for seed in range(12)]
    assert all(320 <= camera.width <= 800 and 240 <= camera.height <= 600 and 300 <= camera.fx <= 700 for camera in cameras)
    assert len({camera.width for camera in cameras}) > 6


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"support_weights": {"ceiling": 1.0}}, "support_weights"),
        ({"support_weights": {"table": 0.0}}, "support_weights"),
        ({"num_things": (5, 2)}, "not a range"),
        ({"pitch_deg": (-95.0, 0.0)}, "inside -90"),
        ({"crowding": 1.5}, "crowding"),
        ({"camera_distance_m": (0.0, 1.0)}, "above 0"),
    ],
)
def test_samplings_that_make_no_sense_are_refused(changed: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SceneSampling(**changed)  # type: ignore[arg-type]
