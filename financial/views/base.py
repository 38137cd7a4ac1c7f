"""What every page shares: who may see it, whose data it shows, the shell around it and the headers of the answer.

Pages subclass `StaffView`, name their `section` and `permission`, and answer with `self.page(template, context)` (whole
page) or `self.fragment(template, context)` (what htmx swaps in, without the shell and its queries).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.response import SimpleTemplateResponse
from django.urls import Resolver404, ResolverMatch, get_script_prefix, resolve, reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View
from django_htmx.http import HttpResponseClientRedirect

from financial import audit, conf, reports, search, stripe_services
from financial.errors import FinancialError, GatewayError, NoActiveCredential
from financial.models import AuditEvent, StripeCredential, StripeWebhookEvent, Transaction

SESSION_CREDENTIAL = "financial_credential"
WRITE_PERMISSION = "financial.manage_stripe"
RUN_PERMISSION = "financial.run_sync"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True)
class NavItem:
    """One line of the sidebar, shown to those with the permission; `key` behind a g goes there."""

    section: str
    label: str
    url_name: str
    permission: str
    key: str


NAV = (
    NavItem("overview", "Overview", "financial:overview", "financial.view_transaction", "o"),
    NavItem("revenue", "Revenue", "financial:revenue", "financial.view_transaction", "r"),
    NavItem("ledger", "Ledger", "financial:transactions", "financial.view_transaction", "l"),
    NavItem("stripe", "Stripe", "financial:stripe", "financial.view_stripepaymentintent", "d"),
    NavItem("payments", "Payments", "financial:payments", "financial.view_stripepaymentintent", "p"),
    NavItem("subscriptions", "Subscriptions", "financial:subscriptions", "financial.view_stripesubscription", "s"),
    NavItem("metrics", "Metrics", "financial:metrics", "financial.view_stripesubscription", "m"),
    NavItem("customers", "Customers", "financial:customers", "financial.view_stripecustomer", "c"),
    NavItem("products", "Products", "financial:products", "financial.view_stripeproduct", "i"),
    NavItem("payouts", "Payouts", "financial:payouts", "financial.view_stripepayout", "b"),
    NavItem("exports", "Exports", "financial:exports", "financial.view_transaction", "x"),
    NavItem("sync", "Sync", "financial:sync", "financial.view_syncrun", "y"),
    NavItem("webhook", "Webhooks", "financial:events", "financial.view_stripewebhookevent", "w"),
)


@dataclass(frozen=True)
class Shell:
    """What `base.html` shows around a page."""

    section: str
    nav: tuple[NavItem, ...]
    credential: StripeCredential | None
    choices: tuple[StripeCredential, ...]
    health: reports.Health | None
    books: reports.Strip | None
    zone: str
    is_house: bool = False

    @property
    def mode(self) -> str:
        """Whose money is on show: a credential's mode, the own books, which are always real money, or nothing."""
        return "house" if self.is_house else self.credential.mode if self.credential else ""

    @property
    def currency(self) -> str:
        """The currency most of the Stripe balance moves in; empty for the own books and for who may not see any."""
        known = self.books.currencies if self.books and not self.is_house else ()
        return known[0].currency if known else ""


