"""Runs, checkpoints and exports in directories with unusual names."""

import os

import numpy as np
import pytest
import tensorflow as tf
from command_process import SMOKE, refused, succeeds
from event_files import scalars
from run_files import averaged_weights, saved_step
from tensorboard.backend.event_processing import event_multiplexer
from tiny import tiny_model, tiny_trainer

from agave_tf.errors import InputError
from agave_tf.interop.saved_model import check_output_dir, export_model
from agave_tf.runs import checkpoints as checkpoints_module
from agave_tf.runs.checkpoint_paths import is_pattern, readable_prefix
from agave_tf.runs.checkpoints import Checkpoints, checkpoint_steps

# TensorFlow looks for PREFIX.index as for a pattern, and does not find these.
PATTERNS = [
    "exp [lr=0.1]",
    "[ab]",
    "[!a]",
    "[a-z] *",
    "back\\slash",
    "end\\",
    "a[b/c]d",
    "[[]",
    "[\n]",
]
OTHERS = [
    *("a*b", "a?b", "a[b", "a]b", "a[]b", "{a,b}", "50%", "%20", "ü ö", "日本"),
    *("-dash", "--run_dir=x", "~x", "#h", "a:b", "a,b=c@1", "a'\"b", "new\nline", "$x"),
]


@pytest.fixture(params=[*PATTERNS, *OTHERS])
def odd(request, tmp_path):
    return tmp_path / request.param


def test_a_checkpoint_is_found_again_in_any_directory(odd):
    variable = tf.Variable(1.0)
    checkpoints = Checkpoints(str(odd), tf.train.Checkpoint(v=variable), keep=2)
    for step in (1, 2, 3):
        variable.assign(step)
        checkpoints.save(step)
    variable.assign(0)
    assert checkpoints.restore() == 3
    assert float(variable) == 3
    assert checkpoint_steps(str(odd)) == [2, 3]


def test_export_refuses_the_paths_from_which_tensorflow_cannot_load(odd):
    """The rule is no wider and no narrower than what TensorFlow does."""
    odd.parent.mkdir(exist_ok=True)
    try:
        check_output_dir(str(odd))
        refusal = ""
    except InputError as error:
        refusal = str(error)
    assert not odd.exists()
    module = tf.Module()
    module.v = tf.Variable(2.0)
    tf.saved_model.save(module, str(odd))
    if refusal:
        assert refusal.startswith("`output_dir` must have no brackets and no backslash")
        assert is_pattern(str(odd))
        with pytest.raises(FileNotFoundError):
            tf.saved_model.load(str(odd))
    else:
        assert float(tf.saved_model.load(str(odd)).v) == 2


def test_a_run_in_a_directory_with_brackets_goes_on_to_the_same_weights(tmp_path):
    """It ended with "all checkpoints are damaged"; they were not found."""
    odd = tmp_path / "exp [lr=0.1] \\ü %s*"

    def trained(name, steps):
        settings = {"pretrain_vae_steps": steps, "evaluate_images": 0}
        trainer = tiny_trainer(tmp_path / name, "pretrain_vae", **settings)
        before = trainer.step
        trainer.train()
        return before

    trained("plain", 4)
    assert trained(odd, 2) == 0
    assert trained(odd, 4) == 2
    weights = averaged_weights(odd)
    for name, value in averaged_weights(tmp_path / "plain").items():
        np.testing.assert_array_equal(weights[name], value, err_msg=name)


SMALL = "--num_pixel_cnn_resolutions=1"


