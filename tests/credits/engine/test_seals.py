"""credits.engine.seals: what is done behind the triggers is seen, and what is honest is not."""

import dataclasses
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Event
from uuid import UUID

import pytest
from django.conf import settings as project
from django.core.management import call_command
from django.db import connection, models, transaction

from credits.engine import seals
from credits.exceptions import NoSealKey, SealsBroken
from credits.jobs.expiry import expire_credits
from credits.jobs.sealing import day_to_seal, seal_days
from credits.models import (
    CreditAllocation,
    CreditBalance,
    CreditTransaction,
    DaySeal,
    JobRun,
    SealMark,
    TotalsMark,
)
from tests import forgeries
from tests.books import broken_invariants
from tests.factories import AUGUST, JANUARY, MARCH, buy, give, make_professional, undo, use
from tests.sealing import A_DAY, CLOSING, breaches, close_day, count_all, report
from tests.tampering import guards_down
from tests.threads import TIMEOUT, at_once, threads

KEY = project.CREDITS["SEAL_KEY"]
ANOTHER_KEY = "another key of the marketplace, kept elsewhere"

FIRST, SECOND, THIRD = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)

ROWS = CreditTransaction.objects


@pytest.fixture
def life(db):
    """Three sealed days: a purchase and a bonus, a spend and its refund, a day of one purchase."""
    aisha, badr = make_professional(paid=40), make_professional(free=30)
    close_day()
    undo(use(aisha, 15), 5)
    use(badr, 10)
    close_day(1)
    buy(make_professional(), 7)
    close_day(2)
    assert breaches() == []
    return aisha, badr


def forge(seal_number, key, **changed):
    """Write a seal as somebody would who knows all but the key."""
    seal = DaySeal.objects.get(number=seal_number)
    for name, value in changed.items():
        setattr(seal, name, value)
    seal.code = seals._code(seal, key)  # noqa: SLF001
    DaySeal.objects.filter(number=seal_number).update(
        code=seal.code, **{name: getattr(seal, name) for name in changed}
    )


FIRST_DIFFERS = f"{FIRST}: seal 1 does not fit the rows: "

TAMPERED = {
    forgeries.another_amount: [
        f"{FIRST_DIFFERS}free credits 45, sealed 40; the digest differs",
        f"{SECOND}: seal 2 does not fit the rows: the digest differs",
    ],
    forgeries.another_moment: [f"{FIRST_DIFFERS}the digest differs"],
    forgeries.another_story: [f"{FIRST_DIFFERS}the digest differs"],
    forgeries.nothing_for_empty: [f"{FIRST_DIFFERS}the digest differs"],
    forgeries.other_metadata: [f"{FIRST_DIFFERS}the digest differs"],
    forgeries.other_owners: [f"{FIRST_DIFFERS}the digest differs"],
    forgeries.another_price_drawn: [f"{SECOND}: seal 2 does not fit the rows: the digest differs"],
    forgeries.nobody: [
        f"{FIRST_DIFFERS}transactions 3, sealed 4; free credits 10, sealed 40; the digest differs",
        f"{SECOND}: seal 2 does not fit the rows: transactions 2, sealed 3;"
        " free credits 0, sealed -10; the digest differs",
    ],
    forgeries.one_more: [f"{FIRST_DIFFERS}transactions 5, sealed 4; the digest differs"],
}


