"""credits.jobs.erasing: names, addresses and words go; amounts stay."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.urls import reverse

from credits.exceptions import UnknownProfessional
from credits.jobs import erasing
from credits.jobs.erasing import Erased, erase_professional
from credits.jobs.notices import stage_expiry_warnings
from credits.jobs.reset import reset_monthly_credits
from credits.models import (
    CreditBalance,
    CreditTransaction,
    CreditType,
    JobFailure,
    JobRun,
    JobShard,
    NoticeOptOut,
    SuppressedAddress,
    TransactionReason,
)
from homezy.models import User
from tests.books import all_tables, broken_invariants
from tests.factories import (
    FEBRUARY,
    JULY_15,
    MARCH,
    buy,
    correct,
    make_notice,
    make_professional,
    make_run,
    make_user,
    promise,
    use,
)
from tests.tampering import mend, poison
from tests.threads import Knock, Pause, threads

pytestmark = pytest.mark.django_db

TRACES = ("aisha", "bint", "salon", "0501234567", "legacy address")


@pytest.fixture
def aisha():
    """A professional who left a trace in every table that keeps one."""
    aisha = make_professional(
        email="aisha@example.com",
        first_name="Aisha",
        last_name="bint Omar",
        business_name="Salon Aisha",
    )
    buy(aisha, 20)
    use(aisha, 5)
    row = correct(aisha, 3, CreditType.FREE)
    TransactionReason.objects.filter(pk=row.pk).update(text="Aisha called from 0501234567.")
    make_notice(aisha, address="aisha-before@example.com")
    promise(aisha)
    NoticeOptOut.objects.create(professional=aisha, kind="reset", created_at=MARCH)
    for address in ("aisha@example.com", "aisha-before@example.com", "badr@example.com"):
        SuppressedAddress.objects.create(address=address, reason="bounced", created_at=MARCH)
    error = "duplicate key\nKey (email)=(aisha@example.com) exists."
    run = make_run(
        status="partial",
        total_count=1,
        error_count=1,
        error_summary="1 failed; the first with: Key (email)=(aisha@example.com) exists.",
    )
    JobFailure.objects.create(run=run, professional=aisha, error=error.splitlines()[1])
    fail_shard(run, f"All failed; the last with: {error.splitlines()[1]}")
    log(ContentType.objects.get_for_model(User), aisha.pk, "aisha@example.com")
    cleared = "aisha-before@example.com"
    log(ContentType.objects.get_for_model(SuppressedAddress), cleared, cleared)
    return aisha


def log(content_type, key, name):
    return LogEntry.objects.create(
        user=make_user(is_staff=True),
        content_type=content_type,
        object_id=str(key),
        object_repr=name,
        action_flag=CHANGE,
    )


def fail_shard(run, error):
    return JobShard.objects.create(
        run=run, number=1, status=JobShard.Status.FAILED, heartbeat_at=MARCH, error=error
    )


def traces():
    """Return every stored value that still tells who somebody was."""
    tables = all_tables() | {
        "users": list(User.objects.values_list()),
        "log": list(LogEntry.objects.values_list()),
    }
    return [
        (table, value)
        for table, rows in tables.items()
        for row in rows
        for value in row
        if any(trace in str(value).lower() for trace in TRACES)
    ]


class TestEraseProfessional:
    def test_leaves_no_trace_of_who_it_was(self, aisha):
        assert len(traces()) >= 10

        erased = erase_professional(aisha.pk)

        assert traces() == []
        assert erased == Erased(
            reasons=1,
            notices=2,
            opt_outs=1,
            suppressed_addresses=2,
            failures=1,
            log_entries=2,
            account="homezy.erasure.erase_user",
        )

    def test_leaves_every_amount(self, aisha):
        kept = [CreditTransaction, CreditBalance]
        before = [list(model.objects.order_by("pk").values()) for model in kept]

        erase_professional(aisha.pk)

        assert [list(model.objects.order_by("pk").values()) for model in kept] == before
        assert broken_invariants() == {}

    def test_leaves_everybody_else_alone(self, aisha):
        badr = make_professional(email="badr@example.com", first_name="Badr")
        row = correct(badr, 3, CreditType.FREE)
        notice = make_notice(badr)

        erase_professional(aisha.pk)

        badr.refresh_from_db()
        row.refresh_from_db()
        notice.refresh_from_db()
        assert (badr.first_name, row.reason.text) == ("Badr", "A miscount.")
        assert SuppressedAddress.objects.get().address == "badr@example.com"

    def test_leaves_what_runs_say_of_others(self, aisha):
        words = JobFailure.objects.get().error
        elsewhere = make_run(status="failed", error_summary=f"All failed; {words}")
        told = fail_shard(elsewhere, f"All failed; the last with: {words}")
        beside = make_run(status="failed", error_summary="All failed; No flag.")
        other = fail_shard(beside, "All failed; the last with: No flag.")
        JobFailure.objects.create(run=beside, professional=aisha, error=words)
        kept = [elsewhere, told, beside, other]
        before = [type(row).objects.filter(pk=row.pk).values().get() for row in kept]

        assert erase_professional(aisha.pk).failures == 2

        assert [type(row).objects.filter(pk=row.pk).values().get() for row in kept] == before

    def test_leaves_what_the_admins_log_says_of_others(self, aisha):
        others = [
            (ContentType.objects.get_for_model(User), make_professional().pk),
            (ContentType.objects.create(app_label=User._meta.app_label, model="visit"), aisha.pk),
            (ContentType.objects.create(app_label="elsewhere", model="user"), aisha.pk),
            (ContentType.objects.get_for_model(SuppressedAddress), "badr@example.com"),
        ]
        for content_type, key in others:
            log(content_type, key, "Somebody else")

        assert erase_professional(aisha.pk).log_entries == 2

        assert LogEntry.objects.filter(object_repr="Somebody else").count() == 4

    def test_finds_nothing_the_second_time(self, aisha):
        erase_professional(aisha.pk)
        before = all_tables()

        again = erase_professional(aisha.pk)

        assert again == Erased(0, 0, 0, 0, 0, 0, "homezy.erasure.erase_user")
        assert all_tables() == before

    def test_writes_nothing_in_a_dry_run_and_counts_the_same(self, aisha):
        before, user = all_tables(), User.objects.filter(pk=aisha.pk).values().get()

        rehearsed = erase_professional(aisha.pk, dry_run=True)

        assert all_tables() == before
        assert User.objects.filter(pk=aisha.pk).values().get() == user
        assert erase_professional(aisha.pk) == rehearsed

    def test_does_all_or_nothing(self, aisha, monkeypatch):
        def fail(path):
            raise ZeroDivisionError

        monkeypatch.setattr(erasing, "import_string", fail)
        before = all_tables()

        with pytest.raises(ZeroDivisionError):
            erase_professional(aisha.pk)

        assert all_tables() == before

    def test_leaves_the_account_to_a_project_that_names_no_function(self, aisha, settings):
        settings.CREDITS = settings.CREDITS | {"ERASE_PROFESSIONAL": ""}

        assert erase_professional(aisha.pk).account == ""

        assert {table for table, _ in traces()} == {"users"}

    def test_does_without_the_admin_where_a_project_has_none(self, aisha, monkeypatch):
        monkeypatch.setattr(erasing.apps, "is_installed", lambda name: False)

        assert erase_professional(aisha.pk).log_entries == 0

        assert {table for table, _ in traces()} == {"log"}

    def test_refuses_somebody_unknown(self):
        with pytest.raises(UnknownProfessional) as refused:
            erase_professional(0)

        assert refused.value.professional_id == 0

    def test_logs_an_id_and_no_name(self, aisha, caplog):
        caplog.set_level("INFO", "credits.erasure")

        erase_professional(aisha.pk)

        assert [record.getMessage() for record in caplog.records] == [
            f"professional erased professional={aisha.pk}"
        ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
class TestBesideARun:
    """It failed for them and comes to its end while they are erased."""

    @pytest.fixture
    def aisha(self):
        aisha, _ = make_professional(), make_professional()
        poison(aisha)
        yield aisha
        mend()

    def test_leaves_no_word_that_the_run_quotes_of_them(self, aisha):
        ending = Pause(before='UPDATE "credits_jobrun" SET "status"')
        knock = Knock()
        with threads() as started:
            run = started.start(lambda: reset_monthly_credits(as_of=MARCH), ending)
            ending.wait()
            erased = started.start(lambda: erase_professional(aisha.pk), knock)
            knock.wait_until_blocked(unless=erased)
            ending.resume()

            assert (run.result().error_count, erased.result().failures) == (1, 1)

        assert JobRun.objects.get().error_summary == "The first failed; erased."


class TestWhoWasErased:
    def test_gets_no_free_credits_and_no_mail(self, aisha):
        erase_professional(aisha.pk)

        run = reset_monthly_credits(as_of=MARCH, period="2026-03")
        stage_expiry_warnings(as_of=JULY_15.replace(day=10))

        assert (run.total_count, JobRun.objects.count()) == (0, 2)
        user = User.objects.get(pk=aisha.pk)
        assert not user.is_active
        assert not user.has_usable_password()

    def test_has_a_page_in_the_admin_like_anybody(self, aisha, client):
        client.force_login(User.objects.create_superuser("root@example.com", "password"))
        erase_professional(aisha.pk)

        for url in (
            reverse("admin:credits_creditbalance_change", args=[aisha.pk]),
            reverse("admin:credits_creditbalance_changelist"),
            reverse("admin:credits_credittransaction_changelist"),
            reverse("admin:homezy_user_change", args=[aisha.pk]),
        ):
            page = client.get(url, follow=True)
            assert page.status_code == 200
            assert f"erased-{aisha.pk}@invalid" in page.content.decode()

    def test_can_still_be_spent_for_and_refunded(self, aisha):
        erase_professional(aisha.pk)

        use(aisha, 2, at=FEBRUARY)

        assert broken_invariants() == {}
