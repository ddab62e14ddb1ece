"""The files of a run's scores, which name all that the scores depend on.

evaluation_SPLIT.json          the most thorough scores of a split, means over images
evaluation_SPLIT_on_NAME.json  the same on another data set than the run's own
evaluation_..._N_images_S_samples.json   less thorough ones, beside those
evaluation_..._images.npz      the scores of every image, beside each of these
"""

import dataclasses
import json
import math
import os
import re
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from agave_tf.evaluation.image_scores import ImageScores, Score
from agave_tf.evaluation.linear_probe import ProbeScore
from agave_tf.runs.numerics import library_versions
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.scores_record import file_crc32, read_image_scores, read_scores
from agave_tf.settings.data import for_evaluation, settings_to_compare
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.whole_file import write_npz, write_text

# Settings that say where images are kept, and not which they are.
_WHERE = ("data_dir", "cache_dir")


class RunScores(NamedTuple):
    """The scores of a run."""

    summary: list[Score]  # means over images, bits/dim
    image_scores: ImageScores  # of every image, nats
    bits_of_images: dict[str, np.ndarray]  # as `stored_image_scores` gives them
    probe: list[ProbeScore]  # empty if not asked for
    num_in_split: int  # images, of which some or all were scored


def write_scores(
    run: RunDirectory, settings: EvaluationSettings, scores: RunScores
) -> None:
    """Writes the files of scores to the run's directory.

    Fewer images or samples do not take the place of more of them: those scores go to a
    file of their own, which the log names.
    """
    path = _path_to_write(run, settings)
    write_npz(image_file(path), scores.bits_of_images)
    result = _provenance(run, settings) | {
        "versions": library_versions(),
        "num_images": len(scores.image_scores.kl),
        "num_images_in_split": scores.num_in_split,
        "num_importance_samples": settings.num_importance_samples,
        "images": {
            "file": os.path.basename(image_file(path)),
            "crc32": file_crc32(image_file(path)),
        },
        "scores": {score.name: score.mean for score in scores.summary},
        # null for one image, of which no error can be estimated.
        "standard_errors": {
            score.name: None if math.isnan(error) else error
            for score in scores.summary
            for error in [score.standard_error]
        },
    }
    if scores.probe:
        result["probe"] = {score.features: score.accuracy for score in scores.probe}
    write_text(path, json.dumps(result, indent=2) + "\n")


class _Stored(NamedTuple):
    """A file of scores that was found, with its path."""

    path: str
    content: dict[str, Any]


def stored_scores(
    run: RunDirectory, settings: EvaluationSettings
) -> dict[str, Any] | None:
    """Finds stored scores of this run on its images, with these settings.

    Scores of other images, samples, seeds or weights are not reused. A file with a
    probe serves where none is asked for.

    Returns:
      The content of their file; None if there is none.
    """
    stored = _find(run, settings)
    return stored.content if stored else None


def _find(run: RunDirectory, settings: EvaluationSettings) -> _Stored | None:
    main, own = scores_file(run, settings), _own_file(run, settings)
    for path in (main, own):
        content = read_scores(path)
        if content and _belongs_to(content, run, settings):
            return _Stored(path, content)
    return None


def _belongs_to(
    stored: dict[str, Any], run: RunDirectory, settings: EvaluationSettings
) -> bool:
    """Returns whether scores are of this run, these data and these settings."""
    if settings.probe and "probe" not in stored:
        return False
    expected = _provenance(run, settings)
    found = {name: stored[name] for name in expected}
    if not settings.probe:
        # The probe does not change the other scores.
        not_compared = ("probe", "probe_images")
        ours = {name: expected["evaluation"][name] for name in not_compared}
        found["evaluation"] = {**found["evaluation"], **ours}
    return found == expected


def stored_image_scores(
    run: RunDirectory, settings: EvaluationSettings
) -> dict[str, np.ndarray] | None:
    """The scores of every image, bits/dim [N], by the names of the score file.

    "index" is each image's place in its data set, and "probe of FEATURES" says whether
    the probe got its class right; where images have no label, it is a number, and NaN
    for these.

    Returns:
      None where `stored_scores` gives none, or the images' file is missing or another.
    """
    stored = _find(run, settings)
    return (
        read_image_scores(image_file(stored.path), stored.content) if stored else None
    )


def image_file(path: str) -> str:
    """The path of the scores of every image, beside the file of scores at `path`."""
    return path.removesuffix(".json") + "_images.npz"


def scores_file(run: RunDirectory, settings: EvaluationSettings) -> str:
    """The path of a run's most thorough scores of a split.

    It is evaluation_SPLIT.json for the run's own data set. Scores on other data go to a
    file of their own, evaluation_SPLIT_on_NAME.json.
    """
    ours, own = _which_images(run), _which_images(run.as_stored)
    if ours["fingerprint"] and own["fingerprint"]:
        own["dataset"] = ours["dataset"]  # The same images may lie elsewhere.
    name = f"evaluation_{settings.split}"
    if ours != own:
        values = [str(value) for value in ours.values() if value]
        name += "_on_" + re.sub(r"\W+", "_", "_".join(values))
    return os.path.join(run.path, f"{name}.json")


def _own_file(run: RunDirectory, settings: EvaluationSettings) -> str:
    """The path of scores that must not take the place of more thorough ones."""
    names = [f"{settings.max_images or 'all'}_images"]
    names += [f"{settings.num_importance_samples}_samples"]
    if settings.evaluation_seed:
        names += [f"seed_{settings.evaluation_seed}"]
    if settings.tile_size:
        names += [f"tiles_{settings.tile_size}"]
    if settings.probe:
        names += [f"probe_{settings.probe_images}"]
    main = scores_file(run, settings).removesuffix(".json")
    return "_".join([main, *names]) + ".json"


def _path_to_write(run: RunDirectory, settings: EvaluationSettings) -> str:
    """Chooses the file of new scores: fewer images or samples do not replace more."""
    main = scores_file(run, settings)
    old, new = read_scores(main), _provenance(run, settings)
    is_same = all(old.get(name) == new[name] for name in ("weights", "data"))
    if not is_same or _covers(new["evaluation"], old["evaluation"]):
        return main
    path = _own_file(run, settings)
    logging.info(
        "%s keeps its scores of other images or samples; these go to %s.",
        main,
        os.path.basename(path),
    )
    return path


def _covers(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Returns whether one evaluation has all images, samples and probes of another."""
    has_images = not new["max_images"] or 0 < old["max_images"] <= new["max_images"]
    has_probe = not old["probe"] or (
        new["probe"] and new["probe_images"] >= old["probe_images"]
    )
    has_samples = new["num_importance_samples"] >= old["num_importance_samples"]
    names = ("evaluation_seed", "tile_size")
    is_same_draw = all(new[name] == old[name] for name in names)
    return has_images and has_samples and has_probe and is_same_draw


def _provenance(run: RunDirectory, settings: EvaluationSettings) -> dict[str, Any]:
    """All that the scores depend on: weights, data, and how they are evaluated."""
    return {
        "step": run.step,
        "weights": run.fingerprint(),
        "data": _which_images(run),
        "evaluation": dataclasses.asdict(settings),
    }


def _which_images(run: RunDirectory) -> dict[str, Any]:
    # Random crops are for training alone.
    settings = settings_to_compare(for_evaluation(run.config.data))
    settings = {key: value for key, value in settings.items() if key not in _WHERE}
    # None if the images of the run are not known.
    return settings | {"fingerprint": run.data.fingerprint if run.data else None}
