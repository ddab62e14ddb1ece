"""Claims of the paper, and the rule by which our numbers hold them."""

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from agave_tf.evaluation.estimate import Estimate, estimate


class Verdict(enum.Enum):
    """What our numbers say of a claim."""

    HELD = "held"
    NOT_HELD = "not held"
    UNDECIDED = "undecided"


class Comparison(NamedTuple):
    """A quantity that a claim says is above or below a limit.

    quantity: what was measured, with its unit.
    """

    quantity: str
    estimate: Estimate
    limit: float
    is_above: bool  # whether the claim says above; else below

    @property
    def verdict(self) -> Verdict:
        """Held or not held if the interval is on one side of the limit."""
        low, high = self.estimate.low, self.estimate.high
        if low < self.limit < high or low == high == self.limit:
            return Verdict.UNDECIDED
        is_above = low >= self.limit
        return Verdict.HELD if is_above == self.is_above else Verdict.NOT_HELD

    def __str__(self) -> str:
        mean, low, high = self.estimate.mean, self.estimate.low, self.estimate.high
        side = "above" if self.is_above else "below"
        shown = f"{self.quantity} {mean:.4f} [{low:.4f}, {high:.4f}]"
        return f"{shown}, {side} {self.limit:g}?"


def above(quantity: str, values: np.ndarray, limit: float = 0.0) -> Comparison:
    """Returns the comparison that a claim says is above `limit`.

    Args:
      quantity: what the values are, with their unit.
      values: [S,N] of N images in S trainings, as `estimate` takes them.
      limit: what the mean is compared with.
    """
    return Comparison(quantity, estimate(values), limit, is_above=True)


def below(quantity: str, values: np.ndarray, limit: float = 0.0) -> Comparison:
    """Returns the comparison that a claim says is below `limit`; see `above`."""
    return Comparison(quantity, estimate(values), limit, is_above=False)


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement of the paper and the comparisons that it makes of our numbers.

    It is held if every comparison is, and not held if one is not: that is, if the 95 %
    interval of every quantity lies on the side that the claim says, or that of one on
    the other side. Otherwise it is undecided.
    """

    text: str
    comparisons: Sequence[Comparison]

    @property
    def verdict(self) -> Verdict:
        """What our numbers say of the claim."""
        verdicts = {comparison.verdict for comparison in self.comparisons}
        for verdict in (Verdict.NOT_HELD, Verdict.UNDECIDED):
            if verdict in verdicts:
                return verdict
        return Verdict.HELD

    @property
    def num_seeds(self) -> int:
        """The number of trainings of every model that is compared."""
        return min(c.estimate.num_seeds for c in self.comparisons)

    @property
    def num_images(self) -> int:
        """The number of images on which the models are compared."""
        return min(c.estimate.num_images for c in self.comparisons)

    def as_json(self) -> dict[str, Any]:
        """The claim in a form that JSON can hold."""
        return {
            "text": self.text,
            "verdict": self.verdict.value,
            "comparisons": [
                {
                    "quantity": comparison.quantity,
                    "must_be": "above" if comparison.is_above else "below",
                    "limit": comparison.limit,
                    "verdict": comparison.verdict.value,
                    **comparison.estimate._asdict(),
                }
                for comparison in self.comparisons
            ],
        }
