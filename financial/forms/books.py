"""What staff may write in the books, field by field. The ledger checks once more; here the answer stands at its field."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.core.validators import MinValueValidator
from django.db.models import QuerySet
from django.utils import timezone

from financial import conf, money
from financial.errors import InvalidAmount
from financial.forms.base import ActionForm
from financial.forms.fields import Amount, Text, currency_field, long_text
from financial.models import Account

KINDS = (
    ("income", "Income"),
    ("expense", "Expense"),
    ("transfer", "Transfer between own accounts"),
)
# What one side of a kind must be, and what is said where it is not.
SIDES = {
    "income": ("credit", {Account.Type.INCOME}, "An income comes from an income account."),
    "expense": ("debit", {Account.Type.EXPENSE}, "An expense goes to an expense account."),
}
OWN = {Account.Type.ASSET, Account.Type.LIABILITY, Account.Type.EQUITY}


def writable(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """Return the accounts people may write on: all but those that stand for a balance at Stripe."""
    return accounts.exclude(pk__in=[account.pk for account in accounts if account.is_clearing])


def account_field(label: str, help_text: str = "") -> forms.ModelChoiceField[Account]:
    return forms.ModelChoiceField(
        Account.objects.none(), label=label, help_text=help_text, empty_label="Choose an account"
    )


def positive(amount: Any, currency: str) -> int:
    minor = money.to_minor(amount, currency)
    if minor <= 0:
        raise InvalidAmount("The amount must be greater than zero.")
    return minor


class TransactionForm(ActionForm):
    """An income, an expense or a transfer of the house."""

    kind = forms.ChoiceField(choices=KINDS)
    on = forms.DateField(
        label="Date",
        widget=forms.DateInput(attrs={"type": "date"}),
        validators=[MinValueValidator(dt.date(2000, 1, 1))],
    )
    amount = Amount()
    currency = currency_field()
    credit = account_field(
        "From account", "Credited: where the money comes from, such as an income account or the bank."
    )
    debit = account_field("To account", "Debited: where it goes, such as the bank or an expense account.")
    description = long_text(help_text="What your accountant should read.")

    def __init__(self, *args: Any, accounts: QuerySet[Account], **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("debit", "credit"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101
            field.queryset = writable(accounts)

    def clean(self) -> dict[str, Any]:
        super().clean()
        self.check_amount(positive)
        data = self.cleaned_data
        if data.get("on") and data["on"] > timezone.now().astimezone(conf.time_zone()).date():
            self.add_error("on", "This day has not come yet.")
        debit, credit = data.get("debit"), data.get("credit")
        if debit and credit:
            self._check_sides(data.get("kind", ""), debit, credit)
        return data

    def _check_sides(self, kind: str, debit: Account, credit: Account) -> None:
        if debit == credit:
            self.add_error("debit", "Money moves from one account to another one.")
        elif kind == "transfer":
            for name, account in (("credit", credit), ("debit", debit)):
                if account.type not in OWN:
                    self.add_error(name, "A transfer is between what you own and owe; this is an income or an expense.")
        elif kind in SIDES:
            name, types, message = SIDES[kind]
            if {"debit": debit, "credit": credit}[name].type not in types:
                self.add_error(name, message)


class ReclassifyForm(forms.Form):
    source = account_field("From")
    target = account_field("To")
    description = Text(required=False, max_length=500, label="Why")

    def __init__(self, *args: Any, accounts: QuerySet[Account], sources: list[Account], **options: Any) -> None:
        super().__init__(*args, **options)
        source, target = self.fields["source"], self.fields["target"]
        assert isinstance(source, forms.ModelChoiceField) and isinstance(target, forms.ModelChoiceField)  # noqa: S101
        source.queryset = accounts.filter(pk__in=[account.pk for account in sources])
        target.queryset = writable(accounts)
        if len(sources) == 1:
            source.initial = sources[0].pk


class AccountNameForm(forms.Form):
    name = Text(max_length=200, help_text="Levels are parted by colons. The code stays, and so does what is booked.")
