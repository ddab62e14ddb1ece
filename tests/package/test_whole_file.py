"""A failure leaves what was there, and nothing else."""

import errno
import fcntl
import os
import pathlib
import stat
import subprocess
import sys
import time

import pytest

from agave_tf import whole_file
from agave_tf.commands.paths import check_output_file
from agave_tf.errors import InputError
from agave_tf.whole_file import (
    check_new_directory,
    new_directory,
    remove_remains,
    write_text,
    writing,
)


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "file"
    with writing(str(path)) as file:
        file.write(b"half")
        assert not path.exists()
        file.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_keeps_the_file_as_it_was(tmp_path):
    path = tmp_path / "file"
    write_text(str(path), "before")
    with pytest.raises(KeyboardInterrupt), writing(str(path)) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_users_own_partial_file_stays(tmp_path):
    own = tmp_path / "file.partial"
    own.write_text("a download")
    write_text(str(tmp_path / "file"), "ours")
    with pytest.raises(OSError, match="full"), writing(str(tmp_path / "file")):
        raise OSError("disk full")
    assert own.read_text() == "a download"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file", own]


def test_a_temporary_name_that_is_taken_is_not_overwritten(tmp_path, monkeypatch):
    taken = tmp_path / "taken"
    taken.write_text("before")
    monkeypatch.setattr(whole_file, "_temporary_name", lambda path: str(taken))
    for write in (writing, new_directory):
        with pytest.raises(FileExistsError), write(str(tmp_path / "new")):
            pass
    assert taken.read_text() == "before"
    assert list(tmp_path.iterdir()) == [taken]


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "file"
    with writing(str(path)) as one, writing(str(path)) as two:
        one.write(b"one")
        two.write(b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_the_umask_gives(tmp_path):
    umask = os.umask(0o027)
    try:
        write_text(str(tmp_path / "file"), "")
        with new_directory(str(tmp_path / "directory")):
            pass
    finally:
        os.umask(umask)
    modes = {x.name: stat.S_IMODE(x.stat().st_mode) for x in tmp_path.iterdir()}
    assert modes == {"file": 0o640, "directory": 0o750}


def test_the_longest_file_name_can_be_written(tmp_path):
    path = tmp_path / ("é" * 127)
    write_text(str(path), "text")
    assert path.read_text() == "text"


def test_a_directory_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new"
    with new_directory(f"{path}/") as directory:
        write_text(os.path.join(directory, "file"), "text")
        assert not path.exists()
    assert (path / "file").read_text() == "text"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_no_directory_and_a_users_own_partial_one_stays(tmp_path):
    own = tmp_path / "new.partial"
    own.mkdir()
    (own / "file").write_text("a user's")
    with (
        pytest.raises(KeyboardInterrupt),
        new_directory(str(tmp_path / "new")) as directory,
    ):
        write_text(os.path.join(directory, "file"), "half")
        raise KeyboardInterrupt
    assert (own / "file").read_text() == "a user's"
    assert list(tmp_path.iterdir()) == [own]


def test_a_directory_made_by_another_process_meanwhile_stays(tmp_path):
    path = tmp_path / "new"
    with (
        pytest.raises(FileExistsError, match="another process"),
        new_directory(str(path)),
    ):
        path.mkdir()
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_directory_must_not_exist_and_have_a_parent(tmp_path):
    check_new_directory("output_dir", str(tmp_path / "new"))
    with pytest.raises(InputError, match="`output_dir` must not exist yet"):
        check_new_directory("output_dir", str(tmp_path))
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="`output_dir` must not exist yet"):
        check_new_directory("output_dir", str(tmp_path / "link"))
    with pytest.raises(InputError, match="`output_dir` must be in a directory"):
        check_new_directory("output_dir", str(tmp_path / "no" / "new"))


NAMESPACE = ["unshare", "--pid", "--fork", "--map-root-user"]
if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
    NAMESPACE = []


@pytest.mark.parametrize("directory", ["/proc", "/sys"])
def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(directory):
    """On a read-only disk, commands failed when all was computed."""
    refusal = f"can be written to; {directory} cannot be"
    with pytest.raises(InputError, match=f"`output` .*{refusal}"):
        check_output_file("output", f"{directory}/x.png", ".png")
    with pytest.raises(InputError, match=f"`output_dir` .*{refusal}"):
        check_new_directory("output_dir", f"{directory}/x")


def test_looking_whether_a_place_can_be_written_to_leaves_nothing(tmp_path):
    check_output_file("output", str(tmp_path / "x.png"), ".png")
    check_new_directory("output_dir", str(tmp_path / "x"))
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from agave_tf.whole_file import new_directory, writing
with writing(sys.argv[1] + "/file"), new_directory(sys.argv[1] + "/directory"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_only_remains_of_killed_processes_are_removed(tmp_path):
    own = [tmp_path / "file.partial", tmp_path / ".file.partial", tmp_path / "file"]
    for path in own:
        path.write_text("a user's")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == len(own) + 2
    remove_remains(str(tmp_path))
    assert sorted(tmp_path.iterdir()) == sorted(own)


@pytest.mark.parametrize("write", [writing, new_directory])
def test_remains_are_removed_by_the_next_that_writes_there(tmp_path, write):
    """SIGTERM leaves them, and decompress never removed any in version 0.2."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    with write(str(tmp_path / "new")):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


@pytest.mark.parametrize("write", [writing, new_directory])
def test_what_another_container_is_writing_stays(tmp_path, write):
    """Version 0.2 looked for the writer among its own machine's processes.

    In another container or on another host it has a number that means nothing here.
    """
    with write(str(tmp_path / "theirs")) as theirs:
        elsewhere = "import sys; from agave_tf.whole_file import *; "
        command = "remove_remains(sys.argv[1]); write_text(sys.argv[1] + '/ours', '')"
        subprocess.run(
            # A process namespace of its own, where this user may have one.
            [*NAMESPACE, sys.executable, "-c", elsewhere + command, str(tmp_path)],
            check=True,
        )
        name = theirs if write is new_directory else theirs.name
        assert os.path.exists(name)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "ours", tmp_path / "theirs"]


@pytest.mark.parametrize("write", [writing, new_directory])
def test_without_locks_remains_are_removed_after_a_day(tmp_path, monkeypatch, write):
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(FileNotFoundError),
        write(str(tmp_path / "theirs")) as theirs,
    ):
        name = theirs if write is new_directory else theirs.name
        remove_remains(str(tmp_path))
        assert os.path.exists(name)
        for path in [*pathlib.Path(name).glob("*"), name]:
            os.utime(path, (time.time() - 2 * 24 * 60 * 60,) * 2)
        remove_remains(str(tmp_path))
        assert not os.path.exists(name)


def test_remains_of_version_0_2_are_removed_after_a_day(tmp_path):
    # It may be of a process that runs, perhaps on another machine.
    remains = tmp_path / ".file.1234-0123abcd.partial"
    remains.write_text("half")
    remove_remains(str(tmp_path))
    assert remains.exists()
    os.utime(remains, (0, 0))
    remove_remains(str(tmp_path))
    assert not remains.exists()


def test_pipes_and_links_of_such_names_stay(tmp_path):
    pipe, link = (tmp_path / f".{n}.0123abcd.locked.partial" for n in ("pipe", "link"))
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "file")
    (tmp_path / "file").write_text("a user's")
    remove_remains(str(tmp_path))
    assert sorted(tmp_path.iterdir()) == sorted([pipe, link, tmp_path / "file"])
