"""Every address of the admin, asked by everybody, in every way."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, reverse

from credits.jobs.pausing import pause_job
from credits.jobs.reset import reset_monthly_credits
from credits.ledger import adjust
from credits.models import (
    CreditTransaction,
    JobFailure,
    JobPause,
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
    "jobpause": "view_jobpause",
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
    "started": {"run_credit_jobs"},
    "progress": set(),
    "next_reset": set(),
    "pause": {"run_credit_jobs"},
    "acknowledge": {"run_credit_jobs"},
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
    pause = pause_job(JobPause.Job.RESET, reason=PROBE, actor_id=aisha.pk, at=MARCH)
    return {
        "creditbalance": aisha.pk,
        "credittransaction": CreditTransaction.objects.get(
            transaction_type="spend", credit_type="paid"
        ).pk,
        "lot": CreditTransaction.objects.get(transaction_type="purchase").pk,
        "jobpause": pause.pk,
        "jobrun": run.pk,
        "notice": notice.pk,
        "noticeoptout": NoticeOptOut.objects.get().pk,
        "suppressedaddress": aisha.email,
    }


def url_of(model: str, name: str, world: dict[str, Any]) -> str:
    full = f"admin:credits_{model}_{name}"
    if name in {"run", "pause"}:
        return reverse(full, kwargs={"job": "reset_monthly_credits"})
    if name == "started":
        return reverse(full, kwargs={"job": "reset_monthly_credits", "token": "unknown"})
    if name in {"changelist", "add", "export", "next_reset"} or name.startswith("preview"):
        return reverse(full)
    key = world["lot"] if name == "extend" else world.get(model)
    return reverse(full, args=[key])


def login_with(client: Client, codenames: set[str], **fields: Any) -> User:
    clerk = make_user(**{"is_staff": True} | fields)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(clerk)
    return clerk


def needed(model: str, name: str) -> list[set[str]]:
    """Return what opens an address: of each set, one permission will do."""
    if name != "delete":
        return [{VIEW[model]}, *({codename} for codename in NEEDS[name])]
    # To clear an address is a decision about notices.
    clears = {"send_notices"} if model == "suppressedaddress" else set()
    return [{VIEW[model]}, {f"delete_{model}"} | clears]


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
CLOSED = [place for place in WITH_ROWS if place not in OPEN]


def statuses(client: Client, places: list[tuple[str, str]], world: dict[str, Any]) -> set[int]:
    """Return how every address answers, read and posted to."""
    urls = [url_of(model, name, world) for model, name in places]
    return {ask(url).status_code for url in urls for ask in (client.get, client.post)}


class TestAddresses:
    def test_are_all_known(self):
        assert {name for _, name in ADDRESSES} - set(NEEDS) - NEVER == set()
        assert {model for model, _ in ADDRESSES} == set(VIEW)

    @pytest.mark.parametrize("fields", [None, {"is_staff": False}], ids=["nobody", "a customer"])
    def test_send_strangers_to_the_login(self, client, world, fields):
        if fields is not None:
            login_with(client, set(VIEW.values()), **fields)

        assert statuses(client, WITH_ROWS, world) == {302}
        answer = client.get(url_of("creditbalance", "changelist", world))
        assert answer["Location"].startswith(reverse("admin:login"))

    def test_are_refused_to_staff_without_a_permission(self, client, world):
        login_with(client, set())

        assert statuses(client, WITH_ROWS, world) == {403}

    @pytest.mark.parametrize("model", VIEW)
    def test_open_with_exactly_their_permissions(self, client, world, model):
        everything = set(Permission.objects.values_list("codename", flat=True))
        for place in OPEN:
            if place[0] != model:
                continue
            url = url_of(*place, world)
            login_with(client, {min(any_of) for any_of in needed(*place)})
            # An address that is only posted to says so, and so does a run nobody started.
            assert client.get(url).status_code in {200, 302, 404, 405}, place
            for any_of in needed(*place):
                # Who may change a row may see it.
                same = {f"change_{model}"} if VIEW[model] in any_of else set()
                login_with(client, everything - any_of - same)
                assert client.get(url).status_code == 403, (place, any_of)
                assert client.post(url).status_code == 403, (place, any_of)

    def test_to_add_or_delete_are_refused_to_everybody(self, client, world):
        client.force_login(User.objects.create_superuser("root@example.com", "secret"))

        assert statuses(client, CLOSED, world) == {403}


class TestGroups:
    @pytest.mark.parametrize("group", ["Credits support", "Credits finance"])
    def test_open_what_they_are_for_and_nothing_else(self, client, world, group):
        call_command("create_credit_groups", stdout=StringIO())
        clerk = login_with(client, set())
        clerk.groups.add(Group.objects.get(name=group))
        has = {permission.split(".")[1] for permission in clerk.get_all_permissions()}

        for place in OPEN:
            may = all(any_of & has for any_of in needed(*place))
            is_refused = client.get(url_of(*place, world)).status_code == 403
            assert is_refused != may, place


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
        is_data = "json" in str(given.get("type"))
        self._is_script = tag == "script" and "src" not in given and not is_data
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

    def pages(self, client: Client, world: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        yield "dashboard", client.get(reverse("admin:app_list", args=["credits"]))
        for model, name in OPEN:
            answer = client.get(url_of(model, name, world), follow=True)
            # The frame of a mail has a policy of its own.
            if not answer.streaming and name != "preview_html" and answer.status_code == 200:
                yield f"{model} {name}", answer

    @pytest.mark.parametrize("language", ["en", "ar"])
    def test_work_under_a_strict_policy(self, operator, world, language):
        operator.cookies["django_language"] = language

        for place, answer in self.pages(operator, world):
            assert Page(answer.content.decode()).violations == [], place
            assert "default-src 'self'" in answer["Content-Security-Policy"], place

    def test_show_what_others_wrote_as_text(self, operator, world):
        for place, answer in self.pages(operator, world):
            assert PROBE not in answer.content.decode(), place
