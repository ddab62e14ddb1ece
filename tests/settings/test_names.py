"""The names that flags take are those of what the heavy modules have."""

import dataclasses

import pytest

from agave_tf.errors import InputError
from agave_tf.reproduction.artifacts import ARTIFACTS
from agave_tf.runs.stages import STAGES
from agave_tf.settings.benchmark import MODELS
from agave_tf.settings.devices import LOCAL_STRATEGIES, STRATEGIES
from agave_tf.settings.reproduction import ARTIFACT_NAMES
from agave_tf.settings.stages import (
    IMPORTED_STAGES,
    STAGE_SOURCES,
    TRAINING_STAGES,
    check_sources,
)
from agave_tf.settings.training import TrainConfig


def test_every_stage_that_can_be_named_is_there():
    assert [*STAGES] == [*STAGE_SOURCES]
    assert all(name == stage.name for name, stage in STAGES.items())
    others = {*TRAINING_STAGES, *IMPORTED_STAGES.values()}
    assert others | {model.stage for model in MODELS.values()} <= STAGES.keys()
    settings = {field.name for field in dataclasses.fields(TrainConfig)}
    assert {stage.steps_setting for stage in STAGES.values()} <= settings


def test_every_artifact_that_can_be_named_has_its_function():
    assert tuple(ARTIFACTS) == ARTIFACT_NAMES
    assert len({id(artifact) for artifact in ARTIFACTS.values()}) == len(ARTIFACTS)


def test_local_strategies_are_strategies_in_their_order():
    assert set(STRATEGIES) - set(LOCAL_STRATEGIES) == {"multi_worker"}
    assert [name for name in STRATEGIES if name in LOCAL_STRATEGIES] == [
        *LOCAL_STRATEGIES
    ]


@pytest.mark.parametrize("stage", STAGE_SOURCES)
def test_a_stage_starts_from_the_runs_it_takes_and_no_others(stage):
    everything = {flag for sources in STAGE_SOURCES.values() for flag in sources.flags}
    for flag in everything:
        if flag in STAGE_SOURCES[stage].flags:
            check_sources(stage, {flag: "runs/x"})
        else:
            with pytest.raises(InputError, match=f"`--{flag}` cannot go with"):
                check_sources(stage, {flag: "runs/x"})
