"""One device, two replicas and two processes train alike."""

import json
import os
import signal
import socket

import numpy as np
import pytest
import tensorflow as tf
from command_process import ROOT, Command
from event_files import scalars
from run_files import averaged_weights, saved_step, wait_for_step

from agave_tf.errors import InputError
from agave_tf.training import train_step
from agave_tf.training.strategy import make_strategy
from agave_tf.training.train_step import all_agree

SMOKE = (
    f"--flagfile={ROOT}/flags/smoke.flags",
    "--evaluate_images=0",
    "--summary_every=1",
)


JOINT = ("--stage=joint", "--dropout_rate=0.5", "--kl_weight=2", "--joint_steps=20")
VAE = "--stage=pretrain_vae"


def train(run, *flags, **how):
    return Command("train", *SMOKE, f"--run_dir={run}", *flags, **how)


def train_on_two_processes(run, *flags):
    """Two workers on this machine, started together."""
    ports = []
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("localhost", 0))
        ports.append(each.getsockname()[1])
    for each in sockets:
        each.close()
    workers = [f"localhost:{port}" for port in ports]
    return [
        train(
            run,
            "--strategy=multi_worker",
            *flags,
            environment={
                "TF_CONFIG": json.dumps(
                    {
                        "cluster": {"worker": workers},
                        "task": {"type": "worker", "index": index},
                    }
                )
            },
        )
        for index in range(2)
    ]


def loss_curve(run):
    """Bits/dim of every training step, from TensorBoard's file."""
    curve = scalars(run / "summaries" / "train")["bits_per_dim"]
    return np.array([curve[step] for step in sorted(curve)])


def test_one_device_two_replicas_and_two_processes_have_the_same_loss(tmp_path):
    commands = [
        train(tmp_path / "one", *JOINT, "--strategy=one"),
        train(
            tmp_path / "mirrored", *JOINT, "--strategy=mirrored", "--num_logical_cpus=2"
        ),
        *train_on_two_processes(tmp_path / "workers", *JOINT),
    ]
    for command in commands:
        result = command.result()
        assert result.returncode == 0, result.stderr
    one, mirrored, workers = (
        loss_curve(tmp_path / name) for name in ("one", "mirrored", "workers")
    )
    assert len(one) == 20
    assert one[0] - one[-1] > 0.01
    print("largest differences", abs(mirrored - one).max(), abs(workers - one).max())
    np.testing.assert_allclose(mirrored, one, rtol=0, atol=1e-5)
    np.testing.assert_allclose(workers, one, rtol=0, atol=1e-5)


def test_a_signal_to_one_of_two_processes_stops_and_saves_both(tmp_path):
    run = tmp_path / "run"
    workers = train_on_two_processes(run, VAE, "--pretrain_vae_steps=100000")
    wait_for_step(workers[0], run, 4)
    os.kill(workers[1].process.pid, signal.SIGTERM)
    results = [worker.result() for worker in workers]
    for result in results:
        assert result.returncode == 128 + signal.SIGTERM, result.stderr
        assert f"at step {saved_step(run)} of 100000" in result.stderr
    assert "stopped by SIGTERM" in results[1].stderr
    assert "stopped by another process" in results[0].stderr
    assert averaged_weights(run)
    # One device goes on where two processes stopped.
    step = saved_step(run)
    result = train(run, VAE, f"--pretrain_vae_steps={step + 2}").result()
    assert result.returncode == 0, result.stderr
    assert saved_step(run) == step + 2


@pytest.mark.parametrize("judgements,verdict", [((1, 1), True), ((1, 0), False)])
def test_one_process_that_finds_a_gradient_too_long_is_enough(
    monkeypatch, judgements, verdict
):
    """Each process judged for itself: a last bit could part their weights for ever."""
    # Two replicas stand for two processes.
    monkeypatch.setattr(train_step, "num_processes", lambda strategy: 2)
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    each = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(judgements[context.replica_id_in_sync_group]) > 0
    )
    with strategy.scope():
        assert bool(all_agree(each)) is verdict


@pytest.mark.parametrize(
    "text", ["", "{", '{"cluster": {"worker": ["a:1"]}, "task": {"index": 0}}']
)
def test_a_tf_config_that_cannot_be_used_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="`TF_CONFIG` must be set"):
        make_strategy("multi_worker")
