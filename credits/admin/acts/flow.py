"""
The way of every act: a form, a page that shows before and after, one transaction in the ledger.

The form is given a key when it is first shown; the ledger does what has that key once. So a double
click, the back button and a reload lead to the same end. Before and after are no estimate: the act
is really done and rolled back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import uuid4

from django.contrib import messages
from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.utils import quote, unquote
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from credits.admin import cells
from credits.admin.acts.forms import ActForm
from credits.admin.refusals import sentence
from credits.engine.database import attempts, ledger_database
from credits.exceptions import CreditsError
from credits.ledger import Balance, balance_of
from credits.models import CreditTransaction
from credits.models.balances import ProfessionalId

_SALT = "credits.admin.acts"

_A_DAY = 86_400


@dataclass(frozen=True)
class Act:
    """A button on a page."""

    label: str
    url: str


@dataclass(frozen=True)
class Rehearsal:
    """What an act would do."""

    before: Balance
    after: Balance
    rows: list[CreditTransaction]


class ActPage:
    """One act on one kind of row; a subclass says what it is called and what it does."""

    name: ClassVar[str]
    """The last part of its address."""

    permission: ClassVar[str]
    form_class: ClassVar[type[ActForm]]

    def __init__(self, model_admin: "ModelAdmin[Any]") -> None:
        self._admin = model_admin

    def label(self) -> str:
        """Return what the button says."""
        raise NotImplementedError

    def title(self, row: Any) -> str:
        """Return the heading of the act's pages."""
        raise NotImplementedError

    def row_name(self, row: Any) -> str:
        """Return what the page of the row is called."""
        raise NotImplementedError

    def state(self, row: Any) -> str:
        """Return the sentence that says how the row stands before the act."""
        raise NotImplementedError

    def why_not(self, row: Any) -> str:
        """Return the sentence that says why the act does not fit this row; nothing if it does."""
        return ""

    def owner_of(self, row: Any) -> ProfessionalId:
        """Return whose credits move."""
        return row.professional_id

    def perform(self, row: Any, cleaned: dict[str, Any], **common: Any) -> list[CreditTransaction]:
        """Do it in the ledger; ``common`` is the actor, the reason, the moment and the key."""
        raise NotImplementedError

    @property
    def url_name(self) -> str:
        """The name of the page's address, without the admin's own part."""
        return f"credits_{self._admin.opts.model_name}_{self.name}"

    def url(self, row: Any) -> str:
        """Return the address of the act on a row."""
        return reverse(f"admin:{self.url_name}", args=[quote(row.pk)])

    def pattern(self) -> URLPattern:
        """Return the address and the view behind it."""
        view = self._admin.admin_site.admin_view(self.view)
        return path(f"<path:object_id>/{self.name}/", view, name=self.url_name)

    def is_permitted(self, request: HttpRequest, row: Any) -> bool:
        """Say whether somebody may do this to a row that they may see."""
        return self._admin.has_view_permission(request, row) and request.user.has_perm(
            self.permission
        )

    def view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the form; show what it would do; do it."""
        # Before the row is looked for, so that nobody learns which rows there are.
        if not self.is_permitted(request, None):
            raise PermissionDenied
        row = self._admin.get_object(request, unquote(object_id))
        if row is None:
            self._admin.message_user(request, _("There is no such row."), messages.WARNING)
            return HttpResponseRedirect(
                reverse(f"admin:credits_{self._admin.opts.model_name}_changelist")
            )
        if request.method != "POST":
            return self._open(request, row)
        key = self._read_token(request, row)
        form = self.form_class(request.POST)
        if key is None:
            form = self.form_class(request.POST)
            form.add_error(None, _("This form is too old or not yours: check it and go on."))
            return self._form(request, row, form, self._token(request, row))
        token = request.POST["token"]
        if "back" in request.POST or not form.is_valid():
            return self._form(request, row, form, token)

        at = timezone.now()

        def act() -> list[CreditTransaction]:
            return self.perform(
                row,
                form.cleaned_data,
                reason=form.cleaned_data["reason"],
                actor_id=request.user.pk,
                at=at,
                idempotency_key=key,
            )

        try:
            rehearsal = None if "confirm" in request.POST else self._rehearse(row, act)
            rows = rehearsal.rows if rehearsal else self._commit(request, row, act, at=at)
        except (CreditsError, DatabaseError) as error:
            form.add_error(None, sentence(error))
            return self._form(request, row, form, token)
        # Rows of another moment are those of the first time: there is nothing left to confirm.
        if rehearsal and rows[-1].created_at == at:
            return self._confirmation(request, row, form, rehearsal, token)
        # After the try: what goes wrong from here on must not say that nothing was changed.
        return self._done(request, row, rows)

    def _open(self, request: HttpRequest, row: Any) -> HttpResponse:
        if problem := self.why_not(row):
            self._admin.message_user(request, problem, messages.WARNING)
            return HttpResponseRedirect(cells.change_url(str(self._admin.opts.model_name), row.pk))
        return self._form(request, row, self.form_class(), self._token(request, row))

    def _rehearse(self, row: Any, act: Callable[[], list[CreditTransaction]]) -> Rehearsal:
        using = ledger_database()
        with transaction.atomic(using=using):
            before = balance_of(self.owner_of(row))
            rows = act()
            after = balance_of(self.owner_of(row))
            transaction.set_rollback(True, using=using)
        return Rehearsal(before, after, rows)

    def _commit(
        self,
        request: HttpRequest,
        row: Any,
        act: Callable[[], list[CreditTransaction]],
        *,
        at: datetime,
    ) -> list[CreditTransaction]:
        """Do it, and write it into Django's log in the same transaction: both stand or neither."""
        using = ledger_database()
        for attempt in attempts(using=using):
            with attempt, transaction.atomic(using=using):
                rows = act()
                # A repeated call brings back what the first one wrote, at its own moment.
                if rows[-1].created_at == at:
                    self._admin.log_change(request, row, f"{self.name}: transaction {rows[-1].pk}")
                return rows
        raise AssertionError("the last attempt returns or raises")

    def _done(self, request: HttpRequest, row: Any, rows: list[CreditTransaction]) -> HttpResponse:
        last = rows[-1]
        told = format_html(
            _("Done: {amount} credits. {link}"),
            amount=cells.signed(sum(done.amount for done in rows)),
            link=format_html(
                '<a href="{}">{}</a>',
                cells.change_url("credittransaction", last.pk),
                cells.title_of(last),
            ),
        )
        self._admin.message_user(request, told, messages.SUCCESS)
        if request.user.has_perm("credits.view_creditbalance"):
            return HttpResponseRedirect(cells.change_url("creditbalance", last.professional_id))
        return HttpResponseRedirect(cells.change_url(str(self._admin.opts.model_name), row.pk))

    def _form(self, request: HttpRequest, row: Any, form: ActForm, token: str) -> HttpResponse:
        status = 200 if not form.errors else 422
        context = {
            "form": form,
            "token": token,
            "zone": timezone.get_current_timezone_name(),
            "state": self.state(row),
        }
        return self._page(request, row, "credits/admin/act_form.html", context, status=status)

    def _confirmation(
        self, request: HttpRequest, row: Any, form: ActForm, rehearsal: Rehearsal, token: str
    ) -> HttpResponse:
        before, after = rehearsal.before, rehearsal.after
        context = {
            "token": token,
            "carried": [(name, request.POST.get(name, "")) for name in form.fields],
            "reason": form.cleaned_data["reason"],
            "rows": rehearsal.rows,
            "pools": [
                (_("Free"), before.free, after.free, after.free - before.free),
                (_("Paid"), before.paid, after.paid, after.paid - before.paid),
                (_("Total"), before.total, after.total, after.total - before.total),
            ],
        }
        return self._page(request, row, "credits/admin/act_confirm.html", context)

    def _page(
        self,
        request: HttpRequest,
        row: Any,
        template: str,
        context: dict[str, Any],
        *,
        status: int = 200,
    ) -> HttpResponse:
        opts = self._admin.opts
        words = {
            **self._admin.admin_site.each_context(request),
            "title": self.title(row),
            "act": self.label(),
            "opts": opts,
            "media": self._admin.media,
            "row_name": self.row_name(row),
            "row_url": cells.change_url(str(opts.model_name), row.pk),
            **context,
        }
        request.current_app = self._admin.admin_site.name
        return TemplateResponse(request, template, words, status=status)

    def _token(self, request: HttpRequest, row: Any) -> str:
        """Return a key for one act, signed: nobody else's form, and none for another row."""
        return signing.dumps([f"admin:{uuid4()}", *self._bound_to(request, row)], salt=_SALT)

    def _read_token(self, request: HttpRequest, row: Any) -> str | None:
        try:
            key, *bound = signing.loads(request.POST.get("token", ""), salt=_SALT, max_age=_A_DAY)
        except (signing.BadSignature, ValueError):
            return None
        return str(key) if bound == self._bound_to(request, row) else None

    def _bound_to(self, request: HttpRequest, row: Any) -> list[str]:
        return [self.url_name, str(row.pk), str(request.user.pk)]
