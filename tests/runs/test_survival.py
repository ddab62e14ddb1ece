"""What happens to a run that is killed, stopped, damaged, or started twice."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import signal
import time

import numpy as np
import pytest
import tensorflow as tf
from command_process import ROOT, Command
from run_files import averaged_weights, saved_step, wait_for_step
from tiny import tiny_trainer

from agave_tf.errors import InputError
from agave_tf.runs.checkpoints import Checkpoints, checkpoint_steps
from agave_tf.runs.holder_file import HOLDER_FILE
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_lock import LOCK_FILE, run_lock
from agave_tf.training import train_loop
from agave_tf.training.stop_request import STOP_SIGNALS, stop_requests
from agave_tf.whole_file import writing

pytestmark = pytest.mark.xdist_group("survival")
SETTINGS = {"evaluate_images": 0, "checkpoint_every": 2, "keep_checkpoints": 3}
LONG_RUN = (
    f"--flagfile={ROOT}/flags/smoke.flags",
    "--stage=pretrain_vae",
    "--evaluate_images=0",
    "--checkpoint_every=30",
)


def long_run(run_dir, *flags, steps=100_000, **how):
    return Command(
        "train",
        *LONG_RUN,
        f"--run_dir={run_dir}",
        f"--pretrain_vae_steps={steps}",
        *flags,
        **how,
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The weights of a run of 150 steps that nothing happened to."""
    path = tmp_path_factory.mktemp("undisturbed") / "run"
    result = long_run(path, steps=150).result()
    assert result.returncode == 0, result.stderr
    return averaged_weights(path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_by_a_signal_ends_as_if_it_had_not_been(
    tmp_path, undisturbed, number
):
    run = tmp_path / "run"
    for step in (0, 60):
        command = long_run(run, steps=150)
        wait_for_step(command, run, step)
        os.kill(command.process.pid, number)
        result = command.result()
        if number == signal.SIGKILL:
            assert result.returncode == -number
        else:
            assert result.returncode == 128 + number, result.stderr
            assert f"stopped by {number.name} at step {saved_step(run)}" in (
                result.stderr
            )
            assert "Traceback" not in result.stderr
    assert long_run(run, steps=150).result().returncode == 0
    weights = averaged_weights(run)
    assert weights.keys() == undisturbed.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(value, undisturbed[name], err_msg=name)


def test_a_second_process_on_a_run_directory_is_refused(tmp_path):
    run = tmp_path / "run"
    first = long_run(run)
    wait_for_step(first, run, 0)
    second = long_run(run).result()
    assert second.returncode == 2
    holder = f"process {first.process.pid} on"
    assert f"`run_dir` must not be in use; {run} is, by {holder}" in second.stderr
    os.kill(first.process.pid, signal.SIGTERM)
    assert first.result().returncode == 128 + signal.SIGTERM


def test_a_lock_on_a_file_that_was_removed_keeps_others_out(tmp_path, monkeypatch):
    """Version 0.1 locked a file that the last holder had just removed.

    A second process then made and locked a file of its own.
    """
    run, flock = str(tmp_path / "run"), fcntl.flock
    removed = []

    def flock_after_removal(file, operation):
        if not removed:  # The last holder leaves between opening and locking.
            removed.append(os.path.join(run, LOCK_FILE))
            os.remove(removed[0])
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock_after_removal)
    with run_lock(run):
        assert os.path.exists(removed[0])
        with pytest.raises(InputError, match="must not be in use"), run_lock(run):
            pass


@pytest.fixture
def without_flock(monkeypatch):
    """A file system without locks, such as Lustre mounted without `flock`."""

    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)


def test_on_a_file_system_without_locks_one_process_has_a_run(tmp_path, without_flock):
    """There training was a traceback, and impossible."""
    run = str(tmp_path / "run")
    with run_lock(run):
        refusal = f"in use; .* by process {os.getpid()} on .* no locks: .* remove "
        with pytest.raises(InputError, match=refusal), run_lock(run):
            pass
        (tmp_path / "run" / "weights").touch()
    with run_lock(run):
        pass
    assert set(os.listdir(run)) == {"weights", LOCK_FILE}


