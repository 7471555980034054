"""credits.monitoring.heartbeat: pings as Healthchecks understands them."""

from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from credits.models import JobFailure, JobRun
from credits.monitoring import heartbeat
from credits.monitoring.heartbeat import address_of, ping
from credits.monitoring.hooks import HookFailed, call_all
from tests.factories import MARCH


def make_run(status: str = "succeeded") -> JobRun:
    return JobRun(
        pk=51,
        job="expire_credits",
        status=status,
        as_of=MARCH,
        started_at=MARCH,
        heartbeat_at=MARCH,
        finished_at=MARCH,
        error_summary="It broke.\nFor aisha@example.com.",
    )


class TestAddress:
    @pytest.mark.parametrize(
        ("entries", "expected"),
        [
            pytest.param([], None, id="none"),
            pytest.param(["https://hc/key/"], "https://hc/key/expire-credits", id="one for all"),
            pytest.param(["expire_credits=https://hc/1"], "https://hc/1", id="its own"),
            pytest.param(
                ["https://hc/key", "expire_credits=https://hc/1"], "https://hc/1", id="own first"
            ),
            pytest.param(["reset_monthly_credits=https://hc/1"], None, id="of another"),
        ],
    )
    def test_of_a_job(self, credits, entries, expected):
        credits(HEARTBEAT_SECRET_URLS=entries)

        assert address_of("expire_credits") == expected

    def test_of_the_look_at_what_is_due_is_its_own_alone(self, credits):
        credits(HEARTBEAT_SECRET_URLS=["https://hc/key"])
        assert address_of(heartbeat.CHECKED) is None

        credits(HEARTBEAT_SECRET_URLS=["run_due_credit_jobs=https://hc/2"])
        assert address_of(heartbeat.CHECKED) == "https://hc/2"


class TestPings:
    @pytest.fixture(autouse=True)
    def addresses(self, credits, listener):
        credits(
            HEARTBEAT_SECRET_URLS=[
                f"{listener.url()}/KEY",
                f"run_due_credit_jobs={listener.url()}/DUE",
            ]
        )

    @pytest.mark.parametrize(
        ("status", "path"),
        [
            ("succeeded", "/KEY/expire-credits"),
            ("failed", "/KEY/expire-credits/fail"),
            ("partial", "/KEY/expire-credits/fail"),
            ("missed", "/KEY/expire-credits/fail"),
            ("interrupted", "/KEY/expire-credits/log"),
        ],
    )
    def test_say_how_a_run_ended_with_its_last_lines(self, listener, status, path):
        run = make_run(status)
        failures = [JobFailure(run=run, professional_id=42, error="out of range")]

        call_all([*heartbeat.begun(run), *heartbeat.ended(run, failures)])

        by_path = {urlsplit(it.path).path: it for it in listener.heard}
        assert set(by_path) == {"/KEY/expire-credits/start", path}
        body = by_path[path].body
        assert "professional failed run=51 professional=42 error='out of range'" in body
        assert f"run finished job=expire_credits run=51 status={status}" in body
        assert "aisha" not in body

    def test_carry_the_same_id_from_the_start_to_the_end(self, listener):
        run = make_run()

        call_all([*heartbeat.begun(run), *heartbeat.ended(run, [])])

        ids = {parse_qs(urlsplit(path).query)["rid"][0] for path in listener.paths}
        assert len(ids) == 1
        assert UUID(ids.pop()) == heartbeat.run_uuid(run)

    @pytest.mark.parametrize(("late", "path"), [([], "/DUE"), (["expire_credits"], "/DUE/fail")])
    def test_say_that_somebody_looked(self, listener, late, path):
        call_all(heartbeat.checked(late))

        assert listener.paths == [path]

    def test_on_trial_change_no_check(self, listener):
        call_all(heartbeat.trial())

        assert sorted(listener.paths) == [
            "/DUE/log",
            "/KEY/expire-credits/log",
            "/KEY/reset-monthly-credits/log",
        ]


class TestPing:
    @pytest.mark.parametrize(("status", "attempts"), [(404, 1), (500, 2), (429, 2)])
    def test_is_repeated_once_where_that_may_help(self, listener, status, attempts):
        listener.status = status

        with pytest.raises(HookFailed, match=f"^HTTP {status}$"):
            ping(f"{listener.url()}/SECRET", body="")

        assert len(listener.heard) == attempts

    def test_does_not_wait_for_ever(self, listener):
        listener.is_hanging = True

        with pytest.raises(HookFailed, match="^TimeoutError$"):
            ping(f"{listener.url()}/SECRET", body="", seconds=0.05)

    def test_does_not_take_long(self):
        assert 2 * heartbeat.SECONDS < 10

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("http://127.0.0.1:9/SECRET", "^ConnectionRefusedError$"),
            ("file:///etc/passwd", "^its address is neither http nor https$"),
        ],
    )
    def test_says_why_it_was_not_heard(self, url, problem):
        with pytest.raises(HookFailed, match=problem):
            ping(url, body="")