@pytest.mark.django_db
class TestAChangeBehindTheTriggers:
    @pytest.mark.parametrize("tamper", forgeries.FORGERIES, ids=lambda tamper: tamper.__name__)
    def test_is_seen_where_the_books_still_add_up(self, tamper):
        aisha, badr = forgeries.two_sealed_days()
        assert breaches() == []

        with guards_down():
            tamper(aisha, badr)
        count_all(anew=True)

        assert broken_invariants() == {}
        assert breaches() == TAMPERED[tamper]

    def test_is_told_by_how_much_each_sum_is_off(self, life):
        aisha, _ = life
        with guards_down():
            ROWS.filter(professional=aisha, transaction_type="purchase").update(amount=1_041)
            CreditAllocation.objects.filter(transaction__transaction_type="refund").delete()

        assert breaches() == [
            f"{FIRST_DIFFERS}paid credits 1,041, sealed 40; the digest differs",
            f"{SECOND}: seal 2 does not fit the rows: allocations 1, sealed 2; the digest differs",
        ]

    @pytest.mark.engine("sqlite")
    def test_is_seen_where_it_is_of_no_kind_that_a_column_has(self, life):
        """SQLite keeps bytes in a column of text."""
        with guards_down(), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE credits_credittransaction SET description = x'00ff'"
                " WHERE id = (SELECT MIN(id) FROM credits_credittransaction)"
            )

        assert breaches() == [f"{FIRST_DIFFERS}the digest differs"]

    def test_is_not_put_right_by_another_seal(self, life):
        with guards_down():
            forgeries.another_story(*life)

        close_day(3)

        assert breaches() == [f"{FIRST_DIFFERS}the digest differs"]


@pytest.mark.django_db
class TestASeal:
    def test_that_was_edited_is_seen(self, life):
        with guards_down():
            DaySeal.objects.filter(number=2).update(transaction_count=5)

        assert breaches()[0] == f"{SECOND}: seal 2 was edited or forged: its code is wrong"

    def test_that_was_forged_without_the_key_is_seen(self, life):
        with guards_down():
            forgeries.another_story(*life)
            told = breaches()[0]
            held = seals.digest.content(
                after=None, through=DaySeal.objects.get(number=1).through, using="default"
            )
            forge(1, "a guess", digest=held.digest)

        assert told == f"{FIRST_DIFFERS}the digest differs"
        assert breaches() == [
            f"{FIRST}: seal 1 was edited or forged: its code is wrong",
            f"{SECOND}: seal 2 does not follow the one before it",
        ]

    def test_that_was_made_with_a_key_of_somebody_else_is_seen(self, life):
        with guards_down():
            forge(3, ANOTHER_KEY, key_id=seals.key_id(ANOTHER_KEY))

        assert breaches()[0] == (
            f"{THIRD}: its key {seals.key_id(ANOTHER_KEY)} is none of SEAL_KEY and SEAL_OLD_KEYS"
        )

    def test_whose_mark_was_made_with_a_key_of_somebody_else_is_seen(self, life):
        SealMark.objects.update(key_id=seals.key_id(ANOTHER_KEY))

        assert breaches() == [
            f"{THIRD}: the mark's key {seals.key_id(ANOTHER_KEY)}"
            " is none of SEAL_KEY and SEAL_OLD_KEYS"
        ]

    def test_is_not_written_over_one_of_another_day_that_came_meanwhile(self, life, monkeypatch):
        honest = seals.digest.content

        def slow(**asked):
            monkeypatch.setattr(seals.digest, "content", honest)
            close_day(4)
            return honest(**asked)

        monkeypatch.setattr(seals.digest, "content", slow)

        with pytest.raises(SealsBroken, match="another seal was written meanwhile"):
            close_day(3)
        assert breaches() == []

    @pytest.mark.parametrize(
        ("numbers", "told"),
        [
            ([1], f"{SECOND}: seal 1 before it: gone"),
            ([2], f"{THIRD}: seal 2 before it: gone"),
            ([1, 2], f"{THIRD}: seals 1 to 2 before it: gone"),
            ([3], f"{SECOND}: the last seal written was 3, the last one there is 2"),
            ([1, 2, 3], "None: the last seal written was 3, the last one there is 0"),
        ],
    )
    def test_that_is_gone_is_missed(self, life, numbers, told):
        with guards_down():
            DaySeal.objects.filter(number__in=numbers).delete()

        assert breaches() == [told]

    def test_that_went_with_the_rows_of_its_day_is_missed(self, life):
        with guards_down():
            gone = ROWS.filter(pk__gt=DaySeal.objects.get(number=2).through)
            CreditBalance.objects.filter(professional__in=gone.values("professional")).delete()
            gone.delete()
            DaySeal.objects.filter(number=3).delete()
        count_all(anew=True)

        assert broken_invariants() == {}
        assert breaches() == [f"{SECOND}: the last seal written was 3, the last one there is 2"]

    def test_that_went_with_its_rows_is_missed_where_the_mark_was_turned_back(self, life):
        with guards_down():
            DaySeal.objects.filter(number=3).delete()
            SealMark.objects.update(number=2)

        assert breaches() == [
            f"{SECOND}: the mark does not say that seal 2 is the last: its code is wrong"
        ]

    def test_that_somebody_wrote_down_is_missed_where_an_old_database_came_back(self, life):
        third = DaySeal.objects.get(number=3).code
        assert breaches(known=third) == []

        assert breaches(known="0" * 64) == [f"None: no seal has the code {'0' * 64}"]

    def test_of_a_later_release_is_not_judged(self, life):
        with guards_down():
            forge(3, KEY, version=2)
            last = DaySeal.objects.get(number=3)
            SealMark.objects.update(code=seals._mark_code(last, KEY))  # noqa: SLF001

        assert breaches() == [f"{THIRD}: it is of version 2, which this release cannot read"]

    def test_is_missed_where_nobody_seals(self, life):
        sealed_at = DaySeal.objects.get(number=3).sealed_at

        assert breaches(as_of=sealed_at + A_DAY) == []
        assert breaches(as_of=sealed_at + 2 * A_DAY) == [
            f"{THIRD}: is the last day sealed: seal_credits does not run"
        ]

    def test_is_missed_where_there_is_none(self, db):
        assert breaches() == ["None: there are none: manage.py seal_credits writes the first"]


