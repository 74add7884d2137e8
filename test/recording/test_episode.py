"""Episodes as arrays, figures, plots and videos, on one whose numbers are known."""

import json
import re

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sample_episode import DROPPED, DT_NS, HELD, LIFT, MISSING, NUM_FRAMES, REACH, START_NS, STD_M, TOPICS, truth, write_episode

from spatialvlm_msgs.msg import Reward, RewardTerm, SpatialFact, SpatialFactArray
from spatialvlm_ros.recording import bag_writer
from spatialvlm_ros.recording.bag_reader import BagError, BagReader
from spatialvlm_ros.recording.bag_writer import BagWriter
from spatialvlm_ros.recording.definitions import definition
from spatialvlm_ros.recording.episode import interpolate, load_episode
from spatialvlm_ros.recording.overlay import _choose_fact, overlay_frames, render_overlay
from spatialvlm_ros.recording.plots import plot_episode
from spatialvlm_ros.recording.summary import summarize
from spatialvlm_ros.recording.video import write_video
from spatialvlm_ros.scene.facts import Query


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write_episode(tmp_path_factory.mktemp("episode") / "episode.mcap")


@pytest.fixture(scope="module")
def episode(bag):
    return load_episode(bag)


def test_facts_stand_beside_the_truth_of_their_own_image(episode):
    series = episode.facts[REACH]
    indices = [i for i in range(NUM_FRAMES) if i not in DROPPED]
    assert series.stamp_ns.tolist() == [START_NS + i * DT_NS for i in indices]
    np.testing.assert_allclose(series.truth, [truth(i)[REACH] for i in indices])
    missing = [i in MISSING for i in indices]
    assert np.isnan(series.value).tolist() == missing
    assert np.nanstd(series.error) == pytest.approx(STD_M, rel=0.3)
    assert np.isnan(episode.facts[HELD].truth).all() and episode.facts[HELD].unit == "probability"


def test_dropped_frames_and_latencies_are_counted(episode):
    assert (episode.frames, episode.dropped) == (NUM_FRAMES - len(DROPPED), len(DROPPED))
    np.testing.assert_allclose(episode.latency_s, 0.020)
    np.testing.assert_allclose(episode.latency_after_image_s, 0.015)


def test_another_clock_leaves_only_the_latency_after_the_image(tmp_path):
    episode = load_episode(write_episode(tmp_path / "e.mcap", clock_offset_ns=10**15))
    assert np.isnan(episode.latency_s).all()
    np.testing.assert_allclose(episode.latency_after_image_s, 0.015)


def test_without_images_drops_are_unknown_and_not_zero(tmp_path):
    episode = load_episode(write_episode(tmp_path / "e.mcap", without=("/camera/color/image_raw",)))
    assert episode.dropped == -1 and np.isnan(episode.latency_after_image_s).all()


