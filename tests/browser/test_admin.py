"""The admin in a browser: what an operator does, what it looks like, who can use it."""

from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from credits.jobs.expiry import expire_credits
from credits.jobs.reset import reset_monthly_credits
from credits.models import CreditTransaction, JobFailure, JobRun, Notice, SuppressedAddress
from credits.notices.suppression import decline, suppress
from homezy.models import User
from tests.browser.conftest import picture
from tests.factories import buy, give_lot, make_notice, make_professional, undo, use

# The pages are the same on either engine, and a browser takes its time.
pytestmark = pytest.mark.engine("sqlite")

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")

PROBES = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>']


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def aisha(now: datetime) -> User:
    """A year of a professional, and of the runs."""
    aisha = make_professional(
        email="aisha@example.com",
        first_name="Aisha",
        last_name="Rahman",
        business_name="Rahman Plumbing",
        free=40,
        at=now - timedelta(days=200),
    )
    buy(aisha, 150, at=now - timedelta(days=190))
    use(aisha, 60, at=now - timedelta(days=150))
    buy(aisha, 250, at=now - timedelta(days=100))
    undo(use(aisha, 90, at=now - timedelta(days=60)), 30, at=now - timedelta(days=50))
    give_lot(aisha, 40, expires_at=now + timedelta(days=5), at=now - timedelta(days=40))
    for number in range(40):
        other = make_professional(free=number + 1, at=now - timedelta(days=80))
        buy(other, 20 + number, at=now - timedelta(days=4 * number))
    for days in range(59, 0, -1):
        at = now - timedelta(days=days)
        status = {20: "failed", 40: "partial"}.get(days, "succeeded")
        JobRun.objects.create(
            job=JobRun.Job.EXPIRY,
            status=status,
            as_of=at,
            started_at=at,
            heartbeat_at=at,
            finished_at=at + timedelta(seconds=5 + days * 7 % 23),
            host="web-1",
            process_id=1,
        )
    expire_credits(as_of=now)
    reset_monthly_credits(as_of=now)
    make_notice(aisha, status=Notice.Status.DELIVERED, created_at=now, sent_at=now)
    return aisha


