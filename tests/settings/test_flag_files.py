"""Flag files are found by name, in any directory, also those named by another."""

import pytest

from agave_tf.errors import InputError
from agave_tf.settings.flag_files import (
    expand_flag_files,
    find_flag_file,
    packaged_flag_files,
    read_flag_file,
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """The working directory is not the checkout."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["small", "small.flags", "flags/small.flags"])
def test_a_packaged_file_is_found_by_name(name):
    assert find_flag_file(name).endswith("agave_tf/flags/small.flags")


def test_a_file_of_the_working_directory_comes_first(tmp_path):
    (tmp_path / "small.flags").write_text("--seed=5\n")
    assert read_flag_file("small") == ["--seed=5"]
    assert read_flag_file("flags/small.flags") != ["--seed=5"]


@pytest.mark.parametrize("name", packaged_flag_files())
def test_every_packaged_file_can_be_read_anywhere(name):
    flags = read_flag_file(name)
    assert len(flags) > 10
    assert all(flag.startswith("--") for flag in flags)


def test_a_stage_of_the_paper_s_model_has_the_flags_of_the_model():
    model, stage = read_flag_file("cifar10"), read_flag_file("cifar10_joint")
    assert stage == [*model, "--stage=joint"]


def test_flags_of_a_file_stand_where_the_file_is_named(tmp_path):
    (tmp_path / "outer").write_text(
        "# comment\n// comment\n\n --a=1 \n--flagfile=inner/inner.flags\n"
    )
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "inner.flags").write_text("--flagfile=beside\n--b=2")
    (tmp_path / "inner" / "beside.flags").write_text("--c=3")
    expanded = ["--a=1", "--c=3", "--b=2"]
    for named in (["--flagfile=outer"], ["-flagfile=outer"], ["--flagfile", "outer"]):
        assert expand_flag_files(["x", *named, "--d"]) == ["x", *expanded, "--d"]
    assert expand_flag_files(["x", "--", "--flagfile=outer"])[-1] == "--flagfile=outer"


def test_unusable_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"one of.*smoke\.flags.*; got 'smok'"):
        find_flag_file("smok")
    with pytest.raises(InputError, match="got 'other/small.flags'"):
        find_flag_file("other/small.flags")
    with pytest.raises(InputError, match="`flagfile` must be a file.*got ''"):
        expand_flag_files(["x", "--flagfile"])
    (tmp_path / "self").write_text("--flagfile=self")
    with pytest.raises(InputError, match="must not name itself"):
        read_flag_file("self")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="readable text file; got .*binary"):
        read_flag_file("binary")
