"""Free phrasings of contact, fit, reach, directions, points in space and counting."""

from __future__ import annotations

from collections.abc import Mapping

from .question_forms_comparisons import DOES, IS, POSTURE, SAY

_WOULD = "(would|will|does|do|can|could|might)"
_AMOUNT = "{amount:length}"
_WAY = "(way|path|passage|passageway|corridor|aisle|opening|doorway)"
_COMPARED = "(from|relative to|with respect to|in relation to|compared (to|with)|as seen from)"
_FREE = "(free|clear|empty|unoccupied|unobstructed)"
_POINT = "(point|spot|place|position|space|location)"
_SIDES = {
    "above": "(above|over)",
    "below": "(below|under|underneath|beneath)",
    "left": "(to the left of|left of|on the left of)",
    "right": "(to the right of|right of|on the right of)",
    "behind": "behind",
    "front": "in front of",
}
_HOLDING = "(holding|grasping|gripping|clutching|carrying|(closed|clamped) (on|around))"
_HELD = "(held|grasped|gripped|clutched|clamped|carried)"


def _point_forms(side: str) -> tuple[str, ...]:
    at = f"{_AMOUNT} {side} {{a}}"
    return (
        f"{IS} (there|) (the|a|) {_POINT} {at} {_FREE}",
        f"is it {_FREE} {at}",
        f"is (there|) anything {at}",
        f"how {_FREE} is (the|) {_POINT} {at}",
        f"how much (free|empty|) (space|room|clearance|air) is (there|) (around|at|) (the|a|) ({_POINT}|) {at}",
        f"how (far|close) is (the|) (nearest|closest) (surface|thing|obstacle|object) (from|to) (the|a) {_POINT} {at}",
        f"what is the (distance|clearance) from (the|a) {_POINT} {at} to the (nearest|closest) (surface|thing|obstacle|object)",
    )


