"""Paths that begin with ~ lead to home directories, wherever a path can be given."""

import json
import pathlib
import pwd

import numpy as np
import pytest
from absl import flags
from test_help import COMMANDS, values_of

from agave_tf.commands import evaluate, sample, train
from agave_tf.commands.flags import config_from_flags, settings_from_flags, with_flags
from agave_tf.data.load import open_source
from agave_tf.errors import InputError
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.stages import STAGES
from agave_tf.settings.config import Config, DataConfig, config_to_json
from agave_tf.settings.flag_files import read_flag_file
from agave_tf.settings.pictures import PictureSettings
from agave_tf.training.train_stage import train_stage

PATH_FLAGS = [
    *("run_dir", "init_vae_from", "init_pixel_cnn_from", "init_from", "checkpoint"),
    *("data_dir", "cache_dir", "output_dir", "output", "per_image", "bits_map"),
    *("save_npz", "compare_with", "input", "contact_sheet"),
]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home directory; the working directory is beside it."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for directory in (home, elsewhere):
        directory.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(elsewhere)
    return home


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_that_is_a_path_expands_the_home_directory(command, home):
    names = [name for name in PATH_FLAGS if name in values_of(command)]
    for name in names:
        values = values_of(command)
        values[name].parse("~/runs/[x] y")
        assert values[name].value == f"{home}/runs/[x] y"
        values[name].parse("./~/x")
        assert values[name].value == "./~/x"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_flag_that_is_a_path_is_forgotten(command):
    """A help that speaks of a file or directory belongs to a path."""
    values = values_of(command)
    names = {
        name
        for name in values
        if values[name].flag_type() == "string"
        and values[name].default in (None, "")
        and any(w in values[name].help for w in ("irectory", "File ", "Checkpoint "))
    }
    # Its path comes after folder: or npz:, and is tested below.
    names -= {"dataset", "train_split", "test_split"}
    assert names <= set(PATH_FLAGS)


@pytest.mark.parametrize("given", ["folder:~/x", "npz:~/x.npz"])
def test_a_dataset_is_expanded_and_stored_so(given, home):
    expected = given.replace("~", str(home))
    config = Config(data=DataConfig(dataset=given))
    assert config.data.dataset == expected
    assert json.loads(config_to_json(config))["data"]["dataset"] == expected
    values = values_of(train)
    values(["train", f"--dataset={given}", "--run_dir=r", "--stage=joint"])
    assert config_from_flags(values).data.dataset == expected
    values = values_of(sample)
    values(["sample", f"--dataset={given}", "--run_dir=r", "--output=o"])
    assert with_flags(Config(), "data", values).data.dataset == expected


@pytest.mark.parametrize("name", ["cifar10", "npz", "folder:./~/x", "a:~/b", "npz:a~b"])
def test_other_datasets_stay_as_they_are(name):
    assert DataConfig(dataset=name).dataset == name


def test_images_below_the_home_directory_are_found(home):
    images = np.arange(20 * 8 * 8 * 3, dtype=np.uint8).reshape(20, 8, 8, 3)
    images[:, 0, 0, 0] = np.arange(20)
    np.savez(home / "x.npz", images=images)
    open_source(DataConfig(dataset="npz:~/x.npz"))
    with pytest.raises(InputError, match="elsewhere|~"):
        open_source(DataConfig(dataset="npz:./~/x.npz"))


def test_settings_in_python_take_paths_of_every_form(home):
    config = DataConfig(data_dir=pathlib.Path("~/tfds"), cache_dir="~")
    assert (config.data_dir, config.cache_dir) == (f"{home}/tfds", str(home))
    assert PictureSettings(mask="~/m.png").mask == f"{home}/m.png"
    values = values_of(sample)
    values(["sample", "--mask=~/m.png", "--run_dir=r", "--output=o"])
    assert settings_from_flags(PictureSettings, values).mask == f"{home}/m.png"


def test_a_flag_file_below_the_home_directory_is_found(home):
    (home / "x.flags").write_text("--run_dir=~/runs\n")
    assert read_flag_file("~/x.flags") == ["--run_dir=~/runs"]
    assert read_flag_file("~/x") == ["--run_dir=~/runs"]


def test_the_home_of_another_user_is_found_and_an_unknown_user_refused():
    user = pwd.getpwuid(0)
    expected = f"{user.pw_dir}/tfds"
    assert DataConfig(data_dir=f"~{user.pw_name}/tfds").data_dir == expected
    with pytest.raises(InputError, match="`data_dir` must begin.* ~no-body is none"):
        DataConfig(data_dir="~no-body/tfds")
    with pytest.raises(InputError, match="got '~no-body'. ./~no-body is"):
        DataConfig(dataset="folder:~no-body")
    with pytest.raises(flags.IllegalFlagValueError, match="~no-body is none"):
        values_of(evaluate)(["evaluate", "--run_dir=~no-body/x"])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("n" * 256, "of at most 255 bytes .* got one of 256: 'nnn"),
        ("\xe9" * 128 + "/run", "of at most 255 bytes .* got one of 256"),
        ("/".join(["directory"] * 400), "at most 3839 bytes; got 3999: 'dir"),
        ("a\0b", r"not have the character 0; got 'a\\x00b'"),
    ],
)
def test_a_path_that_no_file_can_have_is_refused_before_the_work(path, message):
    """The command ended in OSError: File name too long, after the work."""
    with pytest.raises(InputError, match=f"`run_dir` must .*{message}") as refused:
        open_run(path)
    assert len(str(refused.value)) < 300
    with pytest.raises(flags.IllegalFlagValueError, match="`output` must "):
        values_of(sample)(["sample", "--run_dir=r", f"--output={path}.png"])
    with pytest.raises(InputError, match="`dataset` must "):
        DataConfig(dataset=f"folder:{path}")


@pytest.mark.parametrize("name", ["n" * 255, "\xe9" * 127, "\udcfc" * 255])
def test_the_longest_name_is_taken(name):
    assert DataConfig(data_dir=name).data_dir == name


def test_a_run_in_a_directory_called_tilde_is_not_started_anew(home):
    literal = pathlib.Path("~/runs/x")
    literal.mkdir(parents=True)
    values = values_of(train)
    with pytest.raises(flags.IllegalFlagValueError, match=r"\./~/runs/x, which exists"):
        values(["train", "--run_dir=~/runs/x", "--stage=joint"])
    (home / "runs" / "x").mkdir(parents=True)
    values = values_of(train)
    values(["train", "--run_dir=~/runs/x", "--stage=joint"])
    assert values.run_dir == f"{home}/runs/x"


def test_a_run_below_the_home_directory_is_opened_in_python(home):
    stage, config = STAGES["pretrain_vae"], Config()
    for path in ("~/runs/x", pathlib.Path("~/runs/x")):
        RunDirectory(path, stage, config, (8, 8, 3)).write_config()
        assert (home / "runs" / "x" / "config.json").exists()
        assert open_run(path).path == f"{home}/runs/x"


def test_training_in_python_finds_runs_below_the_home_directory(home):
    (home / "x").mkdir()
    (home / "x" / "file").touch()
    with pytest.raises(InputError, match=f"{home}/x has none"):
        train_stage(STAGES["pretrain_vae"], Config(), "~/x")
    with pytest.raises(InputError, match=f"there is no directory {home}/source"):
        train_stage(STAGES["ablation"], Config(), "y", {"init_from": "~/source"})
