from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    """What one chunk did: ledger rows written, and the credits they moved."""

    succeeded: int = 0
    """Ledger rows written."""

    granted: int = 0
    """Credits added to balances, zero or more."""

    expired: int = 0
    """Credits taken from balances, zero or more."""

    notices: int = 0
    """Notices promised."""

    failed: int = 0
    """Professionals that could not be done."""


@dataclass(frozen=True)
class Change:
    """What a dry run would do to one professional, in credits."""

    professional_id: object
    before: int
    after: int


@dataclass(frozen=True)
class Forecast:
    """What a run would do now, computed without a write."""

    found: int
    """Professionals (reset) or lots (expiry) the job is about."""

    tally: Tally
    largest: tuple[Change, ...]
    """The ten largest changes, largest first."""
