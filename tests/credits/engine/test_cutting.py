"""credits.engine.cutting and .keys: chunk by chunk over a table of keys."""

import pytest
from django.db import connection

from credits.engine.cutting import halves, only_key, ranges
from credits.engine.keys import KeyRange
from credits.models import CreditBalance, CreditTransaction
from homezy.models import User
from tests.factories import AUGUST, make_lot_holders, make_professionals

pytestmark = pytest.mark.django_db


def user_keys():
    return User.objects.values_list("pk", flat=True)


def lot_owners():
    return CreditTransaction.objects.values_list("professional_id", flat=True)


def keys_within(keys, within, *, name="pk"):
    return sorted(keys.filter(within.on(name)))


class TestKeyRange:
    @pytest.mark.parametrize(
        ("after", "upto", "inside"),
        [
            pytest.param(None, None, [0, 1, 2, 3], id="open"),
            pytest.param(1, None, [2, 3], id="after, exclusive"),
            pytest.param(None, 1, [0, 1], id="up to, inclusive"),
            pytest.param(0, 2, [1, 2], id="between"),
            pytest.param(2, 2, [], id="empty"),
        ],
    )
    def test_is_a_condition_on_a_field(self, after, upto, inside):
        keys = [user.pk for user in make_professionals(4)]
        within = KeyRange(
            None if after is None else keys[after], None if upto is None else keys[upto]
        )

        assert keys_within(user_keys(), within) == [keys[place] for place in inside]

    def test_begins_at_zero_if_it_must(self):
        make_professionals(1)

        assert user_keys().filter(KeyRange(upto=0).on("pk")).count() == 0
        assert user_keys().filter(KeyRange(after=0).on("pk")).count() == 1


class TestRanges:
    @pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 100])
    def test_meet_every_key_once_in_order(self, size):
        keys = [user.pk for user in make_professionals(7)]

        met = [keys_within(user_keys(), within) for within in ranges(user_keys(), size=size)]

        assert [key for chunk in met for key in chunk] == keys
        assert {len(chunk) for chunk in met[:-1]} <= {size}
        assert 1 <= len(met[-1]) <= size

    def test_stay_within_what_is_asked_for(self):
        keys = [user.pk for user in make_professionals(7)]
        within = KeyRange(keys[1], keys[5])

        met = list(ranges(user_keys(), size=3, within=within))

        assert [keys_within(user_keys(), it) for it in met] == [keys[2:5], keys[5:6]]
        assert (met[0].after, met[-1].upto) == (keys[1], keys[5])

    def test_are_none_where_there_are_no_keys(self):
        assert list(ranges(user_keys(), size=10)) == []

    def test_never_cut_a_key_that_stands_in_several_rows(self):
        holders = make_lot_holders(5, lots=(1, 1, 1), expires_at=AUGUST)

        met = [
            keys_within(lot_owners(), within, name="professional_id")
            for within in ranges(lot_owners(), size=4)
        ]

        assert [key for chunk in met for key in chunk] == [
            holder.pk for holder in holders for _ in range(3)
        ]
        assert not any(set(chunk) & set(other) for chunk in met for other in met if chunk != other)

    def test_are_as_few_as_the_rows_ask_for(self):
        make_lot_holders(6, lots=(1, 1, 1), expires_at=AUGUST)

        assert len(list(ranges(lot_owners(), size=6))) == 3

    def test_meet_keys_that_come_ahead_and_none_that_come_behind(self):
        first, gone, last = make_professionals(3)
        walk = ranges(user_keys(), size=1)

        before = next(walk)
        gone.delete()
        (late,) = make_professionals(1)
        rest = [keys_within(user_keys(), within) for within in walk]

        assert keys_within(user_keys(), before) == [first.pk]
        assert rest == [[last.pk], [late.pk]]

    def test_do_not_reach_beyond_the_last_key(self):
        make_professionals(3)
        *_, end = ranges(user_keys(), size=10)

        make_professionals(1)

        assert user_keys().filter(end.on("pk")).count() == 3

    def test_cost_one_query_each_and_two_to_see_the_end(self, django_assert_max_num_queries):
        make_professionals(10)

        with django_assert_max_num_queries(7):
            met = list(ranges(user_keys(), size=2))

        assert len(met) == 5

    def test_hold_as_many_rows_as_they_may(self):
        make_lot_holders(10, lots=(1,), expires_at=AUGUST)

        assert len(list(ranges(lot_owners(), size=4))) == 3

    def test_cut_keys_that_stand_in_several_rows_at_once(self, django_assert_num_queries):
        make_lot_holders(10, lots=(1, 1), expires_at=AUGUST)

        with django_assert_num_queries(1 if connection.vendor == "sqlite" else 2):
            met = list(ranges(lot_owners(), size=4))

        assert len(met) == 5

    @pytest.mark.parametrize("size", [1, 2, 5, 6, 7, 100])
    def test_cut_owners_of_lots_within_what_is_asked_for(self, size):
        keys = [holder.pk for holder in make_lot_holders(5, lots=(1, 1), expires_at=AUGUST)]

        met = list(ranges(lot_owners(), size=size, within=KeyRange(keys[0], keys[3])))

        assert (met[0].after, met[-1].upto) == (keys[0], keys[3])
        assert [
            key for it in met for key in keys_within(lot_owners(), it, name="professional_id")
        ] == [key for key in keys[1:4] for _ in range(2)]

    def test_are_none_where_there_are_no_lots(self):
        assert list(ranges(lot_owners(), size=10)) == []

    def test_walk_a_narrowed_queryset(self):
        professionals = make_professionals(6)
        some = user_keys().filter(pk__in=[user.pk for user in professionals[::2]])

        met = [keys_within(some, within) for within in ranges(some, size=2)]

        assert met == [[professionals[0].pk, professionals[2].pk], [professionals[4].pk]]


