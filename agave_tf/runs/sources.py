"""The runs that a run takes its first weights from, as its config.json names them."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from absl import logging

from agave_tf.errors import InputError
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.run_record import Source


class SourceRun(NamedTuple):
    """A run that a flag names as a source."""

    flag: str
    run: RunDirectory


def open_sources(paths: Mapping[str, str]) -> list[SourceRun]:
    """Opens the runs that flags name, each once; warns of a run that is not finished.

    Args:
      paths: directory by flag; "" where the flag is not set.

    Raises:
      InputError: a directory holds no run, or one without weights.
    """
    sources = [SourceRun(flag, open_run(path)) for flag, path in paths.items() if path]
    for flag, run in sources:
        if run.step < run.num_steps:
            logging.warning(
                "--%s=%s is not finished: its weights are of step %d of %d.",
                flag,
                run.path,
                run.step,
                run.num_steps,
            )
    return sources


def describe(sources: Sequence[SourceRun]) -> dict[str, Source]:
    """Describes the sources for config.json, by flag."""
    return {
        flag: Source(
            os.path.abspath(run.path), run.stage.name, run.step, run.fingerprint()
        )
        for flag, run in sources
    }


def check_same_sources(run: RunDirectory, paths: Mapping[str, str]) -> None:
    """Checks that a run which is resumed has the sources it was started from.

    The same path is the same source, even if that run has gone on or is gone: a resumed
    run reads its own checkpoint. Another path must hold the same weights.

    Args:
      run: the run to resume, with the sources that its config.json names.
      paths: directory by flag; "" where the flag is not set.

    Raises:
      InputError: a source is missing, new, or of other weights.
    """
    if run.sources is None:  # Not known.
        logging.info("%s does not say which runs it started from.", run.path)
        return
    given = {flag: path for flag, path in paths.items() if path}
    for flag in sorted(run.sources.keys() | given.keys()):
        source, path = run.sources.get(flag), given.get(flag, "")
        if source is None or not path or not _is_same(source, path):
            started = f"{source.path} at step {source.step}" if source else "nothing"
            raise InputError(
                f"`{flag}` must name {started}, to go on with the run in {run.path}, "
                f"which started from that; got {path or 'nothing'}. Another --run_dir "
                "starts a new run."
            )


def _is_same(source: Source, path: str) -> bool:
    if os.path.realpath(path) == os.path.realpath(source.path):
        return True
    return open_run(path).fingerprint() == source.weights
