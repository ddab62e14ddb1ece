"""Private names of other packages: one file has them, and each one has a test.

A test of a name tells whether a new version of its library still has it, and whether it
still does what we use it for.
"""

import ast
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tqdm
from absl import flags
from test_rooms import PACKAGE, modules

from agave_tf import probability
from agave_tf.weights import library_internals

# The modules that may use private names, and the packages whose names these are.
PLACES = {
    library_internals.__name__: "Keras and TensorFlow",
    probability.__name__: "TensorFlow Probability",
}
# Modules whose packages document other ways to all that is in them.
PRIVATE_MODULE = re.compile(
    r"(tensorflow|tf)\.(python|compiler|core|__internal__)\b"
    r"|keras\.src\b"
    r"|tensorflow_datasets\.core\b"
    r"|(tensorflow_probability|tfp)\.python\b"
    r"|tensorboard\.(backend|compat|util)\b"
    r"|(numpy|np)\.core\b"
    r"|(?!agave_tf)\w[\w.]*\._(?!_)"
)
# Named tuples have documented methods that begin with an underscore.
OF_NAMED_TUPLES = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}
# Attributes without an underscore that their packages do not document, or whose order
# they do not promise.
UNDOCUMENTED = re.compile(
    r"\bwarnings\.filters|(picture|copy)\.tile|optimizer\.(variables|update_step)"
)


