"""The package's rooms: each imports only from those before it (BUILD_NOTES, Layout)."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "agave_tf"

# In order: a room imports from itself and from the rooms above it in this list. Rooms
# that share a line know nothing of each other.
FLOORS = [
    {"errors", "file_lock", "progress_bar"},
    {"plain_file"},
    {
        "checked_json",
        "checked_npz",
        "pixel_scale",
        "probability",
        "randomness",
        "whole_file",
    },
    {"arithmetic", "settings"},
    {"weights"},
    {"data"},
    {"distributions", "layers"},
    {"models"},
    {"sampling", "evaluation"},
    {"codec", "pictures"},
    {"runs"},
    {"training"},
    {"interop", "benchmarks", "reproduction"},
    {"commands"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    """The room of agave_tf.ROOM.anything."""
    return module.split(".")[1]


def imports_of(source: str) -> set[str]:
    """Every module of the package that the source imports, wherever it does so."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            if node.module == "agave_tf":
                found |= {f"agave_tf.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return {name for name in found if name.startswith("agave_tf.")}


def against_the_order(module: str, source: str) -> list[str]:
    """The imports of a module that its room must not have."""
    room = room_of(module)
    return [
        f"{module} imports {imported}"
        for imported in sorted(imports_of(source))
        if room_of(imported) != room and FLOOR_OF[room_of(imported)] >= FLOOR_OF[room]
    ]


def modules() -> dict[str, pathlib.Path]:
    """Every module of the package but its face, by name."""
    return {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != PACKAGE / "__init__.py"
    }


def test_every_module_is_in_a_room():
    assert {room_of(name) for name in modules()} == set(FLOOR_OF)


@pytest.mark.parametrize("name", modules())
def test_imports_point_one_way(name):
    assert against_the_order(name, modules()[name].read_text()) == []


def test_an_import_that_is_turned_round_is_found():
    turned = "from agave_tf.models.agave import AGAVE\n"
    assert against_the_order("agave_tf.layers.convolution", turned)
    inside = "def f():\n    from agave_tf.training import strategy\n"
    assert against_the_order("agave_tf.data.batches", inside)
    beside = "import agave_tf.layers.convolution\n"
    assert against_the_order("agave_tf.distributions.discretized_logistic", beside)
    own = "from agave_tf.layers.weight_norm import WeightNormConv2D\n"
    assert against_the_order("agave_tf.layers.convolution", own) == []


@pytest.mark.parametrize(
    "module,forbidden",
    [
        (
            "agave_tf.models.agave",
            ["tensorflow_datasets", "tensorboard"],
        ),
        ("agave_tf.commands.work.train", ["tensorflow_datasets"]),
        ("agave_tf.settings.config", ["tensorflow", "numpy"]),
        ("agave_tf", ["tensorflow", "numpy"]),
    ],
)
def test_importing_a_room_brings_in_nothing_it_does_not_need(module, forbidden):
    assert brought_in([module], forbidden) == "[]"


def test_importing_the_commands_brings_in_nothing_that_takes_long():
    """All commands but their work, which is imported once the flags are right."""
    commands = [
        name
        for name in modules()
        if name.startswith("agave_tf.commands.") and ".work." not in name
    ]
    assert len(commands) > 10
    forbidden = ["tensorflow", "tensorflow_datasets", "keras", "matplotlib"]
    assert brought_in(commands, forbidden) == "[]"


def brought_in(names: list[str], forbidden: list[str]) -> str:
    """The forbidden modules that a new process has once it has imported others."""
    # TensorFlow 2.22 imports TensorBoard by itself.
    script = "" if "tensorflow" in forbidden else "import tensorflow\n"
    script += (
        f"import sys; own = set(sys.modules); import {', '.join(names)}\n"
        f"print([m for m in {forbidden} if m in sys.modules and m not in own])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


@pytest.mark.parametrize("given,read", [(None, "1"), ("0", "0")])
def test_onednn_is_asked_for_unless_the_user_says_otherwise(given, read):
    environment = {k: v for k, v in os.environ.items() if k != ONEDNN}
    if given is not None:
        environment[ONEDNN] = given
    script = f"import os, agave_tf; print(os.environ['{ONEDNN}'])"
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert result.stdout.strip() == read
