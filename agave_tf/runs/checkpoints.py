"""The checkpoints of a run: written whole, verified when read, the newest few kept."""

import contextlib
import errno
import os
import re
import shutil

import tensorflow as tf
from absl import logging

from agave_tf.errors import InputError, first_line
from agave_tf.runs.checkpoint_paths import is_utf8, readable_prefix

# step-12.index, step-12.data-00000-of-00001, and what an interrupted write leaves.
_FILE = re.compile(
    r"(?:unfinished-)?step-(\d+)(\.index|\.data-\d+-of-\d+|_temp|\.tempstate\w*)"
)
_UNFINISHED = "unfinished-"
# The errors that TensorFlow raises for a file that is cut short, a checksum that does
# not fit, and a missing tensor.
_DAMAGE = (tf.errors.OpError, IndexError, ValueError, AssertionError)
# Errors that say nothing about the files: the same read may succeed later.
_PASSING = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.PermissionDeniedError,
    tf.errors.ResourceExhaustedError,
    tf.errors.UnavailableError,
)


class Checkpoints:
    """Checkpoints step-N of one run.

    A checkpoint exists once its .index has its name, which it gets last, when all of it
    is on disk: TensorFlow writes under another name, because a process can be killed
    in the middle of the .index too. The names in the directory tell which checkpoints
    there are: no list could be damaged.

    Args:
      directory: where they are; made at the first save.
      checkpoint: the variables to keep.
      keep: the number of newest checkpoints that stay.

    Raises:
      InputError: the name of the directory is not UTF-8, which TensorFlow needs.
    """

    def __init__(self, directory: str, checkpoint: tf.train.Checkpoint, keep: int):
        if not is_utf8(directory):
            raise InputError(f"`run_dir` must be a name in UTF-8; got {directory!r}.")
        self.directory, self.checkpoint, self.keep = directory, checkpoint, keep

    def save(self, step: int) -> None:
        """Writes the checkpoint of a step, then removes old ones and unfinished files.

        Later checkpoints go as well: training is at this step again because they were
        damaged.
        """
        os.makedirs(self.directory, exist_ok=True)
        try:
            self._write(step)
        except BaseException:
            self._remove_all_but(checkpoint_steps(self.directory))
            raise
        so_far = [s for s in checkpoint_steps(self.directory) if s <= step]
        self._remove_all_but(so_far[-self.keep :])

    def restore(self) -> int | None:
        """Restores the newest checkpoint that can be read; returns its step, or None.

        TensorFlow compares every tensor with its checksum. A checkpoint that is damaged
        or incomplete is passed over with a warning.

        Raises:
          InputError: there are checkpoints, and none can be used; or the newest cannot
            be read for a reason that may pass, such as too little memory.
          OSError: this user may not read the newest one.
        """
        steps = checkpoint_steps(self.directory)
        problems = []
        for step in reversed(steps):
            problem = self._restore(step)
            if not problem:
                return step
            problems.append(problem)
        if steps:
            which = " or ".join(sorted(set(problems)))
            raise InputError(
                f"`run_dir` must have a checkpoint that can be read; all "
                f"{len(steps)} in {self.directory} are {which}. Another --run_dir can "
                "start from the averaged weights, by --init_from."
            )
        return None

    def _restore(self, step: int) -> str:
        """Restores a checkpoint; returns what is wrong with it, "" if nothing is."""
        with readable_prefix(self._prefix(step)) as prefix:
            try:
                self._open_all(step)
                self.checkpoint.read(prefix).assert_consumed()
                return ""
            except _PASSING as error:
                # Passed over, it would be removed at the next save.
                raise InputError(
                    "`run_dir` must have a checkpoint that can be read; the one of "
                    f"step {step} in {self.directory} cannot at present "
                    f"({first_line(error)})."
                ) from error
            except _DAMAGE as error:
                problem = "incomplete" if _is_missing(error) else "damaged"
                logging.warning(
                    "The checkpoint of step %d in %s is %s and passed over (%s).",
                    step,
                    self.directory,
                    problem,
                    first_line(error).replace(prefix, self._prefix(step)),
                )
                return problem

    def _open_all(self, step: int) -> None:
        """Opens the checkpoint's files: an OSError tells why one may not be read.

        From TensorFlow it could be the same class of error as for a damaged file.
        """
        for name in os.listdir(self.directory):
            match = _FILE.fullmatch(name)
            if match and int(match[1]) == step and "temp" not in match[2]:
                # TensorFlow tells better than we what a missing file is needed for.
                with contextlib.suppress(FileNotFoundError):
                    open(os.path.join(self.directory, name), "rb").close()

    def _write(self, step: int) -> None:
        """Writes a checkpoint under another name, then gives it its own."""
        unfinished = self.checkpoint.write(
            os.path.join(self.directory, f"{_UNFINISHED}step-{step}")
        )
        names = [
            name
            for name in os.listdir(self.directory)
            if name.startswith(f"{os.path.basename(unfinished)}.")
        ]
        for name in sorted(names):  # .data-... comes before .index.
            path = os.path.join(self.directory, name)
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            os.replace(
                path, os.path.join(self.directory, name.removeprefix(_UNFINISHED))
            )

    def _prefix(self, step: int) -> str:
        return os.path.join(self.directory, f"step-{step}")

    def _remove_all_but(self, steps: list[int]) -> None:
        for name in os.listdir(self.directory):
            match = _FILE.match(name)
            is_left = name.startswith(_UNFINISHED) or (match and "temp" in match[2])
            if match and (int(match[1]) not in steps or is_left):
                path = os.path.join(self.directory, name)
                if os.path.isdir(path):
                    shutil.rmtree(path)
                else:
                    os.remove(path)


def checkpoint_steps(directory: str) -> list[int]:
    """The steps of the checkpoints in a directory, in order."""
    if not os.path.isdir(directory):
        return []
    matches = (_FILE.fullmatch(name) for name in os.listdir(directory))
    return sorted(
        int(m[1])
        for m in matches
        if m and m[2] == ".index" and not m[0].startswith(_UNFINISHED)
    )


def _is_missing(error: Exception) -> bool:
    """Returns whether an error of TensorFlow says that a file or a tensor is missing.

    For a file it may be of the class NotFoundError, or of none in particular.
    """
    is_not_found = isinstance(error, tf.errors.NotFoundError)
    return is_not_found or os.strerror(errno.ENOENT) in str(error)
