"""Long work says how far it is, on a terminal and in a log."""

import io

import pytest

from agave_tf import progress_bar as module
from agave_tf.progress_bar import progress_bar


@pytest.fixture
def lines(monkeypatch) -> list[str]:
    """The lines of the log, of work whose every update is due."""
    written: list[str] = []
    monkeypatch.setattr(module, "_SECONDS", 0)
    monkeypatch.setattr(
        module.logging, "info", lambda text, *values: written.append(text % values)
    )
    return written


def test_a_log_has_what_is_done_and_what_is_left(lines, capsys):
    with progress_bar("Scoring", 4) as bar:
        bar.set_postfix_str("3.1 bits/dim", False)
        bar.update(1)
        bar.update(3)
    assert lines == [
        "Scoring: 1 of 4 images in 00:00, about 00:00 left, 3.1 bits/dim",
        "Scoring: 4 of 4 images in 00:00, 3.1 bits/dim",
    ]
    assert capsys.readouterr() == ("", "")


def test_an_unknown_total_is_not_named(lines):
    with progress_bar("Reading", unit="file", leave=False) as bar:
        bar.update(2)
    assert lines == ["Reading: 2 files in 00:00"]


def test_short_work_has_no_line(monkeypatch, lines):
    monkeypatch.setattr(module, "_SECONDS", 60)
    with progress_bar("Scoring", 2) as bar:
        bar.update(2)
    assert not lines


def test_what_is_hidden_has_no_line(lines):
    with progress_bar("Scoring", 2, disable=True) as bar:
        bar.update(2)
    assert not lines


def test_a_terminal_has_a_bar(lines, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress_bar("Scoring", 2) as bar:
        bar.update(2)
    assert "Scoring: 100%" in terminal.getvalue()
    assert not lines
