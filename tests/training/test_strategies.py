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
from tensorflow.python.distribute import multi_worker_util
from tiny import two_replicas

from agave_tf.errors import InputError
from agave_tf.models.objective import free_bits
from agave_tf.training import strategy as strategies
from agave_tf.training import train_step
from agave_tf.training.strategy import make_local_strategy, make_strategy
from agave_tf.training.train_step import all_agree

SMOKE = (
    f"--flagfile={ROOT}/flags/smoke.flags",
    "--evaluate_images=0",
    "--summary_every=1",
)


# The floor of free bits lies among the KLs of the channels.
JOINT = (
    "--stage=joint",
    "--num_pixel_cnn_resolutions=1",
    "--dropout_rate=0.5",
    "--kl_weight=2",
    "--kl_min=0.5",
    "--joint_steps=20",
    "--evaluate_images=6",
    "--evaluate_every=10",
)
VAE = "--stage=pretrain_vae"


def train(run, *flags, **how):
    return Command("train", *SMOKE, f"--run_dir={run}", *flags, **how)


def two_addresses():
    """Free addresses on this machine."""
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("localhost", 0))
    addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def tf_config(cluster, task_type, index):
    task = {"type": task_type, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def train_on_two_processes(run, *flags):
    """Two workers on this machine, started together."""
    cluster = {"worker": two_addresses()}
    flags = ("--strategy=multi_worker", *flags)
    return [
        train(run, *flags, environment=tf_config(cluster, "worker", index))
        for index in range(2)
    ]


def train_on_worker_and_chief(run, *flags):
    """A worker, then a chief, as cloud services set them up; --strategy is auto."""
    chief, worker = two_addresses()
    cluster = {"chief": [chief], "worker": [worker], "evaluator": ["localhost:1"]}
    return [
        train(run, *flags, environment=tf_config(cluster, task_type, "0"))
        for task_type in ("worker", "chief")
    ]


def curve(run, images):
    """Bits/dim of training batches or held-out images by step, from TensorBoard."""
    return scalars(run / "summaries" / images)["bits_per_dim"]


def loss_curve(run):
    """Bits/dim of every training step."""
    of_steps = curve(run, "train")
    return np.array([of_steps[step] for step in sorted(of_steps)])


def test_one_device_two_replicas_and_two_processes_have_the_same_loss(tmp_path):
    worker, chief = train_on_worker_and_chief(tmp_path / "chief", *JOINT)
    commands = [
        *(worker, chief),
        train(tmp_path / "one", *JOINT, "--strategy=one"),
        train(
            tmp_path / "mirrored", *JOINT, "--strategy=mirrored", "--num_logical_cpus=2"
        ),
        *train_on_two_processes(tmp_path / "workers", *JOINT),
    ]
    for command in commands:
        result = command.result()
        assert result.returncode == 0, result.stderr
    one = loss_curve(tmp_path / "one")
    assert len(one) == 20
    assert one[0] - one[-1] > 0.01
    held_out = curve(tmp_path / "one", "held_out")
    assert [*held_out] == [0, 10, 20]
    for name in ("mirrored", "workers", "chief"):
        several = loss_curve(tmp_path / name)
        print(name, "largest difference", abs(several - one).max())
        np.testing.assert_allclose(several, one, rtol=0, atol=1e-5, err_msg=name)
        # The scores of evaluations on the way, of averaged weights.
        assert curve(tmp_path / name, "held_out") == pytest.approx(held_out, abs=1e-5)
    holder = (tmp_path / "chief" / "lock").read_text()
    assert holder.startswith(f"process {chief.process.pid} ")


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


def test_two_processes_go_on_where_two_processes_ended(tmp_path):
    """Their curve and weights are those of one device that was never stopped."""
    steps = "--pretrain_vae_steps={}".format
    for last in (3, 6):
        workers = train_on_two_processes(tmp_path / "workers", VAE, steps(last))
        for result in [worker.result() for worker in workers]:
            assert result.returncode == 0, result.stderr
        assert saved_step(tmp_path / "workers") == last
    assert f"from step 3 in {tmp_path}/workers" in result.stderr
    result = train(tmp_path / "one", VAE, steps(6)).result()
    assert result.returncode == 0, result.stderr
    one = loss_curve(tmp_path / "one")
    assert len(one) == 6
    np.testing.assert_allclose(loss_curve(tmp_path / "workers"), one, atol=1e-5)
    theirs = averaged_weights(tmp_path / "workers")
    for name, value in averaged_weights(tmp_path / "one").items():
        np.testing.assert_allclose(theirs[name], value, atol=1e-4, err_msg=name)


def test_free_bits_of_two_replicas_are_those_of_the_global_batch():
    """Each alone would floor another channel, and its gradient with it."""
    # Means of the halves and of all, by channel: 1, 3, 2; 3, 1, 2; 0, 0, 0; 4, 4, 4.
    kl = np.array([[1, 3, 0, 4], [1, 3, 0, 4], [3, 1, 0, 4], [3, 1, 0, 4]], np.float32)
    strategy = two_replicas()
    for kl_min in (1.5, 2.5):
        of_replicas = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(
                np.split(kl, 2)[context.replica_id_in_sync_group]
            )
        )
        two = strategy.run(free_bits, (of_replicas, kl_min))
        joined = tf.concat(strategy.experimental_local_results(two), 0)
        np.testing.assert_allclose(joined, free_bits(tf.constant(kl), kl_min))


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