MORE_FORMS: Mapping[str, tuple[str, ...]] = {
    "on": (
        f"{IS} {{a}} {POSTURE} (right|) (on top of|on|atop|upon|onto) {{b}}",
        f"{SAY} {{a}} {IS} {POSTURE} (on top of|on|atop|upon) {{b}}",
        f"{DOES} {{a}} (lie|sit|stand|rest) (on top of|on|atop|upon) {{b}}",
        f"{SAY} {{a}} (lies|sits|stands|rests|lie|sit|stand|rest) (on top of|on|atop|upon) {{b}}",
        f"{IS} {{a}} (stacked|set|put) (on top of|on|onto) {{b}}",
        f"{DOES} {{b}} support {{a}}",
        f"{IS} {{b}} supporting {{a}}",
    ),
    "contained": (
        f"{IS} {{a}} {POSTURE} (in|inside|inside of|within the) {{b}}",
        f"{SAY} {{a}} {IS} {POSTURE} (in|inside|inside of) {{b}}",
        f"{DOES} {{a}} (lie|sit|stand|rest) (in|inside|inside of) {{b}}",
        f"{IS} {{a}} (contained|enclosed) (in|inside|by|within) {{b}}",
        f"{DOES} {{b}} (contain|enclose) {{a}}",
        "(has|have) {a} been put (into|in|inside) {b}",
    ),
    "fits_into": (
        f"{_WOULD} {{a}} (be able to|) (fit|go) (into|in|inside|inside of) {{b}}",
        f"{IS} {{a}} (small|narrow|thin) enough to (fit|go) (into|in|inside) {{b}}",
        f"{IS} {{b}} (big|large|wide) enough (for|to (take|contain|fit)) {{a}}",
        "(can|could) {a} be (put|placed|dropped) (into|in|inside) {b}",
        f"{SAY} {{a}} (would|will|can|could) (fit|go) (into|in|inside) {{b}}",
        "(can|could) (you|i|we|one) (fit|put|place|drop) {a} (into|in|inside) {b}",
        "(can|could|would) {b} take {a}",
    ),
    "touching": (
        f"{IS} {{a}} (touching|in contact with|in touch with) {{b}}",
        f"{DOES} {{a}} (touch|contact) {{b}}",
        "(do|does) {a} and {b} (touch|touch each other|touch one another)",
        f"{IS} {{a}} and {{b}} (touching|in contact|touching each other|in contact with each other|in touch)",
        f"{SAY} {{a}} ({IS} touching|touches|touch|{IS} in contact with) {{b}}",
        f"{SAY} {{a}} and {{b}} (touch|are touching|are in contact)",
        "is there (any|) contact between {a} and {b}",
        "(has|have) {a} (made contact with|touched) {b}",
        f"{DOES} {{a}} (make|have) contact with {{b}}",
    ),
    "held": (
        f"{IS} {{a}} (being|) {_HELD} (by|in|with) {{b}}",
        f"{SAY} {{a}} {IS} (being|) {_HELD} (by|in) {{b}}",
        f"{IS} {{b}} {_HOLDING} {{a}}",
        f"{SAY} {{b}} {IS} {_HOLDING} {{a}}",
        f"{DOES} {{b}} (hold|grasp|grip|have (a|) hold of|have a grip on) {{a}}",
        "(has|have) {b} (got|grasped|gripped|grabbed|taken|picked up|got hold of) {a}",
        f"{IS} {{a}} between the (fingers|jaws) of {{b}}",
        f"{IS} {{a}} (in|within) the (grip|grasp|fingers|jaws|hold) of {{b}}",
        f"{IS} {{a}} (in|within|between) {{b:owner}} (grip|grasp|fingers|jaws|hold)",
    ),
    "between": (
        f"{IS} {{a}} {POSTURE} (in|) between {{b}} and {{c}}",
        f"{SAY} {{a}} {IS} {POSTURE} (in|) between {{b}} and {{c}}",
        f"{DOES} {{a}} (lie|sit|stand|rest) (in|) between {{b}} and {{c}}",
        f"{SAY} {{a}} (lies|sits|stands|lie|sit|stand) (in|) between {{b}} and {{c}}",
        "(between|in between) {b} and {c} (is there|do you see|lies|is) {a}",
        "is there {a} (in|) between {b} and {c}",
    ),
    "path_width": (
        f"how (wide|broad|narrow) is (the|) {_WAY} (between|from) {{a}} (and|to) {{b}}",
        f"(what is|give me|give|measure|estimate|find|) (the|) (width|breadth) of (the|) {_WAY} between {{a}} and {{b}}",
        f"how (wide|broad) (a|) {_WAY} (is there|is left|is|lies) between {{a}} and {{b}}",
        "how (wide|broad) is it between {a} and {b}",
        "how much (room|space|width) is there to (pass|go|drive|move|get through|get) between {a} and {b}",
        f"how (wide|broad) (does|do) {_WAY} between {{a}} and {{b}} get",
    ),
    "fits_through": (
        f"{_WOULD} {{a}} (be able to|) (fit|pass|go|squeeze|get|drive|move) (through|) (in|) between {{b}} and {{c}}",
        f"{SAY} {{a}} (would|will|can|could) (fit|pass|go|squeeze|get) (through|) between {{b}} and {{c}}",
        f"{_WOULD} {{a}} (fit|pass|go|squeeze|get) through the ({_WAY}|gap|space) between {{b}} and {{c}}",
        f"{IS} {{a}} (narrow|thin|small|slim) enough to (fit|pass|go|get) (through|) between {{b}} and {{c}}",
        "is there (enough|) (room|space) for {a} (to (pass|go|fit|get|get through)|) between {b} and {c}",
        f"is the ({_WAY}|gap|space) between {{b}} and {{c}} (wide|big|large) enough (for|to (fit|let)) {{a}} (to "
        "(pass|fit|go|get) (through|)|through|pass|)",
    ),
    "reachable": (
        f"{IS} {{a}} reachable within {_AMOUNT} (of|from) {{b}}",
        f"{SAY} {{a}} {IS} reachable within {_AMOUNT} (of|from) {{b}}",
        f"(can|could) {{a}} be reached within {_AMOUNT} (of|from|by) {{b}}",
        f"(can|could) {{b}} reach {{a}} (within|with|if) (a|its|) (reach|arm|range|radius|distance|it reaches|) (of|) "
        f"{_AMOUNT}",
        f"(can|could) {{b}} reach {{a}} with (a|an|) {_AMOUNT} (reach|arm|range)",
        f"{IS} {{a}} within (a|the|) (reach|radius|range|distance) of {_AMOUNT} (of|from|around) {{b}}",
        f"{IS} {{a}} within (a|an|the|) {_AMOUNT} (reach|radius|range) (of|from|around) {{b}}",
        f"{IS} {{a}} in reach of {{b}} (with|for) (a|) (reach|range) of {_AMOUNT}",
    ),
    "direction": (
        f"where ({IS}|lies|does|do) {{a}} (lie|located|) {_COMPARED} {{b}}",
        f"(in|at|to|into|) (which|what) (direction|bearing|heading) {_COMPARED} {{b}} ({IS}|lies|does|do) {{a}} (lie|)",
        f"(in|at|) (which|what) (direction|bearing|heading|way) ({IS}|lies|does|do) {{a}} (lie|) {_COMPARED} {{b}}",
        f"at (which|what) (o'clock|clock position|hour|hour of the clock) ({IS}|does|do) {{a}} (lie|located|) "
        f"{_COMPARED} {{b}}",
        f"at (which|what) (o'clock|clock position|hour) {_COMPARED} {{b}} ({IS}|lies) {{a}}",
        "(what is|give|give me|estimate|measure|) (the|) (direction|bearing|heading) (from {b} (to|towards) {a}|of "
        "{a} (from|relative to) {b})",
        f"(which|what) o'clock {IS} {{a}} (at|) {_COMPARED} {{b}}",
    ),
    **{f"point_{word}": _point_forms(side) for word, side in _SIDES.items()},
    "count": (
        "how many {a:kind} (are|is) (there|in sight|visible|present|shown|in view)",
        "how many {a:kind} are (there|) (to be|) (in sight|visible|seen)",
        "how many {a:kind} (can|do|could) (you|we|i|one) (see|find|spot|count|have|detect)",
        "how many {a:kind} (does|do) the (scene|image|picture|camera) (show|contain|have|see)",
        "how many (of the|) {a:kind} there are",
        "(what is|give me|give|find|) (the|) (number|count|total number|amount) of (all|) (the|) {a:kind} (in sight|)",
        "count (up|) (all|all the|all of the|every|the|) {a:kind} (in sight|you see|that you see|)",
        "how many {a:kind} (are|)",
    ),
    "nearest": (
        "which (of the|) {a:kind} (is|are|lies|sits|stands) (the|) (nearest|closest) (one|) (to|from) {b}",
        "(what is|which is|find|name|show me|show|pick|identify|point out|) (the|) (nearest|closest) {a} (to|from) {b}",
        "(find|name|show me|show|pick|identify|point out|which is|what is) (the|) {a} (that is|which is|) (the|) "
        "(nearest|closest) to {b}",
        "(of|among|out of) (all|all the|) {a:kind} which (one|) (is|lies) (the|) (nearest|closest) to {b}",
        "which {a} (has|is at) the (smallest|shortest|least) distance (to|from) {b}",
        "to which {a} (is|are) {b} (the|) (nearest|closest)",
        "(the|) {a:kind} (nearest|closest) to {b} which (one|) is it",
        "which {a} (does|do) {b} have (nearest|closest) to it",
    ),
}  # fmt: skip
