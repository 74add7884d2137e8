"""What a model wraps its answer in: markdown, LaTeX, tags of reasoning, boxes, JSON. Unwrapping, without judging.

Never changes: unwrapping only ever narrows to what the answer itself marks as final; where two marks disagree both are handed on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .measures import LINE_END

_TAG_RE = re.compile(r"</?(?:answer|final|final_answer|result|output|response|p|b|i|em|strong|br|span|div|li|ul)\s*/?>", re.I)
_LATEX = (
    (re.compile(r"\\(?:d|t|c)?frac\s*\{\s*([0-9]{1,4})\s*\}\s*\{\s*([0-9]{1,4})\s*\}"), r" \1/\2 "),
    (re.compile(r"\\(?:SI|qty)\s*\{([^{}]{1,40})\}\s*\{\s*\\?([^{}]{1,40})\}"), r" \1 \2 "),
    (
        re.compile(
            r"\\(?:text|mathrm|textrm|mathbf|textbf|mathit|operatorname|mbox|textit|emph|unit|"
            r"si)\s*\{([^{}]{0,200})\}"
        ),
        r" \1 ",
    ),
    (re.compile(r"\^\s*\{?\s*\\(?:circ|degree)\s*\}?|\\(?:degree|circ)\b"), "°"),
    (re.compile(r"\^\s*\{\s*([+-]?[0-9]{1,3})\s*\}"), r"^\1"),
    (re.compile(r"\\(?:times|cdot)\b"), "×"),
    (re.compile(r"\\(?:approx|simeq|sim|thickapprox)\b"), "≈"),
    (re.compile(r"\\pm\b"), "±"),
    (re.compile(r"\\(?:leq?|leqslant)\b"), "≤"),
    (re.compile(r"\\(?:geq?|geqslant)\b"), "≥"),
    (re.compile(r"\\lt\b"), "<"),
    (re.compile(r"\\gt\b"), ">"),
    (re.compile(r"\\pi\b"), "π"),
    (re.compile(r"\\(?:left|right|displaystyle|quad|qquad)(?![a-z])"), " "),
    (re.compile(r"\\[,;:!\[\]() ]|\\\\|(?<=[0-9])~(?=\s*(?:\\|[a-z]))"), " "),
)
_MARKS = re.compile(
    r"####|\bfinal answer\b(?: is)?|\banswer(?: is|s)?\s*[:=]|\banswer\s+is\b|\banswer would be\b|\banswer\s*¶|"
    r"\b(?:in|my) conclusion\b|\bconclusion\s*:|\bto conclude\b|\bto sum up\b|\bfinal (?:estimate|result|distance)\b(?: is)?|"
    r"\bin summary\b",
    re.I,
)


def unfold_tags(text: str) -> list[str]:
    """The text without thinking; the contents of answer tags or boxes, each one, where there are any."""
    text = _without_thinking(re.sub(r"[^\S\n]+", " ", text.replace("\r", "\n")))
    found = [text[start:end] for start, end in _between(text, "<answer>", "</answer>")]
    if not found:
        found = list(_boxes(text))
    return found or [text]


def _without_thinking(text: str) -> str:
    for tag in ("think", "thinking", "thought", "reasoning", "scratchpad"):
        opening, closing = f"<{tag}>", f"</{tag}>"
        lower = text.lower()
        last = lower.rfind(closing)
        if last >= 0:
            text = text[last + len(closing) :]
        elif (start := lower.find(opening)) >= 0:
            text = text[:start]  # it never stopped thinking
    return text


def _between(text: str, opening: str, closing: str) -> Iterator[tuple[int, int]]:
    lower, at = text.lower(), 0
    while (start := lower.find(opening, at)) >= 0:
        start += len(opening)
        end = lower.find(closing, start)
        end = len(text) if end < 0 else end
        yield start, end
        at = end


def _boxes(text: str) -> Iterator[str]:
    r"""Contents of \boxed{...}, with braces balanced."""
    for match in re.finditer(r"\\(?:boxed|fbox)\s*\{", text):
        depth, at = 1, match.end()
        while at < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        if at - match.end() > 400:
            return
        yield text[match.end() : at - 1 if not depth else at]


def plain_words(text: str) -> str:
    """Without markdown, LaTeX and tags; line ends become LINE_END."""
    if "\\" in text or "$" in text:
        for pattern, instead in _LATEX:
            text = pattern.sub(instead, text)
        text = re.sub(r"[${}\\]" if text.count("$") % 2 == 0 else r"[{}\\]", " ", text)
    text = re.sub(r"~~[^~\n]{1,200}~~", " ", text)
    text = re.sub(
        r"\*\*|__|`+|^#{1,6} |(?<!\w)[*_](?=\w)|(?<=[\w.])[*_](?![\w(])|&nbsp;|"
        r"&thinsp;",
        _kept_space,
        text,
        flags=re.M,
    )
    text = re.sub(r"&lt;", "<", re.sub(r"&gt;", ">", _TAG_RE.sub(" ", text)))
    text = re.sub(r"(?<=[0-9a-z])<(/?[a-z]{2,})>", r" < \1 > ", text)
    return f" {LINE_END} ".join(line.strip() for line in text.splitlines() if line.strip())


def _kept_space(match: re.Match[str]) -> str:
    return " " if match[0].startswith("&") else ""


def after_mark(text: str) -> str | None:
    """What stands behind the last mark of a final answer ("the answer is", "####"), or None without a mark."""
    marks = list(_MARKS.finditer(text))
    if not marks:
        return None
    rest = text[marks[-1].end() :].strip(f" :=*{LINE_END}")
    return rest or None


# -- JSON -------------------------------------------------------------------------------------------------------------


class Digits(str):
    """A number of a JSON text as it was written there, since how many digits it has is part of what was said."""

    __slots__ = ()


def read_json(text: str) -> tuple[Any, str] | None:
    """The JSON object or array in an answer, numbers as ``Digits``, and the words around it; None without one.

    Quotes may be single, as Python prints a dict.
    """
    inner = re.sub(r"```[a-z]*", " ", text, flags=re.I)
    start = min((at for at in (inner.find("{"), inner.find("[")) if at >= 0), default=-1)
    if start < 0:
        return None
    end = max(inner.rfind("}"), inner.rfind("]")) + 1
    body = inner[start:end]
    for candidate in (body, body.replace("'", '"') if '"' not in body else ""):
        try:
            value = json.loads(candidate, parse_float=Digits, parse_int=Digits, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) or (isinstance(value, list) and (not inner[:start].strip() and not inner[end:].strip())):
            return value, f"{inner[:start]} {inner[end:]}".strip()
    return None


# Keys under which no answer stands.
_ASIDE = re.compile(
    r"confiden|score|prob|reason|explan|thought|think|analysis|comment|note|\bid\b|_id$|label|name|^from$|^to$|object|"
    r"subject|bbox|box|point|"
    r"coord|pixel|image|question|units?$|steps?$|relation|frame|error|uncertain|std|margin|camera_height|focal|assum|reference|scale|"
    r"_(?:px|pix|s|sec|seconds?|ms|kg|g|lbs?|pct|percent|usd|hz)$|^time|^timestamp"
)
# A key of a bound, which is no value: "max_distance_m", "lower_bound", but not "upper_shelf_height".
BOUND_KEY = re.compile(
    r"(?:^|_)(?:min|max|minimum|maximum|(?:lower|upper)(?=$|_bound|_limit|_end)|bound|limit|at_least|at_most)(?:_|$)"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FINAL = ("final_answer", "final answer", "answer", "result", "output", "response")


def json_leaves(value: Any, key: str = "", depth: int = 0) -> list[tuple[str, Any, str]]:
    """(key, scalar, unit) of what may be the answer in a JSON value; a key that is the answer's own excludes the others."""
    if depth > 6:
        return []
    if isinstance(value, Mapping):
        keys = {_HUMP.sub("_", str(name)).lower(): item for name, item in value.items()}
        unit = next((str(item) for name, item in keys.items() if re.fullmatch(r"(?:.*_)?units?", name)), "")
        chosen = next((name for name in _FINAL if name in keys), None)
        names = [chosen] if chosen is not None else [name for name in keys if not _ASIDE.search(name)]
        names = [name for name in names if not BOUND_KEY.search(name)] or names
        leaves = [leaf for name in names for leaf in json_leaves(keys[name], name, depth + 1)]
        return [(name, item, own or unit) for name, item, own in leaves]
    if isinstance(value, list):
        return [leaf for item in value[:50] for leaf in json_leaves(item, key, depth + 1)]
    return [(key, value, "")]
