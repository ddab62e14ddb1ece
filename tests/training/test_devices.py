"""Training and its commands, as they meet GPUs and machines that tests do not have."""

import contextlib
import os
import pathlib
import sys

import pytest
import tensorflow as tf
from command_process import ROOT
from tiny import tiny_config, tiny_images, tiny_trainer

from agave_tf import commands
from agave_tf.codec.threads import use_threads
from agave_tf.commands import running
from agave_tf.commands.devices import (
    give_cores_their_own_operations,
    take_gpu_memory_as_needed,
)
from agave_tf.data.in_python import read_images
from agave_tf.errors import InputError
from agave_tf.evaluation import evaluator
from agave_tf.runs.numerics import use_tensor_float_32
from agave_tf.runs.open_run import open_run
from agave_tf.settings.config import config_from_json
from agave_tf.settings.training import ComputeConfig
from agave_tf.training import strategy as strategies
from agave_tf.training.stop_request import StopRequest
from agave_tf.training.strategy import check_all_processes_have, wait_for_all_processes
from agave_tf.training.summaries import Profiler
from agave_tf.training.train_loop import _votes
from agave_tf.training.train_stage import train_stage

GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
THREADS = "TF_NUM_INTRAOP_THREADS"


@pytest.mark.parametrize("own", [None, "true", "false"])
def test_gpus_give_memory_as_it_is_needed_unless_the_user_says_otherwise(
    monkeypatch, own
):
    monkeypatch.setenv(GROWTH, own or "")
    if own is None:
        monkeypatch.delenv(GROWTH)
    take_gpu_memory_as_needed()
    assert os.environ[GROWTH] == (own or "true")


def test_a_command_asks_for_gpu_memory_before_it_does_anything_else(monkeypatch):
    """The parent of bin/reproduce.py held all of it, and its trainings found none."""
    monkeypatch.setenv(GROWTH, "")
    monkeypatch.delenv(GROWTH)
    seen = []
    monkeypatch.setattr(sys, "argv", ["x.py"])
    monkeypatch.setattr(running.app, "run", lambda main, flags_parser: main([]))
    monkeypatch.setattr(running.logging, "use_absl_handler", lambda: None)
    running.run_command(
        lambda values: None, lambda values: seen.append(os.environ[GROWTH]), "Nothing."
    )
    assert seen == ["true"]


