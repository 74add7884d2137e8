"""What the decoder learns from: layouts against the registry, wordings, batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.geometry.rigid import RigidTransform
from spatialvlm_ros.language.questions import parse_question
from spatialvlm_ros.scene.canonical import canonical_from_up
from spatialvlm_ros.scene.facts import Source
from spatialvlm_ros.scene.relations import RELATIONS, Kind
from spatialvlm_ros.scene.scene import Scene, SceneObject
from spatialvlm_ros.simulation import solids
from spatialvlm_ros.simulation.exact_things import exact_thing
from spatialvlm_ros.synthesis.facts import PAPER_TYPES
from spatialvlm_ros.training.embedded.answers_data import PosedThings, Questions, drawn_things, number_of, usable
from spatialvlm_ros.training.embedded.answers_data_layouts import (
    BALL,
    BOX,
    CAN,
    CONE,
    LYING,
    POINT,
    Shapes,
    draw_shapes,
    measured,
    truths,
)
from spatialvlm_ros.training.embedded.answers_data_text import (
    TYPES,
    all_questions,
    all_words,
    question_table,
    template_questions,
)
from spatialvlm_ros.training.embedded.measured_pool import OF_ONE, OF_THREE, OF_TWO
from spatialvlm_ros.vlm.embedded.decoder_sentences import verdict_word
from spatialvlm_ros.vlm.embedded.decoder_words import Words
from spatialvlm_ros.vlm.embedded.object_tokens import FIELDS, object_tokens, token_features

ROWS = 14
# World axes of the layouts (right, away, up) in a camera that looks level along "away".
CAMERA = RigidTransform(np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]), np.zeros(3))


@pytest.fixture(scope="module")
def words() -> Words:
    return Words(all_words())


@pytest.fixture(scope="module")
def questions(words: Words) -> Questions:
    return Questions(question_table(all_questions(), words, 40), words, 24)


def mesh_of(shapes: Shapes, row: int, at: int) -> solids.Mesh:
    kind, (long, wide, high) = int(shapes.kind[row, at]), shapes.size[row, at]
    if kind == BOX:
        return solids.box((long, wide, high))
    if kind == CAN:
        return solids.cylinder(long / 2, high)
    if kind == BALL:
        return solids.sphere(long / 2)
    if kind == CONE:
        return solids.cone(long / 2, high, shapes.top[row, at] * long / 2)
    standing = solids.cylinder(wide / 2, long)
    # On its side, along x.
    return replace(standing, vertices=(standing.vertices - [0, 0, standing.vertices[:, 2].mean()])[:, [2, 1, 0]])


def thing_of(shapes: Shapes, row: int, at: int) -> SceneObject:
    """The registry's own exact thing of a drawn shape."""
    if shapes.kind[row, at] == POINT:
        any_mesh = solids.box((0.01, 0.01, 0.01))
        return replace(
            exact_thing(at + 1, "", np.array(any_mesh.vertices), any_mesh.triangles, CAMERA), extents=np.zeros(3),
            centre=CAMERA.apply(shapes.centre[row, at]), points=np.empty((0, 3), np.float32), source=Source.TF,
        )  # fmt: skip
    mesh = mesh_of(shapes, row, at)
    vertices = mesh.vertices - (mesh.vertices.max(0) + mesh.vertices.min(0)) / 2
    vertices = vertices @ shapes.axes()[row, at].T + shapes.centre[row, at]
    return exact_thing(at + 1, "", vertices, mesh.triangles, CAMERA)


def scene_of(shapes: Shapes, row: int) -> Scene:
    up = CAMERA.rotation[:, 2]
    plane = np.append(up, -shapes.ground[row])
    return Scene(
        stamp_ns=0, frame_id="camera", objects=tuple(thing_of(shapes, row, at) for at in range(3)),
        canonical=canonical_from_up(up, plane, 0.0, "truth"), canonical_reason="", support_plane=plane, depth_coverage=1.0,
    )  # fmt: skip


