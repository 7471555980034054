"""The pages of the documentation, and what stands in their fences."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("README.md")])


@dataclass(frozen=True)
class Fence:
    """A fenced block."""

    language: str
    text: str
    line: int
    """The line of its first line, counted from 0."""


def fences_of(page: Path) -> Iterator[Fence]:
    """Find the fenced blocks of a page, those in lists too."""
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type == "fence" and token.map:
            yield Fence(token.info.strip(), token.content, token.map[0] + 1)


def name_of(page: Path) -> str:
    """Name a page as its path in the repository."""
    return str(page.relative_to(ROOT))
