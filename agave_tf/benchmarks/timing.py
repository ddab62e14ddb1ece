"""Measures time and memory of functions."""

import ctypes
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Name = TypeVar("Name")


def median_seconds(
    functions: Mapping[Name, Callable[[], object]], repeats: int
) -> dict[Name, float]:
    """Returns the median duration of each function over `repeats` calls.

    The functions are called in turns, so that a machine that slows down meanwhile
    slows down all of them.
    """
    durations: dict[Name, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            durations[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in durations.items()}


def first_call_seconds(
    functions: Mapping[Name, Callable[[], object]],
) -> dict[Name, float]:
    """Returns the duration of each function's first call, which traces and compiles."""
    return median_seconds(functions, repeats=1)


def seconds_since_process_start() -> float:
    """Returns the age of this process. Needs Linux.

    Called before anything else, it is the time that the imports took.
    """
    with open("/proc/self/stat", encoding="ascii") as file:
        # After the name in parentheses comes field 3; the start is field 22.
        start_ticks = int(file.read().rpartition(")")[2].split()[22 - 3])
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = float(file.read().split()[0])
    return uptime - start_ticks / os.sysconf("SC_CLK_TCK")


def peak_extra_megabytes(function: Callable[[], object]) -> float:
    """Returns the rise of resident memory during a call. Needs Linux and glibc."""
    # Returns freed memory to the system: what a call reuses of it is not counted.
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # Resets the peak (VmHWM) to the present level.
    before = _status_megabytes("VmRSS")
    function()
    return _status_megabytes("VmHWM") - before


def _status_megabytes(field: str) -> float:
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024
