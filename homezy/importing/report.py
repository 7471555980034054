"""What became of everything, for a person and for a machine. Ids and places, nobody's address."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from homezy.importing.staging import Staging

EXIT_DONE = 0
EXIT_BROKEN = 1
EXIT_PARTIAL = 3

SECTIONS = ("adjusted", "refused")

MOST_LINES = 20
"""Lines of a section that a person is shown."""

MOST_LINES_JSON = 1_000
"""Lines of a section in a JSON document."""


@dataclass
class Report:
    """The counts of one import; its lines are in the staging file, open as long as the import."""

    staging: Staging
    dry_run: bool
    read: Counter[str] = field(default_factory=Counter)
    """Documents found, by collection."""
    unpaid: int = 0
    """Purchases that were never paid for: they are not imported."""
    written: Counter[str] = field(default_factory=Counter)
    mended: Counter[str] = field(default_factory=Counter)
    adjusted_credits: int = 0
    """Net credits of all adjustments."""
    broken: str | None = None
    """What ``verify_credits`` found broken afterwards; empty if nothing, ``None`` if not asked."""
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """Return 0 for all of it, 3 if something was refused, 1 if the ledger does not verify."""
        if self.broken:
            return EXIT_BROKEN
        return EXIT_PARTIAL if self.staging.count("refused") else EXIT_DONE

    def lines(self, *, most: int | None = MOST_LINES) -> Iterator[str]:
        """Yield the report for a person; every line of it if ``most`` is ``None``."""
        yield f"In:       {_counts(self.read)}"
        if self.unpaid:
            yield f"          {self.unpaid:,} purchases were never paid for: not imported"
        verb = "Would be: " if self.dry_run else "Out:      "
        yield f"{verb}{_counts(self.written) or 'nothing'}"
        yield f"Mended:   {'' if +self.mended else 'nothing'}".rstrip()
        for kind, count in self.mended.most_common():
            yield f"  {count:>7,}  {kind}"
        yield from self._section("adjusted", f" ({self.adjusted_credits:+,} credits)", most)
        yield from self._section("refused", "", most)
        if self.broken is None:
            yield "Verified: no, nothing was written"
        else:
            yield f"Verified: {self.broken or 'all invariants hold'}"

    def _section(self, section: str, more: str, most: int | None) -> Iterator[str]:
        count = self.staging.count(section)
        title = f"{section.capitalize()}:".ljust(10)
        yield f"{title}{f'{count:,}{more}' if count else 'nothing'}"
        for subject, why in islice(self.staging.lines(section), most):
            yield f"  {subject}: {why}"
        if most is not None and count > most:
            yield f"  and {count - most:,} more; --report FILE writes all of them"

    def document(self) -> dict[str, Any]:
        """Return the report for a machine."""
        sections = {
            section: {
                "count": self.staging.count(section),
                "lines": [
                    {"subject": subject, "why": why}
                    for subject, why in islice(self.staging.lines(section), MOST_LINES_JSON)
                ],
            }
            for section in SECTIONS
        }
        return {
            "version": 1,
            "command": "import_homezy",
            "dry_run": self.dry_run,
            "read": dict(self.read),
            "unpaid_purchases": self.unpaid,
            "written": dict(+self.written),
            "mended": dict(+self.mended),
            "adjusted_credits": self.adjusted_credits,
            **sections,
            "verified": None if self.broken is None else not self.broken,
            "seconds": round(self.seconds, 3),
            "exit_code": self.exit_code,
        }


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