@pytest.mark.django_db
class TestCheckSeals:
    def test_counts_what_is_sealed_and_what_is_not(self, life):
        make_professional(free=1)

        assert dataclasses.astuple(report()) == (3, 6, 1, ())

    def test_counts_all_there_is_where_nothing_is_sealed(self, db):
        make_professional(free=1, paid=2)

        assert dataclasses.astuple(report())[:3] == (0, 0, 2)

    def test_reads_rows_from_a_day_on(self, life):
        with guards_down():
            forgeries.another_story(*life)

        assert breaches(since=SECOND) == []
        assert breaches(since=FIRST) != []

    def test_takes_what_an_old_key_sealed(self, life, settings):
        settings.CREDITS = settings.CREDITS | {"SEAL_KEY": ANOTHER_KEY, "SEAL_OLD_KEYS": [KEY]}

        close_day(3)

        assert breaches(keys=[ANOTHER_KEY, KEY]) == []
        assert len(breaches(keys=[ANOTHER_KEY])) == 3

    def test_reads_the_same_in_every_time_zone(self, life, settings):
        """Both projects may look at one database: the clock of either is none of a seal's."""
        settings.TIME_ZONE = "Asia/Dubai"
        late_in_the_day = datetime(2026, 3, 5, 22, tzinfo=UTC)

        assert breaches(as_of=late_in_the_day) == []

    def test_does_the_sums_of_many_rows_in_pieces(self, db, monkeypatch):
        aisha = make_professional(paid=40)
        for _ in range(7):
            use(aisha, 1)
        close_day()

        for size in (1, 3, 8, 100):
            monkeypatch.setattr(seals.digest, "CHUNK", size)
            assert breaches() == []


