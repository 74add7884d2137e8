"""The transform buffer: what tf2 does, from another library's arithmetic, and what it says when it cannot answer."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.geometry.transform_buffer import (
    ExtrapolationError,
    TransformBuffer,
    TransformError,
    UnknownFrameError,
)

S = 1_000_000_000


def pose(seed: int) -> RigidTransform:
    rng = np.random.default_rng(seed)
    return RigidTransform(Rotation.random(random_state=rng).as_matrix(), rng.normal(size=3))


def shifted(x: float) -> RigidTransform:
    return RigidTransform(np.eye(3), np.array([x, 0.0, 0.0]))


def test_interpolates_as_scipy_does_at_random_times() -> None:
    rng = np.random.default_rng(0)
    stamps = np.sort(rng.choice(np.arange(0, 5 * S, 1_000_000), 20, replace=False))
    # Arrival out of order, as from several publishers
    poses = [pose(i) for i in range(20)]
    buffer = TransformBuffer()
    for i in rng.permutation(20):
        buffer.set_transform("base", "tool", int(stamps[i]), poses[i])
    slerp = Slerp(stamps * 1e-9, Rotation.from_matrix([p.rotation for p in poses]))
    for when in rng.integers(stamps[0], stamps[-1], 200):
        found = buffer.lookup("base", "tool", int(when))
        assert np.allclose(found.rotation, slerp(when * 1e-9).as_matrix(), atol=1e-6)
        along = [np.interp(when, stamps, [p.translation[k] for p in poses]) for k in range(3)]
        assert np.allclose(found.translation, along, atol=1e-9)


def test_stored_stamps_come_back_exactly_and_the_last_of_equal_stamps_counts() -> None:
    buffer = TransformBuffer()
    for stamp in (3, 1, 2):
        buffer.set_transform("a", "b", stamp, pose(stamp))
    buffer.set_transform("a", "b", 2, pose(9))
    assert np.array_equal(buffer.lookup("a", "b", 2).matrix(), pose(9).matrix())
    assert np.array_equal(buffer.lookup("a", "b", 3).matrix(), pose(3).matrix())


def tree() -> tuple[TransformBuffer, dict[str, np.ndarray]]:
    """world -> base -> link -> tool and world -> mast -> camera; poses in the world as matrices."""
    edges = [("world", "base"), ("base", "link"), ("link", "tool"), ("world", "mast"), ("mast", "camera")]
    buffer, in_world = TransformBuffer(), {"world": np.eye(4)}
    for index, (parent, child) in enumerate(edges):
        buffer.set_transform(parent, child, S, pose(index), static=child in ("mast", "base"))
        in_world[child] = in_world[parent] @ pose(index).matrix()
    return buffer, in_world


def test_every_pair_of_frames_is_answered_through_the_common_ancestor() -> None:
    buffer, in_world = tree()
    for target, target_pose in in_world.items():
        for source, source_pose in in_world.items():
            expected = np.linalg.inv(target_pose) @ source_pose
            assert np.allclose(buffer.lookup(target, source, S).matrix(), expected, atol=1e-12), (target, source)


def test_only_edges_on_the_way_must_know_the_time() -> None:
    buffer, in_world = tree()
    # The common ancestor of mast and base is world; link and tool move and are not on the way.
    found = buffer.lookup("mast", "base", 77 * S)
    assert np.allclose(found.matrix(), np.linalg.inv(in_world["mast"]) @ in_world["base"])
    with pytest.raises(ExtrapolationError, match="'link' -> 'tool'"):
        buffer.lookup("mast", "tool", 77 * S)


def test_a_frame_is_itself_even_when_unknown() -> None:
    assert np.array_equal(TransformBuffer().lookup("camera", "/camera", 5).matrix(), np.eye(4))


def test_unknown_frame_names_itself_and_the_known_ones() -> None:
    buffer, _ = tree()
    for target, source in (("world", "grippr"), ("grippr", "world")):
        with pytest.raises(UnknownFrameError) as caught:
            buffer.lookup(target, source, S)
        assert "'grippr'" in str(caught.value)
        assert all(f"'{name}'" in str(caught.value) for name in ("base", "camera", "link", "mast", "tool", "world"))
    with pytest.raises(UnknownFrameError, match="none"):
        TransformBuffer().lookup("a", "b", 0)


def test_long_lists_of_known_frames_are_cut_with_a_count() -> None:
    buffer = TransformBuffer()
    for index in range(30):
        buffer.set_transform("world", f"link{index:02}", S, pose(index))
    with pytest.raises(UnknownFrameError, match="'link11' and 19 more"):
        buffer.lookup("world", "nowhere", S)


def test_trees_that_are_not_connected_are_named_with_their_roots() -> None:
    buffer, _ = tree()
    buffer.set_transform("map", "marker", S, pose(1))
    with pytest.raises(UnknownFrameError) as caught:
        buffer.lookup("tool", "marker", S)
    assert all(word in str(caught.value) for word in ("not connected", "'tool'", "'marker'", "'world'", "'map'"))


@pytest.mark.parametrize(("stamp", "too_new", "words"), [(S - 1, False, "older"), (3 * S + 1, True, "newer")])
def test_times_outside_are_refused_and_say_whether_waiting_helps(stamp: int, too_new: bool, words: str) -> None:
    buffer = TransformBuffer()
    for second in (1, 2, 3):
        buffer.set_transform("a", "b", second * S, pose(second))
    with pytest.raises(ExtrapolationError, match=words) as caught:
        buffer.lookup("a", "b", stamp)
    assert caught.value.too_new is too_new
    assert isinstance(caught.value, TransformError)


def test_nothing_is_made_up_within_a_long_gap() -> None:
    buffer = TransformBuffer(max_gap_s=1.0)
    for second in (0, 1, 4):
        buffer.set_transform("a", "b", second * S, shifted(second / 250))
    assert buffer.lookup("a", "b", S // 2).translation[0] == 0.002 and buffer.lookup("a", "b", 4 * S).translation[0] == 0.016
    with pytest.raises(ExtrapolationError, match=r"in a gap of 3\.0 s: none was received from 1\.000 s to 4\.000 s") as caught:
        buffer.lookup("a", "b", 2 * S)
    assert not caught.value.too_new


@pytest.mark.parametrize(
    ("gap_ms", "moved_m", "turned_deg", "known"),
    [(100, 0.1, 5.0, True), (250, 0.1, 5.0, True), (300, 0.1, 0.0, False), (300, 0.0, 1.0, False), (900, 0.004, 0.4, True)],
)
def test_a_motion_is_not_made_up_over_a_gap_in_which_it_may_have_gone_any_way(
    gap_ms: int, moved_m: float, turned_deg: float, known: bool
) -> None:
    buffer = TransformBuffer(max_gap_s=1.0)
    turn = Rotation.from_euler("z", turned_deg, degrees=True).as_matrix()
    buffer.set_transform("a", "b", S, shifted(0.0))
    buffer.set_transform("a", "b", S + gap_ms * S // 1000, RigidTransform(turn, np.array([0.0, moved_m, 0.0])))
    middle = S + gap_ms * S // 2000
    if known:
        assert buffer.lookup("a", "b", middle).translation[1] == pytest.approx(moved_m / 2)
        return
    words = rf"in a gap of 0\.30 s, in which it moved by {100 * moved_m:.1f} cm and {turned_deg:.1f} degrees"
    with pytest.raises(ExtrapolationError, match=words) as caught:
        buffer.lookup("a", "b", middle)
    assert not caught.value.too_new
    assert buffer.lookup("a", "b", S).translation[1] == 0.0, "what was received is known"


def test_what_came_of_a_time_that_began_anew_stays_when_the_time_before_is_forgotten() -> None:
    """A bag in a loop: its transforms come before its first image, whose stamp tells that time went back."""
    for cache_s in (2.0, 100.0):  # shorter and longer than the bag
        buffer = TransformBuffer(cache_s)
        buffer.set_transform("a", "still", 0, shifted(9.0), static=True)
        for second in range(10, 21):
            buffer.set_transform("a", "b", second * S, shifted(second))
            buffer.set_transform("a", "old", second * S, shifted(second))
        for second in (10, 11):
            buffer.set_transform("a", "b", second * S, shifted(-second))
        buffer.clear(10 * S + 3 * S // 4)
        assert buffer.lookup("a", "b", 10 * S + S // 2).translation[0] == -10.5
        assert buffer.frames() == ["a", "b", "still"], "of the time before nothing is left"
        with pytest.raises(ExtrapolationError, match="newer"):
            buffer.lookup("a", "b", 12 * S)


def test_a_second_jump_forgets_what_came_after_the_first() -> None:
    buffer = TransformBuffer()
    for second in (10, 3, 4, 5):
        buffer.set_transform("a", "b", second * S, shifted(second))
    buffer.clear(S)
    assert buffer.frames() == []


def test_one_sample_answers_only_at_its_stamp() -> None:
    buffer = TransformBuffer()
    buffer.set_transform("a", "b", S, pose(1))
    assert np.array_equal(buffer.lookup("a", "b", S).matrix(), pose(1).matrix())
    for stamp, too_new in ((S - 1, False), (S + 1, True)):
        with pytest.raises(ExtrapolationError) as caught:
            buffer.lookup("a", "b", stamp)
        assert caught.value.too_new is too_new


def test_static_transforms_answer_at_any_time_and_the_last_one_counts() -> None:
    buffer = TransformBuffer()
    buffer.set_transform("a", "b", 5 * S, pose(1), static=True)
    buffer.set_transform("a", "b", 2 * S, pose(2), static=True)
    for stamp in (0, 5 * S, 10**18):
        assert np.array_equal(buffer.lookup("a", "b", stamp).matrix(), pose(2).matrix())


def test_a_child_with_a_new_parent_starts_anew() -> None:
    buffer = TransformBuffer()
    for stamp in (S, 2 * S):
        buffer.set_transform("table", "cup", stamp, pose(1))
        buffer.set_transform("world", "table", stamp, pose(2))
        buffer.set_transform("world", "hand", stamp, pose(3))
    buffer.set_transform("hand", "cup", 2 * S, pose(4))
    assert np.allclose(buffer.lookup("world", "cup", 2 * S).matrix(), (pose(3) @ pose(4)).matrix())
    with pytest.raises(ExtrapolationError):
        buffer.lookup("world", "cup", S)


def test_a_static_transform_that_begins_to_move_starts_anew() -> None:
    buffer = TransformBuffer()
    buffer.set_transform("a", "b", 0, pose(1), static=True)
    buffer.set_transform("a", "b", S, pose(2))
    assert np.array_equal(buffer.lookup("a", "b", S).matrix(), pose(2).matrix())
    with pytest.raises(ExtrapolationError):
        buffer.lookup("a", "b", 0)


def test_the_cache_keeps_the_last_seconds() -> None:
    buffer = TransformBuffer(cache_s=2.0)
    for tenth in range(100):
        buffer.set_transform("a", "b", tenth * S // 10, shifted(tenth))
    newest = 99 * S // 10
    assert buffer.lookup("a", "b", newest - 2 * S).translation[0] == pytest.approx(79)
    with pytest.raises(ExtrapolationError) as caught:
        buffer.lookup("a", "b", newest - 2 * S - 1)
    assert not caught.value.too_new
    # What arrives later than that is not kept either, and does no harm.
    buffer.set_transform("a", "b", S, shifted(-5))
    assert buffer.lookup("a", "b", newest - 2 * S).translation[0] == pytest.approx(79)


def test_clear_forgets_what_moves_and_keeps_what_does_not() -> None:
    buffer, in_world = tree()
    buffer.clear()
    assert buffer.frames() == ["base", "mast", "world"]
    assert np.allclose(buffer.lookup("world", "mast", 0).matrix(), in_world["mast"])
    with pytest.raises(UnknownFrameError):
        buffer.lookup("world", "tool", S)


@pytest.mark.parametrize(("parent", "child"), [("a", "a"), ("", "a"), ("a", ""), ("/a", "a"), ("/", "a")])
def test_transforms_without_two_frames_are_refused(parent: str, child: str) -> None:
    with pytest.raises(ValueError, match="two different frames"):
        TransformBuffer().set_transform(parent, child, 0, RigidTransform.identity())


def test_leading_slashes_do_not_matter() -> None:
    buffer = TransformBuffer()
    buffer.set_transform("/a", "/b", S, pose(1))
    assert np.array_equal(buffer.lookup("a", "/b", S).matrix(), pose(1).matrix())
    assert buffer.frames() == ["a", "b"]


def test_a_loop_is_an_error_not_a_hang() -> None:
    buffer = TransformBuffer()
    for parent, child in (("a", "b"), ("b", "c"), ("c", "a")):
        buffer.set_transform(parent, child, S, pose(1))
    with pytest.raises(UnknownFrameError, match="loop"):
        buffer.lookup("a", "c", S)


def test_many_threads_see_whole_transforms() -> None:
    """Every sample at time t is t metres along x, so that any mixture of two would be off the line."""
    buffer, errors, done = TransformBuffer(cache_s=0.5), [], threading.Event()
    buffer.set_transform("a", "b", 0, shifted(0))
    written = [0]

    def write() -> None:
        for index in range(1, 4000):
            buffer.set_transform("a", "b", index * 1_000_000, shifted(index * 1e-3))
            written[0] = index
        done.set()

    def read() -> None:
        while not done.is_set():
            stamp = written[0] * 1_000_000 - 300_000
            try:
                x = buffer.lookup("a", "b", stamp).translation[0]
                if abs(x - stamp * 1e-9) > 1e-9:
                    errors.append(x)
            except ExtrapolationError as error:
                # Only the very start lies before the first sample.
                if stamp > 0 and error.too_new:
                    errors.append(error)
            buffer.frames()

    threads = [threading.Thread(target=work) for work in (write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert done.is_set() and not errors


def test_what_was_looked_up_before_is_looked_up_anew_when_anything_has_changed() -> None:
    buffer = TransformBuffer()
    buffer.set_transform("base", "arm", S, shifted(1.0))
    buffer.set_transform("arm", "hand", S, shifted(2.0))
    buffer.set_transform("base", "camera", 0, shifted(0.5), static=True)
    found = [buffer.lookup("camera", "hand", S) for _ in range(2)]
    assert found[0].translation[0] == found[1].translation[0] == 2.5
    assert buffer.lookup("camera", "arm", S).translation[0] == 0.5, "by the same way back to what both have in common"
    buffer.set_transform("base", "arm", S, shifted(4.0))
    assert buffer.lookup("camera", "hand", S).translation[0] == 5.5 and buffer.lookup("camera", "arm", S).translation[0] == 3.5
    buffer.set_transform("base", "camera", 0, shifted(1.5), static=True)
    assert buffer.lookup("camera", "hand", S).translation[0] == 4.5
    with pytest.raises(UnknownFrameError):
        buffer.lookup("", "camera", S)
    with pytest.raises(ExtrapolationError):
        buffer.lookup("camera", "hand", S + 1)
    buffer.clear()
    with pytest.raises(UnknownFrameError):
        buffer.lookup("camera", "hand", S)
