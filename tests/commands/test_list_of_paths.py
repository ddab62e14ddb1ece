"""--files: paths separated by commas, which may have commas themselves."""

import os

import pytest
from absl import flags

from agave_tf.commands.arguments import check_arguments
from agave_tf.commands.paths import define_paths
from agave_tf.errors import InputError


@pytest.fixture
def parsed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b.png", "c.png", "x, y.png", "d,e,f.png"):
        (tmp_path / name).touch()
    (tmp_path / "in, out").mkdir()
    (tmp_path / "in, out" / "1,2.png").touch()

    def parse(text):
        values = flags.FlagValues()
        define_paths("files", "Files.", values)
        check_arguments([f"--files={text}"], values)
        values(["program", f"--files={text}"])
        return values.files

    return parse


@pytest.mark.parametrize(
    "text,paths",
    [
        ("", []),
        ("b.png", ["b.png"]),
        ("b.png,c.png", ["b.png", "c.png"]),
        ("b.png, c.png", ["b.png", "c.png"]),
        ("x, y.png", ["x, y.png"]),
        ("d,e,f.png", ["d,e,f.png"]),
        ("b.png,d,e,f.png,c.png", ["b.png", "d,e,f.png", "c.png"]),
        ("in, out", ["in, out"]),
        ("in, out/1,2.png,b.png", ["in, out/1,2.png", "b.png"]),
        ("nothing,b.png", ["nothing", "b.png"]),
        ('"x, y.png",b.png', ["x, y.png", "b.png"]),
        ("~/z.png", [os.path.expanduser("~/z.png")]),
    ],
)
def test_a_name_with_commas_is_one_path(parsed, text, paths):
    assert parsed(text) == paths


def test_what_could_be_one_file_or_two_is_asked(parsed, tmp_path):
    (tmp_path / "a,b.png").touch()
    with pytest.raises(InputError, match="whether 'a,b.png' is one file or 2"):
        parsed("a,b.png")
    assert parsed('"a,b.png"') == ["a,b.png"]
    assert parsed("./a,./b.png") == ["./a", "./b.png"]
