import json
import sqlite3
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from credits.exceptions import InsufficientCredits
from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.ledger import spend
from credits.models import CreditBalance, CreditTransaction, JobRun
from homezy.importing import importer
from homezy.importing.reading import ExportFiles
from homezy.management.commands.demo import DATA
from homezy.models import User
from tests.books import all_tables, broken_invariants

pytestmark = pytest.mark.django_db

THAT_EVENING = datetime(2026, 11, 20, 21, tzinfo=UTC)
"""Behind all that the export holds, in its last month."""

WHOLE = Path(__file__).parents[3] / "shared/data/homezy-export"

# The slice that ships, and the whole export where it lies beside the project.
exports = pytest.mark.parametrize(
    "export",
    [
        pytest.param(DATA, id="slice"),
        pytest.param(
            WHOLE,
            id="whole",
            marks=pytest.mark.skipif(not WHOLE.exists(), reason="shared/ is not here"),
        ),
    ],
)


def import_homezy(*arguments, **options):
    out = StringIO()
    call_command("import_homezy", *map(str, arguments), stdout=out, stderr=out, **options)
    return out.getvalue()


def documents(export, collection):
    return [item.document for item in ExportFiles(export).read(collection)]


class TestTheRealExport:
    @exports
    def test_every_balance_equals_the_originals(self, export):
        import_homezy(export)

        original = {
            document["professionalId"]: (document["freeCredits"], document["paidCredits"])
            for document in documents(export, "creditbalances")
        }
        ours = {
            legacy_id: (free, paid)
            for legacy_id, free, paid in CreditBalance.objects.values_list(
                "professional__legacy_id", "free_credits", "paid_credits"
            )
        }
        assert ours == original
        assert User.objects.count() == len(documents(export, "users"))

    @exports
    def test_every_paid_lot_has_left_what_the_original_had(self, export):
        import_homezy(export)

        ours = {}
        for row in CreditTransaction.objects.filter(granted_amount__gt=0):
            left, _ = ours.get(row.metadata["homezy"], (0, None))
            ours[row.metadata["homezy"]] = (left + row.remaining_amount, row.expires_at)
        assert ours == {
            document["_id"]: (document["remainingAmount"], document["expiresAt"])
            for document in documents(export, "credittransactions")
            if document["creditType"] == "paid" and document["amount"] > 0
        }

    @exports
    def test_needs_no_adjustment_and_refuses_nothing(self, export):
        output = import_homezy(export)

        assert "Adjusted: nothing" in output
        assert "Refused:  nothing" in output
        assert not CreditTransaction.objects.filter(transaction_type="adjustment").exists()
        assert not CreditTransaction.objects.filter(metadata__has_key="split").exists()
        assert "Verified: all invariants hold" in output
        assert broken_invariants() == {}

    @pytest.mark.engine("postgresql")
    def test_lets_the_database_know_how_much_there_is_before_it_asks_about_it(self):
        asked = []

        def listen(execute, sql, *args):
            asked.append(sql.strip())
            return execute(sql, *args)

        with connection.execute_wrapper(listen):
            import_homezy(DATA)

        (known,) = (number for number, sql in enumerate(asked) if sql == "ANALYZE")
        assert not any(sql.startswith("INSERT") for sql in asked[known:])
        assert any("credits_creditallocation" in sql for sql in asked[known:])

    def test_changes_nothing_the_second_time(self):
        import_homezy(DATA)
        before = all_tables()

        output = import_homezy(DATA)

        assert all_tables() == before
        assert "accounts that were there already" in output

    def test_what_broke_the_original_works(self):
        """Spend 120 of 100 free and 50 paid after a reset: old free lots made it fail there."""
        import_homezy(DATA)
        stale = {
            document["professionalId"]
            for document in documents(DATA, "credittransactions")
            if document["type"] == "monthly_reset" and document["remainingAmount"] == 100
        }
        holder = CreditBalance.objects.filter(
            professional__legacy_id__in=stale,
            free_credits=100,
            paid_credits__gte=20,
            last_reset_period="2026-11",
        ).order_by("pk")[0]

        rows = spend(
            professional_id=holder.pk,
            amount=120,
            at=datetime(2026, 11, 20, 21, tzinfo=UTC),
            idempotency_key="lead-after-import",
        )

        assert [(row.credit_type, row.amount) for row in rows] == [("free", -100), ("paid", -20)]
        assert broken_invariants() == {}

    def test_nobody_can_spend_an_old_free_lot(self):
        import_homezy(DATA)
        poor = CreditBalance.objects.filter(free_credits=100, paid_credits=0).order_by("pk")[0]

        with pytest.raises(InsufficientCredits):
            spend(
                professional_id=poor.pk,
                amount=101,
                at=THAT_EVENING,
                idempotency_key="lead-too-dear",
            )

    def test_the_next_jobs_find_it_in_order(self):
        import_homezy(DATA)

        reset_monthly_credits(as_of=THAT_EVENING)
        expire_credits(as_of=THAT_EVENING)

        verified = User.objects.filter(role="pro", verification__in=["basic", "comprehensive"])
        reset = JobRun.objects.get(job=JobRun.Job.RESET)
        had_one = CreditBalance.objects.filter(professional__in=verified).exclude(
            last_reset_date=reset.as_of
        )
        # Whoever was reset in the original's November is not reset again.
        assert reset.success_count == verified.count() - had_one.count()
        assert broken_invariants() == {}

    def test_moved_in_time_it_is_still_in_order(self):
        import_homezy(DATA, "--shift-to", "2026-02")

        assert CreditTransaction.objects.latest("created_at").created_at.month == 2
        assert broken_invariants() == {}


