"""The tables and figures of Lucas & Verbeek 2018, section 4, and five of our own.

One table has the claims of all of them, from the files of their reports.
"""

import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from agave_tf.checked_json import read_json
from agave_tf.reproduction.auxiliary_images import figure8, figure9
from agave_tf.reproduction.auxiliary_loss import baselines, figure7
from agave_tf.reproduction.claim import ERROR, RULE, shown_comparison
from agave_tf.reproduction.lambda_reconstructions import figure3
from agave_tf.reproduction.lambda_sweep import figure4
from agave_tf.reproduction.learning_curves import learning_curves, training_length
from agave_tf.reproduction.likelihoods import table1
from agave_tf.reproduction.probe_accuracy import probe
from agave_tf.reproduction.report import Artifact
from agave_tf.reproduction.samples import figure2, figure5, figure6
from agave_tf.reproduction.training_time import training_time

# Every artifact by its name, which --artifact takes.
ARTIFACTS: dict[str, Artifact] = {
    "table1": table1,
    "figure2": figure2,
    "figure3": figure3,
    "figure4": figure4,
    "figure5": figure5,
    "figure6": figure6,
    "figure7": figure7,
    "figure8": figure8,
    "figure9": figure9,
    "baselines": baselines,
    "probe": probe,
    "training_length": training_length,
    "training_time": training_time,
    "learning_curves": learning_curves,
}


class _Stored(NamedTuple):
    """The lines of an artifact in the table, and the runs that it was made from."""

    lines: list[str]  # of the table
    made_from: str


def claims_table(directory: str, names: Iterable[str]) -> str:
    """Returns every claim with its intervals and its verdict, in Markdown.

    Below the table stand the runs and settings that each artifact was made from, to
    show which have changed since, and the files that could not be read.

    Args:
      directory: where `Report.write` has written NAME.json.
      names: the artifacts, in the order of the table; those without file are left out.
    """
    columns = ["", "claim", "verdict", "images", "seeds", "intervals"]
    lines = ["## Claims, with 95 % intervals", "", _line(columns)]
    lines.append(_line(["---"] * len(columns)))
    made_from, unread = [], []
    for name in names:
        try:
            stored = _read(directory, name)
        except FileNotFoundError:
            continue
        # Another program may have left anything in the file.
        except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
            reason = f"{type(error).__name__}: {error}"
            unread.append(
                f"- {name}: {name}.json is damaged, so its claims are missing here; "
                f"--artifact={name} makes it again ({_in_one_line(reason)[:200]})"
            )
            continue
        lines += stored.lines
        made_from.append(f"- {name}: {stored.made_from}")
    lines += ["", _RULE_TEXT, "", "Made from:", "", *made_from]
    if unread:
        lines += ["", "Not read:", "", *unread]
    return "\n".join(lines) + "\n"


_RULE_TEXT = (
    f"Rule {RULE}: held if every 95 % interval lies on the claimed side; not held if "
    "one, corrected for the number of a claim's comparisons, lies on the other side. "
    f"Each is wrong with probability {ERROR:g} at most."
)


def _read(directory: str, name: str) -> _Stored:
    stored = read_json(os.path.join(directory, f"{name}.json")).value
    lines = [_claim_line(name, claim) for claim in stored["claims"]]
    return _Stored(lines, _in_one_line(json.dumps(stored["made_from"])))


def _claim_line(name: str, claim: dict[str, Any]) -> str:
    # Version 0.2 wrote no rule.
    rule = claim.get("rule", 1)
    comparisons = claim["comparisons"]
    return _line(
        [
            name,
            claim["text"],
            claim["verdict"] + ("" if rule == RULE else f" (by rule {rule})"),
            str(min(comparison["num_images"] for comparison in comparisons)),
            str(min(comparison["num_seeds"] for comparison in comparisons)),
            "<br>".join(map(shown_comparison, comparisons)),
        ]
    )


def _line(cells: list[str]) -> str:
    shown = [_in_one_line(cell).replace("|", "\\|") for cell in cells]
    return "| " + " | ".join(shown) + " |"


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
