"""credits.monitoring.metrics: what Prometheus reads, and by which way."""

import os
import re
import shutil
import stat
import subprocess
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from prometheus_client.parser import text_string_to_metric_families

from credits.models import JobAlert, Notice
from credits.monitoring.metrics import exposition, write_textfile
from settings.environment import BASE_DIR
from tests.factories import MARCH, make_notice, make_professional, make_run

pytestmark = pytest.mark.django_db

NOON = MARCH.replace(hour=12)
RULES = BASE_DIR / "deploy/prometheus/alerts.yml"
RESET, EXPIRY = {"job": "reset_monthly_credits"}, {"job": "expire_credits"}


class Scrape:
    """What was exposed."""

    def __init__(self, text: bytes) -> None:
        self.families = list(text_string_to_metric_families(text.decode()))
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        return self._samples[f"credits_{name}", frozenset(labels.items())]


def scrape() -> Scrape:
    return Scrape(exposition(as_of=NOON))


def ran(**fields: Any) -> None:
    finished = MARCH + timedelta(seconds=90)
    make_run(**{"period": "2026-03", "finished_at": finished, "heartbeat_at": finished} | fields)


class TestExposition:
    def test_tells_of_the_runs(self):
        ran(
            total_count=5,
            success_count=3,
            error_count=2,
            credits_granted=700,
            credits_expired=20,
            status="partial",
        )
        ran(started_at=MARCH - timedelta(days=1))

        found = scrape()

        last = (MARCH + timedelta(seconds=90)).timestamp()
        assert found("job_last_success_timestamp_seconds", **RESET) == last
        assert found("job_last_success_timestamp_seconds", **EXPIRY) == 0
        assert found("job_last_duration_seconds", **RESET) == 90
        assert found("job_runs_total", status="partial", **RESET) == 1
        assert found("job_runs_total", status="failed", **RESET) == 0
        assert found("job_last_professionals", result="failed", **RESET) == 2
        assert found("job_last_credits", direction="granted", **RESET) == 700
        assert found("job_last_credits", direction="expired", **RESET) == 20

    @pytest.mark.usefixtures("at_work")
    def test_tells_what_is_wrong(self):
        ran(status="failed")
        JobAlert.objects.create(
            **EXPIRY, number=1, kind="late", since=MARCH, created_at=MARCH, next_attempt_at=MARCH
        )

        found = scrape()

        assert (found("job_late", **RESET), found("job_late", **EXPIRY)) == (1, 1)
        assert found("job_trouble", trouble="failed", **RESET) == 1
        assert found("job_trouble", trouble="partial", **RESET) == 0
        assert found("job_trouble", trouble="late", **EXPIRY) == 1
        assert found("alerts_pending") == 1

    def test_tells_of_mail_and_of_what_is_owed(self):
        make_professional(free=30, paid=100)
        for status in (Notice.Status.PENDING, Notice.Status.PENDING, Notice.Status.SENT):
            make_notice(status=status, next_attempt_at=NOON - timedelta(minutes=5))

        found = scrape()

        assert found("notices_pending") == 2
        assert found("notices_oldest_pending_seconds") == 300
        assert found("notices_recent", status="sent") == 1
        assert found("outstanding_credits", pool="free") == 30
        assert found("outstanding_credits", pool="paid") == 100
        assert found("outstanding_worth", currency="AED") == 500

    def test_takes_as_many_statements_however_much_there_is(self, django_assert_max_num_queries):
        for _ in range(20):
            ran(status="failed")
            make_notice()
        make_professional(paid=10)

        with django_assert_max_num_queries(21):
            exposition(as_of=NOON)

    def test_names_nobody(self):
        professional = make_professional(paid=10)
        ran(status="failed", error_summary=f"for {professional.email}")

        assert b"@" not in exposition(as_of=NOON)


class TestPage:
    TOKEN = "correct-horse-battery-staple"

    def test_is_not_there_without_a_token(self, client):
        assert client.get("/credits/metrics/").status_code == 404

    @pytest.mark.parametrize("given", [None, "Bearer wrong", TOKEN, "Bearer é"])
    def test_is_closed_to_others(self, client, credits, given):
        credits(METRICS_TOKEN=self.TOKEN)

        response = client.get(
            "/credits/metrics/", headers={"Authorization": given} if given else {}
        )

        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert b"credits_job" not in response.content

    @pytest.mark.usefixtures("at_work")
    def test_is_open_to_prometheus(self, client, credits):
        credits(METRICS_TOKEN=self.TOKEN)

        response = client.get(
            "/credits/metrics/", headers={"Authorization": f"Bearer {self.TOKEN}"}
        )

        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "no-store" in response.headers["Cache-Control"]
        assert Scrape(response.content)("job_late", **EXPIRY) == 1


class TestCommand:
    @pytest.mark.usefixtures("at_work")
    def test_prints_the_metrics(self):
        out = StringIO()

        call_command("credit_metrics", stdout=out)

        assert Scrape(out.getvalue().encode())("job_late", **EXPIRY) == 1

    @pytest.mark.usefixtures("at_work")
    def test_writes_a_file_that_node_exporter_may_read(self, tmp_path: Path):
        path = tmp_path / "credits.prom"
        path.write_text("old")

        call_command("credit_metrics", textfile=str(path))

        assert Scrape(path.read_bytes())("job_late", **EXPIRY) == 1
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        assert [it.name for it in tmp_path.iterdir()] == ["credits.prom"]

    def test_leaves_the_old_file_where_the_new_one_cannot_be_written(self, tmp_path, monkeypatch):
        path = tmp_path / "credits.prom"
        path.write_text("old")

        def refuse(*arguments: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fchmod", refuse)

        with pytest.raises(OSError, match="No space left"):
            write_textfile(path, b"new")

        assert path.read_text() == "old"
        assert [it.name for it in tmp_path.iterdir()] == ["credits.prom"]

    @pytest.mark.parametrize(
        ("path", "sentence", "code"),
        [
            ("credits.txt", "does not end with .prom", 2),
            ("/no/such/place/credits.prom", "was not written: No such file or directory.", 1),
        ],
    )
    def test_says_why_it_cannot_write(self, path, sentence, code):
        with pytest.raises(CommandError, match=sentence) as refused:
            call_command("credit_metrics", textfile=path)

        assert refused.value.returncode == code


class TestRules:
    def test_ask_for_metrics_that_there_are(self):
        known = {sample.name for family in scrape().families for sample in family.samples}

        asked = set(re.findall(r"credits_[a-z_]+", " ".join(self._expressions())))

        assert asked
        assert asked <= known

    @staticmethod
    def _expressions() -> list[str]:
        return re.findall(r"expr: (.*)", RULES.read_text())

    def test_are_understood_by_prometheus(self):
        self._promtool("check", "rules", str(RULES))

    def test_are_met_by_metrics_without_a_fault(self):
        self._promtool("check", "metrics", given=exposition(as_of=NOON))

    @staticmethod
    def _promtool(*arguments: str, given: bytes = b"") -> None:
        tool = shutil.which("promtool")
        if tool is None:
            reason = "promtool is missing: apt-get install prometheus"
            if os.environ.get("REQUIRE_SERVICES") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        result = subprocess.run(
            [tool, *arguments], input=given, capture_output=True, check=False, timeout=30
        )
        assert result.returncode == 0, result.stdout + result.stderr
