"""credits.monitoring.sentry: check-ins, over real HTTP to a relay of our own."""

import gzip
import json

import pytest
import sentry_sdk

from credits.models import JobRun
from credits.monitoring import sentry
from credits.monitoring.hooks import call_all
from tests.factories import APRIL, MARCH


def make_run(status: str) -> JobRun:
    moments = {"as_of": MARCH, "started_at": MARCH, "heartbeat_at": MARCH, "finished_at": APRIL}
    return JobRun(pk=7, job="expire_credits", status=status, **moments)


class Kept(sentry_sdk.transport.Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[dict] = []

    def capture_envelope(self, envelope) -> None:
        for item in envelope.items:
            self.items.append(json.loads(item.payload.get_bytes()))


@pytest.fixture
def kept():
    transport = Kept()
    with sentry_sdk.isolation_scope():
        sentry_sdk.init(
            dsn="http://key@127.0.0.1:9/1",
            transport=transport,
            default_integrations=False,
            auto_enabling_integrations=False,
        )
        yield transport
    # As before: what is sent goes nowhere.
    sentry_sdk.get_global_scope().set_client(None)


@pytest.fixture(autouse=True)
def enabled(credits):
    credits(SENTRY_CRONS=True)


class TestCheckIns:
    def test_are_one_from_start_to_end_with_the_schedule(self, kept):
        run = make_run("succeeded")

        answers = call_all(sentry.begun(run)) + call_all(sentry.ended(run))

        assert [answer.problem for answer in answers] == [None, None]
        begun, ended = kept.items
        assert begun["check_in_id"] == ended["check_in_id"]
        assert (begun["status"], ended["status"]) == ("in_progress", "ok")
        assert ended["monitor_slug"] == "expire-credits"
        assert ended["duration"] == (APRIL - MARCH).total_seconds()
        config = ended["monitor_config"]
        assert config["schedule"] == {"type": "crontab", "value": "0 2 * * *"}
        assert (config["timezone"], config["checkin_margin"]) == ("UTC", 120)

    @pytest.mark.parametrize("status", ["failed", "partial", "interrupted", "missed"])
    def test_are_an_error_where_the_run_did_not_do_all(self, kept, status):
        call_all(sentry.ended(make_run(status)))

        assert [item["status"] for item in kept.items] == ["error"]

    def test_are_made_only_where_they_are_asked_for(self, credits):
        credits(SENTRY_CRONS=False)

        assert sentry.begun(make_run("running")) == []

    def test_say_that_nobody_told_sentry_where_to_send(self):
        (answer,) = call_all(sentry.begun(make_run("running")))

        assert answer.problem == "sentry_sdk.init was not called with an address"


class TestRelay:
    def test_hears_of_a_run(self, listener):
        with sentry_sdk.isolation_scope():
            sentry_sdk.init(
                dsn=f"http://key@127.0.0.1:{listener.port}/1",
                default_integrations=False,
                auto_enabling_integrations=False,
            )
            call_all(sentry.ended(make_run("succeeded")))
            sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)

        assert listener.paths == ["/api/1/envelope/"]
        body = listener.heard[0].raw
        if listener.heard[0].headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert b'"monitor_slug":"expire-credits"' in body
