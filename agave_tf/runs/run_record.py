"""Reads a run's config.json, and checks every field: anyone may have written it."""

import dataclasses
from typing import NamedTuple

import agave_tf
from agave_tf.checked_json import JsonValue, read_json
from agave_tf.data.image_set import DataRecord
from agave_tf.errors import InputError
from agave_tf.models.iaf_vae import check_widths
from agave_tf.runs.stages import STAGES, Stage
from agave_tf.settings.config import Config, config_from_parts
from agave_tf.settings.image_size import MOST_PIXELS, check_image_sides
from agave_tf.settings.stages import STAGE_SOURCES

_SOURCE_FLAGS = sorted({flag for s in STAGE_SOURCES.values() for flag in s.flags})
_MOST_IN_WORD = 100  # characters of a version or a fingerprint


class Source(NamedTuple):
    """A run that gave another one its first weights."""

    path: str  # absolute, at that time
    stage: str
    step: int  # of the weights
    weights: str  # their fingerprint


class Change(NamedTuple):
    """A setting that was changed while a run was under way."""

    setting: str
    before: int | float
    after: int | float
    step: int | None  # its first one; None until the run has been restored

    def __str__(self) -> str:
        return f"{self.setting} {self.before} -> {self.after} from step {self.step}"


class RunRecord(NamedTuple):
    """The fields of `RunDirectory` that are in config.json; that class explains them.

    A run of version 0.1 recorded neither its sources nor its images: both are None.
    """

    stage: Stage
    config: Config
    image_shape: tuple[int, int, int]
    origin: str
    versions: dict[str, str]
    sources: dict[str, Source] | None
    data: DataRecord | None
    changes: tuple[Change, ...]


def read_run_record(path: str) -> RunRecord:
    """Reads a config.json. Fields beside those of `RunRecord` are passed over.

    Raises:
      InputError: a field is missing, or is not as it must be: of another type, too
        large, or unknown; the message names the file and the field.
      FileNotFoundError: there is no such file.
    """
    content = read_json(path)
    stage = STAGES[content["stage"].one_of(STAGES)]
    fields = content.get_or("versions", {}).fields()
    versions = {name: value.text(_MOST_IN_WORD) for name, value in fields.items()}
    config = _config(content["settings"], versions)
    sources, data = content.get("sources"), content.get("data")
    return RunRecord(
        stage=stage,
        config=config,
        image_shape=_image_shape(content["image_shape"], stage, config),
        origin=content.get_or("origin", "").text(),
        versions=versions,
        sources=_sources(sources) if sources else None,
        data=_data(data) if data else None,
        changes=_changes(content.get_or("changes", []), config),
    )


def _config(settings: JsonValue, versions: dict[str, str]) -> Config:
    try:
        return config_from_parts(settings)
    except InputError as error:
        theirs, ours = versions.get("agave_tf"), agave_tf.__version__
        # A setting may be unknown because the run is of a later version.
        hint = f" The run is of agave_tf {theirs}, and this is {ours}."
        raise InputError(f"{error}{hint if theirs not in (None, ours) else ''}") from (
            error
        )


def _image_shape(
    value: JsonValue, stage: Stage, config: Config
) -> tuple[int, int, int]:
    if len(value.elements()) != 3:
        raise value.wrong("be [height, width, channels]")
    height, width, channels = value.elements()
    sides = (height.whole_number(1, MOST_PIXELS), width.whole_number(1, MOST_PIXELS))
    if channels.whole_number(1, 3) == 2:
        raise channels.wrong("be 1 or 3")
    shape = (*sides, channels.whole_number())
    try:
        check_image_sides(*sides, name=value.name)
        if stage.has("vae"):
            check_widths(config.vae)
    except InputError as error:
        raise InputError(f"{value.file}: {error}") from error
    return shape


def _sources(sources: JsonValue) -> dict[str, Source]:
    found = {}
    for flag, source in sources.fields().items():
        if flag not in _SOURCE_FLAGS:
            raise source.wrong(f"have the name of a flag, {', '.join(_SOURCE_FLAGS)}")
        _refuse_others(source, Source._fields)
        found[flag] = Source(
            source["path"].text(),
            source["stage"].one_of(STAGES),
            source["step"].whole_number(),
            source["weights"].text(_MOST_IN_WORD),
        )
    return found


def _data(data: JsonValue) -> DataRecord:
    _refuse_others(data, DataRecord._fields)
    return DataRecord(
        data["fingerprint"].text(_MOST_IN_WORD),
        data["num_train"].whole_number(least=1),
        data["num_test"].whole_number(),
        data["held_out"].text(),
        data.get_or("version_0_2", "").text(_MOST_IN_WORD),
    )


def _changes(changes: JsonValue, config: Config) -> tuple[Change, ...]:
    names = [field.name for field in dataclasses.fields(config.train)]
    found = []
    for change in changes.elements():
        _refuse_others(change, Change._fields)
        setting, step = change["setting"].one_of(names), change.get("step")
        before, after = change["before"].number(), change["after"].number()
        for value in (change["before"], change["after"]):
            try:
                dataclasses.replace(config.train, **{setting: value.value})
            except InputError as error:
                raise InputError(f"{value.file}: `{value.name}`: {error}") from error
        found.append(
            Change(setting, before, after, step.whole_number() if step else None)
        )
    return tuple(found)


def _refuse_others(record: JsonValue, names: tuple[str, ...]) -> None:
    """Refuses unknown fields: one of a later version may change what others mean."""
    for name, value in record.fields().items():
        if name not in names:
            raise value.wrong(f"be one of {', '.join(names)}")