@pytest.mark.django_db
class TestSealDays:
    def test_seals_the_day_that_is_over_once(self):
        make_professional(free=5)

        first = close_day()

        assert (first.number, first.day, first.transaction_count, first.free_amount) == (
            1,
            FIRST,
            1,
            5,
        )
        assert close_day() is None
        assert day_to_seal(as_of=CLOSING) is None
        assert day_to_seal(as_of=CLOSING + A_DAY) == SECOND

    def test_covers_with_the_next_seal_what_was_written_while_nobody_sealed(self):
        make_professional(free=5)
        close_day()
        make_professional(free=6)
        make_professional(free=7)

        later = close_day(4)

        assert (later.number, later.transaction_count, later.free_amount) == (2, 2, 13)
        assert breaches() == []

    def test_takes_rows_that_are_booked_for_a_sealed_day(self):
        aisha = make_professional(paid=9, at=MARCH)
        close_day()
        give(aisha, 3, at=JANUARY)
        use(aisha, 5, at=MARCH)

        assert breaches() == []
        close_day(1)
        assert breaches() == []

    @pytest.mark.parametrize("rows", [0, 2])
    def test_seals_no_key_that_the_ledger_has_yet_to_reach(self, rows):
        """As where a dump brought the totals and not the rows that they are of."""
        for _ in range(rows):
            make_professional(free=5)
        count_all()
        TotalsMark.objects.update(through=10**9)

        seal = seal_days(as_of=CLOSING)

        last = ROWS.order_by("pk").last()
        assert (seal.transaction_count, seal.through) == (rows, last.pk if last else 0)

    def test_is_not_disturbed_by_what_may_change(self):
        make_professional(paid=9)
        close_day()

        expire_credits(as_of=AUGUST)
        JobRun.objects.update(error_summary="Something else.")

        assert breaches() == []

    def test_puts_no_seal_over_a_lost_one(self, life):
        with guards_down():
            DaySeal.objects.filter(number=3).delete()

        with pytest.raises(SealsBroken, match="the last seal written was 3"):
            close_day(3)

        assert DaySeal.objects.count() == 2

    def test_is_refused_without_a_key(self, settings):
        settings.CREDITS = settings.CREDITS | {"SEAL_KEY": ""}

        with pytest.raises(NoSealKey, match="is not set"):
            close_day()
        assert day_to_seal(as_of=CLOSING) is None

    def test_logs_the_code_and_no_key(self, caplog):
        caplog.set_level("INFO", "credits.seals")

        seal = close_day()

        (line,) = [record.getMessage() for record in caplog.records]
        assert line == (
            f"ledger sealed day=2026-03-01 seal=1 transactions=0 through=0 code={seal.code}"
        )
        assert KEY not in line


@pytest.mark.django_db(transaction=True)
class TestManyHosts:
    def test_write_one_seal(self):
        make_professional(free=5, paid=5)
        # What is new is counted by the second call at the latest.
        close_day(-1)

        written = at_once(*[lambda: seal_days(as_of=CLOSING)] * 8)

        assert len([seal for seal in written if seal]) <= 8
        assert DaySeal.objects.count() == 2
        assert breaches() == []

    @pytest.mark.engine("postgresql")
    def test_leave_what_an_open_transaction_may_precede_to_the_next_seal(self):
        slow, fast = make_professional(paid=1), make_professional(paid=1)
        close_day()
        written, may_commit = Event(), Event()

        def write_slowly() -> None:
            with transaction.atomic():
                buy(slow, 7)
                written.set()
                assert may_commit.wait(TIMEOUT)

        with threads() as started:
            writer = started.start(write_slowly)
            assert written.wait(TIMEOUT)
            buy(fast, 11)
            while_open = close_day(1)
            may_commit.set()
            writer.result(TIMEOUT)

        assert while_open.transaction_count == 0
        assert breaches() == []
        assert close_day(2).transaction_count == 2
        assert breaches() == []


@pytest.mark.django_db(transaction=True)
class TestADump:
    def test_of_one_engine_verifies_on_another(self):
        """Made on SQLite; in XML, since Django's JSON drops microseconds, which a seal sees."""
        file = Path(__file__).with_name("sealed_ledger.xml")

        call_command("loaddata", file, verbosity=0)

        assert broken_invariants() == {}
        assert report().seals == 2
        assert breaches() == []


