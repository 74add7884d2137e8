"""Names of sources and stages, and how each is made of plain options. Sources that read recordings are added above this floor."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from ..scene.noise import PRESETS, DepthNoise
from ..simulation.random_types import SceneSampling
from .ambiguity import AmbiguityOptions, Similarity
from .ask import NAME, VERSION, AskOptions, make_example
from .drawn_regions import NAME as DRAWN
from .drawn_regions import DrawnRegions, missing_regions
from .facts import MORE_TYPES, PAPER_TYPES, FactLimits
from .lift import LiftConfig
from .model_factories import MODEL_CHECKS, MODEL_STAGES, caption_similarity
from .pipeline import Registry, SourceFactory, StageFactory
from .record import Dropped, Example, Picture, Source
from .sources import ImageFolderSource, RenderSource

RELATION_SETS = {"paper": PAPER_TYPES, "all": (*PAPER_TYPES, *MORE_TYPES)}
_RENDER_WIDTH_PX = 640


class JoinedSource:
    """Several sources one after the other. Keys are told apart by the names of the sources.

    Attributes:
        ignored: what they leave aside, all together.
    """

    def __init__(self, parts: Sequence[tuple[str, Source]]) -> None:
        self._parts = list(parts)
        self.ignored = Counter[str]()
        for _, source in parts:
            self.ignored.update(getattr(source, "ignored", {}))
        self._ends = list(accumulate(len(source) for _, source in parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def items(self, start: int, stop: int) -> Iterator[Picture | Dropped]:
        """See ``record.Source``."""
        at, stop = start, min(stop, len(self))
        while at < stop:
            part = bisect_right(self._ends, at)
            name, source = self._parts[part]
            before = self._ends[part] - len(source)
            end = min(stop, self._ends[part])
            for item in source.items(at - before, end - before):
                at += 1
                yield _with_prefix(item, name)
            at = end


def _with_prefix(item: Picture | Dropped, name: str) -> Picture | Dropped:
    if isinstance(item, Dropped):
        return Dropped(item.cause, item.text, f"{name}/{item.key}" if item.key else name)
    return replace(item, key=f"{name}/{item.key}")


def joined(paths: Sequence[str], make: Callable[[Path], Source]) -> Source:
    """One source of one path, as it is; of several, each with its folder's name before the keys. Raises ValueError for none."""
    if not paths:
        raise ValueError("give a path to read pictures from")
    sources = [make(Path(path)) for path in paths]
    if len(sources) == 1:
        return sources[0]
    names = [Path(path).resolve().name for path in paths]
    # Two folders of one name are numbered by their place on the command line.
    unique = [name if names.count(name) == 1 else f"{name}-{at}" for at, name in enumerate(names)]
    return JoinedSource(list(zip(unique, sources, strict=True)))


def image_source(paths: Sequence[str], **limits: int) -> Source:
    """Folders of images. ``limits`` as ``ImageFolderSource`` takes them."""
    return joined(paths, lambda path: ImageFolderSource(path, **limits))


def render_source(
    seed: int, count: int, width_px: int = _RENDER_WIDTH_PX, noise: str = "", truth: bool = False, captions: str = "name"
) -> Source:
    """Scenes of our own, ``width_px`` wide and three quarters as high; the rest as ``RenderSource`` says."""
    if width_px < 32:
        raise ValueError(f"images of {width_px} pixels show nothing; give a width of at least 32")
    share = width_px / _RENDER_WIDTH_PX
    usual = SceneSampling()
    sampling = replace(
        usual,
        width_px=(width_px, width_px),
        height_px=(round(0.75 * width_px),) * 2,
        fx_px=(usual.fx_px[0] * share, usual.fx_px[1] * share),
    )
    # So many pixels at full size: small images are for trying things out, and show the same things.
    least = max(20, round(RenderSource.min_pixels * share**2))
    return RenderSource(seed, count, sampling, noise, truth, captions, min_pixels=least)


class AskStep:
    """The last step (pipeline.Asker): things in space, their names, relations, questions and answers."""

    name = NAME

    def __init__(self, options: AskOptions, similarity: Similarity | None = None, similarity_version: str = "") -> None:
        self._options, self._similarity = options, similarity
        self.version = f"{VERSION}; captions alike by {similarity_version}" if similarity_version else VERSION

    def __call__(self, picture: Picture, seed: int) -> Example:
        example = make_example(picture, self._options, seed, self._similarity)
        if not self._similarity:
            return example
        pairs = tuple(replace(pair, stage_versions={**pair.stage_versions, self.name: self.version}) for pair in example.pairs)
        return replace(example, pairs=pairs)


def ask_step(
    relations: str | Sequence[str] = "paper",
    depth_noise: str = "structured_light",
    similarity: Mapping[str, Any] | None = None,
    **options: Any,
) -> AskStep:
    """The asker of plain options.

    Args:
        relations: "paper", "all", or names of relations.
        depth_noise: what a sensor's depth errs by: a name of scene.noise.PRESETS.
        similarity: options of model_factories.ModelChoice for the model that tells which captions are alike.
        options: of AskOptions; ``lift``, ``ambiguity`` and ``limits`` as dicts of what differs from the usual.
    """
    if isinstance(relations, str) and relations not in RELATION_SETS:
        raise ValueError(f"relations '{relations}' are not known; give {', '.join(RELATION_SETS)}, or names of relations")
    chosen = RELATION_SETS[relations] if isinstance(relations, str) else tuple(relations)
    parts: dict[str, Any] = {
        "lift": LiftConfig(**{"noise": _preset(depth_noise), **options.pop("lift", {})}),
        "ambiguity": AmbiguityOptions(**options.pop("ambiguity", {})),
        "limits": FactLimits(**options.pop("limits", {})),
    }
    asked = AskOptions(relations=chosen, **parts, **options)
    if similarity is None:
        return AskStep(asked)
    embedder = caption_similarity(**similarity)
    return AskStep(asked, embedder.similarity, embedder.version)


def _preset(name: str) -> DepthNoise:
    if name not in PRESETS:
        raise ValueError(f"depth noise '{name}' is not known; use one of {', '.join(PRESETS)}")
    return PRESETS[name]


SOURCES: Mapping[str, SourceFactory] = {"images": image_source, "render": render_source}


def registry(more_sources: Mapping[str, SourceFactory] | None = None) -> Registry:
    """Everything that there is on this floor, and the sources of those above."""
    stages: dict[str, StageFactory] = {**MODEL_STAGES, DRAWN: DrawnRegions}
    return Registry({**SOURCES, **(more_sources or {})}, stages, ask_step, {**MODEL_CHECKS, DRAWN: missing_regions})
