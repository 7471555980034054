"""What an experiment found, and the table of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_COMPLAINTS = 5


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


def table(findings: Sequence[Finding]) -> str:
    """Return the findings as lines."""
    head = f"{'experiment':<26} {'engine':<10} {'tried':>22} {'bad':>4} {'control':>14} {'s':>7}"
    return "\n".join([head, "-" * len(head), *(_line(finding) for finding in findings)])


def _line(finding: Finding) -> str:
    control = f"{finding.control_bad} of {finding.control_trials}" if finding.needs_control else "-"
    tried = f"{finding.trials:,} {finding.trial}"
    line = (
        f"{finding.experiment:<26} {finding.engine:<10} {tried:>22}"
        f" {len(finding.complaints):>4} {control:>14} {finding.seconds:>7.1f}"
    )
    return f"{line}  {finding.remarks}".rstrip()
