"""Settings check themselves, and survive being written down."""

import dataclasses

import pytest
from absl import flags

from agave_tf.commands.flags import define_settings
from agave_tf.errors import InputError
from agave_tf.settings.config import (
    PARTS,
    Config,
    config_from_json,
    config_from_settings,
    config_to_json,
)
from agave_tf.settings.image_size import parse_image_size


@pytest.mark.parametrize(
    "setting,value,message",
    [
        ("num_color_levels", 48, "divide 256.*got 48"),
        ("num_color_levels", 1, "at least 2; got 1"),
        ("auxiliary_downsampling", 3, "be 1, 2 or 4; got 3"),
        ("auxiliary_color", "red", "rgb or gray; got 'red'"),
        ("image_size", "30", "multiples of 4; got 30x30"),
        ("image_size", "big", "SIDE or HEIGHTxWIDTH.*got 'big'"),
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
        ("num_filters", 0, "at least 1; got 0"),
        ("average_decay", 1.0, "below 1; got 1.0"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(setting, value, message):
    with pytest.raises(InputError, match=f"`{setting}` must.*{message}"):
        config_from_settings({setting: value})


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


def test_image_size_is_one_side_or_two():
    assert parse_image_size("32") == (32, 32)
    assert parse_image_size("24x32") == (24, 32)
    assert parse_image_size("") is None


def test_every_setting_has_one_flag_with_help_and_the_same_default():
    values = flags.FlagValues()
    define_settings(values)
    names = []
    for part in PARTS.values():
        for field in dataclasses.fields(part):
            flag = values[field.name]
            assert flag.default == field.default, field.name
            assert len(flag.help) > 10, field.name
            names.append(field.name)
    assert len(names) == len(set(names))
