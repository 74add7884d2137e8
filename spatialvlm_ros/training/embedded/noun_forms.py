"""Fits what a thing's measured form says of nouns (``perception/noun_forms.py``), on scenes as the embedded tower learns from.

``python -m spatialvlm_ros.training.embedded.noun_forms --out FOLDER`` renders them (50 kinds of things, grippers, noise),
segments, measures, fits and writes the network: some minutes on one core. The scenes that benchmarks test on come from another
renderer, with things of its own, which this never learns from.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...geometry.camera import CameraModel
from ...perception.appearance import describe_each
from ...perception.noun_forms import FEATURES, FILE, NounForms, features_of
from ...perception.shapes import ShapeMeasure
from ...perception.tabletop import TabletopSegmenter
from ...scene.frame import RGBDFrame
from ...scene.shipped import write_shipped
from .render import RenderedBatch, Renderer
from .scenes import SceneConfig
from .tower_data import owner_of
from .vocabulary import NOUN_WORDS, NOUNS, columns

Floats = npt.NDArray[np.float32]

FIRST_SEED, SCENES = 9_000_000, 1_600
_BATCH, _MIN_PIXELS = 16, 60
# The last of the scenes are held out for the figures.
_HELD_OUT = 0.1
# Columns of the features that are lengths, and those that a height is in.
_LENGTHS = [FEATURES.index(name) for name in ("height", "length", "width")]
_OF_HEIGHT = [FEATURES.index(name) for name in ("height", "tallness")]
_DIGITS = 4


@dataclass(frozen=True)
class NounExamples:
    """Measured things: features (N, F), and (N, K) whether each noun is true of it, NaN where that is open."""

    features: Floats
    truths: Floats


@dataclass(frozen=True)
class NounTraining:
    """How the network is fitted.

    Attributes:
        hidden: width of its two inner layers.
        resized: standard deviation of the logarithm of a random size that a thing is given, all lengths alike.
        raised: the same of its height alone. Real goods differ more in size and proportion than rendered ones do.
        jitter: of all features, in their standard deviations.
    """

    hidden: int = 48
    steps: int = 1_500
    batch: int = 256
    rate: float = 3e-3
    decay: float = 1e-2
    resized: float = 0.4
    raised: float = 0.4
    jitter: float = 0.25
    seed: int = 0


def examples_of(seeds: Sequence[int], config: SceneConfig | None = None) -> NounExamples:
    """The things of the scenes that the segmenter finds, as it finds them."""
    renderer, rows = Renderer("cpu"), []
    for start in range(0, len(seeds), _BATCH):
        batch = renderer.batch(list(seeds[start : start + _BATCH]), config or SceneConfig())
        for image in range(len(batch.color)):
            rows += list(_of_image(batch, image))
    features = np.array([features_of(form) for form, _ in rows], np.float32).reshape(-1, len(FEATURES))
    return NounExamples(features, np.array([truth for _, truth in rows], np.float32).reshape(-1, len(NOUNS)))


def _of_image(batch: RenderedBatch, image: int) -> Iterator[tuple[ShapeMeasure, Floats]]:
    """Form and nouns of each thing that a region of one image shows."""
    fx, fy, cx, cy = (float(value) for value in batch.intrinsics[image])
    camera = CameraModel(batch.color.shape[2], batch.color.shape[1], fx, fy, cx, cy)
    frame = RGBDFrame(0, batch.color[image].numpy(), batch.depth_m[image].numpy(), camera, "")
    found = TabletopSegmenter().segment(frame, up=batch.up[image])
    own = np.flatnonzero(batch.image == image)
    if found.plane is None or not len(own):
        return
    ids = batch.ids[image].numpy()
    for region, look in zip(found.regions, describe_each(frame, found.regions, found.plane), strict=True):
        owner = owner_of(ids, region.mask, _MIN_PIXELS)
        if owner is not None and owner >= 0 and look.form is not None:
            yield look.form, batch.attributes[own[0] + owner][columns("noun")].astype(np.float32)


def fitted(examples: NounExamples, training: NounTraining | None = None) -> tuple[NounForms, dict[str, float]]:
    """The network, and how well it tells the nouns of the last examples, which it was not fitted on.

    Raises:
        ValueError: too few examples to hold some out.
    """
    training = training or NounTraining()
    count = len(examples.features) - round(_HELD_OUT * len(examples.features))
    if not 0 < count < len(examples.features):
        raise ValueError(f"{len(examples.features)} things are too few to fit on: render more scenes")
    features, truths = examples.features[:count], examples.truths[:count]
    middle, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    network = _trained(torch.from_numpy((features - middle) / scale), torch.from_numpy(truths), scale, training)
    known = np.isfinite(truths)
    share = np.clip(np.nan_to_num(truths).sum(axis=0) / np.maximum(known.sum(axis=0), 1), 1e-4, 1 - 1e-4)
    layers = [each for each in network if isinstance(each, nn.Linear)]
    forms = NounForms(
        NOUNS,
        {word: noun for noun, words in reversed(NOUN_WORDS.items()) for word in words},
        _rounded(middle),
        _rounded(scale),
        tuple(_rounded(layer.weight.detach().numpy().T) for layer in layers),
        tuple(_rounded(layer.bias.detach().numpy()) for layer in layers),
        _rounded(np.log(share / (1 - share))),
    )
    # As the file has it.
    forms = NounForms.from_json(forms.to_json())
    return forms, _figures(forms, NounExamples(examples.features[count:], examples.truths[count:]), count)


def _trained(features: Tensor, truths: Tensor, scale: Floats, training: NounTraining) -> nn.Sequential:
    generator = torch.Generator().manual_seed(training.seed)
    torch.manual_seed(training.seed)
    width, known = training.hidden, torch.isfinite(truths)
    network = nn.Sequential(
        nn.Linear(features.shape[1], width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, truths.shape[1])
    )
    optimizer = torch.optim.AdamW(network.parameters(), training.rate, weight_decay=training.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, training.steps)
    target, unit = torch.nan_to_num(truths), torch.from_numpy(scale)
    for _ in range(training.steps):
        some = torch.randint(len(features), (training.batch,), generator=generator)
        x = features[some] + training.jitter * torch.randn(training.batch, features.shape[1], generator=generator)
        for columns_, by in ((_LENGTHS, training.resized), (_OF_HEIGHT, training.raised)):
            x[:, columns_] += by * torch.randn(training.batch, 1, generator=generator) / unit[columns_]
        loss = functional.binary_cross_entropy_with_logits(network(x), target[some], reduction="none")
        optimizer.zero_grad()
        (loss * known[some]).sum(dim=1).mean().backward()
        optimizer.step()
        schedule.step()
    return network


def _rounded(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(np.round(np.asarray(values, np.float64), _DIGITS), np.float64)


def _figures(forms: NounForms, held: NounExamples, count: int) -> dict[str, float]:
    """Mean area under the curve of the nouns that some held-out things are and some are not."""
    from .tower_scores import auroc

    odds = forms.of_features(held.features)
    areas = []
    for column, truth in enumerate(held.truths.T):
        yes, no = odds[truth == 1, column], odds[truth == 0, column]
        if len(yes) and len(no):
            areas.append(auroc(yes.tolist(), no.tolist()))
    return {"things": float(count), "held_out": float(len(held.features)), "area": float(np.mean(areas))}


def main(arguments: list[str] | None = None) -> None:
    """Render, fit, write ``network.json`` with its SHA256SUMS, and print the figures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the network")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="first seed")
    parser.add_argument("--scenes", type=int, default=SCENES, help="how many scenes")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    forms, figures = fitted(examples_of(range(chosen.first, chosen.first + chosen.scenes)))
    write_shipped(chosen.out, FILE, forms.to_json())
    for name, value in figures.items():
        print(f"{name}: {value:.4g}")


if __name__ == "__main__":
    main()