class TestCanonicalJson:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ('{"a": 1, "b": [2, {"c": null}]}', '{"b":[2,{"c":null}],"a":1}'),
            ('{"a": 1e2}', '{"a": 100}'),
            ('{"a": 100.0}', '{"a": 100}'),
            ('{"a": 1.50}', '{"a": 1.5}'),
            ('{"a": "\\u00e9"}', '{"a": "é"}'),
        ],
    )
    def test_is_the_same_however_it_is_spelled(self, first, second):
        assert seals.digest._canonical(first) == seals.digest._canonical(second)  # noqa: SLF001

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ('{"a": 1}', '{"a": "1"}'),
            ('{"a": 1}', '{"a": 2}'),
            ("{}", "null"),
            ("null", None),
            ("{}", "no JSON"),
        ],
    )
    def test_differs_where_it_says_something_else(self, first, second):
        assert seals.digest._canonical(first) != seals.digest._canonical(second)  # noqa: SLF001

    @pytest.mark.parametrize("exponent", ["+999999999", f"+{10**20}", f"-{10**20}"])
    def test_of_a_number_beyond_all_measure_is_its_text(self, exponent):
        text = f'{{"a": 1e{exponent}}}'

        assert seals.digest._canonical(text) == f"!{text}"  # noqa: SLF001


class TestColumns:
    def test_are_all_that_never_change(self):
        """A column that is new needs a version of its own, or nobody sees it being changed."""
        for model, names in seals.digest.COLUMNS[seals.digest.VERSION].items():
            fixed = {field.name for field in model._meta.concrete_fields}
            assert set(names.split()) == fixed - {"remaining_amount", "remaining_price"}


@pytest.mark.django_db
class TestDigest:
    def test_knows_a_row_by_its_last_digit(self):
        aisha = make_professional()
        buy(aisha, 3)
        end = ROWS.latest("pk").pk
        before = seals.digest.content(after=None, through=end, using="default").digest

        with guards_down():
            ROWS.update(price=Decimal("15.01"))

        assert seals.digest.content(after=None, through=end, using="default").digest != before

    @pytest.mark.engine("sqlite")
    @pytest.mark.parametrize(
        "change",
        [
            "metadata = 'no JSON'",
            "price = 15.001",
            "created_at = created_at || '+99:99'",
            "description = description || char(0) || 'more'",
        ],
    )
    def test_knows_what_only_sqlite_lets_in(self, change):
        buy(make_professional(), 3)
        end = ROWS.latest("pk").pk
        before = seals.digest.content(after=None, through=end, using="default").digest

        with guards_down(), connection.cursor() as cursor:
            if "metadata" in change:
                cursor.execute("PRAGMA ignore_check_constraints = ON")
            cursor.execute(f"UPDATE credits_credittransaction SET {change}")

        assert seals.digest.content(after=None, through=end, using="default").digest != before


@pytest.mark.django_db
class TestAKeyThatIsAUuid:
    def test_reads_the_same_on_every_engine(self):
        """As a host's users may have: PostgreSQL and MariaDB write dashes, SQLite keeps none."""
        key = UUID("0b0e7a52-6a6f-4f0e-8f0b-6f3b2d1c9a10")
        field = models.UUIDField()
        field.set_attributes_from_name("owner")
        kept = {
            "postgresql": f"CAST('{key}' AS uuid)",
            "mysql": f"CAST('{key}' AS uuid)",
            "sqlite": f"'{key.hex}'",
        }

        with connection.cursor() as cursor:
            value = seals.digest._value(field, "default")  # noqa: SLF001
            owners = f"SELECT {kept[connection.vendor]} AS owner"
            cursor.execute(f"SELECT {value} FROM ({owners}) owners")

            assert cursor.fetchone() == (key.hex,)
