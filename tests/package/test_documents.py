"""Every link of the documents leads somewhere."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("pretrained/*/*.md"),
]


def anchors(path):
    """The anchors of a document's headings, by GitHub's rule."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def broken_links(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        target = re.sub(r"\s+", "", target)
        if re.match(r"[a-z]+:", target):
            continue  # Elsewhere.
        file, _, anchor = target.partition("#")
        other = path.parent / file if file else path
        if not other.exists() or (anchor and anchor not in anchors(other)):
            yield target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    assert list(broken_links(path)) == []


def test_a_broken_link_is_found(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("# The b's, c\n[a](#the-bs-c) [b](#c) [c](a.md) [d](d.md#c)")
    assert list(broken_links(path)) == ["#c", "d.md#c"]


@pytest.mark.parametrize(
    "path",
    [*DOCUMENTS, *ROOT.glob("agave_tf/**/*.py"), *ROOT.glob("tests/**/*.py")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_named_test_files_exist(path):
    named = re.findall(r"\btests/[\w/]+\.py\b", path.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []
