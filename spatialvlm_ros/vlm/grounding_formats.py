"""How vision-language models say where things are, and how they are asked for it: one entry a family.

Never changes: what does not parse is left out and never guessed at; a model's text is read as data, never run.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ..language.names import plain_name
from ..perception.models.boxes import clipped
from ..perception.models.location_tokens import parse_located
from .interface import VlmError

MAX_CHARS, MAX_PLACES = 20_000, 64
_NUMBER = r"\s*(-?\d{1,5}(?:\.\d{1,6})?)\s*"
_FOUR = rf"{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}"
_FLAT_OBJECT_RE = re.compile(r"\{[^{}]{0,2000}\}")
_QWEN_BOX_RE = re.compile(rf"\({_NUMBER},{_NUMBER}\)\s*,\s*\({_NUMBER},{_NUMBER}\)")
_NESTED_BOX_RE = re.compile(rf"\[\s*\[{_FOUR}\]")
_INTERN_RE = re.compile(r"<box>(.{0,2000}?)</box>", re.DOTALL)
_INTERN_BOX_RE = re.compile(rf"\[{_FOUR}\]")
_MOLMO_TAG_RE = re.compile(r"<points?\b([^<>]{0,4000})>")
_MOLMO_XY_RE = re.compile(r'\bx(\d*)\s*=\s*"([^"]{1,12})"\s+y\1\s*=\s*"([^"]{1,12})"')
_MOLMO_COORDS_RE = re.compile(r'\bcoords\s*=\s*"([^"]{1,4000})"')
_PALIGEMMA_RE = re.compile(r"((?:<loc\d{4}>){4})(?!<loc)([^<;]*)")
_LOC_RE = re.compile(r"<loc(\d{4})>")
_PALIGEMMA_BINS = 1024
_BOX_KEYS, _POINT_KEYS = ("bbox_2d", "box_2d", "bbox", "box"), ("point_2d", "point")


@dataclass(frozen=True)
class Place:
    """Where a model says that something is.

    Attributes:
        box: (x0, y0, x1, y1) in pixels of the picture, edges of pixels; of a point both corners are the point.
        span: start and end in the text that says it.
        is_point: it has no extent.
    """

    box: tuple[float, float, float, float]
    span: tuple[int, int]
    is_point: bool = False

    @property
    def middle(self) -> tuple[float, float]:
        """(x, y), pixels."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class Picture:
    """Sizes (width, height): of the picture itself, and of it as the model saw it after its processor's resizing."""

    size: tuple[int, int]
    seen: tuple[int, int]


@dataclass(frozen=True)
class GroundingFormat:
    """One family's way.

    Attributes:
        prompt: what asks for a thing; with the field {name}.
        parse: text and picture to places, in the order of the text.
        question: what a question is put into, for models without a chat template; "" for chat models.
        one_only: it gives one place, whatever is asked; others give every one.
    """

    name: str
    prompt: str
    parse: Callable[[str, Picture], list[Place]]
    question: str = ""
    one_only: bool = False

    def request(self, name: str) -> str:
        """What asks for a thing, without the article of its name."""
        return self.prompt.format(name=plain_name(name) or name)

    def several(self, regions: int) -> float:
        """How likely several things were meant, by Jeffreys' rule on a single answer; NaN where one is all that it gives."""
        return math.nan if self.one_only else 0.75 if regions > 1 else 0.25

    def places(self, text: str, picture: Picture) -> list[Place]:
        """The places of a text, at most MAX_PLACES; of a text that is too long for an answer none."""
        return self.parse(text, picture)[:MAX_PLACES] if len(text) <= MAX_CHARS else []


def format_of(name: str) -> GroundingFormat:
    """A format by its name. Raises VlmError for an unknown one."""
    if name not in FORMATS:
        raise VlmError(f"grounding format '{name}' is not known; use one of {', '.join(FORMATS)}")
    return FORMATS[name]


def format_for(model: str) -> GroundingFormat:
    """The format of a model by its type, or by what its name has in it; JSON with boxes of a thousand for others."""
    plain = re.sub(r"[^a-z0-9]", "", model.lower())
    return FORMATS[next((name for part, name in _FAMILIES if part in plain), "json")]


