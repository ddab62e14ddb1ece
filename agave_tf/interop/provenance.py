"""Collects the facts about a run that an export of its model carries."""

import dataclasses
import os
import re
from typing import Any

from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.scores_record import read_scores
from agave_tf.settings.data_kinds import named_data

_SCORES_FILE = re.compile(r"evaluation_.*\.json")


def about_run(run: RunDirectory) -> dict[str, Any]:
    """The facts about a run that an export of it names, as JSON can hold them.

    Returns:
      stage, step, num_steps: what was trained, and how far of how many steps.
      weights: their fingerprint, as in the files of scores.
      origin: the checkpoint that they were imported from; empty for a run of ours.
      sources: stage, step and fingerprint of each run that gave the first weights, by
        flag; null if not known. Paths are left out, because they mean nothing on the
        machine where the model runs.
      data: count and fingerprint of the images; null if not known.
      changes: the settings that were changed midway, with their steps.
      run_versions: those of the libraries, when the run was last started or imported.
      evaluations: the scores of these weights, each as in its file.
      settings: of the run.

    Raises:
      InputError: the run has no weights.
    """
    weights, sources = run.fingerprint(), None
    if run.sources is not None:
        sources = {
            flag: {k: v for k, v in source._asdict().items() if k != "path"}
            for flag, source in run.sources.items()
        }
    return {
        "stage": run.stage.name,
        "step": run.step,
        "num_steps": run.num_steps,
        "weights": weights,
        "origin": run.origin,
        "sources": sources,
        "data": None if run.data is None else run.data._asdict(),
        "changes": [change._asdict() for change in run.changes],
        "run_versions": run.versions,
        "evaluations": _evaluations(run, weights),
        "settings": dataclasses.asdict(run.config),
    }


def public_name(dataset: str) -> str:
    """The name of a data set, for others to read: a path is cut to its last part."""
    kind, path = named_data(dataset)
    if not kind.takes_path:
        return dataset
    end = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    return f"{kind.name}:{end}"


def _evaluations(run: RunDirectory, weights: str) -> list[dict[str, Any]]:
    """The content of the run's files of scores, except those of other weights."""
    found = []
    for name in sorted(os.listdir(run.path)):
        if not _SCORES_FILE.fullmatch(name):
            continue
        scores = read_scores(run.file(name))
        if scores and scores["weights"] == weights:
            found.append({"file": name, **scores})
    return found
