"""What settings/schedule.py says, for the other ways of starting the jobs to be held against."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice

from cronsim import CronSim
from django.conf import settings
from django.core.management import get_commands, load_command_class

BEFORE_2027 = datetime(2027, 1, 1, tzinfo=UTC) - timedelta(minutes=1)

SCHEDULES = {job[2][0]: job[0] for job in settings.CRONJOBS}
"""When each command of cron's is run: five fields."""


def firings(command: str, number: int) -> list[datetime]:
    """Return the first moments of 2027 at which a command is run, in UTC."""
    return list(islice(CronSim(SCHEDULES[command], BEFORE_2027), number))


def assert_understood(command: str, arguments: Iterable[str]) -> None:
    """Fail unless manage.py has this command, with these arguments."""
    commands = get_commands()
    assert command in commands, f"manage.py has no command {command}"
    parser = load_command_class(commands[command], command).create_parser("manage.py", command)
    assert parser.parse_args(list(arguments))


SECRET = re.compile(r"(?i)(password|secret|token|api_?key)\w*\s*[:=]\s*['\"]?[^\s'\"$?]{8,}")
"""A secret that is written down instead of named."""
