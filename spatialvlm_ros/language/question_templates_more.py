"""Question templates of the relations beyond SpatialVLM's: contact, fit, reach, directions, points in space, counting.

In "count" and "nearest" ``{a}`` stands for a kind of thing and has no article: many of them to be counted, one to be found.
"""

from __future__ import annotations

from .template_text import expand_all

MORE: dict[str, tuple[str, ...]] = {
    "on": expand_all(
        "Is {a} on (|top of ){b}?",
        "Is {a} (standing|lying|resting) on {b}?",
        "Does {a} (rest|stand) on (|top of ){b}?",
        "Is it true that {a} is on {b}?",
        "Is {a} supported by {b}?",
        "Does {b} support {a}?",
    ),
    "contained": expand_all(
        "Is {a} (in|inside|inside of) {b}?",
        "Does {a} lie (in|inside) {b}?",
        "Is {a} contained in {b}?",
        "Does {b} contain {a}?",
        "Is it true that {a} is inside {b}?",
    ),
    "fits_into": expand_all(
        "(Would|Does|Can) {a} fit (into|inside) {b}?",
        "Is {b} (wide|big) enough to take {a}?",
        "Could {a} be put into {b}?",
        "Is there enough room for {a} (in|inside) {b}?",
    ),
    "touching": expand_all(
        "Is {a} touching {b}?",
        "Does {a} touch {b}?",
        "Is {a} in contact with {b}?",
        "Do {a} and {b} touch?",
        "Are {a} and {b} (touching|in contact)?",
        "Is there contact between {a} and {b}?",
        "Does {a} make contact with {b}?",
    ),
    "held": expand_all(
        "Is {a} (held|grasped|gripped) by {b}?",
        "Is {b} (holding|grasping|gripping) {a}?",
        "Does {b} hold {a}?",
        "Is {a} between the fingers of {b}?",
        "Does {b} have {a} in its grip?",
        "Is {a} in the grip of {b}?",
    ),
    "between": expand_all(
        "Is {a} between {b} and {c}?",
        "Does {a} lie between {b} and {c}?",
        "Is {a} (standing|located) between {b} and {c}?",
        "Is {a} in between {b} and {c}?",
        "Is it true that {a} is between {b} and {c}?",
        "Do {b} and {c} have {a} between them?",
    ),
    "path_width": expand_all(
        "How wide is the (way|path|passage) between {a} and {b}?",
        "What is the width of the (way|path|passage) between {a} and {b}?",
        "How (wide|broad) a path is there between {a} and {b}?",
        "How much width is there to pass between {a} and {b}?",
        "How wide may something be to pass between {a} and {b}?",
    ),
    "fits_through": expand_all(
        "(Would|Does|Can) {a} fit between {b} and {c}?",
        "(Can|Could) {a} pass between {b} and {c}?",
        "Would {a} fit through the (gap|opening) between {b} and {c}?",
        "Is there room for {a} to pass between {b} and {c}?",
        "Is {a} narrow enough to pass between {b} and {c}?",
    ),
    "reachable": expand_all(
        "Is {a} within (a|the) reach of {amount} from {b}?",
        "Is {a} reachable within {amount} (of|from) {b}?",
        "Can {a} be reached within {amount} of {b}?",
        "Is {a} within a radius of {amount} around {b}?",
        "Could {b} reach {a} with a reach of {amount}?",
        "With a reach of {amount}, can {b} get to {a}?",
    ),
    "direction": expand_all(
        "In (which|what) direction is {a} from {b}?",
        "Where is {a} relative to {b}?",
        "At (which|what) o'clock is {a} from {b}?",
        "What is the direction from {b} to {a}?",
        "In (which|what) direction from {b} does {a} lie?",
        "What is the bearing of {a} from {b}?",
    ),
    **{
        f"point_{word}": expand_all(
            f"How far is the nearest surface from the point {{amount}} {side} {{a}}?",
            f"How much free space is there around the point {{amount}} {side} {{a}}?",
            f"Is the point {{amount}} {side} {{a}} free?",
            f"What is the clearance at the point {{amount}} {side} {{a}}?",
            f"How close is anything to the point {{amount}} {side} {{a}}?",
            f"How clear is the point {{amount}} {side} {{a}}?",
        )
        for word, side in (
            ("above", "above"),
            ("below", "below"),
            ("left", "to the left of"),
            ("right", "to the right of"),
            ("behind", "behind"),
            ("front", "in front of"),
        )
    },
    "count": expand_all(
        "How many {a} are there?",
        "How many {a} (can you see|do you see)?",
        "How many {a} are in sight?",
        "What is the number of {a}?",
        "Count the {a}.",
        "Count all {a}.",
        "How many {a} does the scene show?",
    ),
    "nearest": expand_all(
        "Which {a} is (nearest|closest) to {b}?",
        "Which {a} is the (nearest|closest) to {b}?",
        "What is the (nearest|closest) {a} to {b}?",
        "Find the {a} (nearest|closest) to {b}.",
        "Which {a} has the smallest distance to {b}?",
        "To which {a} is {b} closest?",
    ),
}
