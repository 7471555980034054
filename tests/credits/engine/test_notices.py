"""credits.engine.notices: what no run shows, because every run is on a database that keeps UTC."""

from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from credits.engine.keys import KeyRange
from credits.engine.notices import warnings
from credits.engine.statements import Statement
from credits.models import Notice
from tests.factories import buy, make_professional

pytestmark = pytest.mark.django_db

LATE_IN_UTC = datetime(2026, 1, 14, 22, tzinfo=UTC)
"""In Dubai it is the 15th."""


class TestPromiseWarnings:
    @pytest.mark.engine("sqlite")
    def test_goes_by_the_day_of_utc_where_the_database_keeps_another_zone(self, monkeypatch):
        monkeypatch.setattr(connection, "timezone", ZoneInfo("Asia/Dubai"))
        monkeypatch.setattr(connection, "timezone_name", "Asia/Dubai")
        buy(make_professional(), 50, at=LATE_IN_UTC)

        as_of = datetime(2026, 7, 10, tzinfo=UTC)
        promise = partial(warnings, lead=7, least=1, as_of=as_of, using="default")
        Statement(promise, using="default").done(KeyRange())

        assert Notice.objects.get().context["day"] == "2026-07-14"
