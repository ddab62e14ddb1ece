"""A run directory: the settings and sources of a run, its progress and its weights.

config.json            settings, stage, images, sources, versions: written first
averaged_weights.npz   averaged weights by name: read by the later commands
checkpoints/           everything that a resumed run needs
progress.json          the step of the weights
summaries/             TensorBoard's files
evaluation_*.json      scores, with all that they depend on
"""

import dataclasses
import json
import os
import platform
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import agave_tf
from agave_tf.data.image_set import Images
from agave_tf.data.read_source import DataRecord
from agave_tf.errors import InputError
from agave_tf.models.agave import AGAVE
from agave_tf.models.named_weights import (
    assign_weights,
    fingerprint,
    read_weights,
)
from agave_tf.runs.changes import Change
from agave_tf.runs.stages import STAGES, Stage
from agave_tf.settings.config import Config, config_from_json
from agave_tf.settings.user_path import expand_path
from agave_tf.whole_file import write_npz, write_text

_CONFIG, _WEIGHTS, _PROGRESS = "config.json", "averaged_weights.npz", "progress.json"


class Source(NamedTuple):
    """A run that gave another one its first weights."""

    path: str  # absolute, at that time
    stage: str
    step: int  # of the weights
    weights: str  # their fingerprint


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", expand_path(self.path, "run_dir"))

    def with_config(self, config: Config) -> "RunDirectory":
        """This run with other settings, in memory alone.

        Of a data set of another name it does not say which images it has.
        """
        is_same = config.data.dataset == self.config.data.dataset
        data = self.data if is_same else None
        return dataclasses.replace(self, config=config, data=data)

    def file(self, name: str) -> str:
        """The path of a file in the directory."""
        return os.path.join(self.path, name)

    @property
    def step(self) -> int:
        """Optimizer steps behind the stored weights; 0 before the first."""
        try:
            with open(self.file(_PROGRESS), encoding="utf-8") as file:
                return json.load(file)["step"]
        except FileNotFoundError:
            return 0

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

    def write_weights(self, weights: dict[str, np.ndarray], step: int) -> None:
        """Stores averaged weights, and the step they are of."""
        write_npz(self.file(_WEIGHTS), weights)
        write_text(self.file(_PROGRESS), json.dumps({"step": step}) + "\n")

    def read_weights(self) -> dict[str, np.ndarray]:
        """The averaged weights by name; InputError where there are none."""
        return read_weights(self.file(_WEIGHTS))

    def fingerprint(self) -> str:
        """Tells weights apart: equal for equal averaged weights, 16 hexadecimal digits.

        Raises:
          InputError: there are no weights.
        """
        return fingerprint(self.read_weights())

    @property
    def num_classes(self) -> int:
        """Classes that the model is told; 0: none."""
        return self.config.pixel_cnn.num_classes if self.stage.has_pixel_cnn else 0

    def check_images(self, images: Images) -> None:
        """Raises InputError unless the images have the shape of the run's."""
        if images.shape != self.image_shape:
            raise InputError(
                f"Images must have shape {self.image_shape}, as in the run "
                f"{self.path}; got {images.shape}. --image_size and --image_channels "
                "convert."
            )

    def make_model(self) -> AGAVE:
        """The model of this stage, with weights as first drawn."""
        return AGAVE(
            self.config, self.image_shape, self.stage.has_vae, self.stage.has_pixel_cnn
        )

    def load_model(self) -> AGAVE:
        """The model with the run's averaged weights."""
        weights = self.read_weights()
        model = self.make_model()
        assign_weights(model, weights, source=self.path)
        return model


def open_run(path: str) -> RunDirectory:
    """The run at `path`.

    Raises:
      InputError: no directory, not a run directory, or one of a later version.
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
    with open(os.path.join(path, _CONFIG), encoding="utf-8") as file:
        text = file.read()
    try:
        content = json.loads(text)
        return RunDirectory(
            path,
            STAGES[content["stage"]],
            config_from_json(json.dumps(content["settings"])),
            tuple(content["image_shape"]),
            content.get("origin", ""),
            content.get("versions", {}),
            _read_sources(content),
            DataRecord(**content["data"]) if "data" in content else None,
            tuple(Change(**change) for change in content.get("changes", ())),
        )
    except (InputError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"`run_dir` must be a run directory of agave_tf; the {_CONFIG} in {path} "
            f"is something else ({error})."
        ) from error


def _read_sources(content: dict[str, Any]) -> dict[str, Source] | None:
    sources = content.get("sources")
    if sources is None:
        return None
    return {flag: Source(**source) for flag, source in sources.items()}


def load_run(path: str) -> AGAVE:
    """The model of the run at `path`, with its averaged weights.

    Raises:
      InputError: there is no run, or it has no weights yet.
    """
    return open_run(path).load_model()
