"""The private names of Keras and TensorFlow that we use, and why.

No other module uses a private name of another package, but for `probability`, which
names the module in which TensorFlow Probability looks for Keras. setup.cfg pins the
versions, so an upgrade is tried against our tests first. Each name has one in
tests/package/test_library_internals.py, which also finds private names elsewhere.
"""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.core.framework import attr_value_pb2
from tensorflow.python.framework.func_graph import FuncGraph, dismantle_func_graph
from tensorflow.python.framework.ops import gradient_registry


def child_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers that `layer` holds as attributes or in lists, not their own children.

    Private because only `keras.Model` lists its layers; a `keras.layers.Layer` lists
    its variables alone, without the layers they belong to.
    """
    return list(layer._flatten_layers(include_self=False, recursive=False))


def all_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """`layer` and every layer below it; private for the reason of `child_layers`."""
    return list(layer._flatten_layers())


def dynamic_update_slice(
    x: tf.Tensor, update: tf.Tensor, start: tf.Tensor
) -> tf.Tensor:
    """`x` with `update` written over it from the indices `start`, in compiled code.

    Private because of TensorFlow's public operations none becomes XLA's
    DynamicUpdateSlice for indices known at run time. Only that one writes in place;
    `tf.tensor_scatter_nd_update` and the like copy all of `x` for every pixel drawn.

    Args:
      x: of any shape.
      update: of the same rank, no larger than `x`.
      start: int32 [rank], the first index to write in each dimension.
    """
    return xla.dynamic_update_slice(x, update, start)


def optimization_barrier(*tensors: tf.Tensor) -> list[tf.Tensor]:
    """The tensors, each computed once wherever compiled code uses it.

    Private because nothing public becomes XLA's OptimizationBarrier. Without it XLA may
    compute a number anew for each use, with sums in different orders, and the uses then
    differ in the last bits.
    """
    return xla.optimization_barrier(*tensors)


def without_constant_arguments(results: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
    """The results of one `tf.while_loop` or `tf.cond`, in code to be compiled.

    Private because nothing public keeps TensorFlow from looking for arguments that are
    constants, of which lists of tensors alone need to know. It makes the body anew for
    each argument, which took a third of the time to the first picture of a sampler.
    """
    if tf.executing_eagerly() or not results:
        return results  # There is no operation, or nothing that is compiled.
    operation = results[0].op
    if operation.type == "Identity":  # `tf.cond` adds one to each result.
        operation = operation.inputs[0].op
    no = attr_value_pb2.AttrValue(b=False)
    operation._set_attr("_xla_propagate_compile_time_consts", no)
    return results


def has_value(variable: keras.Variable) -> bool:
    """Returns whether a variable has a value, and not only a name and a shape.

    `Variable.value` gives random numbers for a variable without a value, and nothing
    public tells the two apart.
    """
    return variable._value is not None


def without_tracing_warning(
    function: tf.types.experimental.PolymorphicFunction,
) -> tf.types.experimental.PolymorphicFunction:
    """`function`, which TensorFlow will not say is traced too often; itself.

    For one of several compiled functions with one Python function. TensorFlow counts
    them together, and warns of a first trace of each as if one were traced anew.
    Private because nothing public leaves this warning alone out.
    """
    function._omit_frequent_tracing_warning = True
    return function


def free_graphs(function: tf.types.experimental.PolymorphicFunction) -> None:
    """Frees the graphs of a `tf.function` that is called no more.

    Private because TensorFlow itself never frees them: operations and graph, which are
    not of Python alone, hold each other where no garbage collector looks; and the
    gradient of every `tf.custom_gradient` is registered for ever, with its tensors. The
    graph of a training step of the paper's model takes about a gigabyte.

    Args:
      function: a compiled function; calling it afterwards traces it anew or fails.
    """
    for concrete in function._list_all_concrete_functions():
        _dismantle(concrete.graph)


@contextlib.contextmanager
def freeing_graphs(
    function: tf.types.experimental.PolymorphicFunction,
) -> Iterator[None]:
    """A context at whose end `free_graphs` frees the graphs of `function`."""
    try:
        yield
    finally:
        free_graphs(function)


def _dismantle(graph: FuncGraph) -> None:
    for operation in graph.get_operations():
        if operation.type == "IdentityN":  # The results of a tf.custom_gradient.
            with contextlib.suppress(ValueError):
                name = operation.get_attr("_gradient_op_type").decode()
                gradient_registry._registry.pop(name, None)
    for inner in list(graph._functions.values()):
        # Bodies of loops and branches are this graph's own. A tf.function that was
        # called within is named __inference_..., and may be in use elsewhere.
        if not inner.name.startswith(b"__"):
            _dismantle(inner.graph)
    dismantle_func_graph(graph)
