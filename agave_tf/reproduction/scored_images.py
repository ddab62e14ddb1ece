"""The held-out images that the runs of a scale are scored on."""

import dataclasses

from agave_tf.data.image_set import Data, Images
from agave_tf.reproduction.scales import Scale
from agave_tf.runs.run_data import load_run_data, on_images
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.settings.data import DataConfig
from agave_tf.settings.flag_files import flag_values, read_flag_file


class ScoredImages:
    """Images that are the same for all runs, read once.

    They have the size of the preset's, also for runs that were trained on others.

    Args:
      scale: has the preset, and what runs of pretraining have in its place.
    """

    def __init__(self, scale: Scale):
        preset = flag_values(read_flag_file(scale.preset))
        self._usual = {
            name: preset.get(name, getattr(DataConfig(), name))
            for name in ("image_size", "crop")
            if name in scale.pretraining
        }
        self._data: Data | None = None

    def images(self, run: RunDirectory) -> Images:
        """Returns the images, of the data set of the first run to be asked for."""
        return self._of(run).part("test")

    def with_images(self, run: RunDirectory) -> RunDirectory:
        """Returns a run with these images in the place of its own."""
        data = self._settings(run)
        if data == run.config.data:
            return run
        config = dataclasses.replace(run.config, data=data)
        return on_images(run, config, self._of(run).record)

    def _settings(self, run: RunDirectory) -> DataConfig:
        return dataclasses.replace(run.config.data, **self._usual)

    def _of(self, run: RunDirectory) -> Data:
        if self._data is None:
            self._data = load_run_data(run, self._settings(run), ["test"])
        return self._data
