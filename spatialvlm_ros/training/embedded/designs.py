"""Two designs on the same small budget: proposals and a tower that names them, against a network that paints the whole image.

Both see the same rendered scenes, learn from the same kind of phrases for the same time of one core, and choose among the same
proposals of held-out scenes: those of the renderer that they learnt from, and those of another with the real segmenter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...simulation.random_scene import random_scene
from ...vlm.embedded.tokenizer import PhraseTokenizer
from ...vlm.embedded.tower import RegionTextTower, TowerConfig, match
from .phrases import PhraseMaker, truth
from .pool import THING, Pool, RegionShard, join, unpack_pictures
from .render import RenderedBatch, Renderer
from .scenes import SceneConfig
from .tower_data import DataConfig, cut_batch, noisy_images
from .tower_phrases import attributes_of, draw_phrases, tower_words
from .tower_scores import auroc
from .tower_validation import cut_shard, images_of, observe, queries_about
from .train_tower import TowerTraining, new_run, train_tower
from .vocabulary import CONCEPTS
from .whole_image import MAP, WholeImageNet, WholeScenes, train_whole_image, whole_pictures, whole_scenes

Report = Callable[[str], None]


@dataclass(frozen=True)
class Budget:
    """What each design gets.

    Attributes:
        cpu_seconds: of one core, for training alone; the data are made before and are the same for both designs.
        scenes: to learn from. held_out: of the same renderer. other: seeds of the other renderer.
    """

    cpu_seconds: float = 600.0
    scenes: int = 1536
    held_out: int = 160
    other: range = range(505_000, 505_120)
    seed: int = 0


@dataclass(frozen=True)
class Asked:
    """A phrase about a scene: ``answers`` and ``open`` are rows among the scene's regions."""

    text: str
    answers: tuple[int, ...]
    open: tuple[int, ...]


@dataclass(frozen=True)
class Exam:
    """A held-out scene as both designs see it.

    Attributes:
        regions: its proposals. whole: (8, 120, 160) float32. masks: (N, 60, 80) share of each cell that a proposal covers.
    """

    regions: RegionShard
    whole: Tensor
    masks: Tensor
    asked: tuple[Asked, ...]


def compare(budget: Budget, folder: Pool, report: Report = print) -> dict[str, dict[str, float]]:
    """Scores of both designs; ``folder`` takes the shard that the tower learns from."""
    # The budget is of one core.
    torch.set_num_threads(1)
    renderer, data = Renderer(), DataConfig(seed=77 + budget.seed, scene=SceneConfig())
    regions, scenes = make_scenes(renderer, data, 0, budget.scenes)
    exams = {"same renderer": held_out(renderer, data, budget), "other renderer, real segmenter": of_other_renderer(budget.other)}
    report(f"{len(regions)} regions of {budget.scenes} scenes; exams {[len(each) for each in exams.values()]}")
    folder.write(0, regions.tensors())
    tower, steps = _trained_tower(budget, folder)
    report(f"tower: {steps} steps")
    tokenizer = PhraseTokenizer(tower_words())
    torch.manual_seed(budget.seed)
    net = WholeImageNet(len(tokenizer.words))
    painted = train_whole_image(net, tokenizer, scenes, budget.cpu_seconds, budget.seed)
    report(f"whole image: {painted} steps")
    designs = {
        "regions": (
            sum(p.numel() for p in tower.parameters()),
            steps,
            lambda exam, texts: tower_says(tower, tokenizer, exam, texts),
        ),
        "whole image": (
            sum(p.numel() for p in net.parameters()),
            painted,
            lambda exam, texts: net_says(net, tokenizer, exam, texts),
        ),
    }
    table: dict[str, dict[str, float]] = {}
    for name, (parameters, made, says) in designs.items():
        for domain, exam in exams.items():
            table[f"{name} / {domain}"] = {"parameters": parameters, "steps": made, **graded(exam, says)}
    return table


# -- data ----------------------------------------------------------------------------------------------------------------


def make_scenes(renderer: Renderer, data: DataConfig, first: int, count: int) -> tuple[RegionShard, WholeScenes]:
    """The same scenes as regions and as whole images."""
    shards, whole = [], []
    for start in range(first, first + count, data.batch):
        batch = renderer.batch(
            [data.seed * 1_000_000 + n for n in range(start, min(start + data.batch, first + count))], data.scene
        )
        images = noisy_images(batch, data, np.random.default_rng([data.seed, start]))
        # Without the real segmenter, so that both learn from nothing but the truth.
        generator = torch.Generator().manual_seed(data.seed * 1009 + start)
        shards.append(cut_batch(batch, images, replace(data, segmented=0.0), generator))
        whole.append(whole_scenes(batch, images, _good(batch, data)))
    concepts = tuple(each for part in whole for each in part.concepts)
    return join(shards), WholeScenes(torch.cat([w.images for w in whole]), torch.cat([w.ids for w in whole]), concepts)


def _good(batch: RenderedBatch, data: DataConfig) -> np.ndarray:
    return (batch.visible_px >= data.min_pixels) & (batch.visible_share >= data.min_visible)