def test_every_command_works_in_a_directory_with_brackets(tmp_path):
    run = tmp_path / "exp [lr=0.1] ü" / "run [1]"
    train = ("train", SMOKE, "--stage=pretrain_vae", f"--run_dir={run}")
    succeeds(*train, "--pretrain_vae_steps=4", "--profile_steps=2:3")
    result = succeeds(*train, "--pretrain_vae_steps=6", "--summary_every=1")
    assert saved_step(run) == 6
    assert "Going on from step 4" in result.stderr
    assert {5, 6} <= scalars(run / "summaries" / "train")["bits_per_dim"].keys()
    assert len(list(run.rglob("*.xplane.pb"))) == 1
    shown = event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(run))
    tags = shown.Reload().Runs()
    assert "bits_per_dim" in tags["summaries/train"]["tensors"]
    assert "bits_per_dim" in tags["summaries/held_out"]["tensors"]
    succeeds("evaluate", f"--run_dir={run}", "--max_images=4")
    picture = run / "samples.png"
    succeeds("sample", f"--run_dir={run}", "--num_images=2", f"--output={picture}")
    assert picture.exists()
    joint = ("train", SMOKE, "--stage=joint", f"--init_vae_from={run}", SMALL)
    succeeds(*joint, f"--run_dir={tmp_path}/joint", "--joint_steps=1")
    succeeds("export", f"--run_dir={run}", f"--output_dir={tmp_path}/exported")
    assert tf.saved_model.load(str(tmp_path / "exported")).signatures
    before = sorted(tmp_path.rglob("*"))
    refused(
        "`output_dir` must have no brackets",
        *("export", f"--run_dir={run}", f"--output_dir={run}/exported"),
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_an_export_below_brackets_loads_by_its_relative_path(
    tmp_path, monkeypatch, caplog
):
    model = tiny_model("pretrain_vae")
    (tmp_path / "[a] ü").mkdir()
    monkeypatch.chdir(tmp_path / "[a] ü")
    export_model(model, "exported", {})
    assert "can load this model by the relative path exported" in caplog.text
    assert tf.saved_model.load("exported").signatures
    (tmp_path / "[a] ü" / "exported").rename(tmp_path / "moved")
    assert tf.saved_model.load(str(tmp_path / "moved")).signatures


def test_a_name_that_tensorflow_cannot_take_is_refused_before_the_first_step(tmp_path):
    path = tmp_path / os.fsdecode(b"latin-1 \xfc")
    with pytest.raises(InputError, match=r"`run_dir` must be a name in UTF-8.*\\udcfc"):
        tiny_trainer(path, "pretrain_vae", pretrain_vae_steps=1)
    assert not path.exists()
    with pytest.raises(
        InputError, match=r"`output_dir` must have .* be UTF-8.*\\udcfc"
    ):
        check_output_dir(str(path))


def test_a_directory_for_temporary_files_with_brackets_is_named(tmp_path, monkeypatch):
    (tmp_path / "[t]").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "[t]"))
    prefix = str(tmp_path / "[run]" / "step-1")
    with (
        pytest.raises(InputError, match="`TMPDIR` must name a directory"),
        readable_prefix(prefix),
    ):
        pass
    for plain in (str(tmp_path / "step-1"), "gs://bucket/[run]/step-1"):
        with readable_prefix(plain) as same:
            assert same == plain


@pytest.fixture
def saved(tmp_path):
    """Two checkpoints in a directory with brackets."""
    variable = tf.Variable(0.0)
    path = str(tmp_path / "[run]")
    checkpoints = Checkpoints(path, tf.train.Checkpoint(v=variable), keep=3)
    for step in (1, 2):
        variable.assign(step)
        checkpoints.save(step)
    return checkpoints


def test_a_checkpoint_whose_file_is_missing_is_incomplete_not_damaged(
    tmp_path, saved, caplog
):
    data = "step-{}.data-00000-of-00001"
    (tmp_path / "[run]" / data.format(2)).unlink()
    assert saved.restore() == 1
    assert "of step 2 in" in caplog.text and "is incomplete and passed" in caplog.text
    # The message names the user's file, not our link to it.
    assert str(tmp_path / "[run]" / data.format(2)) in caplog.text
    (tmp_path / "[run]" / data.format(1)).unlink()
    with pytest.raises(InputError, match="all 2 in .* are incomplete"):
        saved.restore()
    assert "damaged" not in caplog.text


def test_a_checkpoint_that_may_not_be_read_is_neither_passed_over_nor_lost(
    tmp_path, saved, monkeypatch
):
    """Passed over, it would be removed at the next save, as one after that step."""

    def forbid(path, mode):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints_module, "open", forbid, raising=False)
        with pytest.raises(PermissionError, match="step-2"):
            saved.restore()

    def fail(prefix):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")

    with monkeypatch.context() as patch:
        patch.setattr(saved.checkpoint, "read", fail)
        with pytest.raises(InputError, match=r"step 2 in .* cannot at present \(OOM\)"):
            saved.restore()
    assert saved.restore() == 2
