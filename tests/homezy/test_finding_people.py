"""homezy.migrations.0002_finding_people: the indexes by which people are found."""

import pytest
from django.db import connection
from django.db.models import Q

from homezy.models import User
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def plan_of(names: Q) -> str:
    make_user(first_name="Omar", last_name="Nair", business_name="Nair Cooling")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # A table of one row would be read through.
            cursor.execute("SET LOCAL enable_seqscan = off")
    return str(User.objects.filter(names).explain())


class TestNames:
    def test_are_found_by_their_beginning_through_an_index_each(self):
        names = ("first_name", "last_name", "business_name")

        plan = plan_of(Q(*((f"{name}__istartswith", "nair") for name in names), _connector="OR"))

        for name in names:
            assert f"homezy_user_by_{name}" in plan

    def test_are_found_by_first_and_last(self):
        plan = plan_of(Q(first_name__iexact="omar", last_name__istartswith="nai"))

        assert "homezy_user_by_" in plan
