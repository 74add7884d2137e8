"""Rays against surface elements, beside Embree on fine meshes of the same surfaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spatialvlm_ros.simulation.caster import Caster
from spatialvlm_ros.training.embedded.composites import Design
from spatialvlm_ros.training.embedded.composites_builder import ANNULUS, HULL, Builder, Element, Material, rotation_x, rotation_z
from spatialvlm_ros.training.embedded.render_hits import Hits, View, cast
from spatialvlm_ros.training.embedded.render_pack import Packed, pack
from spatialvlm_ros.training.embedded.scenes import Placed, Scene
from spatialvlm_ros.training.embedded.scenes_room import Light, Room
from spatialvlm_ros.training.embedded.vocabulary import NOUNS

torch.set_num_threads(1)

WIDTH, HEIGHT = 160, 120
INTRINSICS = (150.0, 150.0, 79.0, 61.0)
ROUND = 240


def mesh_of(element: Element) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of an element, round ones in 240 facets."""
    if element.kind == HULL:
        return hull_mesh(np.array(element.params).reshape(6, 4))
    angle = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if element.kind == ANNULUS:
        inner, outer, sy = element.params[:3]
        rows = [np.c_[ring * [r, r * sy], np.zeros(ROUND)] for r in (max(inner, 1e-9), outer)]
    else:
        a, b, c, z0, z1, sy = element.params[:6]
        # Close rows near a pole, where the radius changes fast.
        heights = z0 + (z1 - z0) * (1 - np.cos(np.linspace(0, np.pi, 90))) / 2
        rows = []
        for z in heights:
            r = np.sqrt(max(a + b * z + c * z * z, 0.0))
            rows.append(np.c_[ring * [r, r * sy], np.full(ROUND, z)])
    triangles = []
    i = np.arange(ROUND)
    j = (i + 1) % ROUND
    for row in range(len(rows) - 1):
        low, high = row * ROUND, (row + 1) * ROUND
        triangles += [np.c_[low + i, low + j, high + i], np.c_[low + j, high + j, high + i]]
    return np.concatenate(rows), np.concatenate(triangles)


