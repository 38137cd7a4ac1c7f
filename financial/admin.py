"""The Django admin: credentials can be kept here; everything else is to look at, for the mirror has one writer.

Secrets are written, never read back: the forms show the last four characters at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import ForeignKey, Model, ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse

from financial import audit, stripe_services
from financial.errors import FinancialError
from financial.models import (
    MIRROR_MODELS,
    Account,
    AuditEvent,
    Entry,
    MirrorRow,
    PaymentNotice,
    SavedFilter,
    StripeCredential,
    StripeRequest,
    StripeTransaction,
    StripeWebhookEvent,
    SyncRun,
    SyncStep,
    Transaction,
)
from financial.models.credentials import last_four

if TYPE_CHECKING:
    _CredentialModelForm = forms.ModelForm[StripeCredential]
    _AdminAny = admin.ModelAdmin[Any]
    _AdminStripeCredential = admin.ModelAdmin[StripeCredential]
    _AdminSyncStepSyncRun = admin.TabularInline[SyncStep, SyncRun]
else:
    _CredentialModelForm = forms.ModelForm
    _AdminAny = admin.ModelAdmin
    _AdminStripeCredential = admin.ModelAdmin
    _AdminSyncStepSyncRun = admin.TabularInline

SECRET_FIELDS = ("secret_key", "webhook_secret")


class CredentialForm(_CredentialModelForm):
    """Secrets are typed in to replace; left empty they stay as they are."""

    class Meta:
        model = StripeCredential
        fields = ("name", "livemode", "is_active", "publishable_key", "secret_key", "webhook_secret")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in SECRET_FIELDS:
            if name not in self.fields:
                continue
            field, stored = self.fields[name], getattr(self.instance, name)
            field.widget = forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 60})
            kept = f"Stored: {last_four(stored)}. Leave empty to keep it." if stored else "None stored yet."
            field.help_text = f"{field.help_text}. {kept}"
            self.initial[name] = ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in SECRET_FIELDS:
            if name in self.fields and not cleaned.get(name):
                cleaned[name] = getattr(self.instance, name)
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        """Let a second one be marked active: saving it makes the others inactive."""
        return {*super()._get_validation_exclusions(), "is_active"}  # type: ignore[misc]  # not in the stubs

    @property
    def changed_data(self) -> list[str]:
        """Leave out secrets that were left empty: nothing about them changed."""
        return [
            name for name in super().changed_data if name not in SECRET_FIELDS or self.data.get(self.add_prefix(name))
        ]


@admin.register(StripeCredential)
class CredentialAdmin(_AdminStripeCredential):
    """Keys to Stripe accounts, one active at a time; the environment's and the sample's are only shown."""

    form = CredentialForm
    list_display = ("name", "mode", "is_active", "secret_key_end", "webhook_secret_end", "account_id", "updated_at")
    actions = ("test_connection", "make_active")
    search_fields = ("name", "account_id")

    @admin.display(description="secret key")
    def secret_key_end(self, row: StripeCredential) -> str:
        return "from the environment" if row.is_from_environment else last_four(row.secret_key) or "none"

    @admin.display(description="webhook secret")
    def webhook_secret_end(self, row: StripeCredential) -> str:
        return last_four(row.webhook_secret) or ("from the environment" if row.is_from_environment else "none")

    def get_fields(self, request: HttpRequest, obj: StripeCredential | None = None) -> Any:
        if obj is not None and _is_fixed(obj):
            return ("name", "mode", "is_active", "secret_key_end", "webhook_secret_end", "account_id")
        shown = ("account_id", "needs_attention") if obj else ()
        return (*CredentialForm.Meta.fields, *shown)

    def get_readonly_fields(self, request: HttpRequest, obj: StripeCredential | None = None) -> Any:
        return (*self.get_fields(request, obj),) if obj and _is_fixed(obj) else ("account_id", "needs_attention")

    def has_change_permission(self, request: HttpRequest, obj: StripeCredential | None = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj is not None and _is_fixed(obj))

    def has_view_permission(self, request: HttpRequest, obj: StripeCredential | None = None) -> bool:
        may_change = super().has_change_permission(request, None)
        return may_change or super().has_view_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: StripeCredential, form: Any, change: bool) -> None:
        before = StripeCredential.objects.filter(pk=obj.pk).first() if change else None
        super().save_model(request, obj, form, change)
        if before is not None:
            stripe_services.keep_previous_webhook_secret(obj, before.webhook_secret)
        action = "credential.changed" if change else "credential.created"
        _record(request, action, obj, changed=sorted(form.changed_data))

    def delete_model(self, request: HttpRequest, obj: StripeCredential) -> None:
        pk = str(obj.pk)
        super().delete_model(request, obj)
        audit.record(request.user, "credential.deleted", object_id=pk, name=obj.name)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Say in words why a credential with data stays, instead of a list of a million rows."""
        obj = self.get_object(request, object_id)
        if obj is not None and self.has_delete_permission(request, obj) and _has_rows(obj):
            return self._kept(request, obj)
        try:
            return super().delete_view(request, object_id, extra_context)
        except ProtectedError:
            return self._kept(request, obj)

    def _kept(self, request: HttpRequest, obj: StripeCredential | None) -> HttpResponseRedirect:
        messages.error(
            request,
            f"“{obj}” has data read with it (mirror, books or webhooks) and is kept for the records. "
            "Make it inactive instead; sample data is removed by create_stripe_sample_data --clear.",
        )
        return redirect(reverse("admin:financial_stripecredential_changelist"))

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        where = {} if action_location is None else {"action_location": action_location}  # new in Django 6.1
        actions: dict[str, Any] = super().get_actions(request, **where)
        actions.pop("delete_selected", None)  # one by one, so that each is checked and recorded
        return actions

    @admin.action(description="Test connection", permissions=["change"])
    def test_connection(self, request: HttpRequest, rows: QuerySet[StripeCredential]) -> None:
        for row in rows[:5]:
            try:
                facts = stripe_services.test_connection(row)
            except FinancialError as error:
                self.message_user(request, f"“{row.name}”: {error}", messages.ERROR)
                continue
            mode = "live mode" if facts.livemode else "test mode"
            text = f"“{row.name}” opens {facts.name or 'an unnamed account'} ({facts.account_id}, {mode})."
            self.message_user(request, text, messages.SUCCESS)

    @admin.action(description="Make active", permissions=["change"])
    def make_active(self, request: HttpRequest, rows: QuerySet[StripeCredential]) -> None:
        chosen = list(rows[:2])
        if len(chosen) != 1 or _is_fixed(chosen[0]):
            self.message_user(request, "Choose one credential of your own; only one can be active.", messages.ERROR)
            return
        chosen[0].is_active = True
        chosen[0].save()
        _record(request, "credential.activated", chosen[0])
        self.message_user(request, f"“{chosen[0].name}” is now the active credential.", messages.SUCCESS)


