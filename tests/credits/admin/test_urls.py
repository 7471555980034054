"""Every address of the admin, asked by everybody, in every way."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, reverse

from credits.jobs.reset import reset_monthly_credits
from credits.ledger import adjust
from credits.models import (
    CreditTransaction,
    JobFailure,
    JobRun,
    Notice,
    NoticeEvent,
    NoticeOptOut,
    SuppressedAddress,
)
from credits.notices.suppression import decline, suppress
from homezy.models import User
from tests.factories import FEBRUARY, MARCH, make_notice, make_professional, make_user, use

pytestmark = pytest.mark.django_db

VIEW = {
    "creditbalance": "view_creditbalance",
    "credittransaction": "view_credittransaction",
    "jobrun": "view_jobrun",
    "monthlytotal": "view_monthlytotal",
    "notice": "view_notice",
    "noticeoptout": "view_noticeoptout",
    "suppressedaddress": "view_suppressedaddress",
}

# What each address asks for beyond seeing the model; an address that is not here fails the test.
NEEDS: dict[str, set[str]] = {
    "changelist": set(),
    "change": set(),
    "history": set(),
    "grant": {"grant_credits"},
    "adjust": {"adjust_credits"},
    "refund": {"refund_credits"},
    "extend": {"extend_credits"},
    "export": {"export_credits"},
    "run": {"run_credit_jobs"},
    "starting": {"run_credit_jobs"},
    "progress": set(),
    "next_reset": set(),
    "preview": set(),
    "preview_html": set(),
    "preview_send": {"send_notices"},
}

NEVER = {"add", "delete"}
"""Nobody writes or takes away rows; but an address may be cleared, and an opt-out taken back."""

DELETABLE = {"suppressedaddress", "noticeoptout"}

PROBE = "<script>alert(1)</script>"


def addresses() -> list[tuple[str, str]]:
    """Return the model and the name of every address that the app has in the admin."""
    names = []
    for model, model_admin in admin.site._registry.items():  # noqa: SLF001
        if model._meta.app_label != "credits":
            continue
        prefix = f"credits_{model._meta.model_name}_"
        names += [
            (model._meta.model_name, pattern.name.removeprefix(prefix))
            for pattern in model_admin.get_urls()
            if isinstance(pattern, URLPattern) and pattern.name
        ]
    return names


ADDRESSES = addresses()


@pytest.fixture
def world(clock) -> dict[str, Any]:
    """A row of every kind, with a script in every text that somebody else can write."""
    clock(MARCH)
    aisha = make_professional(
        free=30, paid=50, email="aisha@example.com", first_name=PROBE, business_name=PROBE
    )
    use(aisha, 40, at=FEBRUARY)
    adjust(
        professional_id=aisha.pk,
        amount=5,
        credit_type="free",
        reason=PROBE,
        actor_id=make_user(first_name=PROBE).pk,
        at=FEBRUARY,
        idempotency_key=PROBE,
    )
    run = reset_monthly_credits(as_of=MARCH)
    JobRun.objects.filter(pk=run.pk).update(error_summary=PROBE, host=PROBE)
    JobFailure.objects.create(run=run, professional=aisha, error=PROBE)
    notice = make_notice(aisha, reason=PROBE, status=Notice.Status.FAILED)
    NoticeEvent.objects.create(
        notice=notice, event_id="1", event_type=PROBE, description=PROBE, occurred_at=MARCH
    )
    suppress(aisha.email, SuppressedAddress.Reason.BOUNCED, notice, MARCH)
    decline(professional_id=aisha.pk, kind="reset", at=MARCH)
    return {
        "creditbalance": aisha.pk,
        "credittransaction": CreditTransaction.objects.get(
            transaction_type="spend", credit_type="paid"
        ).pk,
        "lot": CreditTransaction.objects.get(transaction_type="purchase").pk,
        "jobrun": run.pk,
        "notice": notice.pk,
        "noticeoptout": NoticeOptOut.objects.get().pk,
        "suppressedaddress": aisha.email,
    }


def url_of(model: str, name: str, world: dict[str, Any]) -> str:
    full = f"admin:credits_{model}_{name}"
    if name in {"run", "starting"}:
        return reverse(full, kwargs={"job": "reset_monthly_credits"})
    if name in {"changelist", "add", "export", "next_reset"} or name.startswith("preview"):
        return reverse(full)
    key = world["lot"] if name == "extend" else world.get(model)
    return reverse(full, args=[key])


def login_with(client: Client, codenames: set[str], **fields: Any) -> User:
    clerk = make_user(**{"is_staff": True} | fields)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(clerk)
    return clerk


def needed(model: str, name: str) -> set[str]:
    if name == "delete" and model in DELETABLE:
        return {VIEW[model], f"delete_{model}"}
    return {VIEW[model], *NEEDS[name]}


WITH_ROWS = [
    (model, name)
    for model, name in ADDRESSES
    if not (model == "monthlytotal" and name not in {"changelist", "export"})
]
OPEN = [
    (model, name)
    for model, name in WITH_ROWS
    if name not in NEVER or (name == "delete" and model in DELETABLE)
]


def ids(address: Any) -> str:
    return str(address)


class TestAddresses:
    def test_are_all_known(self):
        assert {name for _, name in ADDRESSES} - set(NEEDS) - NEVER == set()
        assert {model for model, _ in ADDRESSES} == set(VIEW)

    @pytest.mark.parametrize(("model", "name"), WITH_ROWS, ids=ids)
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_are_not_there_for_strangers(self, client, world, model, name, method):
        url = url_of(model, name, world)

        for fields in (None, {"is_staff": False}):
            if fields is not None:
                login_with(client, set(VIEW.values()), **fields)
            answer = getattr(client, method)(url)
            assert answer.status_code == 302
            assert answer["Location"].startswith(reverse("admin:login"))

    @pytest.mark.parametrize(("model", "name"), WITH_ROWS, ids=ids)
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_are_refused_to_staff_without_a_permission(self, client, world, model, name, method):
        login_with(client, set())

        assert getattr(client, method)(url_of(model, name, world)).status_code == 403

    @pytest.mark.parametrize(("model", "name"), OPEN, ids=ids)
    def test_open_with_exactly_their_permissions(self, client, world, model, name):
        url = url_of(model, name, world)
        wanted = needed(model, name)

        login_with(client, wanted)
        # An address that is only posted to says so.
        assert client.get(url).status_code in {200, 302, 405}
        for codename in wanted:
            everything = set(Permission.objects.values_list("codename", flat=True))
            own = (
                {VIEW[model], f"change_{model}", f"delete_{model}"}
                if codename == VIEW[model]
                else {codename}
            )
            login_with(client, everything - own)
            assert client.get(url).status_code == 403, codename
            assert client.post(url).status_code == 403, codename

    @pytest.mark.parametrize(
        ("model", "name"), [place for place in WITH_ROWS if place not in OPEN], ids=ids
    )
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_to_add_or_delete_are_refused_to_everybody(self, client, world, model, name, method):
        client.force_login(User.objects.create_superuser("root@example.com", "secret"))

        answer = getattr(client, method)(url_of(model, name, world), {"post": "yes"})

        assert answer.status_code == 403


class TestGroups:
    @pytest.mark.parametrize("group", ["Credits support", "Credits finance"])
    def test_open_what_they_are_for_and_nothing_else(self, client, world, group):
        call_command("create_credit_groups", verbosity=0)
        clerk = login_with(client, set())
        clerk.groups.add(Group.objects.get(name=group))
        has = {permission.split(".")[1] for permission in clerk.get_all_permissions()}

        for model, name in OPEN:
            may = needed(model, name) <= has
            assert (client.get(url_of(model, name, world)).status_code == 403) != may, (model, name)


class TestTheIndex:
    def test_names_nothing_to_who_may_see_nothing(self, client, world):
        login_with(client, set())

        assert "/admin/credits/" not in client.get(reverse("admin:index")).content.decode()
        assert client.get(reverse("admin:app_list", args=["credits"])).status_code == 404


class Page(HTMLParser):
    """Collects what a strict Content-Security-Policy does not let work."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.violations: list[str] = []
        self._is_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._is_script = (
            tag == "script" and "src" not in given and "json" not in str(given.get("type"))
        )
        if tag == "style" or "style" in given:
            self.violations.append(f"<{tag} style>")
        self.violations += [f"<{tag} {name}>" for name in given if name.startswith("on")]
        for name in ("src", "href", "action"):
            if re.match(r"(https?:)?//|data:|javascript:", given.get(name) or ""):
                self.violations.append(f"<{tag} {name}={given[name]}>")

    def handle_data(self, data: str) -> None:
        if self._is_script and data.strip():
            self.violations.append(f"inline script: {data.strip()[:60]}")

    def handle_endtag(self, tag: str) -> None:
        self._is_script = False


