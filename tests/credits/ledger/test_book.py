"""credits.ledger.book: one act on one locked balance."""

import sqlite3

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from credits.engine.database import ATTEMPTS
from credits.exceptions import (
    IdempotencyKeyReused,
    InvalidArgument,
    UnknownProfessional,
)
from credits.ledger import grant_bonus
from credits.ledger.book import Book, act
from credits.models import CreditBalance, CreditTransaction, TransactionType
from tests.books import at_the_gate
from tests.factories import JANUARY, MARCH, give, make_professional, make_user, new_key, use


def lost_to_another():
    """Return the error of this engine that passes by itself."""
    error = OperationalError("try again")
    if connection.vendor == "sqlite":
        error.__cause__ = sqlite3.OperationalError("database is locked")
        error.__cause__.sqlite_errorcode = sqlite3.SQLITE_BUSY
    else:
        error.__cause__ = psycopg.errors.DeadlockDetected("deadlock detected")
    return error


class Failing:
    """A ledger function that fails a number of times, then gives credits."""

    def __init__(self, error, *, times):
        self.error = error
        self.times = times
        self.calls = 0

    def __call__(self, *, professional_id):
        self.calls += 1
        CreditBalance.objects.create(professional_id=professional_id)
        if self.calls <= self.times:
            raise self.error
        return "done"


class TestAct:
    @pytest.mark.django_db(transaction=True)
    def test_is_done_again_while_the_database_is_to_blame(self):
        aisha = make_user()
        function = Failing(lost_to_another(), times=ATTEMPTS - 1)

        result = act(function)(professional_id=aisha.pk)

        assert (result, function.calls) == ("done", ATTEMPTS)
        assert CreditBalance.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_gives_up_in_the_end_and_leaves_nothing(self):
        aisha = make_user()
        function = Failing(lost_to_another(), times=ATTEMPTS)

        with pytest.raises(OperationalError):
            act(function)(professional_id=aisha.pk)

        assert function.calls == ATTEMPTS
        assert not CreditBalance.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_is_not_done_again_where_the_caller_is_to_blame(self):
        aisha = make_user()
        function = Failing(InvalidArgument("amount", "no."), times=1)

        with pytest.raises(InvalidArgument):
            act(function)(professional_id=aisha.pk)

        assert function.calls == 1
        assert not CreditBalance.objects.exists()

    @pytest.mark.django_db
    def test_is_done_once_inside_a_callers_transaction(self):
        aisha = make_user()
        function = Failing(lost_to_another(), times=1)

        with pytest.raises(OperationalError), transaction.atomic():
            act(function)(professional_id=aisha.pk)

        assert function.calls == 1

    @pytest.mark.django_db
    @pytest.mark.parametrize("times", [1, 2])
    def test_looks_once_more_for_the_one_that_won_the_key(self, times):
        aisha = make_user()
        function = Failing(IntegrityError("the key is taken"), times=times)

        if times == 1:
            assert act(function)(professional_id=aisha.pk) == "done"
        else:
            with pytest.raises(IntegrityError, match="the key is taken"):
                act(function)(professional_id=aisha.pk)

        assert function.calls == 2

    @pytest.mark.django_db
    def test_rolls_back_with_its_caller(self):
        aisha = make_professional(free=5)

        with transaction.atomic():
            use(aisha, 5)
            transaction.set_rollback(True)

        assert CreditBalance.objects.get().free_credits == 5
        assert CreditTransaction.objects.count() == 1

    def test_keeps_the_name_and_the_words_of_the_function(self):
        assert grant_bonus.__name__ == "grant_bonus"
        assert "Give credits away" in grant_bonus.__doc__


@pytest.mark.django_db
class TestBook:
    def test_locks_the_balance_before_anything_else(self):
        aisha = make_professional(free=5)

        with (
            transaction.atomic(),
            CaptureQueriesContext(
                connection,
            ) as statements,
        ):
            Book(aisha.pk, at=MARCH)

        (first,) = statements
        assert "credits_creditbalance" in first["sql"]
        # SQLite locks when the transaction begins (transaction_mode IMMEDIATE).
        assert ("FOR UPDATE" in first["sql"]) == (connection.vendor != "sqlite")

    def test_opens_a_balance_at_the_first_touch(self):
        aisha = make_user()

        with transaction.atomic():
            book = Book(aisha.pk, at=MARCH)

        assert book.balance == CreditBalance.objects.get(professional=aisha)
        assert book.balance.total == 0

    @pytest.mark.parametrize("key", [405, "?", None], ids=["no such user", "no key", "None"])
    def test_refuses_someone_unknown(self, key):
        with pytest.raises(UnknownProfessional) as refused, transaction.atomic():
            Book(key, at=MARCH)

        assert refused.value.professional_id == key
        assert not CreditBalance.objects.exists()

    def test_finds_all_rows_of_an_earlier_call_oldest_first(self):
        aisha = make_professional(free=5, paid=5)
        rows = use(aisha, 8, key="lead-1")

        with transaction.atomic():
            book = Book(aisha.pk, at=MARCH)
            earlier = book.earlier("lead-1", transaction_type=TransactionType.SPEND, amount=-8)

        assert earlier == rows

    def test_finds_nothing_under_a_new_key(self):
        aisha = make_professional(free=5)

        with transaction.atomic():
            assert Book(aisha.pk, at=MARCH).earlier("lead-1") == []

    def test_names_the_argument_in_which_an_earlier_call_differs(self):
        aisha = make_professional(free=5)
        use(aisha, 3, key="lead-1")

        with transaction.atomic(), pytest.raises(IdempotencyKeyReused) as refused:
            Book(aisha.pk, at=MARCH).earlier("lead-1", description="Lead unlocked")

        assert (refused.value.idempotency_key, refused.value.argument) == ("lead-1", "description")
        assert (refused.value.first, refused.value.now) == ("Spend", "Lead unlocked")

    def test_spends_in_a_number_of_statements_that_follows_the_lots(
        self, django_assert_max_num_queries
    ):
        aisha = make_professional(free=5, paid=5)

        # On MariaDB one for the gate, and one for the lock on the key.
        with django_assert_max_num_queries(12 + 2 * at_the_gate()):
            use(aisha, 8)


@pytest.mark.django_db
class TestEveryKey:
    def test_belongs_to_one_call_whoever_made_it(self):
        key = new_key("case")
        aisha, omar = make_professional(free=5), make_professional(free=5)
        use(aisha, 1, key=key)

        with pytest.raises(IdempotencyKeyReused):
            grant_bonus(professional_id=omar.pk, amount=1, at=JANUARY, idempotency_key=key)

        assert give(omar, 1).balance_after == 6