class TestHalves:
    def test_cut_a_range_in_two_that_share_its_keys(self):
        keys = [user.pk for user in make_professionals(7)]
        whole = KeyRange(keys[0], keys[-1])

        lower, upper = halves(user_keys(), whole)

        assert keys_within(user_keys(), lower) == keys[1:4]
        assert keys_within(user_keys(), upper) == keys[4:]
        assert (lower.after, upper.upto) == (whole.after, whole.upto)

    def test_cut_two_keys_in_one_and_one(self):
        keys = [user.pk for user in make_professionals(2)]

        lower, upper = halves(user_keys(), KeyRange())

        assert keys_within(user_keys(), lower) == keys[:1]
        assert keys_within(user_keys(), upper) == keys[1:]

    @pytest.mark.parametrize("count", [0, 1])
    def test_are_none_of_a_range_with_at_most_one_key(self, count):
        make_professionals(count)

        assert halves(user_keys(), KeyRange()) == []

    def test_are_none_of_one_key_in_several_rows(self):
        make_lot_holders(1, lots=(1, 1, 1), expires_at=AUGUST)

        assert halves(lot_owners(), KeyRange()) == []

    def test_in_the_end_leave_every_key_alone(self):
        keys = [user.pk for user in make_professionals(11)]
        left, alone = [KeyRange()], []

        while left:
            within = left.pop(0)
            left += halves(user_keys(), within) or alone.append(within) or []

        assert sorted(only_key(user_keys(), within) for within in alone) == keys


class TestOnlyKey:
    def test_is_the_key_of_a_range(self):
        (holder,) = make_lot_holders(1, lots=(1, 1), expires_at=AUGUST)

        assert only_key(lot_owners(), KeyRange()) == holder.pk

    def test_is_none_of_an_empty_range(self):
        keys = CreditBalance.objects.values_list("professional_id", flat=True)

        assert only_key(keys, KeyRange()) is None
