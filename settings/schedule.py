"""
When cron runs the jobs, through django-crontab.

``manage.py crontab add`` installs the lines, ``crontab show`` lists them, ``crontab remove`` takes
them away. Cron reads them in the host's own time zone: keep that on UTC. In Dubai 00:01 on the 1st
is still the evening of the month before.
"""

from settings import environment

_LOGS = environment.BASE_DIR / "logs"


def _cron_job(schedule: str, command: str) -> tuple[str, str, list[str], dict[str, str], str]:
    # django-crontab swallows what a job raises and ends with 0 all the same: no one may judge by
    # the exit code of these lines. What became of a run stands in its JobRun and in these logs.
    log = _LOGS / f"{command}.log"
    return schedule, "django.core.management.call_command", [command], {}, f">> {log} 2>&1"


CRONJOBS = [
    _cron_job("1 0 1 * *", "reset_monthly_credits"),
    _cron_job("0 2 * * *", "expire_credits"),
    _cron_job("*/15 * * * *", "send_credit_notices"),
]

# The shell opens the log before Python runs, so a missing directory would silence the job for ever.
CRONTAB_COMMAND_PREFIX = f"mkdir -p {_LOGS};"
CRONTAB_DJANGO_MANAGE_PATH = str(environment.BASE_DIR / "manage.py")

# Cron's environment is all but empty: without this the jobs would run with manage.py's default.
CRONTAB_DJANGO_SETTINGS_MODULE = environment.text(
    "DJANGO_SETTINGS_MODULE", default="settings.development"
)

# How django-crontab knows its own lines. Its default is the first part of the settings module,
# which is "settings" in many projects: `crontab remove` would take another project's lines.
CRONTAB_COMMENT = "homezy credits"