def held_out(renderer: Renderer, data: DataConfig, budget: Budget) -> list[Exam]:
    """Unseen scenes of the renderer that both learn from, with phrases about their things and about none of them."""
    exams = []
    for start in range(0, budget.held_out, data.batch):
        batch = renderer.batch([900_000_000 + start + n for n in range(min(data.batch, budget.held_out - start))], data.scene)
        images = noisy_images(batch, data, np.random.default_rng([9, start]))
        generator = torch.Generator().manual_seed(start)
        shard = cut_batch(batch, images, replace(data, segmented=0.0), generator)
        pictures, cells = whole_pictures(images), torch.nn.functional.adaptive_avg_pool2d
        for image in range(len(batch.color)):
            rows = torch.nonzero((shard.scene == image) & (shard.kind == THING)).flatten()
            numbers = np.flatnonzero((batch.image == image) & _good(batch, data))
            if len(rows) < 2 or len(rows) != len(numbers):
                continue
            masks = torch.stack([(batch.ids[image] == int(batch.index[number]) + 1).float() for number in numbers])
            regions = shard.rows(rows)
            exams.append(
                Exam(regions, pictures[image], cells(masks, MAP), _phrases(regions, 8, np.random.default_rng([3, start, image])))
            )
    return exams


def _phrases(regions: RegionShard, count: int, rng: np.random.Generator) -> tuple[Asked, ...]:
    attributes, maker, asked = attributes_of(regions), PhraseMaker(rng), []
    for number in range(count):
        about = maker.about(attributes[number % len(attributes)], np.delete(attributes, number % len(attributes), axis=0))
        phrase = about if number % 3 else maker.wrong_about(about, attributes[number % len(attributes)])
        answers = truth([phrase], attributes)[0]
        asked.append(Asked(phrase.text, tuple(np.flatnonzero(answers == 1)), tuple(np.flatnonzero(np.isnan(answers)))))
    return tuple(asked)


def of_other_renderer(seeds: Sequence[int]) -> list[Exam]:
    """Scenes of simulation/random_scene.py with the real segmenter's proposals."""
    exams = []
    for seed in seeds:
        scene = random_scene(seed)
        seen = observe(scene, seed) if scene.support in ("table", "floor") else None
        if seen is None:
            continue
        queries = queries_about(scene, seen.owners, 0, 0, np.random.default_rng([seed, 5]))
        masks = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(seen.masks).float(), MAP)
        whole = whole_pictures(images_of(seen))[0]
        exams.append(Exam(cut_shard(seen), whole, masks, tuple(Asked(q.text, q.answers, q.open) for q in queries)))
    return exams


# -- training ------------------------------------------------------------------------------------------------------------


def _trained_tower(budget: Budget, pool: Pool) -> tuple[RegionTextTower, int]:
    """The tower after the budget: how many steps it lasts is told from the first ones."""
    config = TowerConfig(words=tower_words(), attributes=CONCEPTS)
    probe = TowerTraining(seed=budget.seed, steps=8, first_shards=1, shards=1, warm_up=50)
    train_tower(new_run(config, probe), probe, pool, draw_phrases, stop_at=2)
    began = time.process_time()
    train_tower(new_run(config, probe), probe, pool, draw_phrases)
    steps = max(8, int(budget.cpu_seconds / ((time.process_time() - began) / probe.steps)))
    # A short run has no time for a long mean.
    training = replace(probe, steps=steps, average=min(0.998, 1 - 8 / steps))
    run = train_tower(new_run(config, training), training, pool, draw_phrases)
    return run.averaged, steps


# -- judging -------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def tower_says(tower: RegionTextTower, tokenizer: PhraseTokenizer, exam: Exam, texts: Sequence[str]) -> np.ndarray:
    """(P, N) log of the probability that a region answers to a phrase."""
    tower.eval()
    pictures, _ = unpack_pictures(exam.regions)
    phrases = tower.phrases(torch.from_numpy(tokenizer.encode(texts).ids))
    return np.asarray(match(phrases, tower.regions(pictures, exam.regions.scalars)).numpy())


@torch.no_grad()
def net_says(net: WholeImageNet, tokenizer: PhraseTokenizer, exam: Exam, texts: Sequence[str]) -> np.ndarray:
    """(P, N) mean log odds of what is painted within each region."""
    net.eval()
    maps = net(
        net.encode(exam.whole[None]), torch.zeros(len(texts), dtype=torch.long), torch.from_numpy(tokenizer.encode(texts).ids)
    )
    weights = exam.masks.flatten(1) / exam.masks.flatten(1).sum(1, keepdim=True).clamp_min(1e-6)
    return np.asarray((maps.flatten(1) @ weights.T).numpy())


def graded(exams: Sequence[Exam], says: Callable[[Exam, Sequence[str]], np.ndarray]) -> dict[str, float]:
    """Share of phrases about one thing that find it, chance level, and how well "not there" is told (area under the curve)."""
    right: list[bool] = []
    chance: list[float] = []
    there: list[float] = []
    absent: list[float] = []
    for exam in exams:
        said = says(exam, [asked.text for asked in exam.asked])
        for asked, row in zip(exam.asked, said, strict=True):
            if asked.open:
                continue
            (there if asked.answers else absent).append(float(row.max()))
            if len(asked.answers) == 1:
                right.append(int(row.argmax()) in asked.answers)
                chance.append(1 / len(row))
    return {
        "right": float(np.mean(right)),
        "chance": float(np.mean(chance)),
        "present auroc": auroc(there, absent),
        "asked": len(right),
    }
