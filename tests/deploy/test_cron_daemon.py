"""
The installed crontab, run by Debian's cron itself: into a real database, in a second or two.

Cron lives in namespaces of its own, with crontabs over the machine's, and by a clock that stands
shortly before 00:01 on the 1st of a month and goes thirty times as fast. The jobs that it starts
have the time of day.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import pytest
from django.conf import settings

from credits.models import CreditBalance, JobRun
from tests.factories import make_professional
from tests.processes import TIMEOUT, database_url

BACKUP = "0 4 * * * backup"

NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--mount-proc")

# What cron reads and writes is masked first; nothing of it is seen outside of this namespace.
SCRIPT = """\
set -e
mount -t tmpfs -o mode=1730,gid=crontab tmpfs /var/spool/cron/crontabs
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /etc/cron.d
mount --bind /dev/null /etc/crontab
mkdir -p {project}/logs
mount --bind {logs} {project}/logs
printf '%s\\n' '{backup}' 'DATABASE_URL={url}' | crontab -
{python} {project}/manage.py install_crontab
crontab -l > {logs}/crontab
exec faketime -f '@2026-12-01 00:00:40 x30' cron -f
"""


def _unable() -> str:
    missing = [name for name in ("cron", "faketime", "unshare") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} missing: apt-get install cron faketime"
    tried = subprocess.run(
        [*NAMESPACES, "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"no namespaces without root: {tried.stderr.strip()}" if tried.returncode else ""


@pytest.fixture(autouse=True)
def cron() -> None:
    if reason := _unable():
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def wait_for(true: Callable[[], bool], script: str) -> None:
    """Run a script in namespaces that end with this call, until something is true."""
    deadline = time.monotonic() + TIMEOUT
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [*NAMESPACES, "--kill-child", "sh", "-c", script], stdout=said, stderr=said
        ) as shell,
    ):
        try:
            while not true():
                if shell.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    pytest.fail(f"It did not happen: {said.read()}")
                time.sleep(0.05)
        finally:
            # With the first process of a namespace every other one in it is gone.
            shell.kill()


# One engine is enough: what differs from one to the other is not cron. The processes see only what
# is committed.
@pytest.mark.engine("sqlite")
@pytest.mark.django_db(transaction=True)
class TestCron:
    def test_fires_the_reset_on_the_first_of_the_month(self, tmp_path):
        aisha = make_professional(free=30)
        script = SCRIPT.format(
            project=settings.BASE_DIR,
            logs=tmp_path,
            backup=BACKUP,
            url=database_url(),
            python=sys.executable,
        )

        log = tmp_path / "reset_monthly_credits.log"
        wait_for(lambda: log.exists() and "completed" in log.read_text(), script)

        run = JobRun.objects.get()
        assert (run.job, run.trigger) == (JobRun.Job.RESET, "cron")
        assert CreditBalance.objects.get(professional=aisha).free_credits == 100
        assert "succeeded 1" in log.read_text()
        assert (tmp_path / "crontab").read_text().startswith(f"{BACKUP}\n")
