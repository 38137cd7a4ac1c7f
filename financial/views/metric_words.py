"""The figures of the metrics page in words: value, change, and how each is computed. Pure but for date formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from financial import money
from financial.days import day_text
from financial.recurring import rounded
from financial.reports.movements import LIFETIME_MONTHS_MAX, Kind, Month
from financial.reports.recovery import Recovery
from financial.reports.recurring import Amount, Trials

DASH = "—"
DISCOUNTS = {
    "forever": "Only discounts without an end are taken off",
    "recurring": "Discounts without an end or for some months are taken off",
    "all": "Every discount is taken off, one for once as long as its invoice lasts",
}
ZONE = (
    "Days and months are cut in the account's time zone (FINANCIAL_TIME_ZONE); "
    "Stripe cuts many charts in UTC or by rolling 30 days."
)


@dataclass(frozen=True)
class Figure:
    """One figure with its explanation; `how` are pairs of a word and a text, `rows_url` leads to
    what it is made of. `is_good` is None where it is neither."""

    key: str
    label: str
    value: str
    note: str = ""
    change: str = ""
    is_good: bool | None = None
    direction: str = "same"
    how: Sequence[tuple[str, str]] = ()
    rows_url: str = ""


def percent(share: Fraction | None, digits: int = 1) -> str:
    """Return a share in percent, rounded half up: `33.3 %`."""
    if share is None:
        return DASH
    scaled = rounded(abs(share) * 100 * 10**digits)
    sign = "−" if share < 0 and scaled else ""
    whole, rest = divmod(scaled, 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}\u202f%" if digits else f"{sign}{whole}\u202f%"


def ratio(value: Fraction | None) -> str:
    return percent(value / 100, 2).removesuffix("\u202f%") if value is not None else DASH


def month_words(month: Month) -> str:
    return day_text(month.start, "F Y")


@dataclass(frozen=True)
class _Page:
    """What the figures are about."""

    currency: str
    now: Month
    before: Month | None
    few: int

    @property
    def hides_shares(self) -> bool:
        return self.now.customers_start < self.few

    def money(self, minor: Fraction | int | None) -> str:
        if minor is None:
            return DASH
        text, code = money.display(rounded(Fraction(minor)), self.currency), self.currency.upper()
        return text if code in text else f"{text} {code}"

    def change(self, name: str, *, more_is_good: bool = True) -> dict[str, Any]:
        """Compare with the month before: what it was then, and whether the change is good."""
        now, was = getattr(self.now, name), getattr(self.before, name) if self.before else None
        if now is None or was is None or self.before is None:
            return {}
        is_share = name in ("customer_churn", "gross_churn", "net_churn", "retention")
        then = percent(was) if is_share else ratio(was) if name == "quick_ratio" else self.money(was)
        then = str(was) if name == "customers_end" else then
        direction = "same" if now == was else "up" if now > was else "down"
        return {
            "change": f"{then} in {day_text(self.before.start, 'F')}",
            "direction": direction,
            "is_good": None if now == was else (now > was) == more_is_good,
        }


def figures(
    currency: str,
    now: Month,
    before: Month | None,
    *,
    few: int,
    discounts: str,
    trials: Trials | None,
    recovered: Recovery | None,
    leaving: Amount,
    at_risk: Amount,
) -> list[Figure]:
    """Return the figures of a month, in the order of the page."""
    page = _Page(currency, now, before, few)
    return [
        *_sizes(page, discounts),
        *(_shares(page) if not page.hides_shares else _counts(page)),
        _quick(page),
        *([_trials(trials, few)] if trials is not None else []),
        *(_renewals(page, recovered) if recovered is not None else []),
        _leaving(page, leaving),
        _at_risk(page, at_risk),
    ]


def _sizes(page: _Page, discounts: str) -> list[Figure]:
    now = page.now
    rules = (
        ("Setting", f"{DISCOUNTS.get(discounts, discounts)} (FINANCIAL_MRR_DISCOUNTS = {discounts}). {ZONE}"),
        ("Counted", f"Subscriptions active or past due of {now.customers_end} customers who pay more than nothing."),
        (
            "Stripe's own number",
            "may differ: Stripe converts currencies into one, updates within hours, and has settings of its own "
            "for discounts and for cancelled subscriptions.",
        ),
    )
    total = (
        "Formula",
        "Σ over items of amount × quantity × invoices a month, less discounts. "
        "Trials, metered usage, tax and one-off items are 0.",
    )
    return [
        Figure("mrr", "MRR", page.money(now.end_minor), **page.change("end_minor"), how=(total, *rules)),
        Figure(
            "arr",
            "ARR",
            page.money(now.arr_minor),
            how=(("Formula", f"12 × MRR = 12 × {page.money(now.end_minor)}, rounded once."), *rules),
        ),
        Figure(
            "customers",
            "Paying customers",
            f"{now.customers_end:,}",
            **page.change("customers_end"),
            how=(
                ("Formula", "Customers with MRR above 0 at the month's end, or now; free plans are none."),
                *rules[:1],
                *rules[2:],
            ),
        ),
        Figure(
            "arpu",
            "Average per customer",
            page.money(now.arpu_minor),
            **page.change("arpu_minor"),
            how=(
                ("Formula", f"MRR ÷ paying customers = {page.money(now.end_minor)} ÷ {now.customers_end}"),
                rules[0],
                ("Stripe's own number", "is called ARPS there and divides by active subscribers."),
            ),
        ),
    ]


_ROLLING = ("Stripe's own number", "may differ: it divides by the subscribers of 30 days ago plus the new ones since.")


def _shares(page: _Page) -> list[Figure]:
    now = page.now
    lost, won = page.money(now.lost_minor), page.money(now.minor(Kind.EXPANSION) + now.minor(Kind.REACTIVATION))
    start = page.money(now.start_minor)
    cap = "≥ " if now.is_lifetime_capped and not now.customer_churn else ""
    return [
        Figure(
            "customer-churn",
            "Customer churn",
            percent(now.customer_churn),
            f"{now.lost} of {now.customers_start} lost; {now.passing} more came and went",
            **page.change("customer_churn", more_is_good=False),
            how=(
                ("Formula", "Customers of the month's start who bring nothing at its end ÷ customers at its start."),
                (
                    "Counted",
                    f"{now.lost} ÷ {now.customers_start}. Who came and went inside the month is counted apart.",
                ),
                ("Setting", ZONE),
                _ROLLING,
            ),
        ),
        Figure(
            "gross-churn",
            "Gross MRR churn",
            percent(now.gross_churn),
            **page.change("gross_churn", more_is_good=False),
            how=(
                ("Formula", f"(Churn + contraction) ÷ MRR at the start = {lost} ÷ {start}"),
                ("Setting", ZONE),
                _ROLLING,
            ),
        ),
        Figure(
            "net-churn",
            "Net MRR churn",
            percent(now.net_churn),
            **page.change("net_churn", more_is_good=False),
            how=(
                (
                    "Formula",
                    f"(Churn + contraction − expansion − reactivation) ÷ start MRR = ({lost} − {won}) ÷ {start}",
                ),
                ("Setting", ZONE),
                ("Stripe's own number", "may differ: it takes currencies together, so that exchange rates move it."),
            ),
        ),
        Figure(
            "retention",
            "Net revenue retention",
            percent(now.retention),
            **page.change("retention"),
            how=(
                (
                    "Formula",
                    "(Start + expansion − contraction − churn) ÷ start; new and returning customers are left out.",
                ),
                ("Counted", f"{page.money(now.start_minor + now.minor(Kind.EXPANSION) - now.lost_minor)} ÷ {start}"),
                ("Setting", ZONE),
                ("Stripe's own number", "may differ: its cohort is that of 12 months ago."),
            ),
        ),
        Figure(
            "ltv",
            "Lifetime value",
            f"{cap}{page.money(now.lifetime_value_minor)}",
            **page.change("lifetime_value_minor"),
            how=(
                ("Formula", f"Average per customer ÷ customer churn, for {LIFETIME_MONTHS_MAX} months at most."),
                (
                    "Counted",
                    f"{page.money(now.arpu_minor)} ÷ {percent(now.customer_churn)}; without churn at least all of them.",
                ),
                ("Stripe's own number", "assumes 60 months where nobody left, too, but divides by its rolling churn."),
            ),
        ),
    ]


def _counts(page: _Page) -> list[Figure]:
    """Of few customers a share says little: say how many, and how much."""
    now = page.now
    why = (
        "Why no percentage",
        f"The month began with {now.customers_start} payers; shares are shown from {page.few} on.",
    )
    return [
        Figure(
            "customer-churn",
            "Customers lost",
            f"{now.lost} of {now.customers_start}",
            f"{now.passing} more came and went" if now.passing else "",
            how=(
                ("Formula", "Customers of the month's start who bring nothing at its end."),
                why,
                ("Setting", ZONE),
                _ROLLING,
            ),
        ),
        Figure(
            "gross-churn",
            "MRR lost",
            page.money(now.lost_minor),
            f"of {page.money(now.start_minor)}",
            how=(("Formula", "Churn + contraction of the month."), why, ("Setting", ZONE), _ROLLING),
        ),
    ]


def _quick(page: _Page) -> Figure:
    now = page.now
    value = ratio(now.quick_ratio) if now.lost_minor else "no losses" if now.gained_minor else DASH
    return Figure(
        "quick-ratio",
        "Quick ratio",
        value,
        **page.change("quick_ratio"),
        how=(
            ("Formula", "(New + reactivation + expansion) ÷ (churn + contraction)"),
            ("Counted", f"{page.money(now.gained_minor)} ÷ {page.money(now.lost_minor)}"),
            ("Others", "leave reactivation out; Stripe shows no such ratio."),
        ),
    )


def _trials(trials: Trials, few: int) -> Figure:
    decided = trials.converted + trials.lost
    value = percent(trials.share) if decided >= few else f"{trials.converted} of {decided}" if decided else DASH
    return Figure(
        "trials",
        "Trials converted",
        value,
        f"{trials.open} still open" if trials.open else "" if decided else "no trial ended",
        how=(
            (
                "Formula",
                "Trials that ended (or were cancelled) in the month and whose first invoice with an amount, "
                "made within 14 days of the end, is paid ÷ all that are decided.",
            ),
            ("Counted", f"{trials.converted} converted, {trials.lost} lost, {trials.open} open and left out."),
            ("Stripe's own number", "may differ: it takes a rolling 30 days and asks for the first invoice only."),
        ),
    )


_RECOVERY_AT_STRIPE = (
    "Stripe's own number",
    "is its recovery analytics, with the same exclusion of trials; it adds currencies and cuts in UTC.",
)


def _renewals(page: _Page, found: Recovery) -> list[Figure]:
    """Shares by volume where there are enough renewals, counts below that."""
    failed, due = found.failed, found.due
    is_few = due.count < page.few
    of_due = f"{failed.count} of {due.count} renewals, {page.money(failed.minor)} of {page.money(due.minor)}"
    of_failed = f"{page.money(found.recovered.minor)} of {page.money(failed.minor)}"
    rest = f"{page.money(found.open.minor)} still in recovery, {page.money(found.lost.minor)} lost"
    return [
        Figure(
            "failure",
            "Renewals failed at first",
            f"{failed.count} of {due.count}" if is_few and due.count else percent(found.failure_share),
            of_due if due.count else "no renewal fell due",
            how=(
                (
                    "Formula",
                    "Renewals of the month whose first attempt failed ÷ those due, by volume; the first invoice after a "
                    "trial is left out.",
                ),
                ("Counted", of_due),
                ("Setting", ZONE),
                _RECOVERY_AT_STRIPE,
            ),
        ),
        Figure(
            "recovery",
            "Recovered",
            f"{found.recovered.count} of {failed.count}" if is_few and failed.count else percent(found.recovery_share),
            rest if failed.count else "nothing to recover",
            how=(
                ("Formula", "What was paid later, by any means ÷ what failed at first, by volume, as it is now."),
                ("Counted", f"{of_failed}; {rest}. Lost: written off, void, or no further attempt is planned."),
                ("Setting", ZONE),
                _RECOVERY_AT_STRIPE,
            ),
        ),
    ]


def _leaving(page: _Page, leaving: Amount) -> Figure:
    return Figure(
        "leaving",
        "Scheduled to churn",
        page.money(leaving.minor),
        _subscriptions(leaving),
        how=(
            ("Formula", "MRR, as it is now, of subscriptions whose end is set. It counts in full until they end."),
            ("Counted", f"{_subscriptions(leaving)} that cancel at the period's end or at a date."),
            ("Stripe's own number", "drops such subscriptions at once, if its setting says so."),
        ),
    )


def _at_risk(page: _Page, at_risk: Amount) -> Figure:
    return Figure(
        "at-risk",
        "At risk",
        page.money(at_risk.minor),
        _subscriptions(at_risk),
        how=(
            (
                "Formula",
                "MRR, as it is now, of subscriptions that are past due; it counts until Stripe gives up on them.",
            ),
            ("Counted", _subscriptions(at_risk)),
        ),
    )


def _subscriptions(amount: Amount) -> str:
    return f"{amount.subscriptions} subscription{'' if amount.subscriptions == 1 else 's'}"
