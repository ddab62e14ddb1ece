#!/usr/bin/env python3
"""Prints the bits/dim of a run on held-out images, and the parts it is made of.

bin/evaluate.py --run_dir=runs/cifar10/joint --num_importance_samples=150
"""

import json

from absl import flags

from agave_tf import command_line
from agave_tf.evaluation import Evaluator, summarize
from agave_tf.images import load_images
from agave_tf.training.run_directory import open_run
from agave_tf.whole_file import write_npz, write_text

command_line.define_settings("data")
command_line.define_run_dir("The run to evaluate.")
flags.DEFINE_enum("split", "test", ["train", "test"], "Which images.")
flags.DEFINE_integer("num_importance_samples", 16, "S of the bound; the paper has 150.")
flags.DEFINE_integer("max_images", 0, "How many images; 0: all.")
flags.DEFINE_integer("evaluation_batch_size", 50, "Images at a time.")
flags.DEFINE_integer("evaluation_seed", 0, "Seed of the samples of z.")
flags.DEFINE_string("per_image", "", "Also write every image's scores to this .npz.")


def main() -> None:
    """Evaluates --run_dir."""
    given = flags.FLAGS
    command_line.check_at_least("num_importance_samples", 1)
    command_line.check_at_least("max_images", 0)
    command_line.check_at_least("evaluation_batch_size", 1)
    if given.per_image:
        command_line.check_output_file("per_image", given.per_image, ".npz")
    run = open_run(given.run_dir)
    config = command_line.with_flags(run.config, "data")
    images = load_images(config.data, given.split, config.train.seed)
    run.check_images(images)
    model = run.load_model()
    scores = Evaluator(model, given.evaluation_batch_size).scores(
        images,
        given.num_importance_samples,
        given.evaluation_seed,
        given.max_images,
        progress=f"Evaluating {run.stage.name}",
    )
    summary = summarize(scores, model, given.num_importance_samples)
    print(f"{run.path}, step {run.step}: {len(scores.kl)} {given.split} images")
    for score in summary:
        error = f"+- {score.standard_error:.4f}"
        print(f"  {score.name:<28}{score.mean:9.4f} {error} bits/dim")
    result = {"step": run.step, "num_images": len(scores.kl)}
    result["scores"] = {score.name: score.mean for score in summary}
    result["standard_errors"] = {s.name: s.standard_error for s in summary}
    write_text(run.file(f"evaluation_{given.split}.json"), json.dumps(result, indent=2))
    if given.per_image:
        write_npz(given.per_image, scores._asdict())


if __name__ == "__main__":
    command_line.run(main)
