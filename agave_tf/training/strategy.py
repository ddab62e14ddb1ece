"""The devices that a run uses, as a strategy of tf.distribute."""

import json
import os

import tensorflow as tf

from agave_tf.errors import InputError

STRATEGIES = ("auto", "one", "mirrored", "multi_worker")


def make_strategy(name: str, num_logical_cpus: int = 0) -> tf.distribute.Strategy:
    """Makes the strategy called `name`; call it before TensorFlow's first operation.

    Args:
      name: "one": one device. "mirrored": all GPUs of the machine, or
        `num_logical_cpus` parts of the CPU. "multi_worker": all processes that
        TF_CONFIG lists, on one machine or several. "auto": multi_worker if TF_CONFIG is
        set, else mirrored if there are several GPUs, else one.
      num_logical_cpus: number of devices to split the CPU into, for trying out replicas
        without a GPU; 0: the CPU is not split.

    Raises:
      InputError: `name` is no strategy, logical CPUs are asked for without "mirrored",
        or TF_CONFIG cannot be used.
    """
    if name not in STRATEGIES:
        raise InputError(
            f"`strategy` must be one of {', '.join(STRATEGIES)}; got {name!r}."
        )
    if num_logical_cpus:
        return _mirrored_cpus(name, num_logical_cpus)
    if name == "multi_worker" or (name == "auto" and os.environ.get("TF_CONFIG")):
        _check_tf_config()
        return tf.distribute.MultiWorkerMirroredStrategy()
    num_gpus = len(tf.config.list_physical_devices("GPU"))
    if name == "mirrored" or (name == "auto" and num_gpus > 1):
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def make_local_strategy(
    name: str, num_logical_cpus: int = 0
) -> tf.distribute.Strategy | None:
    """Makes a strategy of this process alone; call it before the first operation.

    Args:
      name: "one": one device, which needs no strategy: None. "mirrored": all GPUs of
        the machine, or `num_logical_cpus` parts of the CPU. "auto": mirrored if there
        are several GPUs, else one.
      num_logical_cpus: as `make_strategy` takes it.
    """
    if name == "auto":
        several = len(tf.config.list_physical_devices("GPU")) > 1
        name = "mirrored" if several else "one"
    strategy = make_strategy(name, num_logical_cpus)
    return strategy if name == "mirrored" else None


def is_chief() -> bool:
    """Returns whether this process writes the run's files; a lone process does."""
    return tf.distribute.get_strategy().extended.should_checkpoint


def num_processes(strategy: tf.distribute.Strategy) -> int:
    """The number of processes that train together."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    workers = strategy.cluster_resolver.cluster_spec().as_dict().values()
    return max(1, sum(len(addresses) for addresses in workers))


def wait_for_all_processes() -> None:
    """Returns when every process of the run has come here."""
    strategy = tf.distribute.get_strategy()
    if num_processes(strategy) == 1:
        return

    @tf.function(autograph=False)
    def meet() -> tf.Tensor:
        return strategy.reduce("SUM", strategy.run(lambda: tf.constant(1)), axis=None)

    meet().numpy()


def _mirrored_cpus(name: str, num_logical_cpus: int) -> tf.distribute.Strategy:
    if name != "mirrored" or num_logical_cpus < 1:
        raise InputError(
            "`num_logical_cpus` must be positive, and goes with --strategy=mirrored; "
            f"got {num_logical_cpus} with --strategy={name}."
        )
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * num_logical_cpus
    )
    return tf.distribute.MirroredStrategy(
        [f"CPU:{i}" for i in range(num_logical_cpus)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )


def _check_tf_config() -> None:
    """Raises InputError unless TF_CONFIG names workers and which of them this is."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        content = json.loads(text)
        workers = content["cluster"]["worker"]
        index = content["task"]["index"]
        usable = content["task"]["type"] == "worker" and 0 <= index < len(workers)
    except (ValueError, KeyError, TypeError):
        usable = False
    if not usable:
        raise InputError(
            "`TF_CONFIG` must be set for --strategy=multi_worker, to "
            '{"cluster": {"worker": ["HOST:PORT", ...]}, '
            '"task": {"type": "worker", "index": N}}; '
            f"got {text or 'nothing'}."
        )
