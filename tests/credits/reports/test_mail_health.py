"""credits.reports.mail_health: what became of the last mails, and what waits."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.reports import mail_health as module
from credits.reports.mail_health import mail_health
from tests.factories import MARCH, make_notice, promise

pytestmark = pytest.mark.django_db

NOON = MARCH.replace(hour=12)


class TestMailHealth:
    def test_counts_outcomes_and_what_is_due(self):
        make_notice(status="delivered")
        make_notice(status="delivered")
        make_notice(status="bounced")
        promise()
        promise(next_attempt_at=NOON - timedelta(hours=2))
        promise(next_attempt_at=NOON + timedelta(hours=2))

        found = mail_health(as_of=NOON)

        assert found.outcomes == {"pending": 3, "delivered": 2, "bounced": 1}
        assert (found.looked_at, found.waiting) == (6, 2)
        assert found.oldest == NOON - timedelta(hours=2)

    def test_looks_at_the_last_alone(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(module, "LAST", 2)
        make_notice(status="failed")
        for _ in range(4):
            promise()

        found = mail_health(as_of=NOON)

        assert (found.outcomes, found.waiting) == ({"pending": 2}, 3)

    def test_asks_twice(self):
        with CaptureQueriesContext(connection) as asked:
            found = mail_health(as_of=NOON)

        assert (found.outcomes, found.waiting, found.oldest, len(asked)) == ({}, 0, None, 2)
