"""
When cron runs the jobs, through django-crontab.

``manage.py install_crontab`` installs the lines and looks whether they are there, with ``--remove``
it takes them away. Cron reads them in the host's own time zone: keep that on UTC. In Dubai 00:01 on
the 1st is still the evening of the month before, and install_crontab warns of it.
"""

from settings import environment

_LOGS = environment.BASE_DIR / "logs"


def _cron_job(
    schedule: str, command: str, **options: str
) -> tuple[str, str, list[str], dict[str, str], str]:
    # Not call_command: django-crontab swallows what a function raises and ends with 0. This one
    # becomes the command, so the log and the exit code are the command's.
    log = _LOGS / f"{command}.log"
    return schedule, "credits.management.cron.run", [command], options, f">> {log} 2>&1"


CRONJOBS = [
    _cron_job("1 0 1 * *", "reset_monthly_credits", trigger="cron"),
    _cron_job("0 2 * * *", "expire_credits", trigger="cron"),
    _cron_job("*/15 * * * *", "send_credit_notices"),
    # Makes good what cron missed, at minutes that no other line has: first the job itself, then
    # the look whether it ran.
    _cron_job("7-59/15 * * * *", "run_due_credit_jobs"),
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
