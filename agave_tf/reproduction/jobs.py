"""Commands that run side by side, each after those it needs."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from absl import logging

from agave_tf.errors import InputError, Stopped
from agave_tf.training.stop_request import stop_requests


class Job(NamedTuple):
    """A command.

    after: names of jobs that must have finished before it starts.
    finished: is called with its seconds when it has succeeded.
    """

    name: str
    command: list[str]
    after: set[str]
    finished: Callable[[float], None]


class _Started(NamedTuple):
    job: Job
    process: subprocess.Popen
    time: float


def run_jobs(jobs: Iterable[Job], at_once: int) -> None:
    """Runs all jobs, `at_once` at a time.

    A stop signal is passed on to those that run, as is the failure of one of them.

    Raises:
      InputError: a job failed.
      Stopped: a signal came.
    """
    waiting, running = list(jobs), list[_Started]()
    failure, is_stopping = "", False
    with stop_requests() as stop:
        while waiting or running:
            if (stop or failure) and not is_stopping:
                is_stopping = True
                waiting.clear()
                for started in running:
                    started.process.send_signal(stop.signal_number or signal.SIGTERM)
            while waiting and len(running) < at_once:
                unfinished = {job.name for job in waiting}
                unfinished |= {started.job.name for started in running}
                ready = [job for job in waiting if not job.after & unfinished]
                if not ready:
                    break
                waiting.remove(ready[0])
                running.append(_start(ready[0], at_once))
            time.sleep(0.2)
            for started in [r for r in running if r.process.poll() is not None]:
                running.remove(started)
                exit_code = started.process.returncode
                if exit_code == 0:
                    started.job.finished(time.monotonic() - started.time)
                elif not is_stopping:
                    failure = (
                        f"Run {started.job.name} ended with exit code {exit_code}; "
                        "what it said is above. The same command goes on from there."
                    )
    if stop:
        raise Stopped(
            f"stopped by {signal.Signals(stop.signal_number).name}; the same command "
            "goes on from there.",
            stop.signal_number,
        )
    if failure:
        raise InputError(failure)


def _start(job: Job, at_once: int) -> _Started:
    logging.info("Starting %s", job.name)
    environment = dict(os.environ)
    if at_once > 1:
        cores = max(1, len(os.sched_getaffinity(0)) // at_once)
        environment.setdefault("TF_NUM_INTRAOP_THREADS", str(cores))
    # Not in our group, or Ctrl-C would reach it twice, and twice kills.
    process = subprocess.Popen(job.command, env=environment, start_new_session=True)
    return _Started(job, process, time.monotonic())
