"""Copies a run for other people: without checkpoints and paths of this machine."""

import csv
import dataclasses
import io
import json
import os
import re
from collections import defaultdict
from typing import Any

from absl import logging

from agave_tf.errors import InputError
from agave_tf.interop.model_card import CARD_FILE, run_card
from agave_tf.interop.provenance import about_run, public_name
from agave_tf.models.image_model import ImageModel
from agave_tf.runs.event_curves import Point, read_curves
from agave_tf.runs.numerics import library_versions
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.run_record import Source
from agave_tf.runs.score_files import image_file
from agave_tf.runs.scores_record import file_crc32, read_image_scores
from agave_tf.settings.config import Config
from agave_tf.whole_file import (
    check_new_directory,
    new_directory,
    write_npz,
    write_text,
)

# Files of scores on the run's own data set.
_OWN_SCORES = re.compile(r"evaluation_(test|train|all)(?!_on_).*\.json")


def copy_run(run: RunDirectory, model: ImageModel, output_dir: str) -> None:
    """Writes a run directory without checkpoints, with curves and a model card.

    Every command can read it, and every stage can start from it; only going on with the
    same run needs the checkpoints. Scores on the run's own data set come along, those
    of every image too. Paths of this machine do not.

    curve.csv has the scores of held-out images during training, and the seconds since
    it began, without interruptions. curve_STAGE.csv have those of the runs that it
    started from, where these still lie where they did.

    Args:
      run: the run.
      model: its model.
      output_dir: the directory to make.

    Raises:
      InputError: `output_dir` exists, or the directory it is to be made in does not; or
        the run has no weights.
    """
    check_new_directory("output_dir", output_dir)
    about = about_run(run)
    config = _without_paths(run)
    with new_directory(output_dir) as directory:
        copy = dataclasses.replace(run, path=directory, config=config)
        if run.sources is not None:
            sources = {
                flag: source._replace(path=os.path.basename(source.path))
                for flag, source in run.sources.items()
            }
            copy = dataclasses.replace(copy, sources=sources)
        copy.write_config()
        copy.write_weights(run.read_weights(), run.step, compressed=True)
        for scores in about["evaluations"]:
            if _OWN_SCORES.fullmatch(scores["file"]):
                _copy_scores(run, copy, scores)
        for name, (path, last_step) in _curves_of(run).items():
            text = _as_csv(read_curves(path), last_step)
            write_text(copy.file(name), text)
        about |= {
            "versions": library_versions(),
            "settings": dataclasses.asdict(config),
        }
        write_text(copy.file(CARD_FILE), run_card(model, about))


def _without_paths(run: RunDirectory) -> Config:
    """The run's settings without directories of this machine."""
    dataset = public_name(run.config.data.dataset)
    data = dataclasses.replace(
        run.config.data, dataset=dataset, data_dir="", cache_dir=""
    )
    return dataclasses.replace(run.config, data=data)


def _copy_scores(run: RunDirectory, copy: RunDirectory, scores: dict[str, Any]) -> None:
    """Writes scores to the copy, and those of every image if they belong to them."""
    name = scores["file"]
    content = {key: value for key, value in scores.items() if key != "file"}
    dataset = copy.config.data.dataset
    content["data"] = {**content["data"], "dataset": dataset}
    if image_scores := read_image_scores(image_file(run.file(name)), scores):
        path = image_file(copy.file(name))
        write_npz(path, image_scores, compressed=True)
        content["images"] = {**content["images"], "crc32": file_crc32(path)}
    write_text(copy.file(name), json.dumps(content, indent=2) + "\n")


def _curves_of(run: RunDirectory) -> dict[str, tuple[str, int]]:
    """Finds the curves of a run and of the runs that it started from.

    Returns:
      By name of the CSV file to make: the directory of its event files, and the last
      step to take from them, that of the weights.
    """
    found = {"curve.csv": (run.path, run.step)}
    for source in (run.sources or {}).values():
        name = f"curve_{source.stage}.csv"
        if _is_still(source):
            found[name] = (source.path, source.step)
        else:
            logging.warning("%s is another run now; %s is left out.", source.path, name)
    directories = {}
    for name, (path, step) in found.items():
        summaries = os.path.join(path, "summaries", "held_out")
        if os.path.isdir(summaries):
            directories[name] = (summaries, step)
        else:
            logging.warning("There are no curves in %s; %s is left out.", path, name)
    return directories


def _is_still(source: Source) -> bool:
    """Returns whether a directory still holds that source, which may have gone on."""
    try:
        run = open_run(source.path, weights=False)
    except InputError:
        return True  # A warning will say that it has no curves.
    return run.stage.name == source.stage and run.step >= source.step


def _as_csv(curves: dict[str, list[Point]], last_step: int) -> str:
    """A table of curves, one row for each step; a cell is empty where one has none.

    The last column has the seconds since training began. Steps after the last one,
    which training made meanwhile, are left out.
    """
    rows: dict[int, dict[str, str]] = defaultdict(dict)
    for tag, points in curves.items():
        for point in points:
            if point.step <= last_step:
                row = rows[point.step]
                row[tag.removeprefix("bits_per_dim/")] = f"{point.value:.5f}"
                row["seconds"] = f"{point.seconds:.1f}"
    text = io.StringIO()
    names = ["step", *(tag.removeprefix("bits_per_dim/") for tag in curves), "seconds"]
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows({"step": step, **rows[step]} for step in sorted(rows))
    return text.getvalue()
