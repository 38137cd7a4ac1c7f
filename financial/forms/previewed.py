"""Forms whose consequences only Stripe knows. What was shown is sealed into the form, so that nothing else is done.

The seal holds what the preview was made of, for the values typed then. Other values, a seal older than ten minutes, or one
that is not ours count as no preview.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core import signing

from financial.forms.base import ActionForm

SALT = "financial.preview"
LASTS_SECONDS = 600


class PreviewedForm(ActionForm):
    previewed = forms.CharField(required=False, widget=forms.HiddenInput)

    def seal(self, **facts: Any) -> None:
        """Keep what was shown with what is typed now."""
        seal = signing.dumps({"typed": self._typed(), "facts": facts}, salt=SALT, compress=True)
        self.data = {**dict(self.data.items()), "previewed": seal}

    def forget(self) -> None:
        """Have it asked again, whatever was shown."""
        self.data = {**dict(self.data.items()), "previewed": ""}

    def shown(self) -> Mapping[str, Any] | None:
        """Return what the preview of these very values was made of; None if there is none that still counts."""
        seal = self._opened(LASTS_SECONDS)
        return seal["facts"] if seal and seal["typed"] == self._typed() else None

    def sealed(self) -> Mapping[str, Any]:
        """Return what the preview of these very values was made of, however old; empty if there was none."""
        seal = self._opened(None)
        return seal["facts"] if seal and seal["typed"] == self._typed() else {}

    @property
    def was_previewed(self) -> bool:
        """Whether some preview was shown, be it of other values or too old."""
        return self._opened(None) is not None

    def _opened(self, max_age: int | None) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = signing.loads(str(self.data.get("previewed") or ""), salt=SALT, max_age=max_age)
        except signing.BadSignature:
            return None
        return found

    def _typed(self) -> dict[str, str]:
        return {field.name: str(field.data or "") for field in self.visible_fields()}
