"""The moments at which cron lines fire: crontab's five fields, and EventBridge's six."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cronsim import CronSim

SINCE = datetime(2027, 1, 1, tzinfo=UTC)
UNTIL = datetime(2029, 1, 1, tzinfo=UTC)
"""Two years, one of them with a 29th of February."""


def moments_of_crontab(line: str) -> list[datetime]:
    """Return when a crontab line fires in the two years."""
    found = []
    for moment in CronSim(line, SINCE - timedelta(minutes=1)):
        if moment >= UNTIL:
            break
        found.append(moment)
    return found


def moments_of_eventbridge(expression: str) -> list[datetime]:
    """
    Return when ``cron(minutes hours day-of-month month day-of-week year)`` fires in the two years.

    As EventBridge Scheduler's user guide has it; names, L, W and # are left out, for none is used.
    """
    words = expression.removeprefix("cron(").removesuffix(")").split(" ")
    if expression != f"cron({' '.join(words)})" or len(words) != 6:
        raise ValueError(f"Not six fields in cron(...): {expression}")
    minutes, hours, days, months, weekdays, years = words
    if [days, weekdays].count("?") != 1:
        raise ValueError(f"One of the two days, and no more, must be ?: {expression}")
    fires: list[datetime] = []
    for day in _days():
        if (
            day.year in _numbers(years, 1970, 2199)
            and day.month in _numbers(months, 1, 12)
            and (days == "?" or day.day in _numbers(days, 1, 31))
            # Sunday is 1.
            and (weekdays == "?" or day.isoweekday() % 7 + 1 in _numbers(weekdays, 1, 7))
        ):
            fires += [
                day.replace(hour=hour, minute=minute)
                for hour in _numbers(hours, 0, 23)
                for minute in _numbers(minutes, 0, 59)
            ]
    return fires


def _days() -> Iterator[datetime]:
    day = SINCE
    while day < UNTIL:
        yield day
        day += timedelta(days=1)


def _numbers(field: str, least: int, most: int) -> list[int]:
    """Return the numbers that a field means, in order."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{least}-{most}" if span == "*" else span).partition("-")
        end = int(last) if last else (most if step else int(first))
        numbers = range(int(first), end + 1, int(step or 1))
        if not numbers or numbers[0] < least or end > most:
            raise ValueError(f"{part} lies outside {least} to {most}.")
        found.update(numbers)
    return sorted(found)
