"""The work of bin/evaluate.py: scores a run, and prints and stores the scores."""

import contextlib
import dataclasses

from absl import flags, logging

from agave_tf.commands.evaluate import NUM_MAPS
from agave_tf.commands.flags import with_flags
from agave_tf.data.image_set import describe_sizes
from agave_tf.data.source import ALL, parts_named
from agave_tf.errors import InputError
from agave_tf.pictures.bits_map import bits_map_rows
from agave_tf.pictures.grid import write_png
from agave_tf.pictures.rows import rows_grid
from agave_tf.runs.evaluate_run import check_comparable, compare_runs, evaluate_run
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_data import load_run_data, on_images
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.score_files import RunScores
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.training.strategy import make_local_strategy
from agave_tf.whole_file import check_can_write, write_npz


def run(values: flags.FlagValues, settings: EvaluationSettings) -> None:
    """Evaluates the run in --run_dir.

    Args:
      values: of the flags.
      settings: those that they describe.
    """
    strategy = make_local_strategy(values.strategy, values.num_logical_cpus)
    run_to_score = open_run(values.run_dir)
    other = open_run(values.compare_with) if values.compare_with else None
    config = with_flags(run_to_score.config, "data", values)
    data = load_run_data(run_to_score, config.data, parts_named(settings.split))
    images = data.part(settings.split)
    has_tiles = bool(settings.tile_size)
    run_to_score.check_images(images, has_tiles)
    data.check_labels(run_to_score.num_classes)
    if other is not None:
        check_comparable(run_to_score, other)
        other.check_images(images, has_tiles)
    evaluated = on_images(run_to_score, config, data.record)
    logging.info("Reading the weights of %s", evaluated.path)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = evaluated.load_model()
    _say_if_read_only(evaluated)
    logging.info("Compiling the evaluation, for which the first images wait")
    scores = evaluate_run(evaluated, model, images, settings, strategy)
    _print(evaluated, settings.split, len(images.image), scores)
    if other is not None:
        others = dataclasses.replace(other.config, data=config.data)
        other = on_images(other, others, data.record)
        found = compare_runs(evaluated, other, images, settings, strategy)
        print(
            f"  - {other.path}, step {other.step}: {found.mean:.4f} bits/dim, 95 % "
            f"interval {found.low:.4f} to {found.high:.4f}"
        )
    if values.per_image:
        write_npz(values.per_image, scores.image_scores._asdict())
    if values.bits_map:
        logging.info("Drawing %s", values.bits_map)
        shown = images.take(images.choose(NUM_MAPS))
        rows = bits_map_rows(model, shown, settings.evaluation_seed)
        write_png(values.bits_map, rows_grid(rows, scale=3))


def _say_if_read_only(run: RunDirectory) -> None:
    """Warns before the work that the scores will be printed alone."""
    try:
        check_can_write("run_dir", run.path)
    except InputError as error:
        logging.warning("The scores will be printed, and not stored: %s", error)


def _print(
    evaluated: RunDirectory, split: str, num_images: int, scores: RunScores
) -> None:
    count = len(scores.image_scores.kl)
    name = "" if split == ALL else f"{split} "
    shown = f"{count} {name}images"
    if count < num_images:
        shown = f"{count} of {num_images} {name}images, a random choice"
    sizes = scores.image_scores.size
    if (sizes != evaluated.as_stored.image_shape[:2]).any():
        shown += f", {describe_sizes(sizes)}"
    if (sizes != sizes[0]).any():
        shown += "; means by sub-pixels, so that large images count more"
    print(f"{evaluated.path}, step {evaluated.step}: {shown}")
    for score in scores.summary:
        error = f"+- {score.standard_error:.4f}" if count > 1 else ""
        print(f"  {score.name:<28}{score.mean:9.4f} {error} bits/dim")
    for probed in scores.probe:
        name = f"probe of {probed.features}"
        print(f"  {name:<28}{probed.accuracy:9.4f} of {probed.num_features} features")
