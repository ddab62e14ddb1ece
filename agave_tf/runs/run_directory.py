"""A run directory: the settings and sources of a run, its progress and its weights.

config.json            settings, stage, images, sources, versions: written first
averaged_weights.npz   averaged weights by name: read by the later commands
checkpoints/           everything that a resumed run needs
progress.json          the step of the weights, which their own file names too
summaries/             TensorBoard's files
evaluation_*.json      scores, with all that they depend on
"""

import dataclasses
import functools
import json
import os
from collections.abc import Mapping

import numpy as np

from agave_tf.data.image_set import DataRecord, Images
from agave_tf.errors import InputError
from agave_tf.models.image_model import ImageModel
from agave_tf.models.weight_forms import Network, check_size
from agave_tf.runs.numerics import library_versions, use_tensor_float_32
from agave_tf.runs.run_path import CONFIG_FILE
from agave_tf.runs.run_record import Change, Source
from agave_tf.runs.stages import Stage
from agave_tf.settings.config import Config
from agave_tf.settings.image_size import check_image_sides
from agave_tf.settings.user_path import expand_path
from agave_tf.weights.named_weights import (
    assign_weights,
    fingerprint,
)
from agave_tf.whole_file import write_npz, write_text

WEIGHTS_FILE = "averaged_weights.npz"
PROGRESS_FILE = "progress.json"


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """A run's directory, with the content of its config.json.

    origin: the checkpoint that the weights were imported from; empty for one of ours.
    versions: those of the libraries, when it was last started; empty for a new run.
    sources: the runs that gave it its first weights, by flag; None: not known.
    data: the images that it was started with; None: not known, as for imported weights.
    changes: the settings that were changed midway; config has the last values.
    step: optimizer steps behind the stored weights; 0 before the first.
    weights: the averaged weights by name, read together with all the above; empty if
      there are none yet, or if `open_run` was asked to leave them.
    stored: the run as its directory has it, if this one has other settings or images.
    """

    path: str
    stage: Stage
    config: Config
    image_shape: tuple[int, int, int]
    origin: str = ""
    versions: dict[str, str] = dataclasses.field(default_factory=lambda: {})
    sources: dict[str, Source] | None = dataclasses.field(default_factory=dict)
    data: DataRecord | None = None
    changes: tuple[Change, ...] = ()
    step: int = 0
    weights: Mapping[str, np.ndarray] = dataclasses.field(
        default_factory=dict, repr=False, compare=False
    )
    stored: "RunDirectory | None" = dataclasses.field(
        default=None, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", expand_path(self.path, "run_dir"))

    @property
    def as_stored(self) -> "RunDirectory":
        """The run as its directory has it, with its own settings and images."""
        return self.stored or self

    def with_config(self, config: Config) -> "RunDirectory":
        """A copy of this run with other settings; nothing is written.

        If they name another data set, the images are not known: `data` is None.
        """
        is_same = config.data.dataset == self.config.data.dataset
        data = self.data if is_same else None
        return dataclasses.replace(
            self, config=config, data=data, stored=self.as_stored
        )

    def file(self, name: str) -> str:
        """The path of a file in the directory."""
        return os.path.join(self.path, name)

    @property
    def num_steps(self) -> int:
        """Optimizer steps that the run is to make."""
        return self.stage.num_steps(self.config)

    def first_value(self, setting: str) -> int | float:
        """The value that a setting of training had when the run was started."""
        before = [c.before for c in self.changes if c.setting == setting]
        return before[0] if before else getattr(self.config.train, setting)

    def with_changes_at(self, step: int) -> "RunDirectory":
        """A copy of this run, in which changes without a step get this one."""
        changes = tuple(
            change._replace(step=step) if change.step is None else change
            for change in self.changes
        )
        return dataclasses.replace(self, changes=changes)

    def write_config(self) -> None:
        """Makes the directory a run directory."""
        os.makedirs(self.path, exist_ok=True)
        content = {
            "versions": library_versions(),
            "stage": self.stage.name,
            "image_shape": self.image_shape,
            "origin": self.origin,
            "settings": dataclasses.asdict(self.config),
        }
        if self.sources is not None:
            sources = {flag: s._asdict() for flag, s in self.sources.items()}
            content["sources"] = sources
        if self.data is not None:
            content["data"] = self.data._asdict()
        if self.changes:
            content["changes"] = [change._asdict() for change in self.changes]
        write_text(self.file(CONFIG_FILE), json.dumps(content, indent=2) + "\n")

    def write_weights(
        self, weights: Mapping[str, np.ndarray], step: int, compressed: bool = False
    ) -> None:
        """Stores averaged weights, and the number of steps behind them.

        Args:
          weights: float32, by name.
          step: the number of steps.
          compressed: as `write_npz` takes it.
        """
        about = json.dumps({"step": step})
        # In one file with the weights: no reader takes the step of other weights.
        write_npz(self.file(WEIGHTS_FILE), weights, about.encode(), compressed)
        write_text(self.file(PROGRESS_FILE), about + "\n")

    def read_weights(self) -> Mapping[str, np.ndarray]:
        """The averaged weights by name, as they were when the run was opened.

        Raises:
          InputError: there were none.
        """
        if not self.weights:
            path = self.file(WEIGHTS_FILE)
            raise InputError(f"Weights must exist; there is no file {path}.")
        return self.weights

    def fingerprint(self) -> str:
        """The fingerprint of the averaged weights, 16 hexadecimal digits.

        Equal weights have equal fingerprints, and others have others.

        Raises:
          InputError: there are no weights.
        """
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.read_weights())

    @property
    def num_classes(self) -> int:
        """The number of classes of a class-conditional model; 0: it takes no labels."""
        has_pixel_cnn = self.stage.has("pixel_cnn")
        return self.config.pixel_cnn.num_classes if has_pixel_cnn else 0

    def check_images(self, images: Images, has_tiles: bool = False) -> None:
        """Checks that the run's model takes the images, which may have any sizes.

        Args:
          images: the images.
          has_tiles: whether they are cut into tiles, and may be larger than an image.

        Raises:
          InputError: they have other channels than the run's, or are too large.
        """
        channels = self.image_shape[-1]
        if images.shape[-1] != channels:
            raise InputError(
                f"Images must have {channels} channels, as in the run {self.path}; got "
                f"{images.shape[-1]}. --image_channels={channels} converts."
            )
        if not has_tiles:
            height, width = map(int, images.sizes.max(axis=0))
            check_image_sides(height, width, name="dataset")

    def make_model(self) -> ImageModel:
        """The model of this stage, with weights as first drawn.

        Raises:
          InputError: it would be too large, or its settings do not go together.
        """
        check_size(self.network)
        return self.network.make()

    @property
    def network(self) -> Network:
        """The class of the stage's model, and the arguments that make it."""
        return Network(self.stage.model_class, self.config.model, self.image_shape)

    def load_model(self) -> ImageModel:
        """The model with the run's averaged weights.

        If the run forbids TensorFloat-32, this process does without it from now on.
        """
        weights = self.read_weights()  # Before the model is made: there may be none.
        use_tensor_float_32(self.config.compute)
        model = self.make_model()
        assign_weights(model, weights, source=self.path)
        return model