def own_names(tree: ast.AST) -> set[str]:
    """The private names that a module gives to its own things."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (n for target in targets for n in ast.walk(target)):
                if isinstance(name, ast.Name):
                    found.add(name.id)
                elif isinstance(name, ast.Attribute) and is_self(name.value):
                    found.add(name.attr)
    return found


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def foreign_privates(source: str) -> list[str]:
    """The uses of private names of other packages in a module's source."""
    tree = ast.parse(source)
    own = own_names(tree) | OF_NAMED_TUPLES
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value] if re.fullmatch(r"\w+(\.\w+)+", node.value) else []
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if is_private(node.attr) and not is_self(node.value):
                found += [name] if node.attr not in own else []
            found += [name] if UNDOCUMENTED.search(name) else []
            names = [name] if re.fullmatch(r"[\w.]+", name) else []
            # `self._own.name` is ours; a private name within is found by itself.
            names = [n for n in names if not re.search(r"\._(?!_)", n)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            constants = [a.value for a in node.args if isinstance(a, ast.Constant)]
            found += [
                ast.unparse(node)
                for value in constants
                if isinstance(value, str) and is_private(value) and value not in own
            ]
            continue
        else:
            continue
        found += [name for name in names if PRIVATE_MODULE.match(name)]
    return sorted(set(found))


@pytest.mark.parametrize("name", sorted(set(modules()) - set(PLACES)))
def test_a_module_uses_no_private_name_of_another_package(name):
    assert foreign_privates(modules()[name].read_text()) == []


def test_the_face_of_the_package_uses_none():
    assert foreign_privates((PACKAGE / "__init__.py").read_text()) == []


@pytest.mark.parametrize("name", PLACES)
def test_the_places_use_some(name):
    assert foreign_privates(modules()[name].read_text()), f"{name} is not needed"


@pytest.mark.parametrize(
    "source",
    [
        "layer._flatten_layers()",
        "keras.layers.Layer._flatten_layers",
        "import tensorflow.python.framework.ops",
        "from tensorflow.python.framework import ops",
        "from tensorflow.compiler.tf2xla.python import xla",
        "from keras.src import backend",
        "import keras.src.backend as K",
        "keras.src.backend.int_shape(x)",
        "tf.__internal__.tracking",
        "from tensorflow_datasets.core import splits",
        "from tensorboard.backend.event_processing import event_accumulator",
        "from absl.flags import _argument_parser",
        "import PIL._imaging",
        "def f():\n    from numpy._core import multiarray",
        "importlib.import_module('keras.src.backend')",
        "getattr(variable, '_value')",
        "setattr(function, '_omit_frequent_tracing_warning', True)",
        "self.variable._value",
        "if item not in warnings.filters: pass",
        "picture.tile[0][3]",
        "*_, m, u = self.optimizer.variables",
        "self.optimizer.update_step(gradient, weights, rate)",
    ],
)
def test_a_private_name_of_another_package_is_found(source):
    assert foreign_privates(source)


@pytest.mark.parametrize(
    "source",
    [
        "row._replace(name='x')._asdict()",
        "class A:\n    def f(self, other):\n        self._x = 1\n        other._x = 2",
        "class A:\n    def _f(self, other): return other._f()",
        "super().__init__()",
        "tf.tile(x, [2])",
        "'a._b of a sentence, such as keras.src'",
        "from agave_tf.probability import tfp",
        "tfds.core.DatasetBuilder",
        "from tensorboard.plugins.hparams import api",
    ],
)
def test_public_and_own_names_are_not(source):
    assert foreign_privates(source) == []


class Pair(keras.layers.Layer):
    """A layer of two layers, one of them in a list."""

    def __init__(self):
        super().__init__(name="pair")
        self.inner = keras.layers.Dense(2, name="inner")
        self.listed = [keras.layers.Dropout(0.5, name="listed")]


class Outer(keras.layers.Layer):
    def __init__(self):
        super().__init__(name="outer")
        self.pair = Pair()
        self.own = self.add_weight(shape=(1,), name="own")


def test_keras_layer_flatten_layers_lists_children_in_order():
    outer = Outer()
    assert library_internals.child_layers(outer) == [outer.pair]
    expected = [outer.pair.inner, *outer.pair.listed]
    assert library_internals.child_layers(outer.pair) == expected
    assert library_internals.all_layers(outer)[0] is outer
    names = {layer.name for layer in library_internals.all_layers(outer)}
    assert names == {"outer", "pair", "inner", "listed"}


def test_xla_dynamic_update_slice_writes_at_indices_known_at_run_time():
    @tf.function(jit_compile=True)
    def write(x, update, start):
        return library_internals.dynamic_update_slice(x, update, start)

    x, update = np.arange(12, dtype=np.float32).reshape(3, 4), [[-1.0, -2.0]]
    for start in ([0, 1], [2, 2]):
        expected = x.copy()
        expected[start[0], start[1] : start[1] + 2] = update[0]
        found = write(tf.constant(x), tf.constant(update), tf.constant(start))
        np.testing.assert_array_equal(found, expected)
    text = write.experimental_get_compiler_ir(
        tf.constant(x), tf.constant(update), tf.constant([0, 1])
    )("hlo")
    assert "dynamic-update-slice" in text


def test_xla_optimization_barrier_returns_its_tensors_behind_a_barrier():
    @tf.function(jit_compile=True)
    def through(x, y):
        return library_internals.optimization_barrier(x, y)

    x, y = tf.constant([1.0, 2.0]), tf.constant(3)
    one, other = through(x, y)
    np.testing.assert_array_equal(one, x)
    assert int(other) == 3
    text = through.experimental_get_compiler_ir(x, y)("hlo")
    assert "opt-barrier" in text


def test_xla_looks_for_no_constants_in_loops_and_branches():
    without = library_internals.without_constant_arguments

    @tf.function(jit_compile=True)
    def compute(x):
        def grows(i, x):
            return i + 1, x + tf.cast(i, x.dtype)

        _, x = without(tf.while_loop(lambda i, _: i < 3, grows, [tf.constant(0), x]))
        twice, x = without(tf.cond(x > 0, lambda: [2 * x, x], lambda: [x, x]))
        return twice

    graph = compute.get_concrete_function(tf.constant(1.0)).graph
    found = {
        op.type: op.get_attr("_xla_propagate_compile_time_consts")
        for op in graph.get_operations()
        if op.type in ("StatelessWhile", "StatelessIf")
    }
    assert found == {"StatelessWhile": False, "StatelessIf": False}
    assert float(compute(tf.constant(1.0))) == 8
    assert float(compute(tf.constant(-9.0))) == -6
    # In eager execution there is nothing to say.
    assert without([tf.constant(2)])[0].numpy() == 2


def test_keras_variable_value_is_none_until_it_is_initialized():
    assert library_internals.has_value(keras.Variable([1.0]))
    with keras.StatelessScope(initialize_variables=False):
        empty = keras.Variable("zeros", shape=(1,))
    assert not library_internals.has_value(empty)
    # Why we ask: the public `value` makes a tensor up.
    assert empty.value.shape == (1,)


def test_tf_function_omit_frequent_tracing_warning_leaves_the_warning_out(caplog):
    logger = tf.get_logger()
    logger.propagate, propagate = True, logger.propagate

    def double(x):
        return 2 * x

    def trace_often(wrap):
        caplog.clear()
        for _ in range(12):
            wrap(tf.function(double))(tf.constant(1.0))
        return "retracing" in caplog.text

    try:
        assert trace_often(lambda function: function), "TensorFlow warns no more"
        assert not trace_often(library_internals.without_tracing_warning)
    finally:
        logger.propagate = propagate


@tf.custom_gradient
def doubled(x):
    return 2 * x, lambda gradient: 2 * gradient


def test_private_names_of_tf_graphs_free_their_gradients_and_operations():
    """`_list_all_concrete_functions`, `_functions`, `_registry`, dismantle_func_graph.

    The custom gradient is inside the body of a loop, whose graph is a function of the
    outer one.
    """
    registry = library_internals.gradient_registry._registry

    @tf.function(autograph=False)
    def function(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            _, y = tf.while_loop(
                lambda i, _: i < 3, lambda i, y: (i + 1, doubled(y)), (0, x)
            )
        return tape.gradient(y, x)

    before = set(registry)
    assert float(function(tf.constant(1.0))) == 8
    added = set(registry) - before
    assert added, "TensorFlow registers custom gradients elsewhere"
    graph = function.get_concrete_function(tf.constant(1.0)).graph
    assert len(function._list_all_concrete_functions()) == 1
    assert len(graph.get_operations()) > 3
    library_internals.free_graphs(function)
    assert not added & set(registry), "gradients of freed graphs stay registered"
    assert not graph.get_operations()


def test_tensorflow_probability_looks_for_keras_where_we_put_a_stand_in():
    """Else it needs tf-keras, which does not go with TensorFlow 2.22."""
    script = (
        f"import sys; from agave_tf.probability import tfp; "
        f"print({probability._LOOKED_AT!r} in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        cwd=pathlib.Path(__file__).resolve().parents[2],
        text=True,
    )
    assert run.stdout.split()[-1] == "True"


# Public names that are used as their packages do not quite document.


def test_absl_keeps_the_choices_of_an_enum():
    values = flags.FlagValues()
    flags.DEFINE_enum("kind", "a", ["a", "b"], "The kind.", flag_values=values)
    parser = values["kind"].parser
    assert isinstance(parser, flags.EnumParser) and parser.enum_values == ["a", "b"]
    # What we cut off the help.
    assert values["kind"].help == "<a|b>: The kind."


def test_tqdm_tells_whether_a_bar_is_shown(tmp_path):
    with open(tmp_path / "no_terminal", "w") as file:
        assert tqdm.tqdm(disable=None, file=file).disable
        with tqdm.tqdm(disable=False, file=file) as bar:
            assert not bar.disable
