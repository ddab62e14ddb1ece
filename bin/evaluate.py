#!/usr/bin/env python3
"""Prints the bits/dim of a run on held-out images, and the parts it is made of.

bin/evaluate.py --run_dir=runs/cifar10/joint --num_importance_samples=150
"""

from absl import flags

from agave_tf.commands import flags as command_line
from agave_tf.data.load import load_images
from agave_tf.pictures.bits_map import bits_map_rows
from agave_tf.pictures.grid import write_png
from agave_tf.pictures.rows import rows_grid
from agave_tf.runs.evaluate_run import EvaluationSettings, RunScores, evaluate_run
from agave_tf.runs.run_directory import RunDirectory, open_run
from agave_tf.whole_file import write_npz

_NUM_MAPS = 8

command_line.define_settings("data")
command_line.define_run_dir("The run to evaluate.")
flags.DEFINE_enum("split", "test", ["train", "test"], "Which images.")
flags.DEFINE_integer("num_importance_samples", 16, "S of the bound; the paper has 150.")
flags.DEFINE_integer("max_images", 0, "How many images; 0: all.")
flags.DEFINE_integer("evaluation_batch_size", 50, "Images at a time.")
flags.DEFINE_integer("evaluation_seed", 0, "Seed of the samples of z.")
flags.DEFINE_string("per_image", "", "Also write every image's scores to this .npz.")
flags.DEFINE_boolean("probe", False, "Also classify by the latents, linearly.")
flags.DEFINE_integer("probe_images", 10000, "Training images of the probe.")
flags.DEFINE_string("bits_map", "", "Also draw where the bits go, to this .png.")


def main() -> None:
    """Evaluates --run_dir."""
    given = flags.FLAGS
    for name in ("num_importance_samples", "evaluation_batch_size", "probe_images"):
        command_line.check_at_least(name, 1)
    command_line.check_at_least("max_images", 0)
    command_line.check_optional_file("per_image", given.per_image, ".npz")
    command_line.check_optional_file("bits_map", given.bits_map, ".png")
    run = open_run(given.run_dir)
    run = run.with_config(command_line.with_flags(run.config, "data"))
    images = load_images(run.config.data, given.split, run.config.train.seed)
    run.check_images(images)
    model = run.load_model()
    settings = EvaluationSettings(
        split=given.split,
        num_importance_samples=given.num_importance_samples,
        max_images=given.max_images,
        batch_size=given.evaluation_batch_size,
        seed=given.evaluation_seed,
        probe_images=given.probe_images if given.probe else 0,
    )
    scores = evaluate_run(run, model, images, settings)
    _print(run, given.split, scores)
    if given.per_image:
        write_npz(given.per_image, scores.of_images._asdict())
    if given.bits_map:
        rows = bits_map_rows(model, images.first(_NUM_MAPS), given.evaluation_seed)
        write_png(given.bits_map, rows_grid(rows, scale=3))


def _print(run: RunDirectory, split: str, scores: RunScores) -> None:
    print(f"{run.path}, step {run.step}: {len(scores.of_images.kl)} {split} images")
    for score in scores.summary:
        error = f"+- {score.standard_error:.4f}"
        print(f"  {score.name:<28}{score.mean:9.4f} {error} bits/dim")
    for probed in scores.probe:
        name = f"probe of {probed.features}"
        print(f"  {name:<28}{probed.accuracy:9.4f} of {probed.num_features} features")


if __name__ == "__main__":
    command_line.run(main)