ONE_PROCESS = [
    "",
    "  ",
    "{}",
    '{"environment": "cloud"}',
    '{"cluster": {}, "task": {}}',
    '{"cluster": null}',
    '{"task": {"type": "worker", "index": 0}}',
    '{"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
    '{"cluster": {"master": ["a:1"]}, "task": {"type": "master", "index": "0"}}',
    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
    '{"cluster": {"worker": ["a:1"]}, "task": {"index": 0}}',
    '{"cluster": {"chief": ["a:1"], "worker": []}}',
    '{"cluster": {"chief": ["a:1"], "evaluator": ["b:1"], "ps": ["c:1"]}}',
]


@pytest.fixture(autouse=True)
def _no_strategy_of_other_tests():
    yield
    strategies._mirrored_gpus.cache_clear()


@pytest.mark.parametrize("text", ONE_PROCESS)
@pytest.mark.parametrize("num_gpus", [0, 1, 2])
def test_one_process_uses_one_device_or_all_gpus(monkeypatch, text, num_gpus):
    monkeypatch.setenv("TF_CONFIG", text)
    gpus = [object()] * num_gpus
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: "mirrored")
    several = "mirrored" if num_gpus > 1 else tf.distribute.get_strategy()
    assert make_strategy("auto") is several
    if '["a:1"]' in text:
        assert make_strategy("multi_worker") is several
    else:
        with pytest.raises(InputError, match="list the processes for --strategy=multi"):
            make_strategy("multi_worker")


def test_all_trainings_of_a_process_share_one_mirrored_strategy(monkeypatch):
    """Sums of a second one failed: `Shape mismatch in the collective instance 100`."""
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", object)
    first = make_strategy("mirrored")
    assert make_strategy("mirrored") is make_local_strategy("mirrored") is first


A, B = "a:1", "b:1"


@pytest.mark.parametrize(
    "cluster,task_type,index,expected",
    [
        # In: cluster and task. Expected: number of processes, index, is it the chief.
        ({"worker": [A, B]}, "worker", 0, (2, 0, True)),
        ({"worker": [A, B]}, "worker", "1", (2, 1, False)),
        ({"chief": [A], "worker": [B]}, "chief", "0", (2, 0, True)),
        ({"chief": [A], "worker": [B]}, "worker", 0, (2, 1, False)),
        ({"master": [A], "worker": [B]}, "master", 0, (2, 0, True)),
        ({"master": [A], "worker": [B]}, "worker", 0, (2, 1, False)),
        ({"chief": [A], "worker": [B, "c:1"], "ps": ["d:1"]}, "worker", 1, (3, 2, 0)),
    ],
)
@pytest.mark.parametrize("name", ["auto", "multi_worker"])
def test_a_cluster_counts_its_chief_and_its_workers(
    monkeypatch, name, cluster, task_type, index, expected
):
    for key, value in tf_config(cluster, task_type, index).items():
        monkeypatch.setenv(key, value)
    # The strategy itself waits for the other processes.
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda x: x)
    resolver = make_strategy(name)
    task = resolver.cluster_spec(), resolver.task_type, resolver.task_id
    # `num_processes` counts every address.
    assert sum(map(len, task[0].as_dict().values())) == expected[0]
    assert (
        multi_worker_util.worker_count(*task[:2]),
        multi_worker_util.id_in_cluster(*task),
        multi_worker_util.is_chief(*task),
    ) == expected


