"""What is made, of what, by which stages: plain values that travel to every worker and stand in the data set's provenance.

A worker builds its own source and stages from them, so that models are loaded once a process. Which names there are is told
by a registry, because sources that read recordings stand on a floor above this one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from .record import Example, Picture, Source, Stage


@dataclass(frozen=True)
class Part:
    """A source or a stage by name, with its options as plain JSON values."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PipelineConfig:
    """All that a data set's bytes depend on, but for the source's own files and the versions of the code.

    Attributes:
        source: where pictures come from.
        stages: what they go through, in order.
        ask: options of the last step, which turns a picture into questions and answers.
        select: options of the choice among all pairs (balance, caps).
        seed: of everything random.
        items_per_shard: pictures a shard; part of the configuration because it decides which file a picture stands in.
        file_format: "parquet" or "webdataset".
    """

    source: Part
    stages: tuple[Part, ...] = ()
    ask: Mapping[str, Any] = field(default_factory=dict)
    select: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    items_per_shard: int = 64
    file_format: str = "parquet"

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` reads them back to an equal configuration."""
        return dict(json.loads(json.dumps(asdict(self), sort_keys=True, allow_nan=False)))

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> PipelineConfig:
        """Raises ValueError for values that `to_json` does not write."""
        try:
            parts = {"source": Part(**values["source"]), "stages": tuple(Part(**stage) for stage in values["stages"])}
            return PipelineConfig(**{**values, **parts})
        except (KeyError, TypeError) as error:
            raise ValueError(f"these values are no configuration of a data set: {error}") from error

    @property
    def digest(self) -> str:
        """Hex digest: equal for equal configurations, on every machine."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


class Asker(Protocol):
    """The last step: a picture into an example. Raises record.Dropped for a picture that gives no pair."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def __call__(self, picture: Picture, seed: int) -> Example: ...


SourceFactory = Callable[..., Source]
StageFactory = Callable[..., Stage]
AskerFactory = Callable[..., Asker]


@dataclass(frozen=True)
class Registry:
    """Names and what makes the thing of each; called with the options as keywords.

    All of them are functions or classes that can be imported by name, because workers are told about them.

    Attributes:
        checks: what a stage lacks (a model file, a library), "" for nothing, without loading it. For the dry run.
    """

    sources: Mapping[str, SourceFactory]
    stages: Mapping[str, StageFactory]
    ask: AskerFactory
    checks: Mapping[str, Callable[..., str]] = field(default_factory=dict)

    def source(self, part: Part) -> Source:
        """Raises ValueError for an unknown name or option, and what the source raises for a bad path."""
        source: Source = _made("source", part, self.sources)
        return source

    def stage(self, part: Part) -> Stage:
        """Raises ValueError for an unknown name or option."""
        stage: Stage = _made("stage", part, self.stages)
        return stage

    def missing(self, part: Part) -> str:
        """What a stage lacks, "" for nothing. Raises ValueError for an unknown name or option."""
        if part.name in self.checks:
            return str(_made("stage", part, self.checks))
        _known("stage", part, self.stages)
        return ""


@dataclass(frozen=True)
class Pipeline:
    """A source with stages and the asker, ready to work."""

    source: Source
    stages: Sequence[Stage]
    ask: Asker


def build(config: PipelineConfig, registry: Registry) -> Pipeline:
    """Everything that a worker needs. Raises ValueError for a name or an option that nobody knows."""
    stages = [registry.stage(part) for part in config.stages]
    return Pipeline(registry.source(config.source), stages, _made("step", Part("ask", config.ask), {"ask": registry.ask}))


def _known(what: str, part: Part, table: Mapping[str, Any]) -> Any:
    if part.name not in table:
        raise ValueError(f"there is no {what} '{part.name}'; there are {', '.join(sorted(table))}")
    return table[part.name]


def _made(what: str, part: Part, table: Mapping[str, Any]) -> Any:
    factory = _known(what, part, table)
    try:
        return factory(**part.options)
    except TypeError as error:
        # Python's own sentence names the option.
        if "argument" not in str(error):
            raise
        raise ValueError(f"{what} '{part.name}': {error}") from error
