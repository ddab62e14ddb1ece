"""Reads the golden files: numbers computed by the original code."""

import pathlib

import numpy as np

DIRECTORY = pathlib.Path(__file__).resolve().parent / "golden"


def load(stem: str) -> dict[str, np.ndarray]:
    """Reads all arrays of a file."""
    with np.load(DIRECTORY / f"{stem}.npz") as file:
        return {key: file[key] for key in file.files}


def with_prefix(golden: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Selects the arrays whose keys begin with `prefix`, and removes it."""
    return {
        key.removeprefix(prefix): value
        for key, value in golden.items()
        if key.startswith(prefix)
    }


def nhwc(array: np.ndarray) -> np.ndarray:
    """Transposes NCHW to NHWC."""
    return np.transpose(array, (0, 2, 3, 1))


def report(fixture: str, quantity: str, deviation: float, tolerance: float) -> None:
    """Prints a deviation (shown by pytest -s) and checks it against its tolerance."""
    print(f"golden | {fixture} | {quantity} | {deviation:.1e} | {tolerance:.0e}")
    assert deviation <= tolerance, f"{fixture} {quantity}: {deviation} > {tolerance}"
