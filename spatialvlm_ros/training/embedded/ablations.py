"""Ablations of the paper at small scale: one run of the small network, trained and judged.

Never changes: a run depends on its settings and the data alone, on one thread; what differs between two runs of a seed is the
ablated setting, their first weights, questions and crops are the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ...vlm.embedded.decoder import Prompted
from ...vlm.embedded.decoder_words import NO, YES, Words
from .ablations_data import RGB, Crops, posed
from .ablations_model import PixelsToAnswers, decoder_sizes
from .answers_data import Batch, PosedThings, Questions, number_of
from .answers_data_text import TYPES, all_questions, question_table
from .precision import reckoned_in_half
from .vocabulary import columns

FloatArray = npt.NDArray[np.float32]

ESTIMATES = ("distance", "horizontal_distance", "vertical_distance", "height", "left_difference", "behind_difference")
PREDICATES = ("left", "right", "behind", "front", "above", "below", "tall", "short")
_ASKED = np.array([TYPES.index(name) for name in (*ESTIMATES, *PREDICATES)])
#: Comparisons nearer than this to even are not judged, as of issue and benchmark.
MARGIN_M = 0.02
_CROPS_A_STEP, _OFTEN = 96, 20


@dataclass(frozen=True)
class AblationRun:
    """Settings of a run.

    Attributes:
        inputs: one of ablations_data.INPUTS.
        encoder: "trained", "frozen" after its first training, or "new": trained without one.
        label_noise_std_m: of the noise on the lengths that are learnt.
        spatial_share: of the steps; the others are about what things are (nouns, colours, patterns).
        steps, first_steps: of the run, and of the encoder's first training, which is about what things are.
        questions: of a step.
        blind: the decoder never sees a thing (control).
    """

    inputs: str = RGB
    encoder: str = "trained"
    label_noise_std_m: float = 0.0
    spatial_share: float = 1.0
    steps: int = 600
    first_steps: int = 150
    questions: int = 128
    learning_rate: float = 2e-3
    seed: int = 0
    blind: bool = False

    def __post_init__(self) -> None:
        if self.encoder not in ("trained", "frozen", "new"):
            raise ValueError(f"encoder '{self.encoder}' is none of trained, frozen, new")
        if not (0 <= self.spatial_share <= 1 and self.label_noise_std_m >= 0 and min(self.steps, self.questions) >= 1):
            raise ValueError(
                f"spatial_share {self.spatial_share}, label_noise_std_m {self.label_noise_std_m}, steps {self.steps} and "
                f"questions {self.questions} must lie in 0 .. 1, from 0 up, and from 1 up"
            )


class Data:
    """Crops to learn from and to be judged on, with the questions about them."""

    def __init__(self, train: Crops, judged: Crops) -> None:
        self.train, self.judged = train, judged
        self.train_things, self.judged_things = posed(train), posed(judged)
        sizes = decoder_sizes()
        self._words, self._longest = Words(sizes.words), sizes.max_answer
        self._table = question_table(all_questions(), self._words, sizes.max_question)

    def questions(self, noise_m: float = 0.0) -> Questions:
        return Questions(self._table, self._words, self._longest, noise_m)


def train_language(data: Data, steps: int, seed: int = 0) -> dict[str, Tensor]:
    """State of a decoder that reads questions about things whose places it is told: what a language model brings to a run.

    It never sees a pixel; every run begins with the same one.
    """
    torch.manual_seed(seed)
    model = PixelsToAnswers()
    run = AblationRun(steps=steps, seed=seed)
    optimizer = torch.optim.AdamW(model.decoder.parameters(), lr=run.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    questions = data.questions()
    for step in range(steps):
        generator = np.random.default_rng([seed, 2, step])
        _set_rate(optimizer, run, step)
        batch = draw(questions, some_triples(data.train_things, generator, run.questions), generator, run.questions)
        noise = torch.from_numpy(np.exp(generator.uniform(np.log(0.002), np.log(0.2), len(data.train.color))).astype(np.float32))
        with reckoned_in_half("cpu"):
            said = model.told(data.train, batch, noise)
        _step(
            optimizer, list(model.decoder.parameters()), answer_loss(said, batch), f"step {step} of the decoder's first training"
        )
    return {name: value.detach().clone() for name, value in model.decoder.state_dict().items()}


def train_run(run: AblationRun, data: Data, language: Mapping[str, Tensor] | None = None) -> PixelsToAnswers:
    """Train a network.

    Args:
        language: what its decoder begins with, of ``train_language``; None for a new one.

    Raises:
        FloatingPointError: its loss becomes no number.
    """
    torch.manual_seed(run.seed)
    model: PixelsToAnswers = PixelsToAnswers().to(memory_format=torch.channels_last)
    if language is not None:
        model.decoder.load_state_dict(dict(language))
    if run.encoder != "new":
        _fit(model, data, run, [*model.encoder.parameters(), *model.attributes.parameters()], run.first_steps, first=True)
    if run.encoder == "frozen":
        model.encoder.requires_grad_(False)
    _fit(model, data, run, [one for one in model.parameters() if one.requires_grad], run.steps, first=False)
    model.eval()
    return model


def _fit(
    model: PixelsToAnswers, data: Data, run: AblationRun, learnt: list[torch.nn.Parameter], steps: int, *, first: bool
) -> None:
    optimizer = torch.optim.AdamW(learnt, lr=run.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    questions = data.questions(run.label_noise_std_m)
    model.train()
    if run.encoder == "frozen" and not first:
        # Its normalisation is frozen, too.
        model.encoder.eval()
    for step in range(steps):
        generator = np.random.default_rng([run.seed, int(first), step])
        _set_rate(optimizer, replace(run, steps=steps), step)
        # Spread evenly over the steps.
        spatial = not first and math.floor((step + 1) * run.spatial_share) > math.floor(step * run.spatial_share)
        if spatial:
            loss = _spatial_loss(model, data, run, questions, generator)
        else:
            loss = _naming_loss(model, data.train, run, generator)
        _step(optimizer, learnt, loss, f"step {step} of {run}")


def _set_rate(optimizer: torch.optim.Optimizer, run: AblationRun, step: int) -> None:
    rate = min(1.0, (step + 1) / 30) * 0.5 * (1 + math.cos(math.pi * step / run.steps))
    for group in optimizer.param_groups:
        group["lr"] = run.learning_rate * rate


def _step(optimizer: torch.optim.Optimizer, learnt: list[torch.nn.Parameter], loss: Tensor, where: str) -> None:
    if not bool(torch.isfinite(loss)):
        raise FloatingPointError(f"the loss of {where} is {float(loss)}")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(learnt, 1.0)
    optimizer.step()


def _spatial_loss(
    model: PixelsToAnswers, data: Data, run: AblationRun, questions: Questions, generator: np.random.Generator
) -> Tensor:
    """Of questions about a few images, so that each crop is encoded once for many of them."""
    things = some_triples(data.train_things, generator, _CROPS_A_STEP // 3)
    batch = draw(questions, things, generator, run.questions)
    with reckoned_in_half("cpu"):
        said = model(data.train, batch, run.inputs, blind=run.blind)
    return answer_loss(said, batch)


def answer_loss(said: Prompted, batch: Batch) -> Tensor:
    """Mean loss of the answers' first words and of the numbers."""
    verdict = functional.cross_entropy(said.logits.float(), torch.from_numpy(batch.verdict), reduction="none")
    value = torch.from_numpy(batch.value)
    known = torch.isfinite(value)
    number = -said.density.log_likelihood(torch.where(known, value, torch.zeros_like(value)))
    return verdict.mean() + (number * known).sum() / known.sum().clamp_min(1)


