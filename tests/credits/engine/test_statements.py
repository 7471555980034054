"""credits.engine.statements: compiled once for each shape of a range, and done for every chunk."""

from uuid import UUID

import pytest
from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import F, Value

from credits.engine.keys import KeyRange
from credits.engine.statements import Hole, Statement, compiled, update
from credits.models import CreditBalance
from homezy.models import User
from tests.factories import make_professional, make_professionals

pytestmark = pytest.mark.django_db


def select_keys(within):
    return compiled(
        User.objects.filter(within.on("pk")).order_by("pk").values_list("pk"), using="default"
    )


class TestStatement:
    def test_finds_the_rows_of_each_range_it_is_given(self):
        first, second, third = [user.pk for user in make_professionals(3)]
        statement = Statement(select_keys, using="default")

        found = [statement.rows(KeyRange(*bounds)) for bounds in [(first, second), (second, third)]]

        assert found == [[(second,)], [(third,)]]

    def test_is_compiled_once_for_each_shape_of_a_range(self):
        keys = [user.pk for user in make_professionals(3)]
        shapes = []

        def select(within):
            shapes.append((within.after is None, within.upto is None))
            return select_keys(within)

        statement = Statement(select, using="default")
        bounds = [(None, None), (None, keys[1]), (keys[1], None), (keys[0], keys[1])]
        found = [statement.rows(KeyRange(*each)) for each in bounds * 2]

        assert shapes == [(True, True), (True, False), (False, True), (False, False)]
        assert [[key for (key,) in rows] for rows in found] == [
            keys,
            keys[:2],
            keys[2:],
            keys[1:2],
        ] * 2

    # MariaDB keeps no key of zero, and Django asks for none there.
    @pytest.mark.engine("sqlite", "postgresql")
    def test_takes_zero_for_a_bound_and_not_for_an_open_end(self):
        make_professional()
        statement = Statement(select_keys, using="default")

        assert statement.rows(KeyRange(upto=0)) == []
        assert len(statement.rows(KeyRange(after=0))) == 1

    def test_says_how_many_rows_it_wrote(self):
        aisha, badr, _ = make_professionals(3)

        def rename(within):
            return update(User.objects.filter(within.on("pk")), using="default", first_name="Sara")

        statement = Statement(rename, using="default")

        assert statement.done(KeyRange(upto=badr.pk)) == 2
        assert statement.done(KeyRange(upto=aisha.pk - 1)) == 0
        assert User.objects.filter(first_name="Sara").count() == 2

    def test_fills_other_holes_with_the_values_of_the_moment(self):
        aisha, badr = make_professionals(2)

        def select(within):
            users = User.objects.filter(within.on("pk"), email=Value(Hole("address")))
            return compiled(users.values_list("pk"), using="default")

        statement = Statement(select, using="default")

        for person in (aisha, badr):
            assert statement.rows(KeyRange(), address=person.email) == [(person.pk,)]

    def test_needs_a_value_for_each_hole(self):
        statement = Statement(lambda within: ("SELECT %s", (Hole("end"),)), using="default")

        with pytest.raises(KeyError, match="end"):
            statement.rows(KeyRange())

    def test_does_nothing_where_no_row_can_match(self, django_assert_num_queries):
        calls = []

        def select(within):
            calls.append(within)
            return compiled(User.objects.none(), using="default")

        statement = Statement(select, using="default")

        with django_assert_num_queries(0):
            assert [statement.done(KeyRange()), statement.rows(KeyRange())] == [0, []]
        # That there is no SQL is remembered as well.
        assert len(calls) == 1

    def test_has_keys_as_the_engine_stores_them(self, monkeypatch):
        key = UUID("018f0000-0000-7000-8000-000000000001")
        monkeypatch.setattr(
            CreditBalance._meta, "pk", models.UUIDField(primary_key=True), raising=True
        )
        statement = Statement(
            lambda within: ("SELECT %s, %s", (Hole("after"), Hole("upto"))), using="default"
        )

        [(after, upto)] = statement.rows(KeyRange(key, key))

        # SQLite has no type for it: 32 hexadecimal digits. MariaDB has one, and is given a text.
        stored = {"sqlite": key.hex, "mysql": str(key)}
        assert after == upto == stored.get(connection.vendor, key)


class TestCompiled:
    def test_says_that_no_row_can_match(self):
        with pytest.raises(EmptyResultSet):
            compiled(User.objects.none(), using="default")


class TestUpdate:
    def test_is_what_the_queryset_itself_would_do(self):
        make_professionals(2)
        rows = CreditBalance.objects.filter(professional__in=User.objects.values("pk"))
        values = {"free_credits": F("free_credits") + 7, "last_reset_period": "2026-03"}

        with connection.execute_wrapper(seen := Seen()):
            rows.update(**values)

        assert seen.statements == [update(rows, using="default", **values)]

    def test_leaves_the_queryset_as_it_was(self):
        make_professionals(2)
        rows = User.objects.order_by("pk")

        update(rows, using="default", first_name="Sara")

        assert len(rows.values_list("pk")) == 2


class Seen:
    """The statements that went to the database, with their parameters."""

    def __init__(self):
        self.statements = []

    def __call__(self, execute, sql, params, many, context):
        self.statements.append((sql, tuple(params)))
        return execute(sql, params, many, context)