@pytest.mark.parametrize(
    ("cores", "own", "expected"),
    [(2, None, "1"), (2, "2", "2"), (1, None, None), (4, None, None)],
)
def test_each_of_two_cores_computes_operations_of_its_own(
    monkeypatch, cores, own, expected
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    monkeypatch.setenv(THREADS, own or "")
    if own is None:
        monkeypatch.delenv(THREADS)
    give_cores_their_own_operations()
    assert os.environ.get(THREADS) == expected


def test_every_command_starts_where_gpu_memory_is_asked_for():
    """`run_command` asks for it; a command that started otherwise would not."""
    directory = pathlib.Path(commands.__file__).parent
    mains = [directory / path.name for path in (ROOT / "bin").glob("*.py")]
    assert len(mains) == 10
    for path in mains:
        main = path.read_text().partition("\ndef main()")[2]
        assert "run_command(define_flags, run, __doc__)" in main, path


def test_coding_leaves_gpus_alone(monkeypatch):
    """Their last bits are no machine's alone, and a file names the CPU it needs."""
    called = []
    monkeypatch.setattr(
        tf.config, "set_visible_devices", lambda *what: called.append(what)
    )
    for name in ("intra_op", "inter_op"):
        setter = f"set_{name}_parallelism_threads"
        monkeypatch.setattr(tf.config.threading, setter, lambda count: None)
    use_threads(1)
    assert called == [([], "GPU")]


@pytest.fixture
def exchanged(monkeypatch):
    """The types of all that replicas exchange."""
    types = set()

    def noted(kind, name):
        exchange = getattr(kind, name)

        def run(self, reduce_op, value, *args, **kwargs):
            for part in tf.nest.flatten(value):
                for one in getattr(part, "values", [part]):
                    types.add((name, tf.convert_to_tensor(one).dtype.name))
            return exchange(self, reduce_op, value, *args, **kwargs)

        monkeypatch.setattr(kind, name, run)

    noted(tf.distribute.Strategy, "reduce")
    noted(tf.distribute.ReplicaContext, "all_reduce")
    return types


def two_replicas():
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def as_two_processes(monkeypatch):
    """Lets two replicas stand for two processes."""
    monkeypatch.setattr(strategies, "num_processes", lambda strategy: 2)


def test_replicas_exchange_float32_alone(tmp_path, exchanged, monkeypatch):
    """NCCL adds up what lies in a GPU's memory; int32 lies in the host's."""
    as_two_processes(monkeypatch)
    monkeypatch.setattr("agave_tf.training.train_step.num_processes", lambda _: 2)
    with two_replicas().scope():
        trainer = tiny_trainer(
            tmp_path / "run",
            "pretrain_vae",
            pretrain_vae_steps=1,
            evaluate_images=0,
            kl_min=0.1,
        )
        trainer.train()
        wait_for_all_processes()
    assert trainer.step == 1
    assert exchanged == {("reduce", "float32"), ("all_reduce", "float32")}


def test_a_vote_to_stop_is_counted():
    stop = StopRequest()
    assert float(_votes(stop)) == 0
    stop.signal_number = 15
    assert float(_votes(stop)) == 1


@pytest.mark.parametrize("values,is_same", [((5, 5), True), ((5, 6), False)])
def test_processes_that_differ_are_refused_in_each_of_them(
    monkeypatch, values, is_same
):
    as_two_processes(monkeypatch)
    exchange = strategies._values_of_replicas
    monkeypatch.setattr(strategies, "_values_of_replicas", lambda number: [*values])
    differ = pytest.raises(InputError, match="^`x` must be 5; another process differs")
    with contextlib.nullcontext() if is_same else differ:
        check_all_processes_have(values[0], "`x` must be 5")
    with two_replicas().scope():
        assert exchange(2**24 - 1) == [2**24 - 1] * 2


def test_a_profiler_that_writes_nothing_stops_at_the_same_steps(monkeypatch):
    """Processes make the same calls, or they would count each other's votes wrongly."""
    monkeypatch.setattr(tf.profiler.experimental, "start", lambda path: pytest.fail())
    writing, silent = Profiler("x", (2, 3)), Profiler(None, (2, 3))
    for step in range(5):
        left = silent.steps_until_change(step)
        assert left == writing.steps_until_change(step)
        with silent.around(step, 1):
            pass


@pytest.mark.parametrize(
    "settings,expected",
    [
        ({}, 4),
        ({"accumulate_steps": 4}, 1),
        ({"accumulate_steps": 2}, 2),
        ({"evaluate_images": 3}, 3),
    ],
)
def test_an_evaluation_takes_as_many_images_as_a_device_holds_in_a_step(
    tmp_path, monkeypatch, settings, expected
):
    """It took the global batch, where a step had only room for a micro-batch."""
    sizes = []
    batches = evaluator.piece_batches

    def noted(images, pieces, batch_size, *args, **kwargs):
        sizes.append(batch_size)
        return batches(images, pieces, batch_size, *args, **kwargs)

    monkeypatch.setattr(evaluator, "piece_batches", noted)
    trainer = tiny_trainer(tmp_path / "run", "pretrain_vae", **settings)
    trainer.evaluate()
    assert sizes == [expected]


def test_an_evaluation_takes_a_replicas_share(tmp_path):
    with two_replicas().scope():
        trainer = tiny_trainer(tmp_path / "run", "pretrain_vae")
    assert trainer.evaluator._batch_size == 2


@pytest.fixture
def tensor_float_32():
    """Leaves the switch of the process as it was."""
    experimental = tf.config.experimental
    before = experimental.tensor_float_32_execution_enabled()
    yield experimental
    experimental.enable_tensor_float_32_execution(before)


@pytest.mark.parametrize("is_on", [True, False])
@pytest.mark.parametrize("is_allowed", [True, False])
def test_a_run_switches_tensor_float_32_off_and_never_on(
    tensor_float_32, is_on, is_allowed
):
    tensor_float_32.enable_tensor_float_32_execution(is_on)
    use_tensor_float_32(ComputeConfig(tensor_float_32=is_allowed))
    expected = is_on and is_allowed
    assert tensor_float_32.tensor_float_32_execution_enabled() is expected


def test_a_run_without_tensor_float_32_is_used_without_it(tmp_path, tensor_float_32):
    trainer = tiny_trainer(tmp_path / "run", "pretrain_vae", tensor_float_32=False)
    trainer.save()
    run = open_run(str(tmp_path / "run"))
    assert run.config.compute.tensor_float_32 is False
    tensor_float_32.enable_tensor_float_32_execution(True)
    run.load_model()
    assert not tensor_float_32.tensor_float_32_execution_enabled()


def test_training_does_without_tensor_float_32_where_it_is_told_to(
    tmp_path, tensor_float_32
):
    settings = {"tensor_float_32": False, "pretrain_vae_steps": 1, "evaluate_images": 0}
    data = read_images(tiny_images().image, tiny_images(4).image)
    tensor_float_32.enable_tensor_float_32_execution(True)
    train_stage("pretrain_vae", tiny_config(**settings), str(tmp_path), data=data)
    assert not tensor_float_32.tensor_float_32_execution_enabled()
    with pytest.raises(InputError, match="`tensor_float_32` must be False to go on"):
        config = tiny_config(**settings | {"tensor_float_32": True})
        train_stage("pretrain_vae", config, str(tmp_path), data=data)


def test_a_config_of_before_has_what_tensorflow_did():
    assert config_from_json('{"compute": {}}').compute.tensor_float_32


@pytest.mark.parametrize(
    "capability,is_said", [((7, 5), False), ((8, 0), True), ((9, 0), True)]
)
def test_gpus_that_have_tensor_float_32_say_so(
    monkeypatch, tensor_float_32, capability, is_said
):
    said = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    tensor_float_32.enable_tensor_float_32_execution(True)
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {"compute_capability": capability},
    )
    monkeypatch.setattr(
        "agave_tf.runs.numerics.logging.log_first_n",
        lambda level, message, count: said.append(message),
    )
    use_tensor_float_32(ComputeConfig())
    assert bool(said) is is_said
