"""Tests of how the work of a command is loaded, with a stub in its place."""

import gc
import types

import pytest

from agave_tf.commands import loading


@pytest.mark.parametrize("is_enabled", [True, False])
def test_garbage_collection_is_afterwards_what_it_was(monkeypatch, is_enabled):
    seen = {}

    def import_stub(name):
        seen["module"], seen["while importing"] = name, gc.isenabled()
        return types.SimpleNamespace(run=run)

    def run(*arguments):
        seen["arguments"], seen["threshold"] = arguments, gc.get_threshold()[0]
        seen["while running"] = gc.isenabled()

    monkeypatch.setenv("AGAVE_COMPILATION_CACHE", "")
    monkeypatch.setattr(loading.importlib, "import_module", import_stub)
    before, was_enabled = gc.get_threshold(), gc.isenabled()
    num_frozen = gc.get_freeze_count()
    gc.set_threshold(500, 5, 5)
    (gc.enable if is_enabled else gc.disable)()
    try:
        loading.run_work("train", 1, 2)
        # TensorFlow was there before: what is garbage now is still found later.
        assert gc.get_freeze_count() == num_frozen
        assert (gc.get_threshold(), gc.isenabled()) == ((500, 5, 5), is_enabled)
    finally:
        gc.set_threshold(*before)
        (gc.enable if was_enabled else gc.disable)()
    assert seen == {
        "module": "agave_tf.commands.work.train",
        "while importing": False,
        "arguments": (1, 2),
        "threshold": 10_000,
        "while running": is_enabled,
    }