# -- readers ----------------------------------------------------------------------------------------------------------


def _place(numbers: Sequence[float], full: tuple[float, float], picture: Picture, span: tuple[int, int]) -> Place | None:
    """A box of four numbers or a point of two, x first, in a picture that is ``full`` (width, height) large for the model."""
    if len(numbers) not in (2, 4) or not all(map(math.isfinite, numbers)):
        return None
    width, height = picture.size
    x0, y0, x1, y1 = (*numbers, *numbers)[:4]
    # A model that counts differently is not understood; a little beyond the edge is rounding.
    if min(x0, y0) < -0.02 * max(full) or x1 > 1.02 * full[0] or y1 > 1.02 * full[1]:
        return None
    scale = (width / full[0], height / full[1])
    if len(numbers) == 2:
        x, y = min(max(x0 * scale[0], 0.0), width), min(max(y0 * scale[1], 0.0), height)
        return Place((x, y, x, y), span, is_point=True)
    box = clipped([[x0 * scale[0], y0 * scale[1], x1 * scale[0], y1 * scale[1]]], width, height)[0].tolist()
    return Place((box[0], box[1], box[2], box[3]), span) if box[2] > box[0] and box[3] > box[1] else None


def _kept(found: Iterator[Place | None]) -> list[Place]:
    return [place for place in found if place is not None]


def _thousand(picture: Picture) -> tuple[float, float]:
    return 1000.0, 1000.0


def _json_reader(full: Callable[[Picture], tuple[float, float]], y_first: bool) -> Callable[[str, Picture], list[Place]]:
    """Reads objects with a box or a point, wherever they stand in the text; a list that was cut off is read as far as it goes."""

    def objects(text: str, picture: Picture) -> Iterator[Place | None]:
        for match in _FLAT_OBJECT_RE.finditer(text):
            try:
                found = json.loads(match.group())
            except (ValueError, RecursionError):
                continue
            numbers = _numbers_of(found)
            yield _place(_turned(numbers) if y_first else numbers, full(picture), picture, match.span())

    def read(text: str, picture: Picture) -> list[Place]:
        places = _kept(objects(text, picture))
        if places or _FLAT_OBJECT_RE.search(text):
            return places
        # Bare lists of four numbers, as some models answer in a hurry.
        return _from_matches(_NESTED_BOX_RE, text, full(picture), picture, y_first)

    return read


def _numbers_of(found: object) -> list[float]:
    """The numbers of an object's box or point; none for anything else."""
    if not isinstance(found, dict):
        return []
    for keys, count in ((_BOX_KEYS, 4), (_POINT_KEYS, 2)):
        for key in keys:
            value = found.get(key)
            if isinstance(value, list) and len(value) == count and all(type(item) in (int, float) for item in value):
                return [float(item) for item in value]
    return []


def _turned(numbers: list[float]) -> list[float]:
    """y, x to x, y, pair by pair."""
    return [numbers[index ^ 1] for index in range(len(numbers))]


def _from_matches(
    pattern: re.Pattern[str], text: str, full: tuple[float, float], picture: Picture, y_first: bool = False
) -> list[Place]:
    found = ((match, [float(number) for number in match.groups()]) for match in pattern.finditer(text))
    return _kept(_place(_turned(n) if y_first else n, full, picture, match.span()) for match, n in found)


def _qwen2(text: str, picture: Picture) -> list[Place]:
    return _from_matches(_QWEN_BOX_RE, text, (1000.0, 1000.0), picture) or _json_reader(_thousand, False)(text, picture)


def _internvl(text: str, picture: Picture) -> list[Place]:
    places: list[Place] = []
    for outer in _INTERN_RE.finditer(text):
        for match in _INTERN_BOX_RE.finditer(outer.group(1)):
            numbers = [float(number) for number in match.groups()]
            places += _kept(iter([_place(numbers, (1000.0, 1000.0), picture, outer.span())]))
    return places