def _is_fixed(row: StripeCredential) -> bool:
    return row.is_from_environment or row.is_sample


def _has_rows(row: StripeCredential) -> bool:
    models: tuple[type[Model], ...] = (*MIRROR_MODELS, Transaction, StripeWebhookEvent)
    return any(model._default_manager.filter(credential=row).exists() for model in models)


def _record(request: HttpRequest, action: str, row: StripeCredential, **details: Any) -> None:
    audit.record(request.user, action, credential=row, object_id=str(row.pk), **details)


class LookOnly(_AdminAny):
    """Rows that only the app itself writes; counts of whole tables are not made."""

    show_full_result_count = False
    list_per_page = 50
    list_select_related: ClassVar[Any] = ("credential",)
    hidden: tuple[str, ...] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [field.name for field in self.opts.fields if field.name not in self.hidden]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave what is encrypted where it is, and join the parents a page names."""
        rows = super().get_queryset(request).defer(*self.hidden)
        parents = [field.name for field in self.opts.fields if isinstance(field, ForeignKey)]
        named = [name for name in parents if name in self.list_select_related]
        return rows.select_related(*named) if named else rows  # without a name Django joins them all


class MirrorAdmin(LookOnly):
    """A mirrored object; what is personal in the payload stays encrypted and hidden."""

    hidden = ("private", "digest")
    list_display = ("stripe_id", "credential", "livemode", "created_at", "deleted_at")
    search_fields = ("stripe_id__exact",)
    search_help_text = "Stripe’s id, in full"
    ordering = ("-id",)

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        names = {field.name for field in self.opts.fields}
        further = tuple(n for n in ("name", "email", "status", "amount_minor", "currency") if n in names)
        return ("stripe_id", *further, *self.list_display[1:])


for _model in MIRROR_MODELS:
    assert issubclass(_model, MirrorRow)  # noqa: S101
    admin.site.register(_model, MirrorAdmin)


@admin.register(Account)
class AccountAdmin(LookOnly):
    list_display = ("code", "name", "type")
    list_select_related: ClassVar[Any] = ()
    ordering = ("code",)


@admin.register(Entry)
class EntryAdmin(LookOnly):
    list_display = ("id", "transaction_id", "account", "amount_minor")
    list_select_related: ClassVar[Any] = ("account",)
    ordering = ("-id",)


@admin.register(Transaction)
class TransactionAdmin(LookOnly):
    list_display = ("booked_on", "kind", "status", "amount_minor", "fee_minor", "net_minor", "currency", "credential")
    search_fields = ("source_stripe_id__exact",)
    ordering = ("-id",)


@admin.register(StripeTransaction)
class StripeTransactionAdmin(LookOnly):
    list_display = ("id", "charge_stripe_id", "estimated_fee_minor", "is_rough", "settled_at")
    list_select_related: ClassVar[Any] = ()
    search_fields = ("charge_stripe_id__exact",)
    ordering = ("-id",)


@admin.register(StripeWebhookEvent)
class WebhookEventAdmin(LookOnly):
    hidden = ("body",)
    list_display = ("event_id", "type", "state", "deliveries", "attempts", "received_at", "credential")
    list_filter = ("state",)
    search_fields = ("event_id__exact", "object_stripe_id__exact")
    ordering = ("-id",)


class StepInline(_AdminSyncStepSyncRun):
    model = SyncStep
    extra = 0
    can_delete = False
    fields = readonly_fields = ("resource", "state", "pages", "read", "written", "started_at", "finished_at", "error")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("financial.view_syncrun")


@admin.register(SyncRun)
class SyncRunAdmin(LookOnly):
    list_display = ("id", "state", "credential", "requested_by", "requested_at", "finished_at")
    inlines = (StepInline,)
    ordering = ("-id",)


@admin.register(StripeRequest)
class StripeRequestAdmin(LookOnly):
    hidden = ("fingerprint",)
    list_display = ("operation", "state", "object_stripe_id", "stripe_request_id", "created_at", "credential")
    list_filter = ("state",)
    search_fields = ("object_stripe_id__exact", "stripe_request_id__exact", "idempotency_key__exact")
    ordering = ("-id",)


@admin.register(PaymentNotice)
class PaymentNoticeAdmin(LookOnly):
    list_display = ("kind", "payment_intent", "sent_at", "error")
    list_select_related: ClassVar[Any] = ("payment_intent",)
    ordering = ("-id",)


@admin.register(AuditEvent)
class AuditEventAdmin(LookOnly):
    list_display = ("at", "user_name", "action", "object_id", "credential")
    search_fields = ("user_name", "action", "object_id__exact")
    ordering = ("-id",)


@admin.register(SavedFilter)
class SavedFilterAdmin(LookOnly):
    """What somebody who left has shared can be deleted here."""

    list_display = ("name", "section", "user", "is_shared", "created_at")
    list_filter = ("section", "is_shared")
    list_select_related: ClassVar[Any] = ("user",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("financial.delete_savedfilter"))
