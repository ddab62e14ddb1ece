"""Which devices a run uses, by tf.distribute."""

import tensorflow as tf

from agave_tf.input_error import InputError


def make_strategy(name: str, num_logical_cpus: int = 0) -> tf.distribute.Strategy:
    """The strategy called `name`.

    Args:
      name: "one" device; "mirrored" over all GPUs, or over `num_logical_cpus`; "auto",
        mirrored where there are several GPUs.
      num_logical_cpus: splits the CPU into so many devices, for trying out replicas
        without a GPU; 0: no. Only before TensorFlow's first operation.

    Raises:
      InputError: no such strategy, or logical CPUs without "mirrored".
    """
    if name not in ("auto", "one", "mirrored"):
        raise InputError(f"`strategy` must be auto, one or mirrored; got {name!r}.")
    if num_logical_cpus:
        return _mirrored_cpus(name, num_logical_cpus)
    num_gpus = len(tf.config.list_physical_devices("GPU"))
    if name == "mirrored" or (name == "auto" and num_gpus > 1):
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


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