class TestCommand:
    def test_says_what_it_did(self):
        assert import_homezy(DATA).splitlines() == [
            "In:       80 users, 65 creditbalances, 865 credittransactions, 71 creditpurchases",
            "          7 purchases were never paid for: not imported",
            "Out:      80 users, 65 balances, 875 transactions, 93 lots, 89 allocations",
            "Mended:",
            "      398  spends of free credits recorded as paid",
            "       50  balances whose old free lots stayed open",
            "       33  expiries recorded as spends",
            "       28  refunds recorded as purchases",
            "        9  spends split over both pools",
            "Adjusted: nothing",
            "Refused:  nothing",
            "Verified: all invariants hold",
        ]

    def test_says_nothing_when_told_to_be_silent(self):
        assert import_homezy(DATA, verbosity=0) == ""

    def test_speaks_json(self):
        document = json.loads(import_homezy(DATA, "--json"))

        assert document["version"] == 1
        assert document["written"]["transactions"] == 875
        assert document["refused"] == {"count": 0, "lines": []}
        assert document["verified"] is True
        assert document["exit_code"] == 0

    def test_speaks_json_of_its_errors_too(self):
        out = StringIO()

        with pytest.raises(CommandError):
            call_command("import_homezy", "/nowhere", "--json", stdout=out)

        assert json.loads(out.getvalue()) == {
            "version": 1,
            "error": "There is no /nowhere.",
            "exit_code": 2,
        }

    def test_writes_nothing_in_a_dry_run(self):
        output = import_homezy(DATA, "--dry-run")

        assert "Would be: 80 users" in output
        assert "Verified: no, nothing was written" in output
        assert not User.objects.exists()

    def test_writes_every_line_of_the_report_to_a_file(self, tmp_path):
        target = tmp_path / "report.txt"

        output = import_homezy(DATA, "--report", target)

        assert target.read_text(encoding="utf-8") == output

    def test_complains_of_a_report_file_it_cannot_write_and_goes_on(self, tmp_path):
        output = import_homezy(DATA, "--report", tmp_path)

        assert "The report could not be written: Is a directory." in output
        assert User.objects.exists()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((), "Name either the directory of an export or --uri mongodb://…."),
            (("/nowhere",), "There is no /nowhere."),
            ((DATA, "--uri", "mongodb://x/y"), "Name either the directory"),
            ((DATA, "--shift-to", "2026-13"), "--shift-to: “2026-13” is not a month"),
            (("a" * 300,), "a cannot be read: File name too long."),
            ((DATA, "--shift-to=--"), "“--” is no"),
            ((DATA.parent,), "holds no users.json (nor .jsonl or .bson, plain or .gz); did you"),
            (("--uri", "mongodb://127.0.0.1"), "The URI names no database"),
        ],
        ids=["nothing", "nowhere", "both", "month", "long", "dashes", "above", "uri"],
    )
    def test_refuses_bad_arguments_in_a_sentence(self, arguments, message):
        with pytest.raises(CommandError) as refused:
            import_homezy(*arguments)

        assert message in str(refused.value)
        assert refused.value.returncode == 2

    def test_ends_with_3_when_something_was_refused(self, tmp_path):
        for source in DATA.iterdir():
            (tmp_path / source.name).write_bytes(source.read_bytes())
        (tmp_path / "creditbalances.json.gz").write_bytes(b"no longer packed")

        with pytest.raises(CommandError) as refused:
            import_homezy(tmp_path)

        assert refused.value.returncode == 3
        # Those without credits came in; a history without its balance did not.
        assert not CreditTransaction.objects.exists()
        assert User.objects.exists()

    def test_says_how_to_go_on_when_the_database_goes_away(self, monkeypatch):
        def gone(units, *, dry_run):
            raise OperationalError("the server closed the connection\nunexpectedly")

        monkeypatch.setattr(importer, "write", gone)

        with pytest.raises(CommandError) as refused:
            import_homezy(DATA)

        assert str(refused.value).startswith(
            "The database refused: the server closed the connection. Is it up and migrated?"
        )
        assert refused.value.returncode == 1

    def test_says_that_the_temporary_file_failed(self, monkeypatch):
        def full(units, *, dry_run):
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(importer, "write", full)

        with pytest.raises(CommandError, match="SQLITE_TMPDIR can name another") as refused:
            import_homezy(DATA)

        assert refused.value.returncode == 1

    def test_says_how_to_go_on_after_control_c(self, monkeypatch):
        def interrupted(units, *, dry_run):
            raise KeyboardInterrupt

        monkeypatch.setattr(importer, "write", interrupted)

        with pytest.raises(CommandError) as refused:
            import_homezy(DATA)

        assert refused.value.returncode == 130
        assert "run the same command again" in str(refused.value)
