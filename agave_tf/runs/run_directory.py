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
import platform
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

import agave_tf
from agave_tf.checked_npz import npz_comment
from agave_tf.data.image_set import DataRecord, Images
from agave_tf.errors import InputError
from agave_tf.models.image_model import ImageModel
from agave_tf.models.weight_forms import Network, check_size, check_weights
from agave_tf.probability import tfp
from agave_tf.runs.changes import Change
from agave_tf.runs.run_record import Source, parse_step, read_run_record, read_step
from agave_tf.runs.stages import STAGES, Stage
from agave_tf.runs.tensor_float_32 import use_tensor_float_32
from agave_tf.settings.config import Config
from agave_tf.settings.user_path import expand_path
from agave_tf.weights.named_weights import (
    assign_weights,
    fingerprint,
    read_weights,
)
from agave_tf.whole_file import write_npz, write_text

_CONFIG, _WEIGHTS, _PROGRESS = "config.json", "averaged_weights.npz", "progress.json"


def library_versions() -> dict[str, str]:
    """Versions of the libraries that numbers depend on."""
    return {
        "python": platform.python_version(),
        "agave_tf": agave_tf.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "tensorflow_probability": tfp.__version__,
        "numpy": np.__version__,
    }


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """A run's directory, with the content of its config.json.

    origin: the checkpoint that the weights were imported from; empty for one of ours.
    versions: of the libraries, when the run was last started; empty for a new run.
    sources: the runs that gave it its first weights, by flag; None: not known, for a
      run of version 0.1.
    data: the images that it was started with; None: not known, for a run of version 0.1
      and for imported weights.
    changes: the settings that were changed midway; config has the last values.
    step: optimizer steps behind the stored weights; 0 before the first.
    weights: the averaged weights by name, read together with all the above; None: there
      are none yet, or `open_run` was asked to leave them.
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
    weights: Mapping[str, np.ndarray] | None = dataclasses.field(
        default=None, repr=False, compare=False
    )
    stored: "RunDirectory | None" = dataclasses.field(
        default=None, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", expand_path(self.path, "run_dir"))

    @property
    def as_stored(self) -> "RunDirectory":
        """The run with its own settings and images."""
        return self.stored or self

    def with_config(self, config: Config) -> "RunDirectory":
        """This run with other settings, in memory alone.

        Of a data set of another name it does not say which images it has.
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
        """The value with which the run was started of a setting of training."""
        before = [c.before for c in self.changes if c.setting == setting]
        return before[0] if before else getattr(self.config.train, setting)

    def with_changes_at(self, step: int) -> "RunDirectory":
        """This run, the step of whose last changes is now known."""
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
        write_text(self.file(_CONFIG), json.dumps(content, indent=2) + "\n")

    def write_weights(self, weights: Mapping[str, np.ndarray], step: int) -> None:
        """Stores averaged weights, and the step they are of."""
        about = json.dumps({"step": step})
        # In one file with the weights: a reader never takes the step of others.
        write_npz(self.file(_WEIGHTS), weights, comment=about.encode())
        write_text(self.file(_PROGRESS), about + "\n")

    def read_weights(self) -> Mapping[str, np.ndarray]:
        """The averaged weights by name, as they were when the run was opened.

        Raises:
          InputError: there were none.
        """
        if self.weights is None:
            path = self.file(_WEIGHTS)
            raise InputError(f"Weights must exist; there is no file {path}.")
        return self.weights

    def fingerprint(self) -> str:
        """Tells weights apart: equal for equal averaged weights, 16 hexadecimal digits.

        Raises:
          InputError: there are no weights.
        """
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.read_weights())

    @property
    def num_classes(self) -> int:
        """Classes that the model is told; 0: none."""
        has_pixel_cnn = self.stage.has("pixel_cnn")
        return self.config.pixel_cnn.num_classes if has_pixel_cnn else 0

    def check_images(self, images: Images) -> None:
        """Raises InputError unless the images have the shape of the run's."""
        if images.shape != self.image_shape:
            raise InputError(
                f"Images must have shape {self.image_shape}, as in the run "
                f"{self.path}; got {images.shape}. --image_size and --image_channels "
                "convert."
            )

    def make_model(self) -> ImageModel:
        """The model of this stage, with weights as first drawn.

        Raises:
          InputError: it would be too large, or its settings do not go together.
        """
        check_size(self.network)
        return self.network.make()

    @property
    def network(self) -> Network:
        """The kind of `make_model`'s model, and its arguments."""
        return Network(self.stage.model_class, self.config.model, self.image_shape)

    def load_model(self) -> ImageModel:
        """The model with the run's averaged weights.

        Where the run does without TensorFloat-32, so does this process from now on.
        """
        weights = self.read_weights()  # Before the model is made: there may be none.
        use_tensor_float_32(self.config.compute)
        model = self.make_model()
        assign_weights(model, weights, source=self.path)
        return model


def open_run(path: str, weights: bool = True) -> RunDirectory:
    """The run at `path`, all of it read at one moment.

    Training may save other weights meanwhile: settings, weights and step are of one
    save all the same, and stay as they are.

    Args:
      path: its directory.
      weights: whether to read the weights; False: where settings and step are enough.

    Raises:
      InputError: no directory, not a run directory, or one with a file that is damaged
        or of a later version.
    """
    path = expand_path(path, "run_dir")
    if not os.path.isdir(path):
        raise InputError(
            f"`run_dir` must be a run directory; there is no directory {path}."
        )
    if not os.path.exists(os.path.join(path, _CONFIG)):
        stages = [name for name in STAGES if os.path.isdir(os.path.join(path, name))]
        hint = f" Did you mean {os.path.join(path, stages[-1])}?" if stages else ""
        raise InputError(
            f"`run_dir` must be a run directory, with a {_CONFIG}; {path} has none."
            f"{hint}"
        )
    while True:
        before = _file_states(path)
        run = RunDirectory(path, *read_run_record(os.path.join(path, _CONFIG)))
        arrays = None
        if weights and os.path.exists(run.file(_WEIGHTS)):
            arrays = _read_weights(run)
        run = dataclasses.replace(run, step=_read_step(path), weights=arrays)
        if _file_states(path) == before:
            return run


def _file_states(path: str) -> list[tuple[int, int, int] | None]:
    """Tells apart the files of one save from those of another."""
    states: list[tuple[int, int, int] | None] = []
    for name in (_CONFIG, _WEIGHTS, _PROGRESS):
        try:
            found = os.stat(os.path.join(path, name))
        except FileNotFoundError:
            states.append(None)
        else:
            states.append((found.st_ino, found.st_mtime_ns, found.st_size))
    return states


def _read_weights(run: RunDirectory) -> dict[str, np.ndarray]:
    """The averaged weights, which must be those of the run's model."""
    path = run.file(_WEIGHTS)
    check = functools.partial(check_weights, network=run.network, source=path)
    return read_weights(path, check)


def _read_step(path: str) -> int:
    """The step that the file of weights names; for version 0.2, progress.json."""
    about = npz_comment(os.path.join(path, _WEIGHTS))
    if about:
        return parse_step(about, os.path.join(path, _WEIGHTS))
    try:
        return read_step(os.path.join(path, _PROGRESS))
    except FileNotFoundError:
        return 0


def load_run(path: str) -> ImageModel:
    """The model of the run at `path`, with its averaged weights.

    Raises:
      InputError: there is no run, or it has no weights yet.
    """
    return open_run(path).load_model()
