"""The work of bin/export.py: writes a run as a SavedModel, or as a run to pass on."""

from absl import flags, logging

from agave_tf.interop.provenance import about_run
from agave_tf.interop.run_copy import copy_run
from agave_tf.interop.saved_model import export_model
from agave_tf.runs.open_run import open_run


def run(values: flags.FlagValues, size: tuple[int, int] | None) -> None:
    """Writes --output_dir.

    Args:
      values: of the flags.
      size: (height, width) of --image_size; None: that of the run.
    """
    source = open_run(values.run_dir)
    logging.info("Reading the weights of %s", source.path)
    model, about = source.load_model(), about_run(source)
    if values.format == "run":
        copy_run(source, model, values.output_dir)
        print(values.output_dir)
        return
    logging.info("Building the signatures, and writing them to %s", values.output_dir)
    model = model.of_size(size or model.image_shape[:2])
    export_model(model, values.output_dir, about, values.sampling_batch_size)
    print(values.output_dir)
