"""manage.py install_crontab: what it writes, keeps, refuses and warns of."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings as project
from django_crontab.crontab import Crontab

from tests.processes import TIMEOUT

# django-crontab leaves the pipes that it reads from to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

BACKUP = "0 4 * * * backup # nightly\n"
ZONES = Path("/usr/share/zoneinfo")
NOVEMBER = datetime(2026, 11, 25, tzinfo=UTC)

# A crontab(1) on a file. What goes wrong with the n-th call is said by a file of its own.
PROGRAM = """\
#!/bin/sh
cd {home} && echo call >> calls
fault=fault-$(wc -l < calls)
[ -f "$fault" ] && . "./$fault"
if [ "$1" = -l ]; then
    [ -f table ] && exec cat table
    echo "no crontab for root" >&2; exit 1
fi
[ "$1" = - ] && exec cat > table
exec cat "$1" > table
"""


class Table:
    """A crontab that can go wrong: 1 is the first reading, 2 django-crontab's, 3 its writing."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.program = home / "crontab"
        self.program.write_text(PROGRAM.format(home=home))
        self.program.chmod(0o755)

    @property
    def text(self) -> str | None:
        path = self._home / "table"
        return path.read_text() if path.exists() else None

    @text.setter
    def text(self, text: str) -> None:
        (self._home / "table").write_text(text)

    def at_call(self, number: int, fault: str) -> None:
        (self._home / f"fault-{number}").write_text(fault)


@pytest.fixture
def table(tmp_path, settings, monkeypatch):
    settings.CRONTAB_EXECUTABLE = str((made := Table(tmp_path)).program)
    monkeypatch.setattr("credits.management.cron_zone.LOCALTIME", ZONES / "Etc/UTC")
    return made


def schedules(text: str) -> list[str]:
    return [" ".join(line.split()[:5]) for line in text.splitlines()]


class TestInstall:
    @pytest.mark.parametrize("before", [None, "", BACKUP], ids=["none", "empty", "another's"])
    def test_adds_the_lines_and_keeps_what_is_there(self, table, manage, before):
        if before is not None:
            table.text = before

        answer = manage("install_crontab")

        assert (answer.code, answer.err) == (0, "")
        assert table.text.startswith(before or "")
        assert schedules(table.text)[-4:] == [job[0] for job in project.CRONJOBS]
        assert answer.out.count("\n+ ") == 3
        assert answer.out.endswith(
            f"0 lines removed, 4 added, {1 if before else 0} others kept;"
            " the jobs run with settings.testing.\n"
        )

    def test_changes_nothing_the_second_time(self, table, manage):
        manage("install_crontab")
        first = table.text

        answer = manage("install_crontab")

        assert answer.out == "The crontab is as it should be: nothing to change.\n"
        assert table.text == first

    def test_replaces_the_lines_of_an_earlier_schedule(self, table, manage, settings):
        # `crontab add` at its usual -v 1 crashes here, and writes one line less.
        manage("install_crontab")
        first, *rest = settings.CRONJOBS
        settings.CRONJOBS = [("30 0 1 * *", *first[1:]), *rest]

        answer = manage("install_crontab")

        assert answer.code == 0
        assert schedules(table.text) == [job[0] for job in settings.CRONJOBS]
        assert "- 1 0 1 * * " in answer.out
        assert "+ 30 0 1 * * " in answer.out

    def test_dry_run_writes_nothing(self, table, manage):
        table.text = BACKUP

        answer = manage("install_crontab", "--dry-run")

        assert table.text == BACKUP
        assert "+ 1 0 1 * * " in answer.out
        assert answer.out.endswith("(dry run, nothing written).\n")

    def test_remove_takes_its_own_lines_alone(self, table, manage):
        table.text = BACKUP
        manage("install_crontab")

        answer = manage("install_crontab", "--remove")

        assert table.text == BACKUP
        assert "4 lines removed, 0 added, 1 others kept" in answer.out

    def test_crontab_show_and_remove_still_work(self, table, manage, capfd):
        table.text = BACKUP
        manage("install_crontab")

        manage("crontab", "show")
        manage("crontab", "remove")

        assert capfd.readouterr().out.count("credits.management.cron.run") == 8
        assert table.text == BACKUP