class StaffView(View):
    """A page for staff with a permission; unsafe methods need `write_permission` as well."""

    section: ClassVar[str] = ""
    permission: ClassVar[str] = ""
    write_permission: ClassVar[str] = WRITE_PERMISSION
    is_house: bool = False  # shows the own books, whatever credential is on show elsewhere

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_reading = request.method not in UNSAFE_METHODS
        with timezone.override(conf.time_zone()), reports.of_one_moment() if is_reading else nullcontext():
            response = self._refusal() or self._answer(request, *args, **kwargs)
            if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                response.render()
        response.headers.setdefault("Content-Security-Policy", CSP)
        response.headers["Cache-Control"] = "no-store"
        return response

    def _refusal(self) -> HttpResponseBase | None:
        """Say who must not go on: visitors sign in, others are told which permission they miss."""
        user = self.request.user
        if not user.is_authenticated:
            return self._to_login()
        if not (user.is_active and user.is_staff):
            return self._error_without_shell(403, "This area is for staff", "Your account has no access to it.")
        needed = [self.permission] if self.permission else []
        if self.request.method in UNSAFE_METHODS:
            needed.append(self.write_permission)
        missing = [name for name in needed if name and not user.has_perm(name)]
        if not missing:
            return None
        return self.error(
            403,
            "You may not do this",
            f"Your account lacks the permission {', '.join(missing)}.",
            "Ask an administrator to grant it in the admin.",
        )

    def _to_login(self) -> HttpResponseBase:
        answer = redirect_to_login(self.request.get_full_path())
        if getattr(self.request, "htmx", False):  # a login page must not be swapped into a corner of this one
            return HttpResponseClientRedirect(answer.url)
        return answer

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except Http404 as error:
            return self._not_found(error, str(kwargs.get("stripe_id", "")))
        except NoActiveCredential as error:
            status = 409 if request.method in UNSAFE_METHODS else 200
            return self.page("financial/no_credential.html", {"error": error}, status=status)
        except FinancialError as error:
            return self.failed(error)
        except ImproperlyConfigured as error:  # keys that cannot be decrypted: not even the shell can be drawn
            return self._error_without_shell(503, "The settings need attention", str(error))

    def _not_found(self, error: Http404, stripe_id: str) -> HttpResponse:
        """Say that there is no such thing here; what an id at Stripe names may be fetched from there."""
        return self.page(
            "financial/error.html",
            {
                "title": "Not found",
                "text": str(error)
                if error.args and isinstance(error.args[0], str)
                else "There is nothing at this address.",
                "next_step": "It may belong to another credential, or not be synced yet.",
                "code": 404,
                "can_fetch": bool(stripe_id) and self.may_fetch,
                "fetch_id": stripe_id if search.read(stripe_id).kind not in ("", "event") else "",
            },
            status=404,
        )

    @property
    def may_fetch(self) -> bool:
        """Whether one may have an object fetched from Stripe into the mirror on show."""
        has_stripe = self.credential is not None and not self.credential.is_sample
        return has_stripe and (self.can(RUN_PERMISSION) or self.can(WRITE_PERMISSION))

    @cached_property
    def credential(self) -> StripeCredential | None:
        """The credential whose rows this page shows: the session's choice, else the active one, else sample data."""
        picked = self.request.session.get(SESSION_CREDENTIAL)
        chosen = StripeCredential.objects.filter(pk=picked).first() if isinstance(picked, int) else None
        return chosen or StripeCredential.objects.shown()

    @cached_property
    def shell(self) -> Shell:
        user, credential = self.request.user, self.credential
        return Shell(
            section=self.section,
            nav=tuple(item for item in NAV if user.has_perm(item.permission)),
            credential=credential,
            choices=self._choices(),
            health=reports.health(credential) if credential else None,
            books=self._books(),
            zone=str(conf.time_zone()),
            is_house=self.is_house,
        )

    def _books(self) -> reports.Strip | None:
        """How the books stand to Stripe's balance; nothing for made-up data, which has none, and who may not see them."""
        if self.credential is None or self.credential.is_sample or not self.can("financial.view_transaction"):
            return None
        return reports.strip(self.credential)

    def _choices(self) -> tuple[StripeCredential, ...]:
        """Every credential one may switch to; nothing where there is no choice."""
        if not self.request.user.has_perm("financial.view_stripecredential"):
            return ()
        usable = StripeCredential.objects.filter(Q(is_active=True) | Q(is_sample=True) | ~Q(account_id=""))
        found = {row.pk: row for row in usable.defer("secret_key", "webhook_secret")}
        if self.credential:
            found.setdefault(self.credential.pk, self.credential)
        return tuple(found.values()) if len(found) > 1 else ()

    def can(self, permission: str = WRITE_PERMISSION) -> bool:
        return self.request.user.has_perm(permission)

    def log(self, action: str, object_id: str, key: str, **details: Any) -> None:
        """Write down who did what with which request to Stripe; `key` is the one it was sent with.

        A form that was sent again did nothing more, so nothing more is written down.
        """
        assert self.credential is not None  # noqa: S101  (without one nothing is sent)
        request = stripe_services.request_id(self.credential, key)
        told = AuditEvent.objects.filter(credential=self.credential, action=action, object_id=object_id)
        if request and told.filter(details__request=request).exists():
            return
        known = {**details, "request": request} if request else details
        audit.record(self.request.user, action, credential=self.credential, object_id=object_id, **known)

    def page(self, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200) -> HttpResponse:
        """Answer with a whole page inside the shell."""
        base = {"shell": self.shell, "credential": self.credential, "can_write": self.can()}
        return render(self.request, template, {**base, **(context or {})}, status=status)

    def fragment(self, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200) -> HttpResponse:
        """Answer with a part of a page, for htmx."""
        base = {"credential": self.credential, "can_write": self.can()}
        return render(self.request, template, {**base, **(context or {})}, status=status)

    def error(self, status: int, title: str, text: str, next_step: str = "") -> HttpResponse:
        """Answer with a friendly error page."""
        return self.page(
            "financial/error.html",
            {"title": title, "text": text, "next_step": next_step, "code": status},
            status=status,
        )

    def failed(self, error: FinancialError) -> HttpResponse:
        """Answer with what went wrong at Stripe or in our own rules."""
        if isinstance(error, GatewayError):
            status = 503 if error.retryable else 502
            text = f"Stripe API error: {error.message}" + (f" (request {error.request_id})" if error.request_id else "")
            return self.error(status, "Stripe did not accept this", text, error.next_step)
        return self.error(400, "This did not work", str(error))

    def _error_without_shell(self, status: int, title: str, text: str) -> HttpResponse:
        context = {"title": title, "text": text, "code": status}
        return render(self.request, "financial/error.html", context, status=status)


