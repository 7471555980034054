"""What an experiment found, and the table of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_COMPLAINTS = 5

COLUMNS = (
    ("experiment", "<26"),
    ("engine", "<10"),
    ("tried", ">20"),
    ("bad", ">3"),
    ("control", ">14"),
    ("s", ">7"),
    ("remarks", "<7"),
)
"""Each column of the table, and how it is set."""


@dataclass(frozen=True)
class Finding:
    """One experiment on one engine: the app under fire, and the control under the same fire."""

    experiment: str
    engine: str
    trials: int
    """Times that something was done to the app."""

    trial: str
    """What was done, as ``kills``."""

    complaints: tuple[str, ...]
    """What the books said against the app, one line for each bad trial."""

    control_trials: int
    control_bad: int
    """Trials of the control with bad books: an experiment that cannot fail proves nothing."""

    seconds: float
    remarks: str = ""
    """Figures of its own."""

    needs_control: bool = True

    @property
    def against(self) -> list[str]:
        """What speaks against the app, or against the experiment; nothing if the claim holds."""
        who = f"{self.experiment} on {self.engine}"
        said = [f"{who}: {complaint}" for complaint in self.complaints[:MOST_COMPLAINTS]]
        if not self.trials:
            said.append(f"{who}: nothing was tried, so nothing is shown")
        if self.needs_control and not self.control_bad:
            said.append(f"{who}: the control came to no harm, so this shows nothing")
        return said

    @property
    def line(self) -> str:
        """The finding as a line of the table."""
        return "  ".join(
            f"{cell:{width}}" for cell, (_, width) in zip(self.cells, COLUMNS, strict=True)
        ).rstrip()

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands in each of ``COLUMNS``."""
        return (
            self.experiment,
            self.engine,
            f"{self.trials:,} {self.trial}",
            str(len(self.complaints)),
            f"{self.control_bad} of {self.control_trials}" if self.needs_control else "-",
            f"{self.seconds:.1f}",
            self.remarks,
        )


def table(findings: Sequence[Finding]) -> str:
    """Return the findings as lines, by experiment."""
    head = "  ".join(f"{name:{width}}" for name, width in COLUMNS)
    return "\n".join([head, "-" * len(head), *(each.line for each in _in_order(findings))])


def page(findings: Sequence[Finding], conditions: str) -> str:
    """Return the findings as a page of the documentation."""
    against = [sentence for finding in findings for sentence in finding.against]
    rows = [
        tuple(name for name, _ in COLUMNS),
        tuple("--:" if width.startswith(">") else "---" for _, width in COLUMNS),
        *(finding.cells for finding in _in_order(findings)),
    ]
    return "\n".join(
        [
            "---\norphan: true\n---\n\n# What the last proof found",
            "",
            f"Written by `make proof`: {conditions}. *Bad* counts trials that spoke against the",
            "app, *control* those in which its naive twin came to harm, as it must.",
            "",
            *(f"| {' | '.join(cells)} |" for cells in rows),
            "",
            *(against or ["Nothing lost, nothing doubled; every control failed as it must."]),
            "",
        ]
    )


def _in_order(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: finding.experiment)
