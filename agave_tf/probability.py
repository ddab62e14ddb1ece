"""TensorFlow Probability, which can be imported without tf-keras: `tfp`.

TensorFlow Probability 0.25 imports tf-keras for its own Keras layers and optimizers,
which we do not use. tf-keras 2.21 does not go with TensorFlow 2.22. Where it is not
installed, names that stand for nothing take its place while TensorFlow Probability is
imported.
"""

import contextlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from typing import Any

# The module in which TensorFlow Probability looks for Keras.
_LOOKED_AT = "tensorflow_probability.python.internal.tf_keras"


class _StandIn(types.ModuleType):
    """A module that has every name: classes to derive from, modules, functions."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__internal__":
            raise AttributeError(name)
        if name[0].isupper():
            return type(name, (), {"__init__": lambda self, *_, **__: None})
        return _StandIn(name)

    def __call__(self, *_: Any, **__: Any) -> "_StandIn":
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        """Forgets the value: Keras would keep it in a table of classes."""


@contextlib.contextmanager
def _with_tf_keras() -> Iterator[None]:
    """A context in which TensorFlow Probability finds a tf-keras."""
    if "tf_keras" in sys.modules or importlib.util.find_spec("tf_keras"):
        yield
        return
    # TensorFlow Probability keeps its module; others must not find a tf-keras.
    sys.modules["tf_keras"] = sys.modules[_LOOKED_AT] = _StandIn(_LOOKED_AT)
    try:
        yield
    finally:
        del sys.modules["tf_keras"]


with _with_tf_keras():
    import tensorflow_probability as tfp

    # The package imports its parts at their first use.
    _ = tfp.distributions.Distribution

__all__ = ["tfp"]
