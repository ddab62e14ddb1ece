"""Time and memory of functions, measured in turns so that drift hits all alike."""

import ctypes
import statistics
import time
from collections.abc import Callable, Mapping


def median_seconds(
    functions: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, float]:
    """The median duration of each function, called in turn `repeats` times."""
    durations: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            durations[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in durations.items()}


def first_call_seconds(function: Callable[[], object]) -> float:
    """How long a call takes that has to trace and compile."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def peak_extra_megabytes(function: Callable[[], object]) -> float:
    """How far resident memory rises above its level before; Linux and glibc."""
    # What earlier calls have freed goes back first, or it would serve this one unseen.
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # The peak starts again from the present level.
    before = _status_megabytes("VmRSS")
    function()
    return _status_megabytes("VmHWM") - before


def _status_megabytes(field: str) -> float:
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024
