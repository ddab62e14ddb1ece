"""What all tests share: two logical CPUs, and where the real CIFAR-10 is."""

import gc
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Two processes test side by side, and what they compute is small: an operation that
# both cores share costs more in waiting than it saves.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry
from tensorflow.python.util import tf_stack

# The tests write nothing into the user's own cache. The directory stays, for what later
# tests would otherwise compute again.
_CACHE = pathlib.Path(tempfile.gettempdir(), f"agave_tf_tests_of_{os.getuid()}")
_CACHE.mkdir(mode=0o700, exist_ok=True)
os.environ["XDG_CACHE_HOME"] = str(_CACHE)
# Before the first operation: the tests of replicas need two devices.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
# Tests run each graph a few times: optimizing it would take most of their time. The
# commands, which tests/commands/test_commands.py runs as processes, do optimize.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


# For each operation TensorFlow notes where in Python it was made, which its messages
# show and no test reads; it takes a tenth of the time of tracing.
_nowhere = tf_stack.extract_stack()
tf_stack.extract_stack = lambda stacklevel=1: _nowhere

# Tracing makes millions of objects; looking through all imported ones for each few
# hundred of them would take a good part of the tests' time.
gc.freeze()
gc.set_threshold(100_000, 20, 20)


# The files whose tests take longest, in order. They begin first: one that began last
# would keep a process at work while the other had nothing left to do.
LONGEST = (
    "test_gradient",
    "test_commands",
    "test_training",
    "test_survival",
    "test_reproduction",
    "test_strategies",
    "test_sampling",
    "test_export",
    "test_wheel",
    "test_serving",
    "test_coded_anywhere",
    "test_codec",
    "test_provenance",
    "test_compress_command",
    "test_score_command",
    "test_learning_rate",
    "test_recovery",
    "test_processes",
    "test_replicas",
    "test_summaries",
    "test_run_copy",
    "test_layers",
    "test_cached_pixel_cnn",
    "test_architecture",
    "test_program_around",
    "test_paths",
    "test_keras_settings",
)


@pytest.hookimpl(tryfirst=True)  # Before pytest-xdist reads the groups.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps the tests of a file in one process, where they share what they trace."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


gradients = gradient_registry._registry


def _resident_bytes() -> int:
    """The memory of this process (Linux)."""
    pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


_kept = {"bytes": _resident_bytes()}


@pytest.fixture(autouse=True, scope="module")
def _free_memory():
    """What a module's tests traced would otherwise stay: gigabytes in the end."""
    yield
    # Looking through all objects takes a second: only where there is much to free.
    if _resident_bytes() < _kept["bytes"] + 300 * 2**20:
        return
    keras.backend.clear_session()
    # TensorFlow registers the gradient of every tf.custom_gradient in a graph for ever,
    # with its tensors, and so the graph.
    for name in list(gradient_registry.list()):
        if name.startswith("CustomGradient-"):
            gradients.pop(name, None)
    gc.collect()
    _kept["bytes"] = _resident_bytes()


@pytest.fixture
def iterated(monkeypatch) -> list[tf.data.Dataset]:
    """The data sets of tf.data that the test iterates over."""
    data_sets, iterate = [], tf.data.Dataset.__iter__

    def noted(data_set):
        data_sets.append(data_set)
        return iterate(data_set)

    monkeypatch.setattr(tf.data.Dataset, "__iter__", noted)
    return data_sets


@pytest.fixture(scope="session")
def cifar_dir() -> str:
    """A TFDS directory with CIFAR-10; its absence fails under AGAVE_REQUIRE_CIFAR."""
    root = pathlib.Path(__file__).resolve().parent.parent
    directory = os.environ.get("AGAVE_TFDS_DIR", str(root.parent / "shared" / "tfds"))
    if not os.path.isdir(os.path.join(directory, "cifar10")):
        if os.environ.get("AGAVE_REQUIRE_CIFAR") == "1":
            pytest.fail(f"AGAVE_REQUIRE_CIFAR is set, and {directory} has no cifar10.")
        pytest.skip("CIFAR-10 is not prepared on this machine.")
    return directory