def hull_mesh(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.spatial import ConvexHull

    planes = planes[np.abs(planes[:, :3]).sum(1) > 0]
    corners = []
    for i in range(len(planes)):
        for j in range(i):
            for k in range(j):
                own = planes[[i, j, k]]
                if abs(np.linalg.det(own[:, :3])) > 1e-9:
                    p = np.linalg.solve(own[:, :3], own[:, 3])
                    if (planes[:, :3] @ p <= planes[:, 3] + 1e-9).all():
                        corners.append(p)
    hull = ConvexHull(np.array(corners))
    return hull.points, hull.simplices


def scene_of(things: list[tuple[list[Element], np.ndarray, np.ndarray]]) -> Scene:
    """Things (elements, turn, place) before a camera at the origin that looks along z; no room."""
    placed = [
        Placed(
            Design(0, elements, [Material((0.5, 0.5, 0.5))], np.zeros(3), np.zeros(3), np.zeros(len(NOUNS), np.float32)), turn, at
        )
        for elements, turn, at in things
    ]
    light = Light(np.array([0.0, 0.0, 1.0]), 0.5, np.ones(3), 1.0, 0.5)
    return Scene(placed, Room([], [], light, 0), np.eye(4), INTRINSICS, WIDTH, HEIGHT)


def cast_scene(scene: Scene) -> tuple[Packed, Hits, np.ndarray]:
    packed = pack([scene])
    hits = cast(packed, View(packed.intrinsics, WIDTH, HEIGHT))
    return packed, hits, hits.depth_m.view(HEIGHT, WIDTH).numpy()


def rays() -> np.ndarray:
    out = np.zeros((HEIGHT, WIDTH, 6), np.float32)
    fx, fy, cx, cy = INTRINSICS
    out[..., 3] = (np.arange(WIDTH) - cx) / fx
    out[..., 4] = ((np.arange(HEIGHT) - cy) / fy)[:, None]
    out[..., 5] = 1
    return out


def embree(scene: Scene) -> np.ndarray:
    """(H, W) depth of the scene's meshes, NaN beside them."""
    caster = Caster()
    for placed in scene.things:
        for element in placed.design.elements:
            vertices, triangles = mesh_of(element)
            own = vertices @ element.rotation.T + element.shift
            caster.add(own @ placed.turn.T + placed.at, triangles.astype(np.int32))
    return caster.cast(rays())[0]


def one(name: str) -> list[Element]:
    """The elements of one case."""
    b = Builder()
    if name == "box":
        b.box((0.0, 0.0, 0.0), (0.06, 0.04, 0.05), 0)
    elif name == "wedge":
        s = 0.5**0.5
        b.hull(
            ((0, 1, 0, 0.05), (0, -1, 0, 0.05), (0, 0, -1, 0), (s, 0, s, 0.06 * s), (-s, 0, s, 0.06 * s)),
            (-0.06, -0.05, 0), (0.06, 0.05, 0.06), 0,
        )  # fmt: skip
    elif name == "cylinder":
        b.frustum(-0.06, 0.06, 0.05, 0.05, 0)
    elif name == "cone":
        b.frustum(-0.06, 0.06, 0.06, 0.01, 0)
    elif name == "ball":
        b.ellipsoid(0.06, 0.06, 0)
    elif name == "bowl":
        b.ellipsoid(0.08, 0.06, 0, clip=(-0.9, 0.0))
    elif name == "spoon":
        b.ellipsoid(0.07, 0.03, 0, sy=0.6, clip=(-1.0, 0.0))
    elif name == "disc":
        b.disc(0.01, 0.07, 0)
    elif name == "oval ring":
        b.disc(0.0, 0.08, 0, 0.04, sy=0.7)
    elif name == "thin bar":
        b.bar((-0.1, 0.02, 0.0), (0.1, -0.03, 0.04), 0.006, 0.004, 0)
    return b.elements


CASES = ("box", "wedge", "cylinder", "cone", "ball", "bowl", "spoon", "disc", "oval ring", "thin bar")


@pytest.mark.parametrize("name", CASES)
def test_each_element_is_hit_where_its_mesh_is(name: str) -> None:
    """From several sides, some of them from within, near and far, also where the image's border cuts it."""
    rng = np.random.default_rng(CASES.index(name))
    compared = 0
    for trial in range(6):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        turn *= np.sign(np.linalg.det(turn))
        z = rng.uniform(0.25, 1.2)
        at = np.array([rng.uniform(-0.4, 0.4) * z, rng.uniform(-0.3, 0.3) * z, z])
        scene = scene_of([(one(name), turn, at)])
        ours, theirs = cast_scene(scene)[2], embree(scene)
        hit, expected = np.isfinite(ours), np.isfinite(theirs)
        both = hit & expected
        # Facets cut corners: silhouettes may differ by single pixels.
        assert (hit != expected).sum() <= max(3, 0.02 * both.sum()), (name, trial)
        if both.any():
            # Where an edge of a surface is before another part of it a facet may show the one for the other.
            close = np.abs(ours[both] - theirs[both]) < 2e-4
            assert (~close).sum() <= max(2, 0.01 * both.sum()), (name, trial)
            compared += both.sum()
    assert compared > 500


def test_the_nearest_of_several_things_is_shown_and_silhouettes_are_whole() -> None:
    """A ball before a box: labels by the nearer depth; full pixels as if alone, beyond the image's border too."""
    ball = (one("ball"), np.eye(3), np.array([0.0, 0.0, 0.4]))
    box = (one("box"), rotation_z(0.4) @ rotation_x(0.7), np.array([0.03, 0.01, 0.6]))
    cut = (one("box"), np.eye(3), np.array([-0.31, 0.0, 0.6]))
    packed, hits, depth = cast_scene(scene_of([ball, box, cut]))
    theirs = embree(scene_of([ball, box, cut]))
    both = np.isfinite(depth) & np.isfinite(theirs)
    # But for pixels on the silhouettes, which facets do not reach.
    assert (np.abs(depth[both] - theirs[both]) > 2e-4).mean() < 0.01
    label = torch.where(hits.element >= 0, packed.label[hits.element.clamp(min=0)], 0).view(HEIGHT, WIDTH).numpy()
    alone = [np.isfinite(cast_scene(scene_of([thing]))[2]) for thing in (ball, box, cut)]
    assert hits.full_pixels[0] == alone[0].sum() == (label == 1).sum()
    assert hits.full_pixels[1] == alone[1].sum() > (label == 2).sum() > 0
    assert (label[alone[0]] == 1).all()
    assert (label[alone[1] & ~alone[0]] == 2).all()
    # The third hangs over the left border: with the principal point 50 pixels further right all of it is seen.
    moved = scene_of([cut])
    moved.intrinsics = (150.0, 150.0, 129.0, 61.0)
    inside = np.isfinite(cast_scene(moved)[2]).sum()
    assert 0 < (label == 3).sum() < hits.full_pixels[2]
    assert hits.full_pixels[2] == inside


def test_faces_of_hulls_are_told_and_what_is_behind_the_camera_is_not_seen() -> None:
    """The gradient row of the face that is hit points to the camera; a body around or behind the camera shows nothing."""
    packed, hits, depth = cast_scene(scene_of([(one("box"), np.eye(3), np.array([0.0, 0.0, 0.5]))]))
    seen = hits.element >= 0
    normal = packed.normals[hits.element[seen] * 6 + hits.face[seen], 6:]
    # Straight before the camera only the near face is seen, all at one depth.
    torch.testing.assert_close(normal, torch.tensor([0.0, 0.0, -1.0]).expand_as(normal))
    np.testing.assert_allclose(depth[np.isfinite(depth)], 0.45, atol=1e-5)
    for at in ([0.0, 0.0, 0.0], [0.0, 0.0, -0.5]):
        assert not np.isfinite(cast_scene(scene_of([(one("box"), np.eye(3), np.array(at))]))[2]).any()