def _naming_loss(model: PixelsToAnswers, crops: Crops, run: AblationRun, generator: np.random.Generator) -> Tensor:
    """Of what things are called."""
    index = torch.from_numpy(generator.integers(len(crops.color), size=2 * _CROPS_A_STEP))
    with reckoned_in_half("cpu"):
        pictures = crops.pictures(index, run.inputs).contiguous(memory_format=torch.channels_last)
        embedding = model.embed(pictures, crops.sight[index])
    logits = model.attributes(embedding.float())
    concepts = crops.concepts[index]
    each = functional.binary_cross_entropy_with_logits(logits, (concepts == 1).float(), reduction="none")
    return (each * (concepts >= 0)).sum() / len(index) / 10


def some_triples(things: PosedThings, generator: np.random.Generator, count: int) -> PosedThings:
    """The same things with a few of their groups of three."""
    rows = np.sort(generator.integers(len(things.groups[1]), size=count))
    groups = {many: group[rows] for many, group in things.groups.items()}
    return PosedThings(things.features, things.valid, groups, {name: value[rows] for name, value in things.true.items()})


def draw(questions: Questions, things: PosedThings, generator: np.random.Generator, count: int) -> Batch:
    """Questions of all asked types alike."""
    return questions.draw(things, generator, count, types=_ASKED[generator.integers(len(_ASKED), size=count)])


