"""Any image-text-to-text model of transformers as a spatial vision-language model.

It is asked in words where a thing is, in the format of its family, and its box or point is brought to one of the regions that
depth proposes; numbers are averaged over drawn answers. On one image its picture features are computed once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..language.names import plain_name, with_article
from ..perception.models.captioner import Written
from ..perception.models.errors import ChatTemplateMissingError
from ..perception.models.loader import LoadedModel
from ..perception.models.pixels import as_rgb
from ..perception.models.segmenter import Segmenter
from .grounding_formats import GroundingFormat, Picture, format_for, format_of
from .hub_model import as_vlm_error, guarded, load_segmenter, load_vlm, revision_text
from .interface import Glance, Grounding, ModelAnswer, Question, SpatialVlm, View
from .numbers import prompt_of, read_answers
from .options import VlmOptions
from .regions import ground_places
from .writer import Draw, Writer

_PLACE_TOKENS = 256
_YES, _NO = ("Yes", "yes", " Yes", " yes"), ("No", "no", " No", " no")


class TransformersVlm(SpatialVlm):
    """See the module. ``grounding`` is the format in which it is asked for places."""

    def __init__(self, loaded: LoadedModel, options: VlmOptions | None = None, segmenter: Segmenter | None = None) -> None:
        """Raises VlmError for a chat model without a chat template, and for an unknown format of places."""
        self.options = options or VlmOptions()
        self.loaded, self.segmenter = loaded, segmenter
        self.grounding = format_of(self.options.grounding) if self.options.grounding else format_for(loaded.model_type)
        with as_vlm_error("the model cannot be asked"):
            if not self.grounding.question and not getattr(loaded.processor, "chat_template", None):
                raise ChatTemplateMissingError(
                    f"{loaded.info.name} is a chat model without a chat template; its folder needs chat_template.jinja "
                    "(instruction-tuned models have one, base models do not)"
                )
        o = self.options
        said = (
            f"{o.samples} draws at {o.temperature:g}, seed {o.seed}, {o.max_new_tokens} tokens, places as {self.grounding.name}"
        )
        outlined = f", outlined by {segmenter.version}" if segmenter is not None else ""
        self.version = f"{loaded.info.version}{revision_text(loaded)}, {said}{outlined}"

    @staticmethod
    def from_pretrained(path_or_id: str, revision: str | None = None, options: VlmOptions | None = None) -> TransformersVlm:
        """Load by path or hub id. Raises VlmError."""
        options = options or VlmOptions()
        return TransformersVlm(load_vlm(path_or_id, revision, options), options, load_segmenter(options))

    def look(self, view: View) -> TransformersGlance:
        return guarded("the model cannot look at this picture", lambda: TransformersGlance(self, view))


class TransformersGlance(Glance):
    """One picture before the model; what it encodes of it is kept for further questions."""

    def __init__(self, vlm: TransformersVlm, view: View) -> None:
        self._vlm, self._view = vlm, view
        self._picture = as_rgb(view.color)
        o = vlm.options
        self._writer = Writer(vlm.loaded, self._picture, batch_size=o.batch_size, seed=o.seed, temperature=o.temperature)

    def ground(self, names: Sequence[str]) -> list[Grounding]:
        known = [name for name in names if any(letter.isalnum() for letter in name)]
        if not known:
            return [_nameless(name) for name in names]
        with as_vlm_error("the model failed to find things"):
            form = self._vlm.grounding
            height, width = self._picture.shape[:2]
            picture = Picture((width, height), self._writer.seen_size() if form.name == "qwen2.5" else (width, height))
            asked = list(dict.fromkeys(known))
            draws = [Draw(self._prompt(form.request(name), plain=bool(form.question))) for name in asked]
            written = self._writer.write(draws, max(_PLACE_TOKENS, self._vlm.options.max_new_tokens))
            chances = dict(zip(asked, self._chances(asked, form), strict=True))
            found = {name: self._grounding(name, one, chances[name], picture) for name, one in zip(asked, written, strict=True)}
        return [found[name] if name in found else _nameless(name) for name in names]

    def answer(self, questions: Sequence[Question]) -> list[ModelAnswer]:
        if not questions:
            return []
        with as_vlm_error("the model failed to answer"):
            count = self._vlm.options.samples
            form = self._vlm.grounding
            prompts = [self._question(question, form) for question in questions]
            numbers = [-1] if count == 1 else list(range(count))
            draws = [Draw(prompt, number) for prompt in prompts for number in numbers]
            written = self._writer.write(draws, self._vlm.options.max_new_tokens)
            texts = [one.text.strip() for one in written]
            rows = [texts[start : start + len(numbers)] for start in range(0, len(texts), len(numbers))]
            return [read_answers(row, question) for row, question in zip(rows, questions, strict=True)]

    # -- inside -----------------------------------------------------------------------------------------------------------

    def _prompt(self, text: str, plain: bool) -> str:
        """What the tokenizer gets: a turn of a chat with the picture, or the bare text for models that know tasks only."""
        if plain:
            return text
        turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
        return str(self._vlm.loaded.processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False))

    def _question(self, question: Question, form: GroundingFormat) -> str:
        if form.question:
            return self._prompt(form.question.format(question=question.text.strip()), plain=True)
        return self._prompt(prompt_of(question), plain=False)

    def _chances(self, names: Sequence[str], form: GroundingFormat) -> list[float]:
        """Probability of each thing's presence, by the first word of an answer; NaN for models that answer no questions."""
        if form.question == "{question}":
            return [math.nan] * len(names)
        asked = [Question(f"Is there {_one(name)} in the picture? Answer yes or no.") for name in names]
        prompts = [
            self._prompt(form.question.format(question=q.text) if form.question else q.text, plain=bool(form.question))
            for q in asked
        ]
        return self._writer.shares(prompts, _YES, _NO)

    def _grounding(self, name: str, written: Written, chance: float, picture: Picture) -> Grounding:
        places = [(place, written.confidence(place.span)) for place in self._vlm.grounding.places(written.text, picture)]
        # A model that does not say whether a thing is there says it by naming a place.
        present = chance if math.isfinite(chance) else max((score for _, score in places), default=0.0)
        found = ground_places(self._view, name, places, present, self._vlm.loaded.info.name, self._vlm.segmenter)
        return replace(found, several=self._vlm.grounding.several(len(found.regions)))


def _one(name: str) -> str:
    """ "a red block"; what begins with an article stays."""
    plain = plain_name(name) or name
    return f"a {plain}" if with_article(plain) != plain else plain


def _nameless(name: str) -> Grounding:
    return Grounding(name, (), 0.0, understood=False)