def of_cluster(cluster, task='{"type": "worker", "index": 0}'):
    return f'{{"cluster": {cluster}, "task": {task}}}'


TWO = '{"worker": ["a:1", "b:1"]}'


@pytest.mark.parametrize(
    "text,message",
    [
        ("{", "must be valid JSON.*got {\\. --strategy=one"),
        ("{'cluster': {}}", "must be valid JSON.*got {'cluster': {}}"),
        ('{"cluster":\n {}', 'must be valid JSON.*got {"cluster": {}\\.'),
        ("[]", "must be a JSON object"),
        ("3", "must be a JSON object"),
        ('{"cluster": ["a:1"]}', 'an object as its "cluster"'),
        ('{"task": "worker"}', 'an object as its "task"'),
        (of_cluster('{"worker": "a:1"}'), "an address HOST:PORT"),
        (of_cluster('{"worker": {"0": "a:1"}}'), "an address HOST:PORT"),
        (of_cluster('{"worker": ["a", "b"]}'), "an address HOST:PORT"),
        (of_cluster('{"worker": [1, 2]}'), "an address HOST:PORT"),
        (of_cluster('{"chief": ["a:1", "b:1"]}'), "one chief at most"),
        (of_cluster('{"chief": ["a:1"], "worker": ["a:1"]}'), "every address once"),
        (of_cluster('{"trainer": ["a:1"]}'), "the jobs chief and worker alone"),
        (of_cluster(TWO, "{}"), "which process"),
        (of_cluster(TWO, '{"index": 0}'), "which process"),
        (of_cluster(TWO, '{"type": "worker"}'), "which process"),
        (of_cluster(TWO, '{"type": "worker", "index": 2}'), "which process"),
        (of_cluster(TWO, '{"type": "worker", "index": -1}'), "which process"),
        (of_cluster(TWO, '{"type": "worker", "index": "x"}'), "which process"),
        (of_cluster(TWO, '{"type": "worker", "index": null}'), "which process"),
        (of_cluster(TWO, '{"type": "chief", "index": 0}'), "which process"),
        (of_cluster(TWO, '{"type": "ps", "index": 0}'), "got ps. .* start neither"),
        (of_cluster(TWO, '{"type": "evaluator", "index": 0}'), "got evaluator"),
        ('{"task": {"type": "evaluator", "index": 0}}', "got evaluator"),
    ],
)
def test_a_tf_config_that_cannot_be_used_is_refused_in_one_line(
    monkeypatch, text, message
):
    monkeypatch.setenv("TF_CONFIG", text)
    for name in ("auto", "multi_worker"):
        with pytest.raises(InputError, match=message) as refusal:
            make_strategy(name)
        line = str(refusal.value)
        assert line.startswith("`TF_CONFIG` must ") and "\n" not in line
        # Nobody asked for this strategy.
        assert "--strategy=multi_worker" not in line


@pytest.mark.parametrize("text", ["{", "[]", of_cluster(TWO), of_cluster('{"x": 3}')])
def test_strategies_of_one_process_do_not_read_tf_config(monkeypatch, text):
    """TensorFlow's MirroredStrategy parses it, and failed on what is not JSON."""
    monkeypatch.setenv("TF_CONFIG", text)
    assert make_strategy("one") is tf.distribute.get_strategy()
    assert make_strategy("mirrored").num_replicas_in_sync >= 1
    assert make_local_strategy("mirrored").num_replicas_in_sync >= 1
    assert make_local_strategy("one") is None
    assert os.environ["TF_CONFIG"] == text


def test_training_goes_on_alone_where_a_cloud_service_sets_tf_config(tmp_path):
    run, steps = tmp_path / "run", "--pretrain_vae_steps=2"
    cloud = {"TF_CONFIG": '{"environment": "cloud"}'}
    result = train(run, VAE, steps, environment=cloud).result()
    assert result.returncode == 0, result.stderr
    assert saved_step(run) == 2
