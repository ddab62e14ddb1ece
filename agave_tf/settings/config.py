"""Config: every setting of a run, in parts, and its form in config.json.

Each field of a part is one setting; agave_tf/commands/flags.py makes the flag of the
same name from it.
"""

import dataclasses
import json
from typing import Any

from agave_tf.checked_json import JsonValue, parse_json
from agave_tf.errors import InputError, cut, did_you_mean
from agave_tf.settings.data import DataConfig
from agave_tf.settings.networks import AuxiliaryConfig, IAFVAEConfig, PixelCNNConfig
from agave_tf.settings.setting import Settings, require, type_of
from agave_tf.settings.training import ComputeConfig, TrainConfig

__all__ = [
    "PARTS",
    "AuxiliaryConfig",
    "ComputeConfig",
    "Config",
    "DataConfig",
    "IAFVAEConfig",
    "ModelConfig",
    "PixelCNNConfig",
    "TrainConfig",
    "config_from_json",
    "config_from_parts",
    "config_from_settings",
    "config_to_json",
]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Every setting that a model computes by: the networks, y, and the precision.

    compute_dtype, recompute: as in ComputeConfig.
    """

    auxiliary: AuxiliaryConfig = dataclasses.field(default_factory=AuxiliaryConfig)
    vae: IAFVAEConfig = dataclasses.field(default_factory=IAFVAEConfig)
    pixel_cnn: PixelCNNConfig = dataclasses.field(default_factory=PixelCNNConfig)
    compute_dtype: str = "float32"
    recompute: bool = False


@dataclasses.dataclass(frozen=True)
class Config:
    """Every setting of a run. A run directory stores it in config.json.

    Raises:
      InputError: settings of different parts do not go together.
    """

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    auxiliary: AuxiliaryConfig = dataclasses.field(default_factory=AuxiliaryConfig)
    vae: IAFVAEConfig = dataclasses.field(default_factory=IAFVAEConfig)
    pixel_cnn: PixelCNNConfig = dataclasses.field(default_factory=PixelCNNConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    compute: ComputeConfig = dataclasses.field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        require(
            self.compute.accumulate_steps == 1 or self.vae.kl_min == 0,
            "accumulate_steps",
            "1 with free bits (--kl_min), which look at the whole batch",
            self.compute.accumulate_steps,
        )

    @property
    def model(self) -> ModelConfig:
        """The settings that a model is made from."""
        return ModelConfig(
            self.auxiliary,
            self.vae,
            self.pixel_cnn,
            self.compute.compute_dtype,
            self.compute.recompute,
        )


def _settings_of(field: dataclasses.Field) -> type[Settings]:
    part = type_of(field)
    assert issubclass(part, Settings)
    return part


PARTS: dict[str, type[Settings]] = {
    field.name: _settings_of(field) for field in dataclasses.fields(Config)
}


def config_from_settings(settings: dict[str, Any]) -> Config:
    """Returns the Config with these values; other settings keep their defaults.

    Args:
      settings: value by name of the setting, without the parts.

    Raises:
      InputError: a setting does not exist, or a value is not allowed.
    """
    remaining = dict(settings)
    parts: dict[str, Any] = {}
    for part_name, part in PARTS.items():
        names = [field.name for field in dataclasses.fields(part)]
        parts[part_name] = part(
            **{name: remaining.pop(name) for name in names if name in remaining}
        )
    if remaining:
        wrong = sorted(remaining)[0]
        names = [f.name for part in PARTS.values() for f in dataclasses.fields(part)]
        raise InputError(
            f"No such setting: `{cut(wrong)}`.{did_you_mean(wrong, names)}"
        )
    return Config(**parts)


def config_to_json(config: Config) -> str:
    """Returns the text that `config_from_json` reads: {part: {setting: value}}."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def config_from_json(text: str) -> Config:
    """Returns the Config that `config_to_json` wrote.

    Raises:
      InputError: the text has another form, a setting does not exist, or a value is
        not allowed.
    """
    return config_from_parts(parse_json(text, "A configuration of agave_tf"))


def config_from_parts(parts: JsonValue) -> Config:
    """Returns the Config of {part: {setting: value}}, as a JSON file has it.

    Raises:
      InputError: as `config_from_json`; the message names the file.
    """
    settings: dict[str, Any] = {}
    for part in parts.fields().values():
        for name, setting in part.fields().items():
            if name in settings:
                raise setting.wrong("stand in one part alone")
            settings[name] = setting.value
    try:
        return config_from_settings(settings)
    except InputError as error:
        raise InputError(f"{parts.file}: {cut(str(error))}") from error
