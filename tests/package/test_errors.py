"""Errors of other packages are quoted in one line."""

import pytest

from agave_tf.errors import first_line


@pytest.mark.parametrize(
    "error,expected",
    [
        (ValueError("bad magic number"), "bad magic number"),
        (ValueError("\n  cut short\n\nat byte 12"), "cut short"),
        (RuntimeError(), "RuntimeError"),
        (EOFError(" \n "), "EOFError"),
    ],
)
def test_the_first_line_of_an_error_is_never_empty(error, expected):
    assert first_line(error) == expected
