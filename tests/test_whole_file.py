"""A failure leaves what was there, and nothing else."""

import pytest

from agave_tf.whole_file import write_text, writing


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
