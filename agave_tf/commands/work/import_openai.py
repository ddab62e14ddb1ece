"""The work of bin/import_openai.py: makes a run from a checkpoint of an original."""

from absl import flags, logging

from agave_tf.interop.import_openai import import_openai
from agave_tf.settings.data import DataConfig


def run(values: flags.FlagValues, data: DataConfig) -> None:
    """Makes --run_dir.

    Args:
      values: of the flags.
      data: the images of the run.
    """
    logging.info("Reading %s, and building its network", values.checkpoint)
    imported = import_openai(
        values.kind, values.checkpoint, values.run_dir, values.nonlinearity, data
    )
    config = imported.config
    network = config.vae if imported.stage.has("vae") else config.pixel_cnn
    print(f"{imported.path}: {network}")
