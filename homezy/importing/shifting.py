"""Moving an export in time, so that a year of data ends when a demonstration wants it to."""

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from dateutil.relativedelta import relativedelta

from homezy.importing.documents import UserDocument
from homezy.importing.replay import History

SIX_MONTHS = relativedelta(months=6)

STEADY_DAYS = 27
"""Days at the beginning of every month that keep their date and hour."""


@dataclass(frozen=True)
class Shift:
    """
    Move by whole months, so that a reset stays on the 1st.

    Days up to the 27th keep date and hour. The last days of a month, of which there are one to
    four, are stretched or squeezed over those of the other month: clamping the 31st to the 30th
    would put it before the evening of the 30th, and a lot could expire after its expiry. So what
    came first comes first, always.
    """

    months: int

    @classmethod
    def between(cls, last: datetime, period: str) -> "Shift":
        """Return the shift that brings the month of ``last`` to ``period``, as ``2026-10``."""
        year, month = map(int, period.split("-"))
        last = last.astimezone(UTC)
        return cls((year - last.year) * 12 + month - last.month)

    def moment(self, moment: datetime) -> datetime:
        """Return where a moment goes."""
        moment = moment.astimezone(UTC)
        old = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        new = old + relativedelta(months=self.months)
        steady = timedelta(days=STEADY_DAYS)
        inside = moment - old
        if inside > steady:
            inside = steady + (inside - steady) * (_loose_days(new) / _loose_days(old))
        return new + inside

    def user(self, user: UserDocument) -> UserDocument:
        """Return a user who joined that much earlier or later."""
        return replace(user, joined_at=self.moment(user.joined_at))

    def history(self, history: History) -> History:
        """
        Return a history with every moment moved.

        A lot still expires six calendar months after it was granted, give or take what the source
        gave or took; unless its credits were used or written off so near to the moment of expiry
        that they would now be on its other side: then the expiry moves as everything else.
        """
        rows = [replace(row, at=self.moment(row.at)) for row in history.rows]
        last_use: dict[int, datetime] = {}
        write_off: dict[int, datetime] = {}
        for row in rows:
            for lot, _ in row.draws:
                (write_off if row.transaction_type == "expiry" else last_use)[lot] = row.at
        for place, (old, new) in enumerate(zip(history.rows, rows, strict=True)):
            if old.expires_at is None:
                continue
            exact = new.at + SIX_MONTHS + (old.expires_at - (old.at + SIX_MONTHS))
            is_fitting = last_use.get(place, new.at) < exact <= write_off.get(place, exact)
            rows[place] = replace(
                new, expires_at=exact if is_fitting else self.moment(old.expires_at)
            )
        return replace(history, rows=rows)


def _loose_days(month: datetime) -> int:
    return monthrange(month.year, month.month)[1] - STEADY_DAYS
