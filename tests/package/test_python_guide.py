"""The program of docs/python.md does what it says."""

import pathlib
import re

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "python.md"


def test_the_program_of_the_guide_trains_evaluates_samples_and_encodes(
    tmp_path, monkeypatch, capsys
):
    (program,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(program.splitlines()) <= 40
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(program, str(GUIDE), "exec"), names)
    shown = capsys.readouterr().out
    for part in ("bits_per_dim_4_samples", "primary_reconstruction", "kl"):
        assert re.search(rf"^{part} -?[\d.]+ bits/dim$", shown, re.MULTILINE), shown
    assert "(1, 4, 8, 8, 3) uint8" in shown
    count = len(names["data"].test.image)
    assert names["features"].shape[0] == count and names["features"].shape[1] > 8
    assert (tmp_path / "runs" / "joint" / "averaged_weights.npz").exists()
