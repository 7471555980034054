"""credits.admin.runs: what a run did, whom it could not do, what goes on."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.admin.starting import trigger_of
from credits.models import JobFailure, JobRun
from homezy.models import User
from tests.factories import MARCH, make_professional, make_professionals, make_run, make_user

pytestmark = pytest.mark.django_db

Status = JobRun.Status
LIST = reverse("admin:credits_jobrun_changelist")


def page_of(run: JobRun) -> str:
    return reverse("admin:credits_jobrun_change", args=[run.pk])


def fail(run: JobRun, count: int, error: str = "integer out of range") -> list[User]:
    users = make_professionals(count)
    JobFailure.objects.bulk_create(
        JobFailure(run=run, professional=user, error=error) for user in users
    )
    JobRun.objects.filter(pk=run.pk).update(total_count=count, error_count=count)
    return users


def login_with(client: Client, *codenames: str) -> None:
    clerk = make_user(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(clerk)


class TestList:
    def test_shows_what_a_run_did(self, operator: Client):
        make_run(
            total_count=1440,
            success_count=1438,
            error_count=2,
            status=Status.PARTIAL,
            credits_granted=74_120,
            credits_expired=1_810,
            finished_at=MARCH + timedelta(seconds=4.2),
        )

        page = operator.get(LIST).content.decode()

        for shown in ["1,440", "1,438", "+74,120", "−1,810", "4.2 s", "credits-badge--warn"]:
            assert shown in page

    def test_names_who_started_a_run(self, operator: Client):
        aisha = make_user(email="aisha@example.com")
        make_run(trigger=trigger_of(aisha.pk, "0a0b0c0d"))

        assert "by aisha@example.com in the admin" in operator.get(LIST).content.decode()

    def test_is_narrowed_by_job_and_status(self, operator: Client):
        make_run(status=Status.FAILED)
        make_run(job=JobRun.Job.EXPIRY, status=Status.FAILED)
        make_run()

        page = operator.get(LIST, {"job__exact": "expire_credits", "status__exact": "failed"})

        assert page.context["cl"].result_count == 1

    def test_asks_no_more_for_more_rows(self, operator: Client):
        make_run(trigger=trigger_of(make_user().pk, "0a0b0c0d"))
        operator.get(LIST)
        with CaptureQueriesContext(connection) as few:
            operator.get(LIST)
        for _ in range(10):
            make_run(trigger=trigger_of(make_user().pk, "0a0b0c0d"))

        with CaptureQueriesContext(connection) as many:
            operator.get(LIST)

        assert len(many) == len(few)

    def test_offers_a_run_to_who_may_start_one(self, client: Client):
        url = reverse("admin:credits_jobrun_run", args=["expire_credits"])
        login_with(client, "view_jobrun")
        assert url not in client.get(LIST).content.decode()
        login_with(client, "view_jobrun", "run_credit_jobs")
        assert url in client.get(LIST).content.decode()


class TestPage:
    @pytest.mark.parametrize("status", [Status.FAILED, Status.PARTIAL, Status.INTERRUPTED])
    def test_says_how_to_go_on(self, operator: Client, status: str):
        run = make_run(status=status, period="2026-03")

        page = operator.get(page_of(run)).content.decode()

        assert "<code>manage.py reset_monthly_credits --period 2026-03</code>" in page

    def test_says_nothing_of_that_where_all_went_well(self, operator: Client):
        page = operator.get(page_of(make_run(period="2026-03")))

        assert page.context["command"] == ""

    def test_lists_the_first_hundred_failures_and_counts_the_rest(self, operator: Client):
        run = make_run(status=Status.PARTIAL)
        users = fail(run, 103)

        page = operator.get(page_of(run))

        assert len(page.context["failures"]) == 100
        assert "And 3 more." in page.content.decode()
        assert users[0].email in page.content.decode()
        owner = reverse("admin:credits_creditbalance_change", args=[users[0].pk])
        assert owner in page.content.decode()

    def test_keeps_errors_text(self, operator: Client):
        run = make_run(
            status=Status.FAILED,
            error_summary="<script>alert(1)</script>",
            host="<b>web</b>",
            trigger="<i>cron</i>",
        )
        fail(run, 1, error="<img src=x onerror=alert(2)>")
        User.objects.exclude(is_staff=True).update(email="<u>x</u>@example.com")

        page = operator.get(page_of(run)).content.decode()

        for probe in ["<script>alert", "<b>web", "<i>cron", "<img src=x", "<u>x"]:
            assert probe not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "&lt;img src=x onerror=alert(2)&gt;" in page

    def test_has_the_lines_a_log_has(self, operator: Client):
        run = make_run(status=Status.FAILED, error_summary="no disk", finished_at=MARCH)
        fail(run, 1)

        lines = operator.get(page_of(run)).context["lines"]

        assert [line.text.split(" job=")[0].split(" run=")[0] for line in lines] == [
            "run started",
            "professional failed",
            "run finished",
        ]
        assert lines[-1].text.endswith("error='no disk'")
        assert lines[-1].level_name == "ERROR"

    def test_asks_no_more_for_more_failures(self, operator: Client):
        run = make_run(status=Status.PARTIAL)
        fail(run, 1)
        operator.get(page_of(run))
        with CaptureQueriesContext(connection) as few:
            operator.get(page_of(run))
        fail(run, 50)

        with CaptureQueriesContext(connection) as many:
            operator.get(page_of(run))

        assert len(many) == len(few)

    def test_lists_the_shards_of_a_run_that_is_shared(self, operator: Client):
        run = make_run(status=Status.RUNNING)
        shards = run.shards
        shards.create(number=2, heartbeat_at=MARCH)
        shards.create(
            number=1,
            status="failed",
            heartbeat_at=MARCH,
            host="worker-<7>",
            total_count=5_003,
            error_count=3,
            chunk_count=4,
            error="no <memory> left",
        )

        page = operator.get(page_of(run)).content.decode()

        table = page.partition('id="credits-shards"')[2].partition("</section>")[0]
        assert table.index(">1</th>") < table.index(">2</th>")
        assert "<td>5,000</td><td>3</td><td>4</td>" in table
        assert "worker-&lt;7&gt;" in table
        assert "no &lt;memory&gt; left" in table
        assert ">Failed<" in table
        assert ">Pending<" in table

    def test_says_that_shards_left_open_by_a_run_that_ended_were_given_up(self, operator: Client):
        run = make_run(status=Status.INTERRUPTED)
        for number, status in enumerate(["done", "running", "pending"], start=1):
            run.shards.create(number=number, status=status, heartbeat_at=MARCH)

        page = operator.get(page_of(run)).content.decode()

        table = page.partition('id="credits-shards"')[2].partition("</section>")[0]
        words = re.findall(r"credits-badge--(\w+)\">(.*?)<", table)
        assert words == [("good", "Done"), ("warn", "Given up"), ("warn", "Given up")]

    def test_says_nothing_of_shards_where_one_process_does_all(self, operator: Client):
        assert "credits-shards" not in operator.get(page_of(make_run())).content.decode()

    def test_leads_to_its_transactions(self, operator: Client):
        run = make_run(total_count=1, success_count=1)

        page = operator.get(page_of(run))

        assert page.context["transactions_url"].endswith(
            "?transaction_type__exact=monthly_reset&month=2026-03"
        )

    def test_leads_nowhere_for_who_may_see_runs_alone(self, client: Client):
        login_with(client, "view_jobrun")
        run = make_run(status=Status.PARTIAL)
        (user,) = fail(run, 1)

        page = client.get(page_of(run)).content.decode()

        assert user.email in page
        for name in ["creditbalance", "credittransaction"]:
            assert f"/{name}/" not in page
        assert reverse("admin:credits_jobrun_run", args=[run.job]) not in page

    def test_is_for_who_may_see_runs(self, client: Client):
        login_with(client, "view_notice")

        assert client.get(page_of(make_run())).status_code == 403

    def test_of_no_run_leads_back(self, operator: Client):
        assert operator.get(reverse("admin:credits_jobrun_change", args=[405])).status_code == 302


class TestProgress:
    def url(self, run: JobRun) -> str:
        return reverse("admin:credits_jobrun_progress", args=[run.pk])

    def test_shows_how_far_a_run_is(self, operator: Client):
        run = make_run(
            status=Status.RUNNING, total_count=600, success_count=600, credits_granted=9_000
        )

        piece = operator.get(self.url(run), {"of": "1440"}).content.decode()

        assert 'max="1440" value="600"' in piece
        assert "1,440" in piece
        assert "+9,000" in piece
        assert "data-finished" not in piece

    def test_is_never_past_the_end(self, operator: Client):
        run = make_run(status=Status.RUNNING, total_count=20, success_count=20)

        assert 'max="20" value="20"' in operator.get(self.url(run), {"of": "10"}).content.decode()

    @pytest.mark.parametrize("of", ["", "x", "-1", "9" * 30, "٣"])
    def test_has_no_bar_without_a_forecast(self, operator: Client, of: str):
        run = make_run(status=Status.RUNNING)

        assert "max=" not in operator.get(self.url(run), {"of": of}).content.decode()

    def test_says_when_it_is_over(self, operator: Client):
        run = make_run(finished_at=MARCH)

        assert f'data-finished="{page_of(run)}"' in operator.get(self.url(run)).content.decode()

    def test_is_on_the_page_of_a_running_one_alone(self, operator: Client):
        running, done = make_run(status=Status.RUNNING), make_run()

        page = operator.get(page_of(running)).content.decode()

        assert "progress.js" in page
        assert '<noscript><meta http-equiv="refresh"' in page
        assert "progress.js" not in operator.get(page_of(done)).content.decode()

    def test_is_for_who_may_see_runs(self, client: Client):
        login_with(client, "view_notice")

        assert client.get(self.url(make_run())).status_code == 403

    def test_of_no_run_is_not_found(self, operator: Client):
        assert operator.get(self.url(JobRun(pk=405))).status_code == 404


def test_a_professional_who_failed_is_named_by_address(operator: Client):
    run = make_run(status=Status.PARTIAL)
    JobFailure.objects.create(
        run=run, professional=make_professional(email="aisha@example.com"), error="x"
    )

    assert "aisha@example.com" in operator.get(page_of(run)).content.decode()
