"""Claims of the paper, and the rule that gives each its verdict from our numbers.

A claim says that several quantities lie above or below limits, all of them. Its verdict
errs rarely, on either side:

- "held" is wrong with probability ERROR at most. It is said if the 95 % interval of
  every quantity lies on the side that the claim says. If the claim is false, one
  quantity lies on the other side or at its limit, and that one's interval misses it
  with probability 0.025; so no correction for the number of quantities is needed
  (intersection-union test, Berger 1982).
- "not held" is wrong with probability ERROR at most. It is said if the interval of one
  of m quantities lies on the other side, where the interval leaves out ERROR / m at
  that end: with m quantities there are m chances to err (Bonferroni; the procedure of
  Holm 1979 finds at least one such quantity in exactly the same cases).
- Else, and where a value is not finite, it is undecided.

The probabilities are those of one claim, as far as Student's t describes the means.
With one training they are about these weights, not about other trainings.
"""

import dataclasses
import enum
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from agave_tf.evaluation.estimate import COVERAGE, Estimate, Interval, estimate

# The probability of a false verdict, of either kind; a 95 % interval leaves out as much
# at each end.
ERROR = (1 - COVERAGE) / 2
# Number of the rule above, stored beside verdicts. Rule 1, of version 0.2, said "not
# held" without correction, and decided on numbers that are not finite.
RULE = 2


class Verdict(enum.Enum):
    """The verdict of our numbers on a claim."""

    HELD = "held"
    NOT_HELD = "not held"
    UNDECIDED = "undecided"


class Comparison(NamedTuple):
    """A quantity that a claim says is above or below a limit.

    quantity: the name of what was measured, with its unit.
    """

    quantity: str
    estimate: Estimate
    limit: float
    is_above: bool  # True: the claim says above; False: it says below

    def corrected(self, num_comparisons: int) -> Interval:
        """Returns the interval that decides if one of several comparisons is not held.

        Args:
          num_comparisons: the number of comparisons that its claim makes.
        """
        return self.estimate.interval(1 - 2 * ERROR / num_comparisons)

    def verdict(self, num_comparisons: int = 1) -> Verdict:
        """Decides the comparison.

        Args:
          num_comparisons: the number of comparisons that its claim makes.
        """
        if self._is_beyond(Interval(self.estimate.low, self.estimate.high), True):
            return Verdict.HELD
        if self._is_beyond(self.corrected(num_comparisons), False):
            return Verdict.NOT_HELD
        return Verdict.UNDECIDED

    def _is_beyond(self, interval: Interval, claimed: bool) -> bool:
        """Returns True if an interval lies wholly on one side of the limit.

        Where a value is not finite, the interval is unbounded and lies on neither side.

        Args:
          interval: the interval.
          claimed: True for the side that the claim says, False for the other side.
        """
        if self.is_above == claimed:
            return interval.low > self.limit
        return interval.high < self.limit

    def as_json(self, num_comparisons: int) -> dict[str, Any]:
        """Returns the comparison in JSON's types; arguments as for `verdict`."""
        corrected = self.corrected(num_comparisons)
        return {
            "quantity": self.quantity,
            "must_be": "above" if self.is_above else "below",
            "limit": self.limit,
            "verdict": self.verdict(num_comparisons).value,
            **self.estimate._asdict(),
            "corrected_low": corrected.low,
            "corrected_high": corrected.high,
        }


def shown_comparison(stored: Mapping[str, Any]) -> str:
    """Returns a line of text about a comparison that `Comparison.as_json` gave."""
    asked = f"{stored['must_be']} {stored['limit']:g}?"
    not_finite = stored.get("num_not_finite", 0)
    if not_finite:
        num_values = stored["num_images"] * stored["num_seeds"]
        shown = f"not finite in {not_finite} of {num_values} values"
    else:
        ends = _ends(stored["low"], stored["high"])
        shown = f"{_number(stored['mean'], math.nan):.4f} {ends}"
        if "corrected_low" in stored:  # Rule 1 had none.
            corrected = _ends(stored["corrected_low"], stored["corrected_high"])
            shown += f", corrected {corrected}" if corrected != ends else ""
    return f"{stored['quantity']} {shown}, {asked} {stored['verdict']}"


def _ends(low: float | None, high: float | None) -> str:
    return f"[{_number(low, -math.inf):.4f}, {_number(high, math.inf):.4f}]"


def _number(stored: float | None, not_finite: float) -> float:
    """Returns a number from JSON, which has null where a number is not finite."""
    return not_finite if stored is None else stored


def above(quantity: str, values: np.ndarray, limit: float = 0.0) -> Comparison:
    """Returns the comparison of a mean that a claim says is above `limit`.

    Args:
      quantity: the name of the values, with their unit.
      values: [S,N] of N images in S trainings, as `estimate` takes them.
      limit: the number that the mean is compared with.
    """
    return Comparison(quantity, estimate(values), limit, is_above=True)


def below(quantity: str, values: np.ndarray, limit: float = 0.0) -> Comparison:
    """Returns the comparison of a mean that a claim says is below `limit`.

    The arguments are those of `above`.
    """
    return Comparison(quantity, estimate(values), limit, is_above=False)


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement of the paper, and the comparisons of our numbers that decide it.

    It is held if every comparison is, and not held if one is not, by the rule of this
    module. Otherwise it is undecided.
    """

    text: str
    comparisons: Sequence[Comparison]

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdict of every comparison, corrected for the number of comparisons."""
        return [c.verdict(len(self.comparisons)) for c in self.comparisons]

    @property
    def verdict(self) -> Verdict:
        """The verdict on the claim."""
        verdicts = self.verdicts
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

    @property
    def shown_comparisons(self) -> list[str]:
        """A line of text for every comparison."""
        return [shown_comparison(c) for c in self.as_json()["comparisons"]]

    def as_json(self) -> dict[str, Any]:
        """Returns the claim in JSON's types."""
        count = len(self.comparisons)
        return {
            "text": self.text,
            "verdict": self.verdict.value,
            "rule": RULE,
            "comparisons": [c.as_json(count) for c in self.comparisons],
        }
