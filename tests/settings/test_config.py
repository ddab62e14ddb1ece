"""Settings check themselves, become flags, and survive being written to a file."""

import dataclasses

import pytest
from absl import flags

from agave_tf.commands.flags import (
    config_from_flags,
    define_settings,
    define_settings_of,
    define_settings_of_run,
    with_flags,
)
from agave_tf.errors import InputError
from agave_tf.settings.config import (
    PARTS,
    Config,
    PixelCNNConfig,
    config_from_json,
    config_from_settings,
    config_to_json,
)
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.settings.image_size import parse_image_size
from agave_tf.settings.pictures import PictureSettings
from agave_tf.settings.setting import (
    above,
    at_least,
    below,
    between,
    divides,
    either,
    one_of,
)


@pytest.mark.parametrize(
    "setting,value,message",
    [
        ("num_color_levels", 48, "divide 256.*got 48"),
        ("num_color_levels", 1, "at least 2; got 1"),
        ("auxiliary_downsampling", 3, "be 1, 2 or 4; got 3"),
        ("auxiliary_color", "red", "rgb or gray; got 'red'"),
        ("image_size", "0x8", "from 1 to 2048; got 0x8"),
        ("image_size", "big", "SIDE or HEIGHTxWIDTH.*got 'big'"),
        ("crop", "center", "resize, centre or random; got 'center'. Did you mean"),
        ("image_channels", 4, "0, 1 or 3; got 4"),
        ("corrupt_images", "eat", "refuse or skip; got 'eat'"),
        ("nonlinearity", "tanh", "concat_elu, elu or relu; got 'tanh'"),
        ("dropout_rate", 1.0, "below 1; got 1.0"),
        ("kl_min", -1.0, "at least 0.*got -1.0"),
        ("kl_weight", float("inf"), "finite number; got inf"),
        ("auxiliary_weight", -1.0, "at least 0; got -1.0"),
        ("kl_annealing_steps", -1, "at least 0; got -1"),
        ("num_pixel_cnn_resolutions", 4, "1, 2 or 3; got 4"),
        ("learning_rate", 0.0, "positive and finite; got 0.0"),
        ("batch_size", 0, "at least 1; got 0"),
        ("num_filters", 0, "from 1 to 4096; got 0"),
        ("average_decay", 1.0, "below 1; got 1.0"),
        ("explosion_factor", 0.5, "0 or above 1; got 0.5"),
        ("keep_checkpoints", 1, "at least 2; got 1"),
        ("seed", 2**31, r"below 2\*\*31; got 2147483648"),
        ("profile_steps", "3", "FIRST:LAST, such as 10:20; got '3'"),
        ("profile_steps", "9:3", "FIRST:LAST.*got '9:3'"),
        ("dataset", "", "data set's name; got ''"),
        ("learning_rate", float("nan"), "finite number; got nan"),
        ("kl_min", float("nan"), "finite number; got nan"),
        ("kl_weight", float("nan"), "finite number; got nan"),
        ("dropout_rate", float("nan"), "finite number; got nan"),
        ("explosion_factor", float("inf"), "finite number; got inf"),
        ("num_filters", "7", "whole number; got '7'"),
        ("num_filters", 7.0, "whole number; got 7.0"),
        ("num_filters", True, "whole number; got True"),
        ("num_filters", None, "whole number; got None"),
        ("num_color_levels", [8], r"whole number; got \[8\]"),
        ("kl_weight", "1", "a number; got '1'"),
        ("kl_weight", False, "a number; got False"),
        ("use_iaf", 1, "true or false; got 1"),
        ("dataset", 3, "text; got 3"),
        ("dataset", "x" * 5000, "text of at most 4096 characters.*got 'xxx"),
        ("dataset", "a\0b", r"without NUL; got 'a\\x00b'"),
        ("image_size", "4096", "from 1 to 2048; got 4096x4096"),
        ("num_filters", 4097, "from 1 to 4096; got 4097"),
        ("hidden_channels", 10**9, "from 1 to 4096; got 1000000000"),
        ("z_channels", 10**9, "from 1 to 4096; got 1000000000"),
        ("num_resolutions", 9, "from 1 to 8; got 9"),
        ("num_layers_per_resolution", 201, "from 1 to 200; got 201"),
        ("num_resnets", 51, "from 1 to 50; got 51"),
        ("num_mixtures", 1001, "from 1 to 1000; got 1001"),
        ("num_classes", 100_001, "from 0 to 100000; got 100001"),
        ("batch_size", 2**31, r"whole number below 2\*\*31; got 2147483648"),
        ("kl_weight", 10**400, "finite number; got 1000"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(setting, value, message):
    with pytest.raises(InputError, match=f"^`{setting}` must.*{message}"):
        config_from_settings({setting: value})


def test_a_whole_number_is_a_number():
    assert config_from_settings({"kl_weight": 4}).train.kl_weight == 4


@pytest.mark.parametrize(
    "setting,value,message",
    [
        ("split", "val", "be test, train or all; got 'val'"),
        ("num_importance_samples", 0, "at least 1; got 0"),
        ("max_images", -1, "at least 0; got -1"),
        ("evaluation_batch_size", 0, "at least 1; got 0"),
        ("evaluation_seed", -1, "at least 0.*got -1"),
        ("evaluation_seed", 2**31, r"below 2\*\*31"),
        ("probe", "yes", "true or false; got 'yes'"),
        ("probe_images", 0, "at least 1; got 0"),
    ],
)
def test_a_setting_of_an_evaluation_that_cannot_be_is_refused(setting, value, message):
    with pytest.raises(InputError, match=f"^`{setting}` must.*{message}"):
        EvaluationSettings(**{setting: value})


def test_the_probe_is_not_scored_on_its_own_training_images():
    with pytest.raises(InputError, match="`probe` must go with --split=test"):
        EvaluationSettings(split="train", probe=True)
    assert EvaluationSettings(split="train").probe is False


def test_settings_are_checked_however_they_are_made():
    with pytest.raises(InputError, match="`num_filters`"):
        dataclasses.replace(PixelCNNConfig(), num_filters=0)


def test_the_value_that_a_constraint_allows_is_allowed():
    for constraint, allowed, refused in (
        (at_least(2), 2, 1),
        (above(2), 2.5, 2),
        (below(2), 1, 2),
        (between(0, 1), 1, 1.5),
        (one_of(1, 4), 4, 2),
        (divides(12), 6, 5),
        (divides(12), -3, 0),
        (either(one_of(0), above(1)), 0, 1),
    ):
        assert constraint.is_met(allowed), constraint.requirement
        assert not constraint.is_met(refused), constraint.requirement


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="No such setting: `num_filter`"):
        config_from_settings({"num_filter": 3})


def test_config_survives_json():
    config = config_from_settings({"num_filters": 7, "image_size": "8x12"})
    assert config_from_json(config_to_json(config)) == config
    assert config_from_json(config_to_json(Config())) == Config()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"data": 3}', '{"a": {"b": 1}}'])
def test_something_else_is_not_a_config(text):
    with pytest.raises(InputError):
        config_from_json(text)


def test_a_damaged_value_in_a_config_file_is_named():
    text = config_to_json(Config()).replace('"num_filters": 160', '"num_filters": "x"')
    with pytest.raises(InputError, match="`num_filters` must be a whole number"):
        config_from_json(text)
    text = config_to_json(Config()).replace('"kl_min": 0.0', '"kl_min": NaN')
    with pytest.raises(InputError, match="`kl_min` must be a finite number"):
        config_from_json(text)


def test_image_size_is_one_side_or_two():
    assert parse_image_size("32") == (32, 32)
    assert parse_image_size("24x32") == (24, 32)
    assert parse_image_size("1x2047") == (1, 2047)
    assert parse_image_size("") is None


@pytest.mark.parametrize(
    "groups", [PARTS.values(), [EvaluationSettings], [PictureSettings]]
)
def test_every_setting_has_one_flag_with_help_and_the_same_default(groups):
    values = flags.FlagValues()
    for group in groups:
        define_settings_of(group, values)
    fields = [field for group in groups for field in dataclasses.fields(group)]
    for field in fields:
        assert values[field.name].default == field.default, field.name
        assert len(field.metadata["help"]) > 10, field.name
        assert field.metadata["help"] in values[field.name].help
    names = [field.name for field in fields]
    assert len(names) == len(set(names))


def test_flags_show_choices_and_ranges():
    values = flags.FlagValues()
    define_settings(values)
    assert values["nonlinearity"].parser.enum_values == ["concat_elu", "elu", "relu"]
    assert values["batch_size"].help.endswith("Must be at least 1.")
    assert values["auxiliary_downsampling"].help.endswith("Must be 1, 2 or 4.")
    assert values["num_color_levels"].help.endswith(
        "Must divide 256 and be at least 2."
    )


def test_settings_from_flags_are_those_of_the_command_line():
    values = flags.FlagValues()
    define_settings(values)
    values(["x", "--num_filters=3", "--kl_weight=2", "--nouse_iaf"])
    expected = {"num_filters": 3, "kl_weight": 2.0, "use_iaf": False}
    assert config_from_flags(values) == config_from_settings(expected)
    other = config_from_settings({"num_mixtures": 2})
    changed = with_flags(other, "pixel_cnn", values)
    assert changed == config_from_settings({"num_mixtures": 2, "num_filters": 3})


def test_a_setting_of_a_run_stays_unless_its_flag_is_given():
    values = flags.FlagValues()
    define_settings_of_run("data", values)
    assert values["dataset"].default is None
    assert values["corrupt_images"].help.endswith("Default: as in the run.")
    config = config_from_settings({"dataset": "mnist", "image_size": "8"})
    values(["x"])
    assert with_flags(config, "data", values) == config
    values(["x", "--image_size=12"])
    expected = {"dataset": "mnist", "image_size": "12"}
    assert with_flags(config, "data", values) == config_from_settings(expected)


def test_settings_that_may_change_or_differ_are_marked_on_their_fields():
    marked = {"may_change": set(), "may_differ": set()}
    for part in PARTS.values():
        for field in dataclasses.fields(part):
            for mark, names in marked.items():
                if field.metadata[mark]:
                    names.add(field.name)
    networks = {"dropout_rate", "kl_min", "open_tails", "vae_initialization"}
    assert marked["may_differ"] == networks
    assert {"joint_steps", "checkpoint_every", "recompute"} <= marked["may_change"]
    # They affect the weights of every later step.
    assert (
        not {"learning_rate", "batch_size", "seed", "average_decay", "compute_dtype"}
        & (marked["may_change"])
    )
