import json

import pytest

from credits.exceptions import RefundExceedsSpend
from credits.ledger import refund
from credits.models import CreditBalance, CreditTransaction
from homezy.importing import importer
from homezy.importing.importer import run_import
from homezy.importing.reading import ExportFiles, SourceUnusable
from homezy.importing.staging import Staging
from homezy.importing.writing import write
from homezy.models import User
from tests.books import broken_invariants
from tests.factories import MARCH
from tests.homezy.importing.original import FORMS, Original, lines, relaxed

pytestmark = pytest.mark.django_db


class Result:
    """A report whose lines are still there when the staging file has gone."""

    def __init__(self, report, staging):
        self.report = report
        self.exit_code = report.exit_code
        self.adjusted = list(staging.lines("adjusted"))
        self.refused = list(staging.lines("refused"))
        self.text = "\n".join(report.lines())


@pytest.fixture
def bring_in(tmp_path):
    def bring_in(original=None, **options):
        if original is not None:
            original.write(tmp_path)
        with Staging() as staging:
            return Result(run_import(ExportFiles(tmp_path), staging, **options), staging)

    return bring_in


@pytest.fixture
def original():
    original = Original()
    original.aisha, original.omar = original.professional(), original.professional()
    for professional in (original.aisha, original.omar):
        professional.bonus(100)
        professional.buy(50)
        professional.spend(120)
    original.user()
    return original


def balances():
    rows = CreditBalance.objects.order_by("pk")
    return [(row.free_credits, row.paid_credits) for row in rows]


def imported_ids():
    return list(User.objects.order_by("pk").values_list("legacy_id", flat=True))


