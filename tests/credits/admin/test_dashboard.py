"""The dashboard: what an operator sees first."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from credits.admin import dashboard as module
from credits.models import JobRun
from credits.reports import outstanding
from tests.factories import buy, give_lot, make_notice, make_professional, make_run, make_user

pytestmark = pytest.mark.django_db

URL = reverse("admin:app_list", args=["credits"])
NEXT_RESET = reverse("admin:credits_jobrun_next_reset")
PROBE = "<script>alert(1)</script>"
BROKEN = "This could not be computed just now"

HEADINGS = {
    "view_creditbalance": {
        "Outstanding credits", "Expiring in 7 days", "Expiring in 30 days", "Expiring in 90 days",
        "Outstanding by expiry month",
    },
    "view_jobrun": {
        "Next monthly reset", "Monthly credit reset: success, 30 days",
        "Credit expiry: success, 30 days", "Monthly credit reset: the last 60 runs",
        "Credit expiry: the last 60 runs", "Last runs",
    },
    "view_notice": {"Mail"},
    "view_monthlytotal": {"Credits moved per month"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def forget():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def filled() -> None:
    """Something for every part to show."""
    now = timezone.now()
    aisha = make_professional(free=30, at=now - timedelta(days=40))
    buy(aisha, 1_200, at=now - timedelta(days=40))
    give_lot(aisha, 70, at=now - timedelta(days=3), expires_at=now + timedelta(days=3))
    for job in JobRun.Job:
        at = now - timedelta(days=1)
        make_run(job=job, status="failed", started_at=at, finished_at=at, error_summary=PROBE)
    make_notice(aisha, status="bounced")


def show(client: Client, **headers: str) -> str:
    response = client.get(URL, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def headings(html: str) -> set[str]:
    found = re.findall(
        r"<h2[^>]*>([^<]*)</h2>", html.split('class="credits-models"', maxsplit=1)[0]
    )
    return {unescape(text) for text in found}


def login_with(client: Client, *codenames: str) -> None:
    clerk = make_user(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(clerk)


class TestDashboard:
    @pytest.mark.usefixtures("filled")
    def test_shows_every_part_above_the_list_of_models(self, operator: Client):
        html = show(operator)

        assert headings(html) >= set().union(*HEADINGS.values())
        assert "1,300" in html
        assert reverse("admin:credits_credittransaction_changelist") in html
        assert BROKEN not in html

    def test_has_a_sentence_for_each_part_of_an_empty_ledger(self, operator: Client):
        html = show(operator)

        assert "No credits are waiting to expire." in html
        assert "No credits have moved in the last 13 months." in html
        assert html.count("It has not run yet.") == 2

    @pytest.mark.usefixtures("filled")
    def test_gives_the_command_that_mends_a_run(self, operator: Client):
        html = show(operator)

        assert "Credit expiry failed on" in html
        assert "<code>manage.py expire_credits</code>" in html

    def test_says_what_did_not_happen(self, operator: Client):
        make_professional(free=5, at=timezone.now() - timedelta(days=40))

        assert "Credit expiry did not happen" in show(operator)

    @pytest.mark.usefixtures("filled")
    def test_escapes_what_others_wrote(self, operator: Client):
        html = show(operator)

        assert PROBE not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html

    @pytest.mark.usefixtures("filled")
    @pytest.mark.parametrize("language", ["en", "ar"])
    def test_needs_no_inline_style_or_script(self, operator: Client, language: str):
        html = show(operator, accept_language=language)

        own = html[html.index('class="credits credits-dashboard"') :]
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|data:|javascript:", own)
        assert not re.search(r"<script(?![^>]*\ssrc=)", own)

    @pytest.mark.usefixtures("filled")
    def test_turns_round_in_arabic(self, operator: Client):
        html = show(operator, accept_language="ar")

        assert 'dir="rtl"' in html
        assert '<bdi dir="ltr">1,300</bdi>' in html

    @pytest.mark.usefixtures("filled")
    def test_links_its_bars_to_pages_that_answer(self, operator: Client):
        links = {
            unescape(link) for link in re.findall(r'<a href="([^"]+)" aria-label', show(operator))
        }

        assert len(links) >= 5
        for link in links:
            assert operator.get(link).status_code == 200, link

    @pytest.mark.usefixtures("filled")
    def test_asks_no_more_for_more_rows(self, operator: Client):
        show(operator)
        with CaptureQueriesContext(connection) as few:
            show(operator)
        now = timezone.now()
        for day in range(5):
            give_lot(
                make_professional(free=3, at=now),
                9,
                at=now,
                expires_at=now + timedelta(days=day + 1),
            )
            make_run(job="expire_credits", started_at=now, finished_at=now)
            make_notice()

        with CaptureQueriesContext(connection) as many:
            show(operator)

        assert len(many) == len(few)

    @pytest.mark.usefixtures("filled")
    def test_never_reads_the_ledger_through(self, operator: Client):
        with CaptureQueriesContext(connection) as asked:
            show(operator)

        for query in asked:
            if "credits_credittransaction" in query["sql"]:
                # Open lots by their index, what is not counted into the totals yet, or the first.
                few = r"remaining_amount.? > 0|t\.id > \d|ORDER BY 1 ASC.* LIMIT 1$"
                assert re.search(few, query["sql"])


class TestWhatTakesAWhile:
    @pytest.fixture(autouse=True)
    def many_lots(self, filled: None, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(outstanding, "FEW", 1)

    def test_is_left_for_later_with_a_link(self, operator: Client):
        html = show(operator)

        assert html.count('data-credits-fragment="?count=1"') == 2
        assert "Expiring in 7 days" not in html

    def test_is_counted_when_asked_for_and_known_from_then_on(self, operator: Client):
        counted = operator.get(f"{URL}?count=1").content.decode()
        later = show(operator)

        assert "Expiring in 7 days" in counted
        assert "Expiring in 7 days" in later
        assert "counted at" in later


class TestPermissions:
    @pytest.mark.usefixtures("filled")
    @pytest.mark.parametrize("codename", HEADINGS)
    def test_show_their_own_parts_alone(self, client: Client, codename: str):
        login_with(client, codename)

        html = show(client)

        assert headings(html) == HEADINGS[codename]
        assert ("credits-banner" in html) is (codename == "view_jobrun")

    def test_show_nothing_to_who_has_none(self, client: Client):
        login_with(client)

        assert client.get(URL).status_code == 404

    @pytest.mark.usefixtures("filled")
    def test_link_no_list_that_may_not_be_seen(self, client: Client):
        login_with(client, "view_creditbalance", "view_monthlytotal")

        assert reverse("admin:credits_credittransaction_changelist") not in show(client)


class TestBrokenParts:
    @pytest.mark.usefixtures("filled")
    @pytest.mark.parametrize(
        ("name", "still"),
        [
            ("monthly_totals", "Expiring in 7 days"),
            ("known_ahead", "Outstanding credits"),
            ("run_history", "Outstanding credits"),
            ("mail_health", "Outstanding credits"),
            ("next_reset_date", "Outstanding credits"),
        ],
    )
    def test_say_so_and_leave_the_rest_alone(
        self, operator: Client, monkeypatch: pytest.MonkeyPatch, name: str, still: str
    ):
        def fail(*args: object, **kwargs: object) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT * FROM nowhere")

        monkeypatch.setattr(module, name, fail)

        html = show(operator)

        assert BROKEN in html
        assert still in headings(html)

    def test_are_written_to_the_log(
        self,
        operator: Client,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ):
        def fail(**kwargs: object) -> None:
            raise DatabaseError("disk is full")

        monkeypatch.setattr(module, "mail_health", fail)

        show(operator)

        assert "disk is full" in caplog.text


class TestNextReset:
    def test_is_counted_on_a_page_of_its_own(self, operator: Client):
        make_professional(free=30, at=timezone.now())

        html = operator.get(NEXT_RESET).content.decode()

        assert "<html" in html
        assert '<bdi dir="ltr">70</bdi> credits granted' in html

    def test_is_a_card_for_the_script(self, operator: Client):
        html = operator.get(f"{NEXT_RESET}?fragment=1").content.decode()

        assert "<html" not in html
        assert "Next monthly reset" in html

    def test_stands_on_the_dashboard_once_it_was_counted(self, operator: Client):
        make_professional(free=30, at=timezone.now())
        before = show(operator)
        operator.get(NEXT_RESET)

        after = show(operator)

        assert "Count whom it will reset" in before
        assert "credits granted" in after

    @pytest.mark.parametrize("path", ["no.such.rule", ""])
    def test_says_that_the_hosts_rule_is_broken(self, operator: Client, settings, path: str):
        settings.CREDITS = settings.CREDITS | {"ELIGIBLE_PROFESSIONALS": path}

        response = operator.get(NEXT_RESET)

        assert response.status_code == 200
        assert BROKEN in response.content.decode()

    def test_is_for_who_may_see_runs(self, client: Client):
        login_with(client, "view_notice")

        assert client.get(NEXT_RESET).status_code == 403
