"""Prints the bits/dim of a run on held-out images, and the parts that add up to it.

bin/evaluate.py --run_dir=runs/cifar10/joint --num_importance_samples=150
"""

import contextlib
import dataclasses

from absl import flags, logging

from agave_tf.commands.devices import define_num_logical_cpus
from agave_tf.commands.flags import (
    define_settings_of,
    define_settings_of_run,
    flag_group,
    settings_from_flags,
    with_flags,
)
from agave_tf.commands.paths import check_optional_file, define_path, define_run_dir
from agave_tf.commands.running import run_command
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

_NUM_MAPS = 8


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Run", values, main=True):
        define_run_dir("Run directory of the model to evaluate.", values)
    define_settings_of(EvaluationSettings, values)
    with flag_group("Scores", values, main=True):
        define_path(
            "compare_with",
            "",
            "Run directory of another model, to compare on the same images: prints the "
            "mean difference of the bounds and its 95 % interval, which is far "
            "smaller than that of either bound. Empty: none.",
            values,
        )
    with flag_group("Files to write", values, main=True):
        define_path(
            "per_image",
            "",
            "File ending in .npz to write the scores of every image to, in nats; "
            "empty: none.",
            values,
        )
        define_path(
            "bits_map",
            "",
            f"File ending in .png to draw up to {_NUM_MAPS} images to, with the bits "
            "that each pixel costs; empty: none.",
            values,
        )
    define_settings_of_run("data", values)
    with flag_group("Devices", values, main=True):
        flags.DEFINE_enum(
            "strategy",
            "auto",
            ["auto", "one", "mirrored"],
            "Devices that share the images; they do not change the scores. one: one "
            "GPU, or the CPU; mirrored: all GPUs of the machine; auto: mirrored if "
            "there are several GPUs, else one.",
            flag_values=values,
        )
    with flag_group("Devices", values):
        define_num_logical_cpus(values)


def run(values: flags.FlagValues) -> None:
    """Evaluates the run in --run_dir."""
    settings = settings_from_flags(EvaluationSettings, values)
    check_optional_file("per_image", values.per_image, ".npz")
    check_optional_file("bits_map", values.bits_map, ".png")
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
        shown = images.take(images.choose(_NUM_MAPS))
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


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
