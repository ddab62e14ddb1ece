"""Commands run side by side, in an order that gives each what it needs."""

import os
import signal
import threading
import time

import pytest

from agave_tf.errors import InputError, Stopped
from agave_tf.reproduction.jobs import Job, run_jobs

# A stop signal ends it as it ends bin/train.py: soon, with something to say.
SLEEP = "trap 'echo {0} told >> {1}; exit 143' TERM; sleep 20 & wait"


class Log:
    """What jobs write, and what is called when they have succeeded."""

    def __init__(self, directory):
        self.path, self.seconds = directory / "log", {}

    def job(self, name, script="sleep 0.3", after=()):
        shell = f"echo {name} starts >> {self.path}; {script.format(name, self.path)}"
        shell += f"; echo {name} ends >> {self.path}"

        def finished(seconds):
            self.seconds[name] = seconds

        return Job(name, ["sh", "-c", shell], set(after), finished)

    @property
    def lines(self):
        return self.path.read_text().splitlines()


def test_a_job_starts_when_those_it_needs_have_ended_and_there_is_room(tmp_path):
    log = Log(tmp_path)
    jobs = [log.job("a"), log.job("b", after="a"), log.job("c"), log.job("d")]
    run_jobs(jobs, at_once=2)
    place = {line: i for i, line in enumerate(log.lines)}
    assert place["a ends"] < place["b starts"]
    assert place["c starts"] < place["a ends"]
    running = 0
    for line in log.lines:
        running += 1 if line.endswith("starts") else -1
        assert 0 <= running <= 2
    assert set(log.seconds) == set("abcd")
    assert all(0.3 <= seconds < 5 for seconds in log.seconds.values())


def test_one_at_a_time_they_keep_their_order(tmp_path):
    log = Log(tmp_path)
    run_jobs([log.job("a", "true"), log.job("b", "true")], at_once=1)
    assert log.lines == ["a starts", "a ends", "b starts", "b ends"]


def test_a_failure_stops_the_others_and_is_told(tmp_path):
    log = Log(tmp_path)
    jobs = [log.job("a", SLEEP), log.job("b", "sleep 0.5; exit 3"), log.job("c")]
    with pytest.raises(InputError, match="Run b ended with exit code 3"):
        run_jobs(jobs, at_once=2)
    assert log.lines == ["a starts", "b starts", "a told"]
    assert not log.seconds


def test_a_signal_reaches_the_jobs_and_no_other_starts(tmp_path):
    log = Log(tmp_path)

    def interrupt():
        while not log.path.exists():
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt).start()
    with pytest.raises(Stopped, match="SIGTERM"):
        run_jobs([log.job("a", SLEEP), log.job("b")], at_once=1)
    assert log.lines == ["a starts", "a told"]
