"""A value of a JSON file is what its reader asks for, or an error names its place."""

import json
import os

import pytest
from damaged_files import TEXTS

from agave_tf.checked_json import parse_json, read_json
from agave_tf.errors import InputError, quoted


def value_of(content):
    return parse_json(json.dumps({"a": {"b": content}}), "f.json")["a"]["b"]


@pytest.mark.parametrize(
    "content,read,requirement",
    [
        *((x, "whole_number", "whole number") for x in ("1", 1.0, True, None, [], -1)),
        *((x, "whole_number", "whole number") for x in (10**30, float("nan"))),
        *((x, "number", "a number") for x in ("1", True, None, {})),
        *((x, "number", "finite number") for x in (float("nan"), float("-inf"))),
        *((x, "text", "text of at most 4096") for x in (1, None, [], "x" * 5000)),
        ("a\0b", "text", "text of at most 4096"),
        *((x, "fields", "an object") for x in (1, None, [], "{}")),
        ({"x" * 101: 1}, "fields", "have names of at most 100 printable"),
        ({"\n": 1}, "fields", "have names of at most 100 printable"),
        *((x, "elements", "a list") for x in (1, None, {}, "[]")),
        *((x, "simple", "text|number") for x in ([], {}, float("inf"), "x" * 5000)),
    ],
)
def test_a_value_of_another_kind_is_refused_by_name(content, read, requirement):
    with pytest.raises(InputError, match=f"^f.json: `a.b` must .*{requirement}") as e:
        getattr(value_of(content), read)()
    assert "\n" not in str(e.value) and len(str(e.value)) < 500


def test_a_value_of_the_kind_is_given():
    assert value_of(0).whole_number() == 0 and value_of(3).whole_number(3, 3) == 3
    assert value_of(10**400).number() == 10**400 and value_of(-0.5).number() == -0.5
    assert value_of("é\n").text() == "é\n" and value_of("x").one_of(["w", "x"]) == "x"
    assert value_of(float("inf")).number(is_finite=False) == float("inf")
    assert [v.value for v in value_of([1, [2]]).elements()] == [1, [2]]
    assert value_of(None).simple() is None and value_of(False).simple() is False


def test_what_is_missing_is_said_when_it_is_read():
    content = value_of({"c": None})
    assert content.get("c") is None and content.get("d") is None
    with pytest.raises(InputError, match="`a.b.d` must be one of x, y; got nothing"):
        content["d"].one_of(["x", "y"])
    with pytest.raises(InputError, match=r"`a.b\[1\].c` must be a whole number"):
        value_of([{"c": 1}, {}]).elements()[1]["c"].whole_number()


@pytest.mark.parametrize("kind", TEXTS)
def test_a_file_that_is_no_json_object_is_refused(kind, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(TEXTS[kind])
    with pytest.raises(InputError, match="^/.*a.json must ") as error:
        read_json(str(path)).fields()
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_a_pipe_a_device_and_a_directory_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero", str(tmp_path)):
        with pytest.raises(InputError, match="must be a plain file"):
            read_json(path)
    with pytest.raises(FileNotFoundError):
        read_json(str(tmp_path / "none"))


def test_a_mark_of_utf_8_is_passed_over(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(str(tmp_path / "a.json"))["a"].whole_number() == 1


def test_a_quoted_value_is_short_and_in_one_line():
    deep = []
    for _ in range(50_000):
        deep = [deep]
    for value in ("x" * 10**6, [0] * 10**6, {"a": "\n" * 10**6}, deep, 10**4000):
        assert len(quoted(value)) < 250 and "\n" not in quoted(value)
    assert quoted("abc") == "'abc'" and quoted([8]) == "[8]" and quoted(None) == "None"
