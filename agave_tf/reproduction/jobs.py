"""Runs commands side by side, each after the commands it needs."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from absl import logging

from agave_tf.errors import InputError, JobFailed, Stopped
from agave_tf.training.stop_request import STOP_SIGNALS, handling

_POLL_SECONDS = 0.2
# Exit code of a command that refuses its flags or its data.
_BAD_INPUT = 2
# A job answers a stop signal between two compiled calls and then writes a checkpoint.
# The first call is the longest: tracing and compiling it takes minutes.
_GRACE_SECONDS = 300.0


class Job(NamedTuple):
    """A command to run.

    name: shown to the user, and used by `after` of other jobs.
    command: the program and its arguments.
    after: names of the jobs that must succeed before this one starts.
    finished: called with the duration in seconds once the command has succeeded.
    """

    name: str
    command: list[str]
    after: set[str]
    finished: Callable[[float], None]


class _RunningJob(NamedTuple):
    job: Job
    process: subprocess.Popen
    start_time: float

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def finish(self) -> None:
        self.job.finished(time.monotonic() - self.start_time)


def run_jobs(
    jobs: Iterable[Job], at_once: int, grace_seconds: float = _GRACE_SECONDS
) -> None:
    """Runs all jobs, at most `at_once` at a time; none outlives this call.

    If a job fails, if SIGTERM, SIGINT or SIGHUP arrives, or if anything is raised here,
    no further job starts, the running ones get SIGTERM, and the call waits for them. A
    second signal, or the end of `grace_seconds`, kills them.

    Args:
      jobs: in the order in which they start where `after` permits it.
      at_once: the largest number of jobs that run side by side.
      grace_seconds: the time a job has to end after SIGTERM.

    Raises:
      InputError: a job ended with exit code 2, which means bad input.
      JobFailed: a job ended with another exit code, or was killed by a signal.
      Stopped: a signal came.
      OSError: a command could not be started.
    """
    waiting, running = list(jobs), list[_RunningJob]()
    with _noted_signals() as noted:
        try:
            while (waiting or running) and not noted:
                _start_ready_jobs(waiting, running, at_once)
                time.sleep(_POLL_SECONDS)
                for ended in [r for r in running if r.has_ended]:
                    if ended.process.returncode and not noted:
                        raise _failure(ended)
                    if ended.process.returncode == 0:
                        running.remove(ended)
                        ended.finish()
        finally:
            _stop(running, noted, grace_seconds)
    if noted:
        raise Stopped(
            f"stopped by {signal.Signals(noted[0]).name}; the same command goes on "
            "from there.",
            noted[0],
        )


@contextlib.contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """Gives the list of stop signals that arrive in this context.

    However many arrive, none ends this process: its jobs, which have sessions of their
    own, would go on without it.
    """
    noted: list[int] = []
    # A shell starts what runs in the background with SIGINT ignored.
    with handling(
        STOP_SIGNALS, lambda received, _: noted.append(received), STOP_SIGNALS
    ):
        yield noted


def _start_ready_jobs(
    waiting: list[Job], running: list[_RunningJob], at_once: int
) -> None:
    """Moves jobs from `waiting` to `running` while there is room for them."""
    while waiting and len(running) < at_once:
        unfinished = {job.name for job in [*waiting, *(r.job for r in running)]}
        ready = [job for job in waiting if not job.after & unfinished]
        if not ready:
            assert running, "jobs wait for each other"
            return
        waiting.remove(ready[0])
        running.append(_start(ready[0], at_once))


def _start(job: Job, at_once: int) -> _RunningJob:
    logging.info("Starting %s", job.name)
    environment = dict(os.environ)
    if at_once > 1:
        cores = max(1, len(os.sched_getaffinity(0)) // at_once)
        environment.setdefault("TF_NUM_INTRAOP_THREADS", str(cores))
    # In this process's group, Ctrl-C would reach a job from the terminal and from here,
    # and a second stop signal ends a job before it has saved its state. SIGKILL to this
    # process leaves the job running; a run then still holds the lock of its directory.
    process = subprocess.Popen(job.command, env=environment, start_new_session=True)
    return _RunningJob(job, process, time.monotonic())


def _stop(running: list[_RunningJob], noted: list[int], grace_seconds: float) -> None:
    """Tells jobs to stop and returns when all have ended; slow ones are killed."""
    for started in running:
        _send(started, signal.SIGTERM)
    deadline, num_noted = time.monotonic() + grace_seconds, len(noted)
    while alive := [r for r in running if not r.has_ended]:
        if len(noted) > num_noted or time.monotonic() > deadline:
            for started in alive:
                logging.warning("Killing %s", started.job.name)
                _send(started, signal.SIGKILL)
                started.process.wait()
        time.sleep(_POLL_SECONDS)
    for started in running:
        # A job may succeed in the moment in which it is told to stop.
        if started.process.returncode == 0:
            started.finish()


def _send(started: _RunningJob, signal_number: int) -> None:
    """Sends a signal to a job and to the processes it started, unless it has ended."""
    if not started.has_ended:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.process.pid, signal_number)


def _failure(ended: _RunningJob) -> InputError | JobFailed:
    name, exit_code = ended.job.name, ended.process.returncode
    if exit_code == _BAD_INPUT:
        return InputError(
            f"Run {name} ended with exit code {exit_code}, which means bad input; its "
            "message is above."
        )
    if exit_code > 0:
        return JobFailed(
            f"Run {name} ended with exit code {exit_code}; its message is above. The "
            "same command goes on from there."
        )
    reason = signal.Signals(-exit_code).name
    if reason == "SIGKILL":
        reason += ", as the system does when memory runs out"
    return JobFailed(
        f"Run {name} was killed by {reason}. The same command goes on from the last "
        "checkpoint."
    )