def test_the_truths_of_layouts_are_the_registrys() -> None:
    generator = np.random.default_rng(3)
    shapes = draw_shapes(generator, ROWS, generator.random(ROWS) < 0.4)
    assert {BOX, CAN, BALL, LYING, CONE, POINT} == set(shapes.kind.ravel().tolist())
    found, checked = truths(shapes), dict.fromkeys((*OF_ONE, *OF_TWO, *OF_THREE), 0)
    for row in range(ROWS):
        scene = scene_of(shapes, row)
        for many, names in ((1, OF_ONE), (2, OF_TWO), (3, OF_THREE)):
            things = scene.objects[:many]
            for name in names:
                if RELATIONS[name].needs_extent and any(not thing.extents.any() for thing in things):
                    continue
                measured = RELATIONS[name].measure(scene, *things)
                true = measured.value if measured.margin is None else measured.margin.value
                checked[name] += 1
                if name in ("on", "between"):
                    # The registry tells the least certain margin, here the least one: they agree in sign.
                    assert (found[name][row] > 0) == (true > 0) or abs(found[name][row]) < 2e-3, (name, row)
                    continue
                # Meshes are round to a millimetre, and so are the points that they are told by.
                assert found[name][row] == pytest.approx(true, abs=4e-3), (name, row, shapes.kind[row])
    assert min(checked.values()) >= ROWS // 2


def test_tokens_of_layouts_are_those_of_the_things_themselves_but_for_their_errors() -> None:
    generator = np.random.default_rng(5)
    shapes = draw_shapes(generator, 8, np.zeros(8, bool))
    drawn, valid = token_features(measured(shapes, generator))
    assert valid.all() and np.isfinite(drawn).all()
    errors: dict[str, list[float]] = {"position": [], "size": [], "reach": [], "height": []}
    for row in range(8):
        scene = scene_of(shapes, row)
        exact, _ = object_tokens(scene, scene.objects)
        for name, found in errors.items():
            found.extend(np.abs(drawn[row][:, FIELDS[name]] - exact[:, FIELDS[name]]).ravel().tolist())
    assert all(np.median(found) < 0.008 for found in errors.values()), {name: np.median(found) for name, found in errors.items()}


def test_all_43_types_have_questions_and_every_wording_reads_back_as_its_own() -> None:
    assert set(PAPER_TYPES) <= set(TYPES) and len(PAPER_TYPES) == 43
    asked = all_questions()
    assert {one.relation for one, _ in asked} == set(TYPES)
    generator = np.random.default_rng(0)
    for at in generator.permutation(len(asked))[:250]:
        one = asked[int(at)][0]
        names = ("mug", "can", "ball")
        text = one.text
        for pointer, thing in enumerate(one.order):
            text = text.replace(f"<{pointer}>", f"the {names[thing]}")
        if "are the" in text.lower() or " do the" in text.lower() or "seen from" in text or "view" in text or "looking" in text:
            continue  # plurals and viewers, which are told elsewhere
        query = parse_question(text)
        assert (query.relation, query.names) == (one.relation, names[: len(one.order)]), text


def test_judged_wordings_are_in_no_training_table() -> None:
    learnt = {(one.relation, one.text) for one, _ in all_questions()}
    judged = {(one.relation, one.text) for one, _ in all_questions(True)}
    assert len(judged) > 400 and not learnt & judged


def test_templates_keep_their_things_in_order_of_appearance() -> None:
    for one in template_questions("left_difference"):
        places = [one.text.index(f"<{at}>") for at in range(2)]
        assert places == sorted(places) and sorted(one.order) == [0, 1]
    assert {one.order for one in template_questions("left_difference")} == {(0, 1), (1, 0)}


@pytest.mark.parametrize("relation", TYPES)
def test_every_type_reads_a_number_of_the_registry(relation: str) -> None:
    name, sign = number_of(relation)
    generator = np.random.default_rng(8)
    shapes = draw_shapes(generator, 2, np.zeros(2, bool))
    scene = scene_of(shapes, 0)
    things = scene.objects[: RELATIONS[relation].arity]
    known, asked = (RELATIONS[each].measure(scene, *things) for each in (name, relation))
    if asked.margin is None:
        value = known.value if known.margin is None else known.margin.value
        assert sign * value == pytest.approx(asked.value, abs=1e-9)
    else:
        value = known.value if known.margin is None else known.margin.value
        assert sign * value == pytest.approx(asked.margin.value, abs=1e-9)