class TestAnOperator:
    def test_grants_credits_and_sees_them(self, open_browser, aisha: User):
        page: Page = open_browser()
        expect(page.get_by_role("heading", name="Outstanding credits")).to_be_visible()
        picture(page, "dashboard")

        page.get_by_role("link", name="Balances").first.click()
        page.get_by_role("textbox", name="Search").or_(page.locator("#searchbar")).first.fill(
            "aisha@example.com"
        )
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Aisha Rahman").click()
        picture(page, "professional")
        page.get_by_role("link", name="Grant credits").click()
        page.get_by_label("Credits").fill("25")
        page.get_by_label("Reason").fill("The lead was a false one")
        picture(page, "grant")
        page.get_by_role("button", name="Show before and after").click()
        picture(page, "grant-confirmation")
        page.get_by_role("button", name="Grant credits").click()

        expect(page.get_by_text("Done:")).to_be_visible()
        expect(page.locator("#transactions").get_by_text("+25", exact=True)).to_be_visible()
        granted = CreditTransaction.objects.latest("pk")
        assert (granted.amount, granted.created_by.email) == (25, "operator@example.com")
        page.goto("/admin/credits/credittransaction/")
        picture(page, "transactions", whole=False)

    def test_sees_what_a_run_would_do(self, open_browser, aisha: User):
        runs = JobRun.objects.count()
        page: Page = open_browser()

        page.goto("/admin/credits/jobrun/run/reset_monthly_credits/")
        page.get_by_role("button", name="Dry run").click()

        expect(page.get_by_text("Dry run: nothing was written")).to_be_visible()
        picture(page, "dry-run")
        assert JobRun.objects.count() == runs

    def test_reads_it_in_arabic_and_in_the_dark(self, open_browser, aisha: User):
        page: Page = open_browser(locale="ar", color_scheme="dark")

        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        expect(page.get_by_role("heading", name="الأرصدة القائمة")).to_be_visible()
        picture(page, "dashboard-arabic-dark")

    def test_sees_whole_lists_on_a_laptop(self, open_browser, aisha: User):
        page: Page = open_browser(viewport={"width": 1360, "height": 900})

        for name in ("creditbalance", "credittransaction", "jobrun", "notice"):
            page.goto(f"/admin/credits/{name}/")
            left_out = "e => e.scrollWidth - e.clientWidth"
            assert page.locator("#changelist .results").evaluate(left_out) == 0, name

    def test_prints_it_black_on_white(self, open_browser, aisha: User):
        page: Page = open_browser(color_scheme="dark")
        for path in ("", f"creditbalance/{aisha.pk}/change/", "monthlytotal/", "jobrun/"):
            page.goto(f"/admin/credits/{path}")
            page.emulate_media(media="print", color_scheme="dark")
            page.set_viewport_size({"width": 700, "height": 1000})  # A4 within its margins

            assert page.evaluate("document.documentElement.scrollWidth") <= 700, path
            assert page.locator("h1").first.evaluate("e => getComputedStyle(e).color") in {
                "rgb(0, 0, 0)",
                "rgb(34, 34, 34)",
            }, path
            for hidden in ("#nav-sidebar", ".breadcrumbs", "#changelist-filter"):
                assert not page.locator(hidden).is_visible(), (path, hidden)
            page.emulate_media(media="screen", color_scheme="dark")

    def test_reads_it_on_a_phone(self, open_browser, aisha: User):
        page: Page = open_browser(viewport={"width": 360, "height": 740})

        for path in ("", "creditbalance/", f"creditbalance/{aisha.pk}/change/", "monthlytotal/"):
            page.goto(f"/admin/credits/{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        picture(page, "report-phone", whole=False)


class TestEverybody:
    @pytest.mark.parametrize(
        ("locale", "scheme", "width"),
        [("en", "light", 1360), ("ar", "dark", 390)],
        ids=["light", "arabic dark on a phone"],
    )
    def test_can_use_the_pages(
        self, open_browser, aisha: User, locale: str, scheme: str, width: int
    ):
        # axe is injected, which the pages' own policy rightly forbids.
        page: Page = open_browser(
            locale=locale,
            color_scheme=scheme,
            bypass_csp=True,
            viewport={"width": width, "height": 900},
        )
        spend = CreditTransaction.objects.filter(transaction_type="spend").latest("pk")
        suppress("bounced@example.com", SuppressedAddress.Reason.BOUNCED, None, timezone.now())
        decline(professional_id=aisha.pk, kind="reset", at=timezone.now())
        lot = CreditTransaction.objects.filter(professional=aisha, remaining_amount__gt=0).latest(
            "pk"
        )
        run, notice = JobRun.objects.latest("pk"), Notice.objects.latest("pk")
        paths = [
            "",
            "creditbalance/",
            f"creditbalance/{aisha.pk}/change/?on=2026-01-01",
            f"creditbalance/{aisha.pk}/grant/",
            f"creditbalance/{aisha.pk}/adjust/",
            "credittransaction/",
            f"credittransaction/{lot.pk}/change/",
            f"credittransaction/{lot.pk}/extend/",
            f"credittransaction/{spend.pk}/change/",
            f"credittransaction/{spend.pk}/refund/",
            "jobrun/",
            f"jobrun/{run.pk}/change/",
            "jobrun/run/expire_credits/",
            "jobrun/run/expire_credits/0a1b2c3d/",
            "jobrun/next-reset/",
            "notice/",
            f"notice/{notice.pk}/change/",
            "notice/preview/",
            "notice/preview/?show=text",
            "monthlytotal/",
            "noticeoptout/",
            "suppressedaddress/",
        ]
        serious: dict[str, list[str]] = {}
        for path in paths:
            page.goto(f"/admin/credits/{path}")
            page.evaluate(AXE)
            # Only Django's own box to search in is not ours to judge: an image is its label. Of a
            # long list the first rows are as good as all.
            found = page.evaluate(
                "() => axe.run({exclude: ['#searchbar', '#result_list tr:nth-child(n+9)']},"
                " {resultTypes: ['violations'], iframes: false}).then(r => r.violations)"
            )
            told = [
                f"{violation['id']}: {violation['nodes'][0]['html'][:160]}"
                for violation in found
                if violation["impact"] in {"serious", "critical"}
            ]
            if told:
                serious[path] = told

        assert serious == {}


class TestProbes:
    @pytest.mark.parametrize("probe", PROBES)
    def test_stay_text(self, open_browser, problems: list[str], now: datetime, probe: str):
        victim = make_professional(first_name=probe, last_name=probe, free=5, at=now)
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        run = JobRun.objects.create(
            job=JobRun.Job.RESET,
            status="failed",
            as_of=now,
            started_at=now,
            heartbeat_at=now,
            finished_at=now,
            host=probe,
            process_id=1,
            error_summary=probe,
        )
        JobFailure.objects.create(run=run, professional=victim, error=probe)
        notice = make_notice(victim, reason=probe, created_at=moment)
        page: Page = open_browser()

        for path in (
            "",
            "creditbalance/",
            f"creditbalance/{victim.pk}/change/",
            f"creditbalance/{victim.pk}/grant/",
            "credittransaction/",
            f"jobrun/{run.pk}/change/",
            f"notice/{notice.pk}/change/",
            f"notice/preview/?kind=reset&professional={victim.pk}",
        ):
            page.goto(f"/admin/credits/{path}")
        page.goto(f"/admin/credits/creditbalance/{victim.pk}/change/")

        expect(page.locator("h1", has_text=probe)).to_be_visible()
        assert problems == []
