"""manage.py test_credit_alerts: try every channel, say what became of each."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.listeners import listening


def try_out() -> str:
    out = StringIO()
    call_command("test_credit_alerts", stdout=out, no_color=True)
    return out.getvalue()


class TestTestCreditAlerts:
    def test_tells_how_each_channel_did_without_its_secret(self, settings):
        with listening() as good, listening() as bad:
            bad.status = 403
            settings.CREDITS = {
                **settings.CREDITS,
                "ADMIN_RECIPIENTS": ["a@x.test", "b@x.test"],
                "CHAT_SECRET_URLS": [
                    f"{good.url('json')}/SECRET",
                    f"{bad.url('json')}/SECRET",
                ],
                "HEARTBEAT_SECRET_URLS": [f"expire_credits={good.url()}/SECRET"],
                "SENTRY_CRONS": True,
            }
            out = StringIO()

            with pytest.raises(CommandError, match="^Channels that do not work: 2 of 5.$"):
                call_command("test_credit_alerts", stdout=out, no_color=True)

        assert out.getvalue().splitlines() == [
            "ok      mail: 2 operators; try with manage.py sendtestemail a@x.test b@x.test",
            "ok      chat 1 (json): taken",
            "failed  chat 2 (json): HTTP 403",
            "ok      heartbeat expire_credits/log: taken",
            "failed  sentry: sentry_sdk.init was not called with an address",
        ]
        assert sorted(good.paths) == ["/SECRET", "/SECRET/log"]

    def test_says_that_nobody_hears_of_runs(self):
        with pytest.raises(CommandError, match="^Channels that do not work: 1 of 1.$"):
            try_out()

    def test_is_content_where_all_work(self, settings):
        settings.CREDITS = {**settings.CREDITS, "ADMIN_RECIPIENTS": ["a@example.com"]}

        assert try_out().startswith("ok      mail: 1 operator;")