class CredentialSwitch(StaffView):
    """Remember in the session which credential's data to show."""

    permission = "financial.view_stripecredential"
    write_permission = ""

    def post(self, request: HttpRequest) -> HttpResponseRedirect:
        picked = request.POST.get("credential", "")
        chosen = StripeCredential.objects.filter(pk=int(picked[:18])).first() if picked.isdecimal() else None
        if chosen is None:
            raise Http404("There is no such credential.")
        request.session[SESSION_CREDENTIAL] = chosen.pk
        wanted = safe_next(request, reverse("financial:stripe"))
        landing = _landing(wanted, chosen)
        if landing != wanted:
            messages.info(request, f"What you looked at is not of {chosen.name}; this is what that account has.")
        return redirect(landing)


def _landing(wanted: str, credential: StripeCredential) -> str:
    """Return the address wanted; where that is of one object this account does not have, the list of its section."""
    path = wanted.partition("?")[0]
    try:
        match = resolve("/" + path.removeprefix(get_script_prefix()))
    except Resolver404:
        return wanted
    if match.app_name != "financial" or _has(credential, match):
        return wanted
    section = getattr(getattr(match.func, "view_class", None), "section", "")
    return reverse(next((item.url_name for item in NAV if item.section == section), "financial:stripe"))


def _has(credential: StripeCredential, match: ResolverMatch) -> bool:
    """Whether a page is of no object in particular, or of one that this account has."""
    named = match.kwargs
    if "stripe_id" in named:
        return search.page_of(credential, named["stripe_id"]) is not None
    if "event_id" in named:
        return StripeWebhookEvent.objects.filter(credential=credential, event_id=named["event_id"]).exists()
    if match.url_name == "transaction":  # own books are of every account
        return Transaction.objects.filter(Q(credential=credential) | Q(credential=None), pk=named["pk"]).exists()
    return True


def safe_next(request: HttpRequest, default: str) -> str:
    """Return the address a form wants to go on to, if it is one of this site."""
    wanted = request.POST.get("next", "")
    allowed = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if wanted and allowed else default