class TestRunImport:
    def test_brings_everything_in(self, original, bring_in):
        result = bring_in(original)

        assert result.exit_code == 0
        assert result.refused == result.adjusted == []
        assert balances() == [(0, 30), (0, 30)]
        assert User.objects.count() == 3
        assert broken_invariants() == {}

    def test_changes_nothing_the_second_time(self, original, bring_in):
        bring_in(original)
        before = list(CreditTransaction.objects.values()), balances()

        result = bring_in()

        assert (list(CreditTransaction.objects.values()), balances()) == before
        assert result.exit_code == 0
        assert result.report.written == {"accounts that were there already": 3}
        assert not +result.report.mended

    def test_goes_on_where_it_was_stopped(self, original, bring_in, monkeypatch):
        calls = []

        def stopped(units, *, dry_run):
            calls.append(units)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return write(units, dry_run=dry_run)

        monkeypatch.setattr(importer, "BATCH", 1)
        monkeypatch.setattr(importer, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            bring_in(original)
        assert imported_ids() == [original.aisha.id]

        result = bring_in()

        assert result.report.written["accounts that were there already"] == 1
        assert balances() == [(0, 30), (0, 30)]
        assert broken_invariants() == {}

    def test_writes_nothing_in_a_dry_run_and_says_what_it_would(self, original, bring_in):
        wet = dict(bring_in(original, dry_run=True).report.written)

        assert not User.objects.exists()
        assert wet == dict(bring_in().report.written)

    def test_moves_everything_to_another_month(self, original, bring_in):
        original.aisha.reset()

        bring_in(original, last_period="2027-01")

        keys = CreditTransaction.objects.filter(transaction_type="monthly_reset")
        assert keys.get().idempotency_key.startswith("reset:2027-01:")
        assert {str(user.date_joined)[:10] for user in User.objects.all()} == {"2026-12-10"}
        assert broken_invariants() == {}

    def test_refuses_four_empty_files(self, bring_in):
        with pytest.raises(SourceUnusable, match="nothing to import"):
            bring_in(Original())

    def test_reports_progress(self, original, bring_in, monkeypatch):
        monkeypatch.setattr(importer, "PROGRESS", 3)
        heard = []

        bring_in(original, progress=heard.append)

        assert heard == [
            "users: 3 read",
            "credittransactions: 3 read",
            "credittransactions: 6 read",
            "3 accounts done",
        ]

    def test_counts_purchases_that_were_never_paid_for(self, original, bring_in):
        aisha = original.aisha
        aisha.buy(50)
        original.creditpurchases[-1]["status"] = "pending"
        original.credittransactions.pop()
        aisha.balance.update(paidCredits=30, totalBalance=30)

        result = bring_in(original)

        assert result.report.unpaid == 1
        assert result.exit_code == 0

    def test_tells_of_a_purchase_that_brought_no_credits(self, original, bring_in):
        aisha = original.aisha
        aisha.buy(50)
        original.credittransactions.pop()
        aisha.balance.update(paidCredits=30, totalBalance=30)

        result = bring_in(original)

        purchase = original.creditpurchases[-1]["_id"]
        why = "was paid for, and no transaction brought credits"
        assert result.refused == [(f"creditpurchases {purchase}", why)]
        assert result.exit_code == 3

    def test_says_what_it_adjusted_and_for_whom(self, original, bring_in):
        original.aisha.balance["paidCredits"] = 37

        result = bring_in(original)

        assert result.adjusted == [
            (
                f"account {original.aisha.id}",
                "+7 paid credits: the balance says 37 paid credits, its history 30",
            )
        ]
        assert result.report.adjusted_credits == 7
        assert balances() == [(0, 37), (0, 30)]
        assert broken_invariants() == {}

    def test_says_what_is_broken_afterwards(self, original, bring_in):
        bring_in(original)
        CreditBalance.objects.filter(free_credits=0).update(free_credits=1, lifetime_earned=151)

        result = bring_in()

        assert result.exit_code == 1
        assert "Verified: 1 of 13 invariants are broken. BROKEN" in result.text


class TestRefusals:
    def test_malformed_json_of_somebody_refuses_who_does_not_add_up(
        self, original, bring_in, tmp_path
    ):
        path = original.write(tmp_path) / "credittransactions.json"
        first, *others = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([first[:40] + b"\n", *others]))

        result = bring_in()

        (line, account) = result.refused
        assert line[0] == "credittransactions.json:1"
        assert line[1].startswith("malformed JSON")
        assert account == (
            f"account {original.aisha.id}",
            "its 2 transactions do not add up to its balance, and"
            " credittransactions.json:1 may hold the missing one",
        )
        assert imported_ids() == [original.omar.id, str(original.users[2]["_id"])]
        assert result.exit_code == 3

    @pytest.mark.parametrize("form", ["bson", "packed", "packed bson"])
    def test_a_truncated_file_refuses_who_does_not_add_up(self, original, bring_in, tmp_path, form):
        ending, content = FORMS[form](original.credittransactions)
        original.write(tmp_path, form)
        (tmp_path / f"credittransactions{ending}").write_bytes(content[:-20])

        result = bring_in()

        assert original.omar.id not in imported_ids()
        assert any("credittransactions" in place for place, _ in result.refused)
        assert result.exit_code == 3
        assert broken_invariants() == {}

    @pytest.mark.parametrize(
        ("collection", "change", "why"),
        [
            ("credittransactions", {"type": "transfer"}, "type 'transfer' is not known"),
            ("credittransactions", {"amount": 12.5}, "amount 12.5 is not a whole number"),
            ("credittransactions", {"createdAt": "soon"}, "createdAt 'soon' is not a date"),
            ("creditbalances", {"paidCredits": -1}, "paidCredits -1 is not between"),
            ("users", {"role": "king"}, "role 'king' is not known"),
        ],
    )
    def test_one_wrong_document_refuses_its_account_whole(
        self, original, bring_in, collection, change, why
    ):
        original.collections[collection][0].update(change)

        result = bring_in(original)

        (document, account) = result.refused
        assert document[0] == f"{collection}.json:1"
        assert document[1].startswith(why)
        assert account[0] == f"account {original.aisha.id}"
        assert account[1].startswith(f"not imported, because of {collection}.json:1: {why}")
        assert imported_ids() == [original.omar.id, str(original.users[2]["_id"])]
        assert result.exit_code == 3

    def test_a_wrong_purchase_document_costs_only_itself(self, original, bring_in):
        original.creditpurchases[0]["priceAED"] = "much"

        result = bring_in(original)

        assert [place for place, _ in result.refused] == ["creditpurchases.json:1"]
        assert CreditTransaction.objects.filter(price=250).count() == 2

    def test_a_document_that_stands_twice_is_imported_once(self, original, bring_in):
        original.credittransactions.append(original.credittransactions[0])

        result = bring_in(original)

        ((place, why),) = result.refused
        assert place == "credittransactions.json:7"
        assert "stands already in credittransactions.json:1, which says the same" in why
        assert balances() == [(0, 30), (0, 30)]
        assert result.exit_code == 3

    def test_a_document_that_contradicts_another_refuses_its_account(self, original, bring_in):
        original.credittransactions.append({**original.credittransactions[0], "amount": 1})

        result = bring_in(original)

        assert original.aisha.id not in imported_ids()
        assert result.refused[-1][0] == f"account {original.aisha.id}"

    def test_a_professional_without_a_user_is_named(self, original, bring_in):
        original.users.pop(0)

        result = bring_in(original)

        assert result.refused == [
            (
                f"account {original.aisha.id}",
                "there is no such user, but 1 balances, 3 transactions, 1 purchases",
            )
        ]
        assert result.exit_code == 3

    def test_who_may_have_lost_everything_to_two_damaged_files_is_refused(
        self, original, bring_in, tmp_path
    ):
        original.write(tmp_path)
        for name in ("creditbalances", "credittransactions"):
            path = tmp_path / f"{name}.json"
            others = [line for line in path.read_text().splitlines() if original.omar.id in line]
            path.write_text("\n".join(["{", *others]))

        result = bring_in()

        assert (
            f"account {original.aisha.id}",
            "shows no credits, and creditbalances.json:1 and credittransactions.json:1 may hold"
            " some",
        ) in result.refused
        assert imported_ids() == [original.omar.id, str(original.users[2]["_id"])]

    @pytest.mark.parametrize("count", [0, 2], ids=["none", "two"])
    def test_a_professional_needs_one_balance(self, original, bring_in, count):
        balance = original.creditbalances.pop(0)
        original.creditbalances += [{**balance, "_id": f"b{number}"} for number in range(count)]

        result = bring_in(original)

        assert "one balance is needed" in result.refused[0][1]

    def test_too_many_credits_for_any_column_are_refused(self, original, bring_in):
        for _ in range(2):
            original.aisha.buy(2_000_000_000)["balanceAfter"] = 0
        original.credittransactions[-1]["balanceBefore"] = 0
        original.aisha.balance.update(paidCredits=1, totalBalance=1)

        result = bring_in(original)

        assert result.refused[0][1] == "the balance would pass 2,147,483,647 credits"

    def test_nobody_loses_a_second_account_to_an_address(self, original, bring_in):
        original.users[1]["email"] = original.users[0]["email"].upper()

        result = bring_in(original)

        assert [subject for subject, _ in result.refused] == [
            "users.json:2",
            f"account {original.omar.id}",
        ]
        assert "@" not in result.text

    def test_a_document_of_nobody_makes_a_file_incomplete(self, original, bring_in):
        original.credittransactions[0]["professionalId"] = None

        result = bring_in(original)

        assert [subject for subject, _ in result.refused] == [
            "credittransactions.json:1",
            f"account {original.aisha.id}",
        ]