# -- judging ----------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def judge(model: PixelsToAnswers, data: Data, run: AblationRun, *, shuffled: bool = False, rounds: int = 12) -> dict[str, float]:
    """Figures on scenes that were not learnt.

    Args:
        shuffled: each thing has another's pixels, and its own place in the image (control).
        rounds: of 1024 questions each, the same ones for every run.

    Returns:
        "distance_mae_m" and "distance_within_25" (share within a quarter of the truth) of distances between two things;
        "estimates_mae_m", mean over types; "predicates", share right of those beyond MARGIN_M, mean over types; "coverage_1" and
        "coverage_2", share of the numbers within the 68 and 95 % ranges that the decoder states; "names", mean over concepts of
        the share of true and of false ones that are told right, NaN where no concept is there often enough.
    """
    generator = np.random.default_rng([17, 3])
    questions = data.questions()
    errors: dict[str, list[FloatArray]] = {name: [] for name in ESTIMATES}
    within, covered, right = [], [], {name: [] for name in PREDICATES}  # type: ignore[var-annotated]
    yes, no = (model.decoder.vocabulary.id(word) for word in (YES, NO))
    for _ in range(rounds):
        things = some_triples(data.judged_things, generator, 170)
        batch = draw(questions, things, generator, 1024)
        said = model(data.judged, batch, run.inputs, blind=run.blind, shuffled=shuffled)
        low2, low, middle, high, high2 = (said.density.quantile(share).numpy() for share in (0.025, 0.16, 0.5, 0.84, 0.975))
        numbers = np.isfinite(batch.value)
        covered.append(
            np.stack([(low <= batch.value) & (batch.value <= high), (low2 <= batch.value) & (batch.value <= high2)], 1)[numbers]
        )
        held = (said.logits[:, yes] > said.logits[:, no]).numpy() == batch.holds
        for at in np.unique(batch.relation):
            rows, name = np.flatnonzero(batch.relation == at), TYPES[at]
            if name in errors:
                errors[name].append(np.abs(middle[rows] - batch.value[rows]))
                if name == "distance":
                    within.append(errors[name][-1] <= 0.25 * batch.value[rows])
            else:
                margin = things.true[number_of(name)[0]][batch.group[rows]]
                right[name].append(held[rows][np.abs(margin) > MARGIN_M])
    share = np.concatenate(covered).mean(axis=0)
    maes = {name: float(np.concatenate(found).mean()) for name, found in errors.items()}
    return {
        "distance_mae_m": maes["distance"],
        "distance_within_25": float(np.concatenate(within).mean()),
        "estimates_mae_m": float(np.mean(list(maes.values()))),
        "predicates": float(np.mean([np.concatenate(found).mean() for found in right.values()])),
        "coverage_1": float(share[0]),
        "coverage_2": float(share[1]),
        "names": _names(model, data.judged, run, shuffled),
    }


def _names(model: PixelsToAnswers, crops: Crops, run: AblationRun, shuffled: bool) -> float:
    """Mean over nouns and colours of the share of true and of false ones that are told right; of those that are there often."""
    logits = []
    for index in torch.arange(len(crops.color)).split(256):
        shown = index.roll(len(index) // 2) if shuffled else index
        pictures = crops.pictures(shown, run.inputs).contiguous(memory_format=torch.channels_last)
        logits.append(model.attributes(model.embed(pictures, crops.sight[index]).float()))
    told, truth = torch.cat(logits), crops.concepts
    shares = []
    for group in ("noun", "color"):
        for column in range(*columns(group).indices(truth.shape[1])):
            true, false = truth[:, column] == 1, truth[:, column] == 0
            if int(true.sum()) >= _OFTEN and int(false.sum()) >= _OFTEN:
                # The threshold that tells as many true as there are: rare words are never likelier than not.
                limit = told[true | false, column].quantile(1 - float(true.sum()) / float((true | false).sum()))
                shares.append(
                    float((told[true, column] > limit).float().mean() + (told[false, column] <= limit).float().mean()) / 2
                )
    return float(np.mean(shares)) if shares else math.nan


def constants(data: Data) -> dict[str, float]:
    """The same figures of the best constant answers, which are learnt on the training scenes."""
    generator = np.random.default_rng([17, 5])
    learnt = draw(data.questions(), data.train_things, generator, 20_000)
    asked = draw(data.questions(), data.judged_things, generator, 20_000)
    errors, within, shares = [], 0.0, []
    for at in np.unique(asked.relation):
        train, rows, name = learnt.relation == at, np.flatnonzero(asked.relation == at), TYPES[at]
        if name in ESTIMATES:
            error = np.abs(asked.value[rows] - np.median(learnt.value[train]))
            errors.append((name, float(error.mean())))
            if name == "distance":
                within = _best_within(learnt.value[train], asked.value[rows])
        else:
            margin = data.judged_things.true[number_of(name)[0]][asked.group[rows]]
            said = learnt.holds[train].mean() > 0.5
            shares.append(float((asked.holds[rows] == said)[np.abs(margin) > MARGIN_M].mean()))
    maes = dict(errors)
    return {
        "distance_mae_m": maes["distance"],
        "distance_within_25": within,
        "estimates_mae_m": float(np.mean(list(maes.values()))),
        "predicates": float(np.mean(shares)),
        "names": 0.5,
    }


def _best_within(learnt: FloatArray, asked: FloatArray) -> float:
    """Share of distances within a quarter of the constant that is best on the training scenes."""
    tried = np.quantile(learnt, np.linspace(0.05, 0.95, 40))
    best = max(tried, key=lambda value: float((np.abs(value - learnt) <= 0.25 * learnt).mean()))
    return float((np.abs(best - asked) <= 0.25 * asked).mean())
