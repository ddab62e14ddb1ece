"""Tests of what bin/quickstart runs; each command has tests of its own."""

import os
import sys

import pytest
from absl import flags

from agave_tf.commands import evaluate, quickstart, sample, train
from agave_tf.settings.flag_files import expand_flag_files


@pytest.fixture(name="ran")
def _ran(monkeypatch, tmp_path):
    """The commands that ran, each with the values of its flags."""
    ran = []

    def main_of(command):
        def main():
            values = flags.FlagValues()
            command.define_flags(values)
            values(expand_flag_files(sys.argv))
            ran.append((command, values))
            if command is train:
                (tmp_path / "joint").mkdir(exist_ok=True)
                weights = tmp_path / "joint" / "averaged_weights.npz"
                if not weights.exists():
                    weights.write_bytes(b"")
                    os.utime(weights, (1, 1))
            elif command is evaluate:
                print("5.8 bits/dim")
            else:
                open(values.output, "w").close()

        return main

    for command in (train, evaluate, sample):
        monkeypatch.setattr(command, "main", main_of(command))
    monkeypatch.setattr(sys, "argv", ["quickstart", str(tmp_path)])
    return ran


def test_trains_evaluates_and_draws_once(ran, tmp_path, capsys, monkeypatch):
    quickstart.main()
    assert [command for command, _ in ran] == [train, evaluate, sample, sample]
    assert ran[0][1].stage == "all"
    assert ran[0][1].dataset == "dead_leaves"
    assert ran[1][1].run_dir == str(tmp_path / "joint")
    assert [values.mode for _, values in ran[2:]] == ["prior", "reconstruct"]
    assert (tmp_path / "evaluation.txt").read_text() == "5.8 bits/dim\n"
    assert "5.8 bits/dim" in capsys.readouterr().out

    # Again: the run goes on where it stopped, here at its end.
    ran.clear()
    monkeypatch.setattr(sys, "argv", ["quickstart", str(tmp_path)])
    quickstart.main()
    assert [command for command, _ in ran] == [train]
    assert "5.8 bits/dim" in capsys.readouterr().out


def test_ends_with_the_command_that_fails(ran, tmp_path, monkeypatch):
    def fail():
        sys.exit(2)

    monkeypatch.setattr(evaluate, "main", fail)
    with pytest.raises(SystemExit, match="2"):
        quickstart.main()
    assert [command for command, _ in ran] == [train]
    assert not (tmp_path / "evaluation.txt").exists()