@pytest.mark.parametrize(
    ("change", "has_ended"),
    [
        # Another process may have got the number of the one that was killed.
        ({"started": "1"}, True),
        ({"process": 2**22 + 1}, True),
        # What runs in another container, on another host or before a reboot of one of
        # the same name is not known here.
        ({"namespace": "pid:[1]", "started": "1"}, False),
        ({"boot": "another", "started": "1"}, False),
        ({"host": "another", "boot": "another"}, False),
        ({"process": "many"}, False),
    ],
)
def test_what_a_killed_process_leaves_instead_of_a_lock(
    tmp_path, without_flock, change, has_ended
):
    run = tmp_path / "run"
    with run_lock(str(run)):
        holder = json.loads((run / HOLDER_FILE).read_text())
        (run / "weights").touch()
    (run / HOLDER_FILE).write_text(json.dumps(holder | change))
    if not has_ended:
        with pytest.raises(InputError, match="must not be in use"), run_lock(str(run)):
            pass
        (run / HOLDER_FILE).unlink()
    with run_lock(str(run)):
        assert json.loads((run / HOLDER_FILE).read_text()) == holder


@pytest.mark.parametrize("text", ["", "[]", "5", '{"process": 1}', "[" * 4000])
def test_a_damaged_holder_file_is_refused(tmp_path, without_flock, text):
    (tmp_path / HOLDER_FILE).write_text(text)
    with pytest.raises(InputError, match="remove .*holder"), run_lock(str(tmp_path)):
        pass


def test_a_lock_removes_what_killed_processes_left_half_written(tmp_path):
    with writing(str(tmp_path / "weights.npz")) as file:
        remains = pathlib.Path(file.name).name
    (tmp_path / remains).write_text("half")  # Which no process has locked.
    (tmp_path / "notes.partial").write_text("mine")
    with run_lock(str(tmp_path)):
        left = {path.name for path in tmp_path.iterdir()}
    assert left == {"weights.npz", "notes.partial", LOCK_FILE}


def test_a_lock_leaves_nothing_where_nothing_was_written(tmp_path):
    with run_lock(str(tmp_path / "run")):
        assert (tmp_path / "run").exists()
    assert not (tmp_path / "run").exists()


