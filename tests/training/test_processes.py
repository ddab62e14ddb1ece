"""Processes that train together begin alike, and one of them writes."""

import pytest
import tensorflow as tf
from test_strategies import VAE, tf_config, train, two_addresses

from agave_tf.errors import InputError
from agave_tf.runs.open_run import open_run
from agave_tf.training import strategy


def two_processes(first, second, first_how=None):
    """The ends of two processes that train together.

    Args:
      first: run directory and flags of the chief.
      second: those of the other process.
      first_how: options of `Command` for the chief.
    """
    addresses = {"worker": two_addresses()}
    commands = [
        train(*arguments, environment=tf_config(addresses, "worker", index), **how)
        for index, (arguments, how) in enumerate(
            ((first, first_how or {}), (second, {}))
        )
    ]
    return [command.result() for command in commands]


def test_a_process_whose_chief_ends_says_so_in_one_line(tmp_path):
    """It ended with a traceback of TensorFlow's."""
    chief, worker = two_processes(
        *[(tmp_path / "run", VAE)] * 2, {"max_file_bytes": 16 * 1024}
    )
    assert chief.returncode == 2, chief.stderr
    assert "File too large" in chief.stderr
    assert worker.returncode == 1
    assert "Traceback" not in worker.stderr
    line = worker.stderr.splitlines()[-1]
    assert line.startswith("train.py: another process of this training has ended")


def refused_in_both(message, first, second):
    for result in two_processes(first, second):
        assert result.returncode == 2, result.stderr
        assert message in result.stderr.splitlines()[-1]
        assert "another process differs" in result.stderr


def test_a_process_that_differs_waits_for_the_others_and_says_so_if_they_end(
    monkeypatch,
):
    """It ended before another one had its number, which then named the wrong cause."""
    exchanges = []

    def exchange(value):
        exchanges.append(value)
        if len(exchanges) == 2:
            raise tf.errors.UnavailableError(None, None, "The other one has ended.")
        return [value, value + 1.0]

    monkeypatch.setattr(strategy, "num_processes", lambda _: 2)
    monkeypatch.setattr(strategy, "_values_of_replicas", exchange)
    with pytest.raises(InputError, match="`run_dir` must be seen; another process"):
        strategy.check_all_processes_have(7, "`run_dir` must be seen")
    assert len(exchanges) == 2


def test_processes_that_do_not_see_one_run_directory_are_refused(tmp_path):
    """Each trained on from where its own directory was: from then on they waited."""
    here, there = tmp_path / "here", tmp_path / "there"
    alone = train(here, VAE, "--pretrain_vae_steps=2", "--strategy=one").result()
    assert alone.returncode == 0, alone.stderr
    flags = (VAE, "--pretrain_vae_steps=4")
    refused_in_both(
        "`run_dir` must be on a file system that all processes see",
        (here, *flags),
        (there, *flags),
    )
    assert not there.exists()
    assert open_run(str(here)).step == 2


def test_processes_with_other_flags_are_refused(tmp_path):
    """Another learning rate in one of them let their weights drift apart in silence."""
    run = tmp_path / "run"
    refused_in_both(
        "must list processes that are started with the same flags",
        (run, VAE, "--learning_rate=0.001"),
        (run, VAE, "--learning_rate=0.002"),
    )
    assert not run.exists()


def test_two_processes_evaluate_draw_and_profile(tmp_path):
    """The chief alone does; the other waits, and writes nothing."""
    run = tmp_path / "run"
    flags = (
        *(run, VAE, "--pretrain_vae_steps=4", "--evaluate_every=2"),
        *("--evaluate_images=4", "--profile_steps=2:3", "--steps_per_call=3"),
    )
    results = two_processes(flags, flags)
    for result in results:
        assert result.returncode == 0, result.stderr
    assert "held-out: bits_per_dim" in results[0].stderr
    assert "held-out" not in results[1].stderr
    assert len(list(run.rglob("*.xplane.pb"))) == 1