def test_a_batch_tells_what_is_true_of_the_things_in_the_order_of_its_pointers(questions: Questions, words: Words) -> None:
    things = drawn_things(np.random.default_rng(1), 200)
    batch = questions.draw(things, np.random.default_rng(2), 600, sentences=1.0)
    position = FIELDS["position"]
    for row in range(600):
        relation = TYPES[batch.relation[row]]
        if relation not in ("left", "which_left", "left_or_right", "distance"):
            continue
        text = words.text_of(batch.question[row])
        first, second = batch.objects[row, 0, position], batch.objects[row, 1, position]
        if relation == "distance":
            assert batch.value[row] == pytest.approx(np.linalg.norm(first - second), abs=0.25), text
            continue
        if abs(first[0] - second[0]) < 0.12 or relation != "which_left":
            continue  # nearer than the errors; or asked about the other one
        assert words.words[batch.verdict[row]] == ("<0>" if first[0] < second[0] else "<1>"), text


def test_sentences_begin_with_their_verdict_and_say_numbers_only_of_numbers(questions: Questions, words: Words) -> None:
    batch = questions.draw(drawn_things(np.random.default_rng(1), 100), np.random.default_rng(3), 400, sentences=1.0)
    for row in range(400):
        first = words.words[batch.answer[row, 0]]
        told = words.text_of(batch.answer[row, 1:])
        is_number = RELATIONS[TYPES[batch.relation[row]]].kind is Kind.ESTIMATE
        assert (told.count("<num>") == 1) == is_number and (first in ("<num>", "<neg>")) == is_number
        if is_number:
            assert (first == "<neg>") == (TYPES[batch.relation[row]].endswith("_difference") and batch.value[row] < 0)
        elif first != "<close>":
            assert batch.answer[row, 0] == batch.verdict[row]


def test_the_same_seed_gives_the_same_batch_and_another_one_another(questions: Questions) -> None:
    first, again, other = (
        questions.draw(drawn_things(np.random.default_rng(seed), 50), np.random.default_rng(seed), 64, sentences=0.3)
        for seed in (4, 4, 5)
    )
    assert all(np.array_equal(getattr(first, name), getattr(again, name), equal_nan=name == "value") for name in vars(first))
    assert not np.array_equal(first.objects, other.objects)


def test_label_noise_moves_lengths_and_nothing_else(words: Words) -> None:
    table = question_table(all_questions(), words, 40)
    things = drawn_things(np.random.default_rng(6), 200)
    plain, noisy = (Questions(table, words, 24, noise).draw(things, np.random.default_rng(1), 3000) for noise in (0.0, 0.2))
    assert np.array_equal(plain.objects, noisy.objects) and np.array_equal(plain.verdict, noisy.verdict)
    signed = np.array([TYPES[at].endswith("_difference") for at in plain.relation])
    moved = (noisy.value - plain.value)[signed & np.isfinite(plain.value)]
    assert np.std(moved) == pytest.approx(0.2, rel=0.1) and np.nanmin(noisy.value[~signed]) >= 0


def test_things_without_a_number_or_a_size_are_not_asked_about() -> None:
    things = drawn_things(np.random.default_rng(2), 300)
    true = {**things.true, "gap": np.where(np.arange(300) % 2 == 0, things.true["gap"], np.nan)}
    some = PosedThings(things.features, things.valid, things.groups, true)
    assert (usable(some, "gap") % 2 == 0).all() and len(usable(some, "gap")) == 150
    sizes = things.features[:, FIELDS["kind"].start].reshape(300, 3)
    assert (sizes == 0).any() and (sizes[usable(some, "which_tall"), :2] == 1).all()


def test_a_verdict_word_points_at_what_is_chosen() -> None:
    assert verdict_word("which_left", True, (1, 0)) == "<1>" and verdict_word("which_left", False, (1, 0)) == "<0>"
    assert verdict_word("left_or_right", False, (0, 1)) == "<right>" and verdict_word("left", None, (0, 1)) == "<close>"
    assert verdict_word("left_difference", False, (0, 1)) == "<neg>" and verdict_word("distance", True, (0, 1)) == "<num>"