class TestPages:
    @pytest.fixture
    def operator(self, client: Client) -> Client:
        client.force_login(User.objects.create_superuser("root@example.com", "secret"))
        return client

    def page_at(self, client: Client, url: str):
        answer = client.get(url, follow=True)
        if answer.streaming or "html" not in answer["Content-Type"]:
            pytest.skip("no page")
        return answer

    # The frame of a mail has a policy of its own.
    @pytest.mark.parametrize(
        ("model", "name"), [place for place in OPEN if place[1] != "preview_html"], ids=ids
    )
    @pytest.mark.parametrize("language", ["en", "ar"])
    def test_work_under_a_strict_policy(self, operator, world, model, name, language):
        operator.cookies["django_language"] = language

        answer = self.page_at(operator, url_of(model, name, world))

        assert Page(answer.content.decode()).violations == []
        assert "default-src 'self'" in answer["Content-Security-Policy"]

    @pytest.mark.parametrize(("model", "name"), OPEN, ids=ids)
    def test_show_what_others_wrote_as_text(self, operator, world, model, name):
        answer = self.page_at(operator, url_of(model, name, world))

        assert PROBE not in answer.content.decode()

    def test_of_the_dashboard_too(self, operator, world):
        answer = operator.get(reverse("admin:app_list", args=["credits"]))

        assert Page(answer.content.decode()).violations == []
        assert PROBE not in answer.content.decode()
