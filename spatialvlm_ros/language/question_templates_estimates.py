"""Question templates of the 13 estimates that SpatialVLM asks for.

``distance`` is asked from centre to centre or without saying how, ``gap`` between surfaces, ``elevation`` above the table, and
a difference in height from bottom to bottom.
"""

from __future__ import annotations

from .template_text import expand_all

ESTIMATES: dict[str, tuple[str, ...]] = {
    "distance": expand_all(
        "How far (|away )is {a} from {b}?",
        "What is the distance (between {a} and {b}|from {a} to {b})?",
        "How far apart are {a} and {b}?",
        "How (close|near) is {a} to {b}?",
        "How distant is {a} from {b}?",
        "(Measure|Estimate|Give) the distance (between {a} and {b}|from {a} to {b}).",
        "What distance (separates {a} from {b}|lies between {a} and {b})?",
        "How (large|long) is the distance between {a} and {b}?",
        "What is the distance from the center of {a} to the center of {b}?",
        "How far is the center of {a} from the center of {b}?",
        "Center to center, how far is {a} from {b}?",
    ),
    "gap": expand_all(
        "What is the (gap|clearance|free space|shortest distance) between {a} and {b}?",
        "How (big|large) is the (gap|clearance|space) between {a} and {b}?",
        "How much (room|space|clearance) is there between {a} and {b}?",
        "(Measure|Estimate|Give) the gap between {a} and {b}.",
        "How much (room|space) is left between {a} and {b}?",
        "What is the distance between the nearest surfaces of {a} and {b}?",
        "How far apart are the surfaces of {a} and {b}?",
        "Surface to surface, how far is {a} from {b}?",
        "How much closer could {a} get to {b} before they touch?",
    ),
    "height": expand_all(
        "How tall is {a}?",
        "What is the (height|vertical extent|vertical size) of {a}?",
        "How high is {a}?",
        "How tall does {a} stand?",
        "What height does {a} have?",
        "(Measure|Estimate|Give) the height of {a}.",
        "How (tall|high) is {a} from (bottom to top|top to bottom)?",
        "From bottom to top, how (tall|long) is {a}?",
        "What does {a} measure from (bottom to top|top to bottom)?",
        "How much does {a} measure in height?",
        "How (great|large) is the height of {a}?",
    ),
    "width": expand_all(
        "How (wide|broad) is {a}?",
        "What is the (width|breadth|horizontal extent) of {a}?",
        "What width does {a} have?",
        "(Measure|Estimate|Give) the width of {a}.",
        "How (wide|broad) is {a} from (side to side|left to right)?",
        "From (side to side|left to right), how (wide|broad) is {a}?",
        "What does {a} measure from (side to side|left to right)?",
        "How much does {a} measure in width?",
    ),
    "elevation": expand_all(
        "What is the elevation of {a}(| above the table| over the table)?",
        "How far above the table is (|the bottom of ){a}?",
        "How high is {a} above the (table|surface below)?",
        "How high above the (table|tabletop) is {a}?",
        "What is the height of {a} above the (table|tabletop)?",
        "(Measure|Estimate|Give) the elevation of {a}.",
        "How far is {a} above the table?",
        "How (far|high) is {a} raised above the table?",
        "By how much is {a} lifted off the table?",
        "How far off the table is {a}?",
        "How much air is there between the table and the bottom of {a}?",
    ),
    "vertical_distance": expand_all(
        "What is the (vertical distance|vertical separation) between {a} and {b}?",
        "What is the vertical distance from {a} to {b}?",
        "How (large|big) is the vertical distance between {a} and {b}?",
        "(Measure|Estimate|Give) the vertical distance (between {a} and {b}|from {a} to {b}).",
        "How far apart are {a} and {b} (vertically|in the vertical direction)?",
        "(Vertically|In the vertical direction), how far is {a} from {b}?",
        "(Vertically|Up and down), how far apart are {a} and {b}?",
        "How far is {a} from {b} (vertically|in the vertical direction|along the vertical)?",
        "What vertical distance separates {a} from {b}?",
    ),
    "horizontal_distance": expand_all(
        "What is the (horizontal distance|horizontal separation) between {a} and {b}?",
        "What is the horizontal distance from {a} to {b}?",
        "How (large|big) is the horizontal distance between {a} and {b}?",
        "(Measure|Estimate|Give) the horizontal distance between {a} and {b}.",
        "How far apart are {a} and {b} (horizontally|along the ground|across the table)?",
        "(Horizontally|Along the ground|Ignoring height), how far is {a} from {b}?",
        "(Horizontally|Ignoring height), how far apart are {a} and {b}?",
        "How far is {a} from {b} (horizontally|along the ground|across the table)?",
        "What horizontal distance separates {a} from {b}?",
    ),
    **{
        f"{word}_difference": expand_all(
            f"How much {more} (|{further} )is {{a}} than {{b}}?",
            f"How far {word} {{b}} is {{a}}?",
            f"How far is {{a}} {word} {{b}}?",
            f"By how much is {{a}} ({word}|{more} than|{more} {further} than) {{b}}?",
            f"How much {more} is the bottom of {{a}} than (|the bottom of |that of ){{b}}?",
            f"How much {more} (|{further} )does {{a}} (sit|stand) than {{b}}?",
            f"Compared (to|with) {{b}}, how much {more} (|{further} )is {{a}}?",
            f"How far {word} {{b}} does {{a}} (sit|stand)?",
            f"From bottom to bottom, how much {more} is {{a}} than {{b}}?",
        )
        for word, more, further in (("above", "higher", "up"), ("below", "lower", "down"))
    },
    **{
        f"{side}_difference": expand_all(
            f"How far (to the {side}|{side}) of {{b}} is {{a}}?",
            f"How much further (|to the ){side} is {{a}} than {{b}}?",
            f"How (far|much) to the {side} is {{a}} compared to {{b}}?",
            f"How far is {{a}} (to the {side}|{side}|on the {side}) of {{b}}?",
            f"By how much is {{a}} (to the {side} of|further {side} than) {{b}}?",
            f"(Compared|Relative) to {{b}}, how (far|much further) to the {side} is {{a}}?",
            f"How far (|out )to the {side} of {{b}} does {{a}} lie?",
            f"How much further (|to the ){side} does {{a}} (lie|sit) than {{b}}?",
        )
        for side in ("left", "right")
    },
    **{
        f"{side}_difference": expand_all(
            f"How far {of} {{b}} is {{a}}?",
            f"How far is {{a}} {of} {{b}}?",
            f"How much further ({more}|{also}) is {{a}} than {{b}}?",
            f"How much further ({more}|{also}) is {{a}} compared (to|with) {{b}}?",
            f"By how much is {{a}} ({of}|further {more} than|further {also} than) {{b}}?",
            f"(Compared|Relative) to {{b}}, how much further ({more}|{also}) is {{a}}?",
            f"How far {of} {{b}} does {{a}} (lie|sit|stand)?",
            f"How much further {more} does {{a}} (lie|sit|stand) than {{b}}?",
        )
        for side, of, more, also in (("behind", "behind", "back", "behind"), ("front", "in front of", "forward", "in front"))
    },
}
