"""How each headline figure is computed, which setting changes it, and why Stripe's own may differ: data, no code.

The definitions are those of docs/money.md, docs/recurring.md and docs/figures.md. Figures of the metrics page, whose
explanations hold numbers, are explained in `financial.views.metric_words`; both are drawn by `_explain.html`.
"""

from __future__ import annotations

Explanation = tuple[tuple[str, str], ...]

DAYS = "Days are cut in the account’s time zone (FINANCIAL_TIME_ZONE), half-open: each moment is in one day."
ESTIMATES = "may differ: Stripe’s own charts are estimates at daily exchange rates, and may be cut in another zone."
_CASH = "Settled rows of Stripe’s balance on their own day. ≈ estimates are beside the figure, never in it."
_AS_NOW = "Subscriptions active or past due, as they are now."
_DISCOUNTS = "FINANCIAL_MRR_DISCOUNTS says which discounts are taken off."

EXPLANATIONS: dict[str, Explanation] = {
    "gross": (
        (
            "Formula",
            "Σ amount of charges, less charges that failed later and captures given back. Sales tax is inside.",
        ),
        ("Counted", _CASH),
        ("Setting", DAYS),
        ("Stripe’s own number", ESTIMATES),
    ),
    "refunds": (
        ("Formula", "−Σ amount of refunds; a refund that failed lowers it again."),
        ("Counted", "On the day it went back to the customer, not in the month of its payment. Stripe keeps the fee."),
        ("Setting", DAYS),
        ("Stripe’s own number", "may differ: some charts subtract a refund from the day of its payment."),
    ),
    "disputes": (
        ("Formula", "−Σ amount of disputes, less what banks gave back."),
        (
            "Counted",
            "On the day the bank took it. A lost dispute moves nothing further: its money left when it was opened.",
        ),
        ("Setting", DAYS),
        ("Stripe’s own number", "may differ: its dispute pages count by the day of the payment, and inquiries too."),
    ),
    "revenue": (
        ("Formula", "Gross volume − refunds − disputes. Fees are not taken off."),
        ("Counted", _CASH),
        ("Setting", DAYS),
        (
            "Stripe’s own number",
            "“Net volume” there is after refunds and before fees in some charts, after both in others.",
        ),
    ),
    "fees": (
        ("Formula", "Σ fee of every row − Σ amount of Stripe’s own bills (fees, network costs, tax on them)."),
        ("Counted", "Every kind of fee: processing, disputes, payouts, platform fees, tax; not payments alone."),
        ("Setting", DAYS),
        ("Stripe’s own number", "may differ: a payment’s page there shows that payment’s fee only."),
    ),
    "net": (
        ("Formula", "Total revenue − fees, with other movements where there are any."),
        ("Counted", _CASH),
        ("Setting", DAYS),
        ("Stripe’s own number", "may differ: other products call gross less refunds “net”, fees not deducted."),
    ),
    "funding": (
        ("Formula", "Σ amount of payouts, top-ups, transfers, reserves and financing, and of what reversed them."),
        ("Counted", "Money that only changed its place, never revenue. With net volume: change of the Stripe balance."),
        ("Setting", DAYS),
        ("Stripe’s own number", "is the same sum over the same rows of its balance report."),
    ),
    "change": (
        ("Formula", "Net volume + funding: Σ (amount − fee) of every movement of the Stripe balance."),
        ("Counted", "Available and pending together; opening balance + balance changes = closing balance."),
        ("Setting", DAYS),
        ("Stripe’s own number", "is the same sum in its balance report, if its days are cut in the same zone."),
    ),
    "count": (
        ("Formula", "How many charges reached the Stripe balance. Gross ÷ this is the average payment."),
        ("Counted", _CASH),
        ("Setting", DAYS),
        ("Stripe’s own number", "may differ by the payments whose money has not moved yet (≈)."),
    ),
    "balance": (
        (
            "Formula",
            "What Stripe answered when its balance was last read: available to pay out, and pending until it is.",
        ),
        ("Counted", "Held is what the books have in reserve: still yours, not to be paid out yet."),
        ("Setting", "It is read after every sync, once all movements before it are booked."),
        ("Stripe’s own number", "is this one; it moves on with every payment after the reading."),
    ),
    "paid_revenue": (
        ("Formula", "Gross payments − refunds − disputes, each on its own day, in the currency the customer paid in."),
        (
            "Counted",
            "Fees are not taken off: Stripe takes them in the currency it settles in. See the Financial dashboard.",
        ),
        ("Setting", DAYS),
        ("Stripe’s own number", ESTIMATES),
    ),
    "mrr": (
        ("Formula", "Σ over items of amount × quantity × invoices a month, less discounts. Trials and usage are 0."),
        ("Counted", _AS_NOW),
        ("Setting", _DISCOUNTS),
        (
            "Stripe’s own number",
            "may differ: it converts currencies into one, and has settings of its own for discounts.",
        ),
    ),
    "arr": (
        ("Formula", "12 × MRR, rounded once."),
        ("Counted", _AS_NOW),
        ("Setting", _DISCOUNTS),
        ("Stripe’s own number", "may differ where its MRR does."),
    ),
    "leaving": (
        ("Formula", "MRR of subscriptions whose end is already set. It stays in MRR until they really end."),
        ("Counted", "Those that cancel at the period’s end, or at a date."),
        ("Setting", _DISCOUNTS),
        ("Stripe’s own number", "may differ: a setting there drops such subscriptions from MRR at once."),
    ),
    "at_risk": (
        ("Formula", "MRR of subscriptions that are past due."),
        ("Counted", "It counts until Stripe’s retries end and the subscription does."),
        ("Setting", _DISCOUNTS),
        ("Stripe’s own number", "is not shown there as a figure of its own."),
    ),
    "things": (
        ("Formula", "How many there are in the mirror; what was deleted at Stripe is left out."),
        ("Counted", "New ones by Stripe’s time of creation; the change compares with as many days just before."),
        ("Setting", DAYS),
        ("Stripe’s own number", "may differ by what was created since the last sync or webhook."),
    ),
    "failed_payments": (
        ("Formula", "Payments whose last attempt was declined and that nobody has paid since."),
        ("Counted", "By the day they were created. No money moved, so they are in no sum."),
        ("Setting", DAYS),
        ("Stripe’s own number", "may differ: “failed volume” there also counts attempts that succeeded later."),
    ),
    "open_disputes": (
        ("Formula", "Disputes and inquiries that wait for an answer, or for the bank’s decision."),
        ("Counted", "Whenever they were opened. The money of a dispute has left already; that of an inquiry has not."),
        ("Stripe’s own number", "may differ: its list of disputes shows closed ones, too."),
    ),
    "customer_paid": (
        ("Formula", "What was captured − refunds − disputes not won, in the currency paid in."),
        ("Counted", "All time, from this customer’s charges and disputes. Fees are not taken off."),
        ("Setting", "None. Test and live money never meet."),
        ("Stripe’s own number", "“Total spend” there may keep disputed payments, and converts currencies into one."),
    ),
    "product_revenue": (
        (
            "Formula",
            "Paid invoices of its subscriptions − refunds and disputes of their payments, each on its own day.",
        ),
        ("Counted", "An invoice counts for its subscription’s first product. One-off payments name no product."),
        ("Behind it", "Subscriptions of the product, ended ones too: the page of each has its invoices and payments."),
        ("Setting", DAYS),
        ("Stripe’s own number", "may differ: it splits invoices with several products by line."),
    ),
    "effective_rate": (
        ("Formula", "Σ Stripe’s fees ÷ Σ amount of the payments, in percent to two decimals."),
        ("Counted", "Settled payments with their exact fees, in the currency that reached the balance."),
        ("Setting", DAYS),
        (
            "Stripe’s own number",
            "may differ: its price list is per transaction; the fixed part weighs more on small ones.",
        ),
    ),
    "fee_drift": (
        ("Formula", "Exact fees − what had been estimated for the same payments when they succeeded."),
        (
            "Counted",
            "Payments settled in the currency they were paid in; where money was exchanged no estimate is exact.",
        ),
        ("Setting", "The estimate is a percentage and a fixed part per currency (docs/money.md)."),
        ("Stripe’s own number", "There is none: Stripe does not estimate."),
    ),
    "dispute_losses": (
        ("Formula", "Σ fees of disputes, less those Stripe gave back."),
        ("Counted", "On the day Stripe took them. The disputed amounts are not in it: they are under “Disputes”."),
        ("Setting", DAYS),
        (
            "Stripe’s own number",
            "may differ: countries and contracts decide whether the fee of a won dispute comes back.",
        ),
    ),
    "refund_losses": (
        ("Formula", "Σ fees of payments that were refunded in full: Stripe keeps them."),
        ("Counted", "Payments of the days shown; those refunded in part are named beside it and not in the sum."),
        ("Setting", DAYS),
        ("Stripe’s own number", "There is none as one figure: the fee stays on each payment’s page."),
    ),
    "remainder": (
        ("Formula", "Payout − Σ net of its rows. Nothing is left where every row is known."),
        (
            "Counted",
            "The rows of Stripe’s balance that Stripe says went out with this payout; fees and refunds among them.",
        ),
        (
            "Stripe’s own number",
            "may differ: its payout report names the same rows, but a day later and in its own zone.",
        ),
    ),
}
