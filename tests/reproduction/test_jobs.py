"""Commands run side by side, in an order that gives each of them what it needs."""

import os
import signal
import threading
import time

import pytest

from agave_tf.errors import InputError, JobFailed, Stopped
from agave_tf.reproduction.jobs import Job, run_jobs

# Sleeps until a stop signal, once it listens for it.
_SLEEP = "echo {0} listens >> {1}; sleep 20 & wait"
# A stop signal ends it as it ends bin/train.py: soon, and after some last words.
POLITE = "trap 'echo {0} told >> {1}; exit 143' TERM; " + _SLEEP
DEAF = "trap '' TERM; " + _SLEEP
SUCCEEDS_WHEN_TOLD = "trap 'exit 0' TERM; " + _SLEEP
WAIT_FOR_A = "until grep -q 'a listens' {1}; do sleep 0.1; done; "


class Log:
    """Makes jobs that write to one file, and keeps the durations they report."""

    def __init__(self, directory):
        self.path, self.seconds = directory / "log", {}
        self.path.touch()

    def job(self, name, script="sleep 0.3", after=(), finished=None):
        shell = (
            f"echo {name} starts $$ >> {self.path}; {script.format(name, self.path)}"
        )
        shell += f"; echo {name} ends >> {self.path}"

        def record(seconds):
            self.seconds[name] = seconds

        return Job(name, ["sh", "-c", shell], set(after), finished or record)

    @property
    def lines(self):
        """The lines so far; those of starting jobs without their process numbers."""
        return [" ".join(line.split()[:2]) for line in self._whole_lines()]

    def processes(self):
        """The process number of every job that has started."""
        words = [line.split() for line in self._whole_lines()]
        return [int(line[2]) for line in words if line[1] == "starts"]

    def wait_for(self, line):
        while line not in self.lines:
            time.sleep(0.05)

    def _whole_lines(self):
        return [line for line in self.path.read_text().split("\n")[:-1] if line]


@pytest.fixture(autouse=True)
def signals_are_not_ignored():
    """A shell starts what runs in the background with SIGINT ignored."""
    before = {
        number: signal.signal(number, handler)
        for number, handler in (
            (signal.SIGINT, signal.default_int_handler),
            (signal.SIGHUP, signal.SIG_DFL),
        )
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def signal_when_a_listens(log, *numbers):
    """Sends signals to this process, half a second apart, once job a expects them."""

    def send():
        log.wait_for("a listens")
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(0.5)

    threading.Thread(target=send).start()


def assert_nothing_runs(log):
    processes = log.processes()
    assert processes
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


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


@pytest.mark.parametrize(
    "script,error,message",
    [
        ("exit 3", JobFailed, "Run b ended with exit code 3;"),
        ("exit 2", InputError, "Run b ended with exit code 2, which means bad input"),
        ("kill -KILL $$", JobFailed, "Run b was killed by SIGKILL, as the system does"),
        ("kill -SEGV $$", JobFailed, r"Run b was killed by SIGSEGV\."),
    ],
)
def test_a_failure_stops_the_others_and_is_told(tmp_path, script, error, message):
    log = Log(tmp_path)
    jobs = [log.job("a", POLITE), log.job("b", WAIT_FOR_A + script), log.job("c")]
    with pytest.raises(error, match=message):
        run_jobs(jobs, at_once=2)
    # The two that start together may write their first lines in either order.
    assert sorted(log.lines) == ["a listens", "a starts", "a told", "b starts"]
    assert log.lines[-1] == "a told"
    assert not log.seconds
    assert_nothing_runs(log)


def test_a_command_that_cannot_start_stops_the_others(tmp_path):
    log = Log(tmp_path)
    missing = Job("b", [str(tmp_path / "missing")], set(), lambda seconds: None)
    with pytest.raises(FileNotFoundError):
        run_jobs([log.job("a"), log.job("x", POLITE), missing], at_once=2)
    assert "a ends" in log.lines and "x ends" not in log.lines
    assert_nothing_runs(log)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_in_what_follows_a_job_stops_the_others(tmp_path, error):
    log = Log(tmp_path)

    def fail(seconds):
        raise error("the disk is full")

    jobs = [log.job("a", POLITE), log.job("b", finished=fail), log.job("c")]
    with pytest.raises(error, match="the disk is full"):
        run_jobs(jobs, at_once=2)
    assert "c starts" not in log.lines
    assert_nothing_runs(log)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_jobs_and_no_other_starts(tmp_path, number):
    log = Log(tmp_path)
    signal_when_a_listens(log, number)
    with pytest.raises(Stopped, match=number.name) as stopped:
        run_jobs([log.job("a", POLITE), log.job("b")], at_once=1)
    assert stopped.value.signal_number == number
    assert log.lines == ["a starts", "a listens", "a told"]
    assert_nothing_runs(log)


def test_a_job_that_does_not_stop_in_time_is_killed(tmp_path):
    log = Log(tmp_path)
    jobs = [log.job("a", DEAF), log.job("b", WAIT_FOR_A + "exit 3")]
    started = time.monotonic()
    with pytest.raises(JobFailed, match="Run b ended with exit code 3"):
        run_jobs(jobs, at_once=2, grace_seconds=0.5)
    assert time.monotonic() - started < 10
    assert_nothing_runs(log)


def test_a_second_signal_kills_jobs_that_do_not_stop(tmp_path):
    log = Log(tmp_path)
    signal_when_a_listens(log, signal.SIGINT, signal.SIGTERM)
    started = time.monotonic()
    with pytest.raises(Stopped, match="SIGINT"):
        run_jobs([log.job("a", DEAF)], at_once=1)
    assert time.monotonic() - started < 10
    assert_nothing_runs(log)


def test_a_job_that_succeeds_while_it_is_told_to_stop_counts(tmp_path):
    log = Log(tmp_path)
    signal_when_a_listens(log, signal.SIGTERM)
    with pytest.raises(Stopped):
        run_jobs([log.job("a", SUCCEEDS_WHEN_TOLD), log.job("b")], at_once=1)
    assert set(log.seconds) == {"a"}


def test_signal_handlers_are_as_before_afterwards(tmp_path):
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    run_jobs([Log(tmp_path).job("a", "true")], at_once=1)
    assert [signal.getsignal(number) for number in numbers] == before
