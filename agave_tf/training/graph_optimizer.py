"""TensorFlow's optimizer of graphs, left out where it costs more than it saves."""

import tensorflow as tf


def skip_graph_optimizer_on_cpu() -> None:
    """Switches TensorFlow's graph optimizer (Grappler) off if there is no GPU.

    On a CPU it rewrites some ten thousand nodes before the first step, for seconds to a
    minute, and leaves a training step as fast as it was (docs/speed.md, Training).
    It is a setting of the whole process.
    """
    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