def _molmo(text: str, picture: Picture) -> list[Place]:
    """Points in percent ("x1=", "y1="), or in thousandths in the attribute "coords" of Molmo 2."""
    places: list[Place | None] = []
    for tag in _MOLMO_TAG_RE.finditer(text):
        for match in _MOLMO_XY_RE.finditer(tag.group(1)):
            places.append(_place(_floats(match.groups()[1:]), (100.0, 100.0), picture, tag.span()))
        for coords in _MOLMO_COORDS_RE.finditer(tag.group(1)):
            # The number of the picture, then a number, x and y for each point; there is but one picture.
            numbers = _floats(re.split(r"[\s,]+", re.split(r"[;\t]", coords.group(1))[0].strip()))
            if len(numbers) % 3 == 1:
                triples = [numbers[start : start + 3] for start in range(1, len(numbers), 3)]
                places += [_place(triple[1:], (1000.0, 1000.0), picture, tag.span()) for triple in triples]
    return _kept(iter(places))


def _floats(texts: Sequence[str]) -> list[float]:
    try:
        return [float(text) for text in texts]
    except ValueError:
        return []


def _paligemma(text: str, picture: Picture) -> list[Place]:
    """ "<loc0256><loc0128><loc0768><loc0512> cup": y, x, y, x of 1024."""
    places = []
    for match in _PALIGEMMA_RE.finditer(text):
        # A number stands for the middle of its bin.
        numbers = [int(number) + 0.5 for number in _LOC_RE.findall(match.group(1))]
        places.append(_place(_turned(numbers), (_PALIGEMMA_BINS, _PALIGEMMA_BINS), picture, match.span()))
    return _kept(iter(places))


def _florence(text: str, picture: Picture) -> list[Place]:
    return [Place(found.box, found.span) for found in parse_located(text, *picture.size)]


def _fractions(text: str, picture: Picture) -> list[Place]:
    return _from_matches(_INTERN_BOX_RE, text, (1.0, 1.0), picture)


_JSON = (
    'Find every "{name}" in the picture. Answer with a JSON list of objects with the keys "{key}" ([{order}]{scale}) '
    'and "label"; if there is none, answer [].'
)
_CORNERS = "x1, y1, x2, y2"


def _json_prompt(key: str, order: str, scale: str) -> str:
    return _JSON.replace("{key}", key).replace("{order}", order).replace("{scale}", scale)


FORMATS: Mapping[str, GroundingFormat] = MappingProxyType(
    {
        form.name: form
        for form in (
            GroundingFormat("json", _json_prompt("bbox_2d", _CORNERS, ", from 0 to 1000"), _json_reader(_thousand, False)),
            GroundingFormat("qwen2", 'Give the bounding box of every "{name}" in the picture.', _qwen2),
            GroundingFormat(
                "qwen2.5", _json_prompt("bbox_2d", _CORNERS, " in pixels"), _json_reader(lambda picture: picture.seen, False)
            ),
            GroundingFormat("internvl", "Please provide the bounding boxes of this: <ref>{name}</ref>", _internvl),
            GroundingFormat(
                "gemini",
                _json_prompt("box_2d", "ymin, xmin, ymax, xmax", ", from 0 to 1000"),
                _json_reader(_thousand, True),
            ),
            GroundingFormat("molmo", "Point to every {name}.", _molmo),
            GroundingFormat("paligemma", "<image>detect {name}", _paligemma, "<image>answer en {question}"),
            GroundingFormat("florence", "<OPEN_VOCABULARY_DETECTION>{name}", _florence, "{question}"),
            GroundingFormat(
                "fractions",
                "Please provide the bounding box of this as [x1, y1, x2, y2], each a share of the picture from 0 to 1: {name}",
                _fractions,
                one_only=True,
            ),
        )
    }
)
# Parts of types and names of models, the first that fits.
_FAMILIES = (
    ("qwen25", "qwen2.5"), ("qwen2vl", "qwen2"), ("internvl", "internvl"), ("gemini", "gemini"), ("paligemma", "paligemma"),
    ("gemma3", "gemini"), ("gemma4", "gemini"), ("molmo", "molmo"), ("florence", "florence"), ("llavaonevision", "json"),
    ("llava", "fractions"),
)  # fmt: skip
