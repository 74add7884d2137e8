"""What a run is trained and judged on: places of a schedule as conversations with their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..synthesis.record import order_key
from .chat_data import ChatData, DataError
from .conversation import BadRow, window
from .mixture import Turn

# So many rows in a row that cannot be read are no accident.
_MOST_BAD = 50


class Samples:
    """Conversations by their place in an order.

    A row that cannot be read gives its place to the next one of its data set, and is counted there, once for all epochs.
    """

    def __init__(
        self,
        data: Sequence[ChatData],
        order: Sequence[Turn],
        *,
        questions: int,
        noise_std_m: float,
        seed: int,
        held_out: bool = False,
    ) -> None:
        """
        Args:
            questions: most of one conversation, drawn anew each epoch; 0 for all.
            noise_std_m: of the noise on lengths.
            held_out: the rows' numbers are of those that are held out.
        """
        self._data, self._order, self._questions = data, order, questions
        self._noise_std_m, self._seed, self._held_out = noise_std_m, seed, held_out

    def __len__(self) -> int:
        return len(self._order)

    def sample(self, place: int) -> dict[str, Any]:
        """{"messages", "images"} at a place. Raises DataError when nothing around it can be read."""
        turn = self._order[place]
        data = self._data[turn.data_set]
        rows = data.held_out if self._held_out else data.train
        for step in range(min(len(rows), _MOST_BAD)):
            row = rows[(turn.row + step) % len(rows)]
            try:
                messages, images = data.messages(row, self._noise_std_m, self._seed)
            except BadRow as error:
                data.drop(row, error)
                continue
            generator = np.random.default_rng([self._seed, turn.data_set, row, turn.epoch])
            return {"messages": window(messages, self._questions, generator), "images": images}
        raise DataError(f"no image of {data.path} can be read: {'; '.join(data.reasons.values())}")

    def as_dataset(self) -> Any:
        """The same as a `datasets.Dataset` that reads when it is asked, which TRL's trainer wants."""
        import datasets

        def read(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
            found = [self.sample(place) for place in batch["place"]]
            return {name: [one[name] for one in found] for name in ("messages", "images")}

        return datasets.Dataset.from_dict({"place": list(range(len(self)))}).with_transform(read)


def held_out_order(data: Sequence[ChatData], shares: Sequence[float], most: int) -> list[Turn]:
    """Places among the held-out rows: of each data set by its share, ``most`` in all, the same ones for every run."""
    found: list[Turn] = []
    for at, (one, share) in enumerate(zip(data, shares, strict=True)):
        wanted = max(1, round(share * most)) if share else 0
        places = sorted(range(len(one.held_out)), key=lambda place: order_key("judged on", place))
        found += [Turn(at, place, 0) for place in sorted(places[:wanted])]
    return found