class TestRefusal:
    def test_leaves_alone_what_cannot_be_read(self, table, manage):
        table.text = BACKUP
        table.at_call(1, "echo 'crontab: /var/spool/cron: Input/output error' >&2; exit 1")

        answer = manage("install_crontab")

        assert answer.code == 1
        assert answer.err == (
            "CommandError: crontab -l failed, and what cannot be read is not overwritten: crontab:"
            " /var/spool/cron: Input/output error. Nothing was changed.\n"
        )
        assert table.text == BACKUP

    @pytest.mark.parametrize(
        ("call", "fault", "why"),
        [
            pytest.param(
                3,
                "echo 'You (omar) are not allowed to use this program.' >&2; exit 1",
                "You (omar) are not allowed to use this program",
                id="cron.allow",
            ),
            pytest.param(
                3, "echo >> table; exit 0", "django-crontab wrote something else", id="half a write"
            ),
            pytest.param(2, "exit 1", "django-crontab wrote something else", id="read as empty"),
        ],
    )
    def test_puts_back_what_was_there(self, table, manage, call, fault, why):
        table.text = BACKUP
        table.at_call(call, fault)

        answer = manage("install_crontab")

        assert answer.code == 1
        assert answer.err == f"CommandError: The crontab was not changed: {why}. It is as it was.\n"
        assert table.text == BACKUP

    def test_keeps_a_copy_where_it_cannot_put_back(self, table, manage):
        table.text = BACKUP
        table.at_call(3, "echo > table; exit 0")
        table.at_call(5, "exit 1")

        answer = manage("install_crontab")

        assert "It could not be put back either" in answer.err
        kept = Path(answer.err.rsplit(" ", 1)[-1].rstrip(".\n"))
        assert kept.read_text() == BACKUP
        kept.unlink()

    @pytest.mark.parametrize(
        ("name", "value", "sentence"),
        [
            pytest.param("CRONJOBS", [], "CRONJOBS is empty", id="no jobs"),
            pytest.param(
                "CRONJOBS",
                [("0 25 * * *", "shop.jobs.count")],
                "“0 25 * * *” of shop.jobs.count is no schedule of cron (Bad hour)",
                id="no such hour",
            ),
            pytest.param(
                "CRONJOBS",
                [("0 0 30 2 *", "shop.jobs.count")],
                "“0 0 30 2 *” of shop.jobs.count is no schedule of cron (Bad day-of-month)",
                id="no such day",
            ),
            pytest.param("CRONTAB_COMMENT", "", "Set CRONTAB_COMMENT: ", id="no marker"),
            pytest.param(
                "CRONTAB_COMMAND_PREFIX", "echo '#1';", "would not know its lines", id="# in it"
            ),
            pytest.param(
                "CRONTAB_DJANGO_SETTINGS_MODULE",
                None,
                "Set CRONTAB_DJANGO_SETTINGS_MODULE: ",
                id="no settings",
            ),
            pytest.param(
                "CRONTAB_PYTHON_EXECUTABLE", "/srv/100%/python", "would take “/srv/100%", id="%"
            ),
            pytest.param(
                "CRONTAB_PYTHON_EXECUTABLE",
                "/srv/a b/python",
                "would take “/srv/a ",
                id="space",
            ),
            pytest.param(
                "CRONTAB_EXECUTABLE", "/nowhere/crontab", "apt-get install cron", id="no cron"
            ),
            pytest.param("INSTALLED_APPS", ["credits"], 'Add "django_crontab"', id="no app"),
        ],
    )
    def test_names_what_is_wrong(self, table, manage, settings, name, value, sentence):
        table.text = BACKUP
        apps = [app for app in settings.INSTALLED_APPS if app != "django_crontab"]
        setattr(settings, name, apps if name == "INSTALLED_APPS" else value)

        answer = manage("install_crontab")

        assert answer.code == 1
        assert sentence in answer.err
        assert table.text == BACKUP

    def test_names_the_package_that_is_missing(self, table, manage, monkeypatch):
        monkeypatch.delitem(sys.modules, "credits.management.crontab", raising=False)
        monkeypatch.delattr("credits.management.crontab", raising=False)
        monkeypatch.setitem(sys.modules, "cronsim", None)

        answer = manage("install_crontab")

        assert answer.err == (
            "CommandError: cronsim is not installed: pip install 'django-credits-ledger[cron]'.\n"
        )


class TestLogs:
    def test_without_a_directory_are_warned_of_once(self, table, manage, settings, tmp_path):
        settings.CRONJOBS = [
            ("1 0 1 * *", "shop.first", f">> {tmp_path}/shop/first.log 2>&1"),
            ("0 2 * * *", "shop.second", f">> {tmp_path}/shop/second.log 2>&1"),
            ("0 3 * * *", "shop.third", f">> {tmp_path}/third.log 2>/dev/null"),
        ]

        answer = manage("install_crontab")

        assert answer.code == 0
        assert answer.err.splitlines()[0] == (
            f"Warning: there is no directory {tmp_path}/shop: the shell could not open the log, and"
            f' no job would start. Type: sudo install -d -o "$USER" {tmp_path}/shop'
        )
        assert answer.err.count("no directory") == 1


class TestZone:
    def test_that_is_not_utc_is_warned_of(self, table, manage, monkeypatch, clock):
        monkeypatch.setattr("credits.management.cron_zone.LOCALTIME", ZONES / "Asia/Dubai")
        clock(NOVEMBER)

        answer = manage("install_crontab", "--dry-run")

        assert answer.code == 0
        assert answer.err == (
            "Warning: cron reads these times in this host's zone, Asia/Dubai (now +0400), not in"
            " UTC.\n"
            "  1 0 1 * *  reset_monthly_credits: next at 2026-11-30 20:01 UTC.\n"
            "    12 of its next 12 runs come before the month begins in UTC, as that at 2026-11-30"
            " 20:01 UTC: it finds 2026-11 reset already and does nothing. run_due_credit_jobs makes"
            " 2026-12 good at 2026-12-01 00:07 UTC.\n"
            "  0 2 * * *  expire_credits: next at 2026-11-25 22:00 UTC.\n"
            "    Harmless: what has expired cannot be spent, written off or not.\n"
            "  To have UTC: timedatectl set-timezone Etc/UTC && systemctl restart cron\n"
        )


class TestCronjob:
    def test_ends_as_its_command_ends(self, tmp_path):
        # django-crontab's own way: it logs the error of a job, and ends with 0.
        crontab = Crontab(verbosity=0, readonly=True)
        crontab.add_jobs()
        (line,) = (line for line in crontab.crontab_lines if "expire_credits" in line)
        start = line[line.index(sys.executable) : line.index(" >>")]

        done = subprocess.run(
            start.split(),
            cwd=project.BASE_DIR,
            env={"DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

        assert done.returncode == 1
        assert done.stderr.startswith("CommandError: The database refused: no such table")
