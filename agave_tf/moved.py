"""Tells users of version 0.1 where its modules are now.

>>> import agave_tf.picture_rows
ModuleNotFoundError: agave_tf.picture_rows is now agave_tf.pictures.rows.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

# The new place by the old name, both without "agave_tf.". A name that was inside a
# module which is a package now is found here too: `from` looks for such a module.
_MOVED = {
    "agave": "models.agave",
    "auxiliary_image": "models.auxiliary_image",
    "bits_map": "pictures.bits_map",
    "cached_pixel_cnn": "sampling.cached",
    "command_line": "commands.flags",
    "completion_mask": "pictures.completion_mask",
    "conditional_pixel_cnn": "models.conditional_pixel_cnn",
    "config": "settings.config",
    "dead_leaves": "data.dead_leaves",
    "evaluation.Evaluator": "evaluation.evaluator.Evaluator",
    "evaluation.ImageScores": "evaluation.evaluator.ImageScores",
    "evaluation.Score": "evaluation.evaluator.Score",
    "evaluation.summarize": "evaluation.evaluator.summarize",
    "export": "interop.saved_model",
    "iaf_vae": "models.iaf_vae",
    "image_files": "data.folder and agave_tf.data.arrays",
    "image_size": "settings.image_size",
    "images": "data.load and agave_tf.data.image_set",
    "importance_weighted_bound": "evaluation.bound",
    "importers": "interop",
    "input_error": "errors",
    "linear_probe": "evaluation.linear_probe",
    "named_weights": "models.named_weights",
    "objective": "models.objective",
    "picture_config": "settings.pictures",
    "picture_rows": "pictures.rows",
    "pictures.image_grid": "pictures.grid.image_grid",
    "pictures.write_png": "pictures.grid.write_png",
    "pixel_draws": "sampling.pixel_draws",
    "plain_sampler": "sampling.plain",
    "run_evaluation": "runs.evaluate_run",
    "sampling.SamplingSettings": "sampling.draw_images.SamplingSettings",
    "tfds_images": "data.tfds",
    "training.checkpoints": "runs.checkpoints",
    "training.run_directory": "runs.run_directory",
    "training.run_lock": "runs.run_lock",
    "training.stages": "runs.stages",
}


class _MovedModules(importlib.abc.MetaPathFinder):
    """Finds no module, but names the new place of one that has moved."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns None, or raises ModuleNotFoundError for a module of version 0.1."""
        package, _, name = fullname.partition(".")
        if package == "agave_tf" and name in _MOVED:
            # Without the error's `name`, by which `from agave_tf import images` would
            # take it for an attribute that is missing, and hide the message.
            raise ModuleNotFoundError(f"{fullname} is now agave_tf.{_MOVED[name]}.")
        return None


def explain_moved_modules() -> None:
    """Makes the import of a module of version 0.1 fail with its new place."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        # At the end: it is asked only for modules that no other finder finds.
        sys.meta_path.append(_MovedModules())
