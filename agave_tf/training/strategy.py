"""The devices that a run uses, as a strategy of tf.distribute."""

import contextlib
import functools
import os
import zlib
from collections.abc import Iterator

import tensorflow as tf

from agave_tf.errors import InputError
from agave_tf.settings.config import Config
from agave_tf.settings.devices import STRATEGIES, check_logical_cpus
from agave_tf.training.cluster import Cluster, malformed, read_cluster


def make_strategy(name: str, num_logical_cpus: int = 0) -> tf.distribute.Strategy:
    """Makes the strategy called `name`; call it before TensorFlow's first operation.

    Args:
      name: "one": one device. "mirrored": all GPUs of the machine, or
        `num_logical_cpus` parts of the CPU. "multi_worker": all processes that
        TF_CONFIG lists, on one machine or several. "auto": multi_worker if TF_CONFIG
        lists several processes, else mirrored if there are several GPUs, else one.
        With a single process in TF_CONFIG, "multi_worker" is "auto".
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
    check_logical_cpus(name, num_logical_cpus)
    if num_logical_cpus:
        return _mirrored_cpus(num_logical_cpus)
    if name in ("auto", "multi_worker"):
        cluster = read_cluster()
        if name == "multi_worker" and not cluster.num_processes:
            raise malformed("list the processes for --strategy=multi_worker")
        if cluster.num_processes > 1:
            return tf.distribute.MultiWorkerMirroredStrategy(_Resolver(cluster))
        several = len(tf.config.list_physical_devices("GPU")) > 1
        name = "mirrored" if several else "one"
    if name == "mirrored":
        return _mirrored_gpus()
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


def images_at_a_time(config: Config) -> int:
    """The images that each device holds at a time in a training step."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return config.train.batch_size // (replicas * config.compute.accumulate_steps)


def wait_for_all_processes() -> None:
    """Returns when every process of the run has come here."""
    if num_processes(tf.distribute.get_strategy()) > 1:
        _values_of_replicas(0)


def check_all_processes_have(value: object, required: str) -> None:
    """Checks that every process of the run comes here with the same value.

    Otherwise the processes would wait for each other for ever, or train weights that
    drift apart. Every process raises the error, or none.

    Args:
      value: has the same `repr` in every process.
      required: what must be so, from its name on, and what this process got.

    Raises:
      InputError: a process has another value.
    """
    if num_processes(tf.distribute.get_strategy()) == 1:
        return
    # As many bits as float32 keeps.
    number = zlib.crc32(repr(value).encode()) % 2**24
    if len(set(_values_of_replicas(number))) > 1:
        # A process that ends may leave others without the numbers it still owes them.
        # All that begin a second exchange have had those of the first.
        with contextlib.suppress(tf.errors.OpError):
            _values_of_replicas(number)
        raise InputError(f"{required}; another process differs.")


def _values_of_replicas(value: int) -> list[float]:
    """The value, below 2**24, of each replica's process.

    All that processes exchange is float32: NCCL adds up what lies in a GPU's memory,
    and TensorFlow keeps int32 in the host's.
    """
    strategy = tf.distribute.get_strategy()

    def own_place() -> tf.Tensor:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.one_hot(replica, strategy.num_replicas_in_sync) * value

    @tf.function(autograph=False)
    def exchange() -> tf.Tensor:
        return strategy.reduce("SUM", strategy.run(own_place), axis=None)

    return exchange().numpy().tolist()


@functools.cache
def _mirrored_gpus() -> tf.distribute.Strategy:
    """The strategy of all GPUs, one for all that this process trains.

    TensorFlow numbers the sums over devices anew for each MirroredStrategy. If a second
    one sums a tensor of another shape under the number of a first one's, as in the
    second command of a notebook, all sums fail for the rest of the process.
    """
    with _hidden_tf_config():
        return tf.distribute.MirroredStrategy()


def _mirrored_cpus(num_logical_cpus: int) -> tf.distribute.Strategy:
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * num_logical_cpus
    )
    with _hidden_tf_config():
        return tf.distribute.MirroredStrategy(
            [f"CPU:{i}" for i in range(num_logical_cpus)],
            cross_device_ops=tf.distribute.ReductionToOneDevice(),
        )


class _Resolver(tf.distribute.cluster_resolver.TFConfigClusterResolver):
    """Tells TensorFlow the cluster as we understand it, not as TF_CONFIG words it."""

    def __init__(self, cluster: Cluster):
        super().__init__(cluster.task_type, cluster.task_index)
        self._cluster = cluster

    def cluster_spec(self) -> tf.train.ClusterSpec:
        return tf.train.ClusterSpec(dict(self._cluster.addresses))


@contextlib.contextmanager
def _hidden_tf_config() -> Iterator[None]:
    """A context without TF_CONFIG.

    MirroredStrategy parses it, only to say that it does not use it, and fails on one
    that is not JSON.
    """
    text = os.environ.pop("TF_CONFIG", None)
    try:
        yield
    finally:
        if text is not None:
            os.environ["TF_CONFIG"] = text