class TestReport:
    def test_shows_twenty_lines_and_says_how_many_more(self, original, bring_in, tmp_path):
        original.write(tmp_path)
        with (tmp_path / "users.json").open("ab") as file:
            file.write(b"{\n" * 30)

        result = bring_in()

        assert result.text.count("malformed JSON") == 20
        assert "and 10 more; --report FILE writes all of them" in result.text

    def test_is_one_json_document_for_a_machine(self, original, bring_in):
        original.users.append({"_id": 5})
        with_staging = bring_in(original)

        assert with_staging.exit_code == 3
        assert json.loads(json.dumps(with_staging.report.mended))

    def test_lines_are_what_mongoexport_writes(self, original):
        # What the other tests write is read by the same code as the real export.
        assert lines([relaxed(original.users[0])]).startswith(b'{"_id": {"$oid"')


class TestImportedRefund:
    def test_leaves_nothing_of_its_spend_to_refund_again(self, bring_in):
        original = Original()
        aisha = original.professional()
        aisha.bonus(5)
        aisha.buy(50)
        aisha.refund(aisha.spend(20))
        bring_in(original)
        spend = CreditTransaction.objects.filter(transaction_type="spend").first()

        with pytest.raises(RefundExceedsSpend) as refused:
            refund(spend_key=spend.idempotency_key, at=MARCH, idempotency_key="again")

        assert refused.value.refundable == 0