def damage(path, how):
    content = path.read_bytes()
    middle = len(content) // 2
    if how == "truncated":
        path.write_bytes(content[:middle])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        flipped = bytes([content[middle] ^ 0xFF])
        path.write_bytes(content[:middle] + flipped + content[middle + 1 :])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Checkpoints of three steps, of a variable that tells them apart."""
    directory = tmp_path_factory.mktemp("saved")
    variable = tf.Variable(tf.zeros([1000]))
    checkpoints = Checkpoints(str(directory), tf.train.Checkpoint(v=variable), keep=3)
    for step in (2, 4, 6):
        variable.assign(tf.fill([1000], float(step)))
        checkpoints.save(step)
    return directory


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped"])
@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    saved, tmp_path, how, part, caplog
):
    for file in saved.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damage(tmp_path / f"step-6.{part}", how)
    variable = tf.Variable(tf.zeros([1000]))
    checkpoints = Checkpoints(str(tmp_path), tf.train.Checkpoint(v=variable), keep=3)
    assert checkpoints.restore() == 4
    assert (variable.numpy() == 4).all()
    for step in (2, 4):
        damage(tmp_path / f"step-{step}.data-00000-of-00001", how)
    with pytest.raises(InputError, match="all 3 in .* are damaged"):
        checkpoints.restore()


def test_a_process_killed_at_any_moment_of_a_save_leaves_whole_checkpoints(
    tmp_path, monkeypatch
):
    """Killed within the first .index, a run said that all its checkpoints are damaged.

    TensorFlow writes the .index under its name; only a whole one may have that name.
    """
    variable = tf.Variable(1.0)
    checkpoint = tf.train.Checkpoint(v=variable)
    checkpoints = Checkpoints(str(tmp_path), checkpoint, keep=2)
    replace, seen = os.replace, []

    def replace_and_look(source, target):
        seen.append((checkpoint_steps(str(tmp_path)), pathlib.Path(target).suffix))
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_and_look)
    checkpoints.save(1)
    assert [steps for steps, _ in seen] == [[], []]
    assert seen[-1][1] == ".index"
    # A process killed before the last step leaves no checkpoint; its files are removed.
    (tmp_path / "step-1.index").rename(tmp_path / "unfinished-step-1.index")
    assert checkpoint_steps(str(tmp_path)) == []
    assert checkpoints.restore() is None
    checkpoints.save(2)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"step-2.index", "step-2.data-00000-of-00001"}
    variable.assign(0.0)
    assert checkpoints.restore() == 2
    assert float(variable) == 1.0


def test_damage_without_a_message_is_told_all_the_same(tmp_path, monkeypatch, caplog):
    """The first line of an empty message was an IndexError."""
    checkpoint = tf.train.Checkpoint(v=tf.Variable(0.0))
    checkpoints = Checkpoints(str(tmp_path), checkpoint, keep=2)
    checkpoints.save(1)

    def read(path):
        raise ValueError()

    monkeypatch.setattr(checkpoint, "read", read)
    with pytest.raises(InputError, match="all 1 in"):
        checkpoints.restore()


def test_the_newest_checkpoints_are_kept_and_remains_of_others_removed(saved, tmp_path):
    variable = tf.Variable(0.0)
    checkpoints = Checkpoints(str(tmp_path), tf.train.Checkpoint(v=variable), keep=2)
    (tmp_path / "step-3_temp").mkdir()
    (tmp_path / "step-3.data-00000-of-00001").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    for step in (1, 2, 3, 4):
        checkpoints.save(step)
    assert checkpoint_steps(str(tmp_path)) == [3, 4]
    assert len(list(tmp_path.iterdir())) == 5
    checkpoints.save(3)
    assert checkpoint_steps(str(tmp_path)) == [3]
    assert (tmp_path / "notes.txt").exists()


def test_a_run_with_a_damaged_checkpoint_goes_on_from_the_one_before(tmp_path):
    def trainer(name, steps):
        settings = {**SETTINGS, "pretrain_vae_steps": steps}
        return tiny_trainer(tmp_path / name, "pretrain_vae", **settings)

    trainer("whole", 6).train()
    trainer("run", 4).train()
    damage(tmp_path / "run" / "checkpoints" / "step-4.data-00000-of-00001", "flipped")
    resumed = trainer("run", 6)
    assert resumed.step == 2
    resumed.train()
    steps = checkpoint_steps(str(tmp_path / "run" / "checkpoints"))
    assert steps == [2, 4, 6]
    a, b = averaged_weights(tmp_path / "whole"), averaged_weights(tmp_path / "run")
    for name, value in a.items():
        np.testing.assert_array_equal(b[name], value, err_msg=name)


def test_a_full_disk_loses_no_checkpoint_and_training_goes_on_after_it(tmp_path):
    run = tmp_path / "run"
    assert long_run(run, steps=20).result().returncode == 0
    # A checkpoint and the weights are larger than this.
    stopped = long_run(run, steps=60, max_file_bytes=16 * 1024).result()
    assert stopped.returncode == 2
    assert "File too large" in stopped.stderr.splitlines()[-1]
    assert "Traceback" not in stopped.stderr
    assert checkpoint_steps(run / "checkpoints") == [0, 20]
    assert not list(run.rglob("*temp*")) + list(run.rglob("*.partial"))
    assert long_run(run, steps=60).result().returncode == 0
    assert saved_step(run) == 60


def test_data_that_is_gone_is_one_line_and_the_run_stays_as_it_is(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), np.uint8)
    data = tmp_path / "images.npz"
    np.savez(data, images=images)
    run = tmp_path / "run"
    assert long_run(run, f"--dataset=npz:{data}", steps=20).result().returncode == 0
    data.unlink()
    result = long_run(run, f"--dataset=npz:{data}", steps=40).result()
    assert result.returncode == 2
    assert str(data) in result.stderr
    assert saved_step(run) == 20


def test_a_signal_is_noted_and_interrupts_nothing():
    with stop_requests() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert stop.signal_number == signal.SIGINT


def test_a_training_under_nohup_goes_on_when_the_terminal_is_closed():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_requests() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.01)
            assert not stop
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            assert stop.signal_number == signal.SIGTERM
            # The request does not wake it up either.
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_handler_of_a_host_program_is_left_alone(monkeypatch, number):
    """signal.signal(..., None) failed at the end of training, before the last save."""
    getsignal = signal.getsignal
    monkeypatch.setattr(
        signal, "getsignal", lambda n: None if n == number else getsignal(n)
    )
    before = [getsignal(n) for n in STOP_SIGNALS]
    with stop_requests() as stop:
        assert getsignal(number) is before[STOP_SIGNALS.index(number)]
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert stop.signal_number == signal.SIGINT
    assert [getsignal(n) for n in STOP_SIGNALS] == before


def test_training_ends_with_its_save_before_handlers_are_set_again(
    tmp_path, monkeypatch
):
    trainer = tiny_trainer(tmp_path, "pretrain_vae", pretrain_vae_steps=1, **SETTINGS)
    requests, saved = train_loop.stop_requests, []

    @contextlib.contextmanager
    def failing_at_the_end():
        with requests() as stop:
            yield stop
        saved.append(open_run(str(tmp_path)).step)
        raise TypeError("signal handler must be SIG_IGN, SIG_DFL, or callable")

    monkeypatch.setattr(train_loop, "stop_requests", failing_at_the_end)
    with pytest.raises(TypeError):
        trainer.train()
    assert saved == [1]
