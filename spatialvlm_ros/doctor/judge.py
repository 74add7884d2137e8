"""What was seen of a running graph, judged: a finding for each thing that a camera, tf or the clock can get wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

import numpy as np

from .finding import Finding, Level, error, ok, warning
from .seen import FrameLooked, Seen, Topic

# Slower than that, what moves is measured where it was.
_SLOW_HZ = 5.0
# More lost on the way than that is no accident.
_LOST = 0.1
_LEAST_MESSAGES = 10
# planner_node refuses facts that are older; stamps of the future are another clock's.
_OLD_S, _EARLY_S = 0.5, 0.05
_LEAST_COVERAGE, _GOOD_COVERAGE = 0.01, 0.3
# Depth cameras see so far, metres.
_NEAREST_M, _FARTHEST_M = 0.1, 20.0
# Focal lengths of cameras in widths of their images: 127 to 14 degrees.
_FOCAL = (0.25, 4.0)


def judge(seen: Seen) -> list[Finding]:
    """All findings of a live look, the good ones too."""
    found: list[Finding] = []
    for topic in (seen.color, seen.depth, seen.info):
        found += _topic(topic, seen)
    found += _pairs(seen)
    found += _camera(seen)
    found += _depth(seen)
    found += _tf(seen)
    found += _clock(seen)
    return found


def _topic(topic: Topic, seen: Seen) -> Iterator[Finding]:
    if not topic.publishers:
        yield error(topic.name, "nobody publishes it", _other_topics(topic, seen))
        return
    who = ", ".join(topic.publishers)
    if wrong := [kind for kind in topic.kinds if kind != topic.kind]:
        cure = f"{topic.kind} is listened to: name another topic, or set image_transport to what this one carries"
        yield error(topic.name, f"is {wrong[0]} (by {who})", cure)
        return
    for misfit in topic.misfits:
        yield error(topic.name, f"quality of service does not fit: {misfit}", "Change the publisher's (ros2 topic info -v)")
    if len(topic.publishers) > 1:
        yield warning(topic.name, f"{len(topic.publishers)} nodes publish it: {who}", "Stop all but one: they get mixed up")
    if not topic.arrivals_s:
        if not topic.misfits:
            yield error(topic.name, f"{who} publishes nothing in {seen.seconds:g} s", "Is the stream on, is a bag paused?")
        return
    yield from _rate(topic)


def _other_topics(topic: Topic, seen: Seen) -> str:
    if seen.fitting_presets:
        return f"What runs fits to --camera {' or '.join(seen.fitting_presets)}"
    if not seen.image_topics:
        return "Nobody publishes any image: is the driver running, in the same ROS_DOMAIN_ID and discovery range?"
    near = get_close_matches(topic.name, seen.image_topics, 3, cutoff=0.4) or seen.image_topics[:5]
    return f"Images are published on {', '.join(near)}: name them with --topics, or as a preset in config/cameras.yaml"


def _rate(topic: Topic) -> Iterator[Finding]:
    count = len(topic.arrivals_s)
    kinds = ", ".join(sorted(filter(None, topic.encodings)))
    if count < 3:
        yield warning(topic.name, f"only {count} messages came", "Listen longer (--seconds), or raise the camera's rate")
        return
    rate_hz = (count - 1) / max(topic.arrivals_s[-1] - topic.arrivals_s[0], 1e-9)
    seen = f"{rate_hz:.1f} Hz" + (f", {kinds}" if kinds else "")
    steps = np.diff(np.array(topic.stamps_ns))
    if 0 in topic.stamps_ns:
        yield error(topic.name, f"{seen}, header stamps are zero", "The driver must stamp: images are matched by their stamps")
        return
    if np.any(steps < 0):
        seen += f", stamps went back {np.sum(steps < 0)} times"
        yield warning(topic.name, seen, "Is it published twice, or a bag in a loop?")
    moved = steps[steps > 0]
    lost = 1.0 - (len(moved) + 1) / ((moved.sum() / np.median(moved)) + 1) if len(moved) else 0.0
    if lost > _LOST and count >= _LEAST_MESSAGES:
        cure = "Use the Fast DDS profile config/fastdds.xml for driver and nodes, a wired network, or image_transport compressed"
        yield warning(topic.name, f"{seen}, {lost:.0%} of the messages are lost on the way or not sent", cure)
    elif rate_hz < _SLOW_HZ:
        yield warning(topic.name, seen, "Slow: what moves is measured where it was")
    else:
        yield ok(topic.name, seen)


def _pairs(seen: Seen) -> Iterator[Finding]:
    name = "colour and depth"
    if not (seen.color.arrivals_s and seen.depth.arrivals_s):
        return
    if not seen.info.arrivals_s:
        yield error(name, "no pair can be made", f"There is no {seen.info.name}")
        return
    if 0 in (*seen.color.stamps_ns, *seen.depth.stamps_ns):
        return
    if not seen.pairs:
        nearest = min(abs(c - d) for c in seen.color.stamps_ns for d in seen.depth.stamps_ns) * 1e-9
        seen_text = f"no two stamps within {seen.slop_s:g} s; the nearest are {nearest:.3f} s apart"
        yield error(name, seen_text, "Is one of them stamped by another clock? A larger sync_slop_s (--slop) matches them")
        return
    spread = f"stamps {np.median(np.abs(seen.spreads_s)) * 1e3:.1f} ms apart, at most {np.abs(seen.spreads_s).max() * 1e3:.1f} ms"
    images = min(len(seen.color.arrivals_s), len(seen.depth.arrivals_s))
    share = seen.pairs / images
    if share < 1 - _LOST and images > 5:
        cure = f"The others have no partner within sync_slop_s ({seen.slop_s:g} s, --slop): lost, or of another rate"
        yield warning(name, f"{spread}; {share:.0%} of the images make a pair", cure)
    else:
        yield ok(name, f"{spread}; {seen.pairs} pairs")
    for text, count in seen.problems.most_common(3):
        what, _, cure = text.partition(": ")
        yield error("pair", f"refused {count} times: {what}" if cure else f"refused {count} times", cure or text)


def _camera(seen: Seen) -> Iterator[Finding]:
    info, name = seen.info_message, seen.info.name
    if info is None or seen.frame is None:
        return
    camera = seen.frame.camera
    text = f"{camera.width} x {camera.height}, f = {camera.fx:.1f}, {camera.fy:.1f}, c = {camera.cx:.1f}, {camera.cy:.1f} pixels"
    text += f", {info.distortion_model}" if camera.is_distorted else ", no distortion"
    doubts = []
    if not _FOCAL[0] <= camera.fx / camera.width <= _FOCAL[1]:
        doubts.append(f"{text}: a focal length of {camera.fx / camera.width:.2f} widths; is the camera calibrated?")
    if abs(camera.fx / camera.fy - 1) > 0.1:
        doubts.append(f"{text}: pixels are not square; does camera_info belong to an image of other proportions?")
    if not (0.25 < camera.cx / camera.width < 0.75 and 0.25 < camera.cy / camera.height < 0.75):
        doubts.append(f"{text}: the principal point is far from the middle; is the image a part of a larger one?")
    k, p = np.asarray(info.k), np.asarray(info.p)
    if seen.rectified and not p[0] > 0:
        doubts.append("images are rectified by their name, but P is zero: K is used; calibrate the camera")
    if not seen.rectified and not camera.is_distorted and p[0] > 0 and abs(p[0] / k[0] - 1) > 0.005:
        doubts.append(
            f"P ({p[0]:.1f}) and K ({k[0]:.1f}) differ without distortion: if the image is a rectified one, its topic must be "
            "named image_rect* or color/rect/image, for P to be taken"
        )
    if info.binning_x > 1 or info.binning_y > 1 or info.roi.width not in (0, info.width):
        doubts.append("binning or roi is set, which is not read: publish camera_info of the image as it is")
    for doubt in doubts:
        what, _, cure = doubt.partition(": ")
        yield warning(name, what, cure)
    if not doubts:
        yield ok(name, text)


def _depth(seen: Seen) -> Iterator[Finding]:
    if seen.frame is None:
        return
    coverage = float(np.median(seen.coverages))
    depth = seen.frame.depth_m[seen.frame.valid]
    text = f"known at {coverage:.0%} of the pixels"
    if not len(depth) or coverage < _LEAST_COVERAGE:
        yield error("depth", text, "Nothing can be found: is the lens covered, is the scene too near or too far?")
        return
    middle_m = float(np.median(depth))
    text += f", median {middle_m:.2f} m, from {depth.min():.2f} to {depth.max():.2f} m"
    if middle_m > _FARTHEST_M:
        unit = "32FC1 must be metres, is it millimetres" if seen.depth_in_metres else "16UC1 must be millimetres, is it 0.1 mm"
        yield error("depth", text, f"No depth camera sees so far: {unit}? Let the driver publish REP 118's units")
    elif middle_m < _NEAREST_M:
        unit = "32FC1 must be metres" if seen.depth_in_metres else "16UC1 must be millimetres, is it centimetres or metres"
        yield error("depth", text, f"No depth camera sees so near: {unit}? Let the driver publish REP 118's units")
    elif coverage < _GOOD_COVERAGE:
        yield warning("depth", text, "Much of the scene is not seen: more light or texture, another distance, the emitter on")
    else:
        yield ok("depth", text)


def _tf(seen: Seen) -> Iterator[Finding]:
    for topic in (seen.tf, seen.tf_static):
        for misfit in topic.misfits:
            cure = "reliable, and transient local for /tf_static, as tf2's own broadcasters publish"
            yield error(topic.name, f"quality of service does not fit: {misfit}", f"Publish it {cure}")
    if not seen.frames:
        cure = "No gripper and no gravity: give --robot YAML with tool_frame and gravity_frame (config/robots/sim.yaml is one)"
        yield warning("tf", "no frame is asked for", cure)
    good: dict[str, list[str]] = {}
    for name, looked in seen.frames.items():
        if looked.missed:
            yield _missed(name, looked, seen)
        elif looked.found:
            good.setdefault(looked.parameter, []).append(name)
    for parameter, names in good.items():
        yield ok(f"tf {', '.join(names)} ({parameter})", _found([seen.frames[name] for name in names]))
    if seen.imu_topic:
        yield error(seen.imu_topic, seen.imu_problem, "") if seen.imu_problem else ok(seen.imu_topic, "says which way is up")


def _missed(name: str, looked: FrameLooked, seen: Seen) -> Finding:
    """Of a frame that tf did not know at the stamps of some images, or of all."""
    topic = f"tf {name} ({looked.parameter})"
    if looked.found:
        cure = f"Its transforms come late or have gaps: a larger tf_timeout_s waits longer. The last time: {looked.problem}"
        level = Level.ERROR if looked.missed > looked.found else Level.WARNING
        return Finding(level, topic, f"not known at the stamps of {looked.missed} of {looked.found + looked.missed} images", cure)
    near = get_close_matches(name, seen.known_frames, 1)
    if name not in seen.known_frames and near:
        return error(topic, looked.problem, f"Did you mean '{near[0]}'?")
    return error(topic, looked.problem, "Is its publisher running, and is it on the camera's tree and clock?")


def _found(frames: Sequence[FrameLooked]) -> str:
    """Of frames that tf knew at the stamps of all images."""
    edges = {edge: stamps for looked in frames for edge, stamps in looked.edges.items()}
    if not edges:
        return "static"
    gaps = {edge: float(np.diff(stamps).max()) * 1e-9 for edge, stamps in edges.items() if len(stamps) > 1}
    worst = max(gaps, key=lambda edge: gaps[edge], default="")
    text = f"at all {min(looked.found for looked in frames)} images"
    return text + (f"; longest gap {gaps[worst] * 1e3:.0f} ms ({worst})" if worst else "")


def _clock(seen: Seen) -> Iterator[Finding]:
    if seen.use_sim_time and not seen.clock_messages:
        who = "nobody publishes /clock" if not seen.clock_publishers else "/clock stands still"
        cure = "Play the bag with --clock, start the simulation, or leave it unset"
        yield error("clock", f"use_sim_time is set, but {who}", cure)
        return
    if not seen.use_sim_time and seen.clock_publishers:
        yield warning("clock", "somebody publishes /clock", "Set use_sim_time:=true for all nodes (--use-sim-time), or for none")
        return
    for topic in (seen.color, seen.depth):
        if not topic.ages_s or 0 in topic.stamps_ns:
            continue
        age_s = float(np.median(topic.ages_s))
        text = f"{topic.name} arrives {age_s * 1e3:.0f} ms after its stamp"
        if age_s > _OLD_S:
            cure = "Another machine's clock, or a bag without /clock? planner_node refuses facts older than half a second"
            yield warning("clock", text, cure)
        elif age_s < -_EARLY_S:
            yield warning("clock", text, "Stamps of the future: synchronise the machines' clocks (chrony, ptp)")
        else:
            yield ok("clock", text)
