"""What a reproduced table or figure is written as: JSON, Markdown and a PNG."""

import dataclasses
import json
import os
from typing import Any

import numpy as np

from agave_tf.pictures.grid import write_png
from agave_tf.whole_file import write_text


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement of the paper, and whether our numbers say so too.

    numbers: what was compared, by name.
    """

    text: str
    is_held: bool
    numbers: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Report:
    """An artifact.

    columns, rows: of the table; its first column names the row.
    figure: uint8 [H,W,3]; None: it has none.
    """

    title: str
    columns: list[str]
    rows: list[list[Any]]
    claims: list[Claim] = dataclasses.field(default_factory=list)
    figure: np.ndarray | None = None

    def write(self, directory: str, name: str) -> None:
        """Writes NAME.json, NAME.md and NAME.png to a directory."""
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, name)
        if self.figure is not None:
            write_png(f"{path}.png", self.figure)
        content = {
            "title": self.title,
            "columns": self.columns,
            "rows": self.rows,
            "claims": [dataclasses.asdict(claim) for claim in self.claims],
        }
        write_text(f"{path}.json", json.dumps(content, indent=2) + "\n")
        picture = f"\n![{self.title}]({name}.png)\n" if self.figure is not None else ""
        write_text(f"{path}.md", self.markdown() + picture)

    def markdown(self) -> str:
        """The table, and every claim with its numbers."""
        lines = [f"## {self.title}", ""]
        if self.rows:
            lines += [_line(self.columns), _line(["---"] * len(self.columns))]
            lines += [_line([_shown(value) for value in row]) for row in self.rows]
            lines += [""]
        for claim in self.claims:
            numbers = ", ".join(f"{k} {_shown(v)}" for k, v in claim.numbers.items())
            held = "held" if claim.is_held else "not held"
            lines.append(f"- {claim.text}: **{held}** ({numbers})")
        return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list):
        return ", ".join(_shown(v) for v in value)
    return "" if value is None else str(value)
