"""The versions, instructions and threads that the last bits of numbers depend on.

Encoder and decoder must compute the same numbers to the last bit. XLA's code does so in
one version of TensorFlow, with the same instructions and the same number of threads.
"""

import os
from typing import NamedTuple

import tensorflow as tf

import agave_tf

# The names of /proc/cpuinfo for the instructions that XLA's code depends on.
_FEATURES = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "asimd", "sve"),
    *("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16"),
    *("avx512_fp16", "amx_tile"),
)


class Environment(NamedTuple):
    """The versions, instructions and threads that encoder and decoder must share."""

    agave_tf: tuple[int, int, int]  # version
    tensorflow: tuple[int, int, int]  # version
    cpu_features: frozenset[str]  # those of _FEATURES
    num_threads: int  # of an operation; 0: 256 or more, which fit in no byte

    def packed(self) -> bytes:
        """7 bytes, which `unpacked` reads."""
        mask = sum(1 << i for i, f in enumerate(_FEATURES) if f in self.cpu_features)
        numbers = (_packed(self.agave_tf), _packed(self.tensorflow), mask)
        packed = b"".join(n.to_bytes(2, "big") for n in numbers)
        return packed + bytes([self.num_threads])

    def differences(self, other: "Environment") -> list[str]:
        """Lists the differences, a phrase for each, with the other's value and ours."""
        found = [
            f"{name} {_shown(theirs)}, here {_shown(ours)}"
            for name in ("agave_tf", "tensorflow", "num_threads")
            for theirs, ours in [(getattr(other, name), getattr(self, name))]
            if theirs != ours
        ]
        if other.cpu_features != self.cpu_features:
            theirs = sorted(other.cpu_features - self.cpu_features) or ["none more"]
            ours = sorted(self.cpu_features - other.cpu_features) or ["none more"]
            found.append(f"a CPU with {', '.join(theirs)}, here {', '.join(ours)}")
        return found


def unpacked(data: bytes) -> Environment:
    """Reads the environment that `packed` wrote, 7 bytes."""
    ours, tensorflow, mask = (
        int.from_bytes(data[i : i + 2], "big") for i in range(0, 6, 2)
    )
    features = frozenset(f for i, f in enumerate(_FEATURES) if mask >> i & 1)
    return Environment(_version_of(ours), _version_of(tensorflow), features, data[6])


def this_environment() -> Environment:
    """The environment of this process, whose number of threads no longer changes."""
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    threads = threads or len(os.sched_getaffinity(0))
    return Environment(
        _version(agave_tf.__version__),
        _version(tf.__version__),
        _cpu_features(),
        threads if threads < 256 else 0,
    )


def _cpu_features() -> frozenset[str]:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            name, _, values = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return frozenset(values.split()) & frozenset(_FEATURES)
    return frozenset()


def _version(text: str) -> tuple[int, int, int]:
    """The first three numbers of a version such as 2.21.0rc1."""
    numbers = [int("".join(filter(str.isdigit, n)) or 0) for n in text.split(".")[:3]]
    major, minor, patch = numbers + [0] * (3 - len(numbers))
    return major, minor, patch


def _packed(version: tuple[int, int, int]) -> int:
    major, minor, patch = version
    return (min(major, 15) << 12) | (min(minor, 127) << 5) | min(patch, 31)


def _version_of(packed: int) -> tuple[int, int, int]:
    return packed >> 12, packed >> 5 & 127, packed & 31


def _shown(value: int | tuple[int, ...]) -> str:
    if isinstance(value, tuple):
        return ".".join(map(str, value))
    return str(value or "256 or more")
