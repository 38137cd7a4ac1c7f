"""The webhook endpoint at Stripe."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from financial.forms.base import ActionForm


class EndpointForm(ActionForm):
    """Registers the webhook endpoint or corrects it; what is sent is not typed but known."""

    action = forms.ChoiceField(choices=(("register", "Register"), ("correct", "Correct")), widget=forms.HiddenInput)
    endpoint = forms.RegexField(r"\Awe_[A-Za-z0-9_]{1,100}\Z", required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        super().clean()
        if self.cleaned_data.get("action") == "correct" and not self.cleaned_data.get("endpoint"):
            raise ValidationError("This form is incomplete. Reload the page.")
        return self.cleaned_data