def test_rewards_keep_stages_and_holds(episode):
    rewards = episode.rewards
    assert rewards.task == "pick up the red block" and rewards.stage_names == ("reach", "grasp", "lift")
    assert rewards.stage[0] == "reach" and rewards.stage[-1] == "lift" and rewards.success[-1]
    held = [i for i, status in enumerate(rewards.status) if status == 2]
    assert [(int(rewards.stamp_ns[i]) - START_NS) // DT_NS for i in held] == list(MISSING)


def test_summary_is_the_same_figures_by_hand(episode):
    figures = summarize(episode)
    errors = np.abs(episode.facts[REACH].error)  # an elevation is no distance
    errors = errors[np.isfinite(errors)]
    assert figures["distance_mae_m"] == pytest.approx(errors.mean())
    assert figures["coverage_1sigma"] == pytest.approx(np.mean(errors <= STD_M))
    assert figures["coverage_2sigma"] == pytest.approx(np.mean(errors <= 2 * STD_M))
    assert figures["frames"] == 58 and figures["dropped"] == 2
    assert figures["voc"] > 0.98 and figures["tau_1cm"] > 0.98
    assert figures["latency_ms"]["p50"] == pytest.approx(20) and set(figures["latency_ms"]) >= {"p50", "p95", "p99"}
    reach = figures["facts"][str(REACH)]
    assert (reach["frames"], reach["measured"]) == (58, 54)
    assert figures["reward"]["success"] is True and figures["reward"]["final_potential"] == 1.0


def test_summary_of_nothing_is_null_in_json(tmp_path):
    topics = ("/sim/ground_truth", "/reward_node/reward")
    figures = summarize(load_episode(write_episode(tmp_path / "e.mcap", without=topics)))
    assert figures["distance_mae_m"] is None and figures["voc"] is None and "reward" not in figures
    assert json.loads(json.dumps(figures, allow_nan=False))["frames"] == 58


def test_truth_is_matched_in_either_order_of_names(tmp_path):
    from spatialvlm_ros.recording.episode import _Rows, _series

    known = {Query("gap", "b", "a"): _Rows(rows=[(0, 0.3, 0.0, 1)]), Query("on", "b", "a"): _Rows(rows=[(0, 1.0, 0.0, 1)])}
    known |= {Query("gap", "b", "a", view="base_link"): _Rows(rows=[(0, 0.4, 0.0, 1)])}
    known |= {Query("reachable", "a", "b", "", 0.8): _Rows(rows=[(0, 1.0, 0.0, 1)])}
    measured = _Rows(rows=[(0, 0.31, 0.01, 1)])
    assert _series(Query("gap", "a", "b"), measured, known, 0.2).truth.tolist() == [0.3]
    assert np.isnan(_series(Query("on", "a", "b"), measured, known, 0.2).truth).all()
    assert _series(Query("gap", "a", "b", view="base_link"), measured, known, 0.2).truth.tolist() == [0.4]
    assert np.isnan(_series(Query("gap", "a", "b", view="canonical"), measured, known, 0.2).truth).all()
    assert _series(Query("reachable", "a", "b", "", 0.8), measured, known, 0.2).truth.tolist() == [1.0]
    assert np.isnan(_series(Query("reachable", "a", "b", "", 0.9), measured, known, 0.2).truth).all()


def old_definition(message_type):
    """The definition of a type before facts had ``third``, ``amount`` and ``view``."""
    return re.sub(r"(?m)^(string third|float64 amount|string view) .*\n", "", definition(message_type))


def write_old_bag(path, new, monkeypatch):
    """The bag ``new`` once more, with facts that lack the newer fields."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.EMPTY)
    for message_type in dict.fromkeys(TOPICS.values()):
        store.register(get_types_from_msg(old_definition(message_type), message_type))

    def old(message):
        kind = store.types[message.__msgtype__]
        return kind(**{name: old_value(getattr(message, name)) for name in names(kind)})

    def names(kind):
        return [name for name in kind.__dataclass_fields__ if name != "__msgtype__"]

    def old_value(value):
        if isinstance(value, list):
            return [old_value(one) for one in value]
        return old(value) if hasattr(value, "__msgtype__") else value

    with BagReader(new) as read, monkeypatch.context() as patch, BagWriter(path) as bag:
        patch.setattr(bag_writer, "definition", old_definition)
        for topic, message_type in read.topics().items():
            bag.add_topic(topic, message_type)
        for entry in read.messages():
            bag.write(entry.topic, entry.log_ns, store.serialize_cdr(old(entry.message), entry.type))
    return path


def test_a_bag_of_before_the_newer_fields_reads_the_same(bag, episode, tmp_path, monkeypatch):
    path = write_old_bag(tmp_path / "old.mcap", bag, monkeypatch)
    with BagReader(path) as read:
        fact = next(read.messages(["/spatial_node/facts"])).message.facts[0]
        assert not any(hasattr(fact, name) for name in ("third", "amount", "view")) and fact.relation == "distance"
    old = load_episode(path)
    assert list(old.facts) == list(episode.facts)
    for query, series in episode.facts.items():
        for name in ("stamp_ns", "value", "std", "status", "truth"):
            np.testing.assert_array_equal(getattr(old.facts[query], name), getattr(series, name))
    assert (old.frames, old.dropped) == (episode.frames, episode.dropped)
    (stamp, picture), (_, wanted) = next(overlay_frames(path)), next(overlay_frames(bag))
    assert stamp == START_NS
    np.testing.assert_array_equal(picture, wanted)


# One relation of the same two things, told apart by the other fields alone.
APART = (
    Query("gap", "cup", "can"),
    Query("gap", "cup", "can", view="base_link"),
    Query("gap", "cup", "can", view="canonical"),
    Query("gap", "cup", "can", third="bowl"),
    Query("gap", "cup", "can", amount=0.1),
    Query("gap", "cup", "can", amount=0.2),
)


def message_of(query, value):
    q = query
    return SpatialFact(
        relation=q.relation, subject=q.subject, object=q.object, third=q.third, amount=q.amount, view=q.view, unit="m",
        value=value, std=0.01, source=1, status=1,
    )  # fmt: skip


def test_facts_that_differ_in_one_field_stay_apart(tmp_path):
    facts = SpatialFactArray(facts=[message_of(query, float(index)) for index, query in enumerate(APART)])
    with BagWriter(tmp_path / "e.mcap") as bag:
        bag.add_topic("/facts", "spatialvlm_msgs/msg/SpatialFactArray")
        bag.write("/facts", START_NS, serialize_message(facts))
    loaded = load_episode(tmp_path / "e.mcap")
    assert {query: series.value.tolist() for query, series in loaded.facts.items()} == {
        q: [float(i)] for i, q in enumerate(APART)
    }


@pytest.mark.parametrize("index", range(len(APART)))
@pytest.mark.parametrize("keep", ["", "keep "])
def test_the_overlay_draws_the_fact_that_is_meant(index, keep):
    facts = [message_of(query, float(i)) for i, query in enumerate(APART)]
    assert _choose_fact(facts, None, APART[index]).value == index
    terms = [RewardTerm(name="come/distance(gripper, cup)"), RewardTerm(name=f"come/{keep}{APART[index]}")]
    assert _choose_fact(facts, Reward(stage="come", terms=terms), None).value == index
    assert _choose_fact(facts, Reward(stage="go", terms=terms), None) is None


def test_truth_is_interpolated_between_near_neighbours_only():
    known_ns, known = np.array([0, 100, 200, 1000]), np.array([0.0, 1.0, 0.0, 8.0])
    stamps = np.array([-1, 0, 50, 100, 175, 600, 1000, 1001])
    found = interpolate(stamps, known_ns, known, max_gap_s=200e-9)
    np.testing.assert_allclose(found, [np.nan, 0.0, 0.5, 1.0, 0.25, np.nan, 8.0, np.nan])
    assert np.isnan(interpolate(stamps, np.zeros(0, np.int64), np.zeros(0), 1.0)).all()


def test_plot_is_a_picture_with_something_on_it(episode, tmp_path):
    from PIL import Image

    path = plot_episode(episode, tmp_path / "reward.png")
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture.shape[1] > 1000 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    assert plot_episode(episode, tmp_path / "one.png", queries=[LIFT]).is_file()


def test_a_plot_of_nothing_is_refused(tmp_path):
    topics = ("/sim/ground_truth", "/reward_node/reward", "/spatial_node/facts")
    episode = load_episode(write_episode(tmp_path / "e.mcap", without=topics))
    with pytest.raises(ValueError, match="nothing to plot"):
        plot_episode(episode, tmp_path / "reward.png")


def test_overlay_draws_each_measured_image(bag):
    frames = list(overlay_frames(bag))
    assert len(frames) == NUM_FRAMES - len(DROPPED)
    stamps = [stamp for stamp, _ in frames]
    assert stamps == sorted(stamps) and stamps[0] == START_NS
    line = [picture[:480].reshape(-1, 3) for _, picture in frames]
    yellow = [int(np.count_nonzero((rows == (255, 230, 60)).all(axis=1))) for rows in line]
    assert yellow[0] > yellow[15] > 0  # the line shortens as the gripper comes down; points come through tf
    assert yellow[20] == 0  # not measured: no line
    bars = [np.count_nonzero((picture[480 + 40] == (0, 158, 115)).all(axis=1)) for _, picture in frames]
    assert bars[0] < bars[15] < bars[40]


def test_the_overlay_draws_images_that_have_facts_and_no_reward(tmp_path):
    path = write_episode(tmp_path / "e.mcap", without=("/reward_node/reward",))
    _, picture = next(overlay_frames(path))
    assert (picture[:480] == (255, 230, 60)).all(axis=2).any(), "the gripper's distance"
    assert not (picture[480:] == (0, 158, 115)).all(axis=2).any(), "no potential"


def test_mp4_plays_everywhere_and_keeps_the_time(bag, tmp_path):
    import av

    path = tmp_path / "overlay.mp4"
    assert render_overlay(bag, path, speed=2.0) == 58
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        times = [float(frame.time) for frame in container.decode(stream)]
    assert len(times) == 58
    assert times[-1] - times[0] == pytest.approx((NUM_FRAMES - 1) * 0.1 / 2, abs=0.01)
    with pytest.raises(FileExistsError):
        render_overlay(bag, path)
    assert [p.name for p in tmp_path.iterdir()] == ["overlay.mp4"]


def test_gif_is_written_too(bag, tmp_path):
    from PIL import Image

    count = render_overlay(bag, tmp_path / "overlay.gif")
    with Image.open(tmp_path / "overlay.gif") as gif:
        assert gif.n_frames == count and gif.width == 480


def test_videos_that_cannot_be_are_refused(tmp_path):
    frame = (0, np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(ValueError, match=r"\.mp4 or \.gif"):
        write_video(tmp_path / "a.avi", [frame])
    with pytest.raises(ValueError, match="no frame"):
        write_video(tmp_path / "a.mp4", [])
    with pytest.raises(ValueError, match="speed"):
        write_video(tmp_path / "a.mp4", [frame], speed=0)
    assert list(tmp_path.iterdir()) == []


def test_odd_sizes_and_equal_stamps_are_borne(tmp_path):
    frames = [(5, np.full((33, 65, 3), shade, np.uint8)) for shade in (0, 100, 200)]
    assert write_video(tmp_path / "a.mp4", frames) == 3


def test_a_bag_without_images_has_no_video(tmp_path):
    path = write_episode(tmp_path / "e.mcap", without=("/camera/color/image_raw",))
    with pytest.raises(BagError, match="no colour images"):
        render_overlay(path, tmp_path / "a.mp4")
