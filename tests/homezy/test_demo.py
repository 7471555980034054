from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from credits.models import CreditTransaction, JobRun
from homezy.management.commands.demo import ADMIN, Command
from homezy.models import User
from tests.books import broken_invariants
from tests.factories import make_professional

pytestmark = pytest.mark.django_db


def demo():
    out = StringIO()
    call_command("demo", stdout=out, stderr=out)
    return out.getvalue()


def ledger():
    return list(CreditTransaction.objects.order_by("pk").values_list("pk", "balance_after"))


class TestDemo:
    def test_leaves_a_year_that_ended_last_month_and_two_jobs_done(self):
        output = demo()

        imported = CreditTransaction.objects.filter(run=None).latest("created_at").created_at
        now = timezone.now()
        assert (now.year - imported.year) * 12 + now.month - imported.month == 1
        assert "Verified: all invariants hold" in output
        assert "Would be" not in output
        assert "(dry run, nothing written)" in output
        assert "Monthly credit reset completed: total 50, succeeded 50, failed 0" in output
        assert "Credit expiry completed" in output
        assert broken_invariants() == {}
        reset = JobRun.objects.get(job=JobRun.Job.RESET)
        assert reset.success_count == 50

    def test_ends_with_a_login_that_works(self):
        *_, last = demo().strip().splitlines()

        admin = User.objects.get(email=ADMIN)
        password = last.rpartition(" ")[2].removesuffix(".")
        assert last.startswith("Open the admin: make serve, then http://127.0.0.1:8000/admin/")
        assert admin.check_password(password)
        assert admin.is_superuser

    def test_does_no_harm_the_second_time(self):
        demo()
        before = ledger()
        password = User.objects.get(email=ADMIN).password

        output = demo()

        assert ledger() == before
        assert User.objects.get(email=ADMIN).password == password
        assert "80 accounts that were there already" in output
        assert "all of them were reset in" in output
        assert "the password shown the first time" in output

    def test_keeps_away_from_other_peoples_accounts(self):
        make_professional()

        with pytest.raises(CommandError, match="holds other people's accounts") as refused:
            demo()

        assert refused.value.returncode == 2
        assert User.objects.count() == 1

    def test_says_what_ctrl_c_leaves(self, monkeypatch):
        def press(self):
            raise KeyboardInterrupt

        monkeypatch.setattr(Command, "_login", press)

        with pytest.raises(CommandError, match="demo goes on with the rest") as ended:
            demo()

        assert ended.value.returncode == 130
