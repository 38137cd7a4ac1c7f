"""Every address of the app; a list at `x/` has its detail at `x/<stripe id>/` and its form at `x/new/`."""

from __future__ import annotations

from django.urls import path

from financial.views import (
    actions,
    base,
    books,
    dashboard,
    deposits,
    endpoint,
    exports,
    inbox,
    mirror,
    paid,
    palette,
    sample,
    saved,
    search,
    sync,
    webhook,
)
from financial.views.metrics import Metrics
from financial.views.movements import Movements
from financial.views.style import StylePage

app_name = "financial"

urlpatterns = [
    path("", dashboard.Overview.as_view(), name="overview"),
    path("transactions/", books.TransactionList.as_view(), name="transactions"),
    path("transactions/house/", books.HouseList.as_view(), name="house"),
    path("transactions/new/", books.TransactionCreate.as_view(), name="transaction-new"),
    path("transactions/<int:pk>/", books.TransactionDetail.as_view(), name="transaction"),
    path("accounts/", books.AccountList.as_view(), name="accounts"),
    path("accounts/<int:pk>/", books.AccountDetail.as_view(), name="account"),
    path("suspense/", books.SuspensePage.as_view(), name="suspense"),
    path("fees/", books.FeeAudit.as_view(), name="fees"),
    path("proof/", books.ProofPage.as_view(), name="proof"),
    path("revenue/", books.RevenueReport.as_view(), name="revenue"),
    path("stripe/", dashboard.StripeDashboard.as_view(), name="stripe"),
    path("stripe/products/", mirror.ProductList.as_view(), name="products"),
    path("stripe/products/new/", actions.ProductCreate.as_view(), name="product-new"),
    path("stripe/products/<str:stripe_id>/", mirror.ProductDetail.as_view(), name="product"),
    path("stripe/products/<str:stripe_id>/edit/", actions.ProductEdit.as_view(), name="product-edit"),
    path("stripe/products/<str:stripe_id>/archive/", actions.ProductArchive.as_view(), name="product-archive"),
    path("stripe/products/<str:stripe_id>/unarchive/", actions.ProductUnarchive.as_view(), name="product-unarchive"),
    path("stripe/prices/<str:stripe_id>/edit/", actions.PriceEdit.as_view(), name="price-edit"),
    path("stripe/prices/<str:stripe_id>/archive/", actions.PriceArchive.as_view(), name="price-archive"),
    path("stripe/prices/<str:stripe_id>/unarchive/", actions.PriceUnarchive.as_view(), name="price-unarchive"),
    path("stripe/products/<str:stripe_id>/prices/new/", actions.PriceCreate.as_view(), name="price-new"),
    path("stripe/customers/", mirror.CustomerList.as_view(), name="customers"),
    path("stripe/customers/new/", actions.CustomerCreate.as_view(), name="customer-new"),
    path("stripe/customers/<str:stripe_id>/", mirror.CustomerDetail.as_view(), name="customer"),
    path("stripe/customers/<str:stripe_id>/edit/", actions.CustomerEdit.as_view(), name="customer-edit"),
    path("stripe/payments/", mirror.PaymentList.as_view(), name="payments"),
    path("stripe/payments/new/", actions.PaymentNew.as_view(), name="payment-new"),
    path("stripe/payments/links/", actions.PayPageList.as_view(), name="pay-pages"),
    path("stripe/payments/links/<str:stripe_id>/", actions.PaymentLink.as_view(), name="payment-link"),
    path("stripe/payments/pages/<str:stripe_id>/", actions.CheckoutPage.as_view(), name="checkout-page"),
    path("stripe/payments/paid/", paid.paid, name="paid"),
    path("stripe/payments/<str:stripe_id>/", mirror.PaymentDetail.as_view(), name="payment"),
    path("stripe/payments/<str:stripe_id>/capture/", actions.PaymentCapture.as_view(), name="payment-capture"),
    path("stripe/payments/<str:stripe_id>/cancel/", actions.PaymentCancel.as_view(), name="payment-cancel"),
    path("stripe/payments/<str:stripe_id>/retry/", actions.PaymentRetry.as_view(), name="payment-retry"),
    path("stripe/payments/<str:stripe_id>/refund/", actions.PaymentRefund.as_view(), name="payment-refund"),
    path("stripe/subscriptions/", mirror.SubscriptionList.as_view(), name="subscriptions"),
    path("stripe/subscriptions/new/", actions.SubscriptionCreate.as_view(), name="subscription-new"),
    path("stripe/subscriptions/<str:stripe_id>/", mirror.SubscriptionDetail.as_view(), name="subscription"),
    path(
        "stripe/subscriptions/<str:stripe_id>/next-invoice/",
        mirror.NextInvoice.as_view(),
        name="subscription-next-invoice",
    ),
    path(
        "stripe/subscriptions/<str:stripe_id>/change/", actions.SubscriptionChange.as_view(), name="subscription-change"
    ),
    path("stripe/subscriptions/<str:stripe_id>/pause/", actions.SubscriptionPause.as_view(), name="subscription-pause"),
    path(
        "stripe/subscriptions/<str:stripe_id>/resume/", actions.SubscriptionResume.as_view(), name="subscription-resume"
    ),
    path(
        "stripe/subscriptions/<str:stripe_id>/cancel/", actions.SubscriptionCancel.as_view(), name="subscription-cancel"
    ),
    path(
        "stripe/subscriptions/<str:stripe_id>/cancel-now/",
        actions.SubscriptionCancelNow.as_view(),
        name="subscription-cancel-now",
    ),
    path("stripe/subscriptions/<str:stripe_id>/keep/", actions.SubscriptionKeep.as_view(), name="subscription-keep"),
    path("stripe/metrics/", Metrics.as_view(), name="metrics"),
    path("stripe/metrics/movements/", Movements.as_view(), name="movements"),
    path("stripe/payouts/", mirror.PayoutList.as_view(), name="payouts"),
    path("stripe/payouts/deposits/", deposits.DepositPage.as_view(), name="deposits"),
    path("stripe/payouts/<str:stripe_id>/deposit/", deposits.PayoutDeposit.as_view(), name="payout-deposit"),
    path("stripe/payouts/<str:stripe_id>/", mirror.PayoutDetail.as_view(), name="payout"),
    path("stripe/search/palette/", palette.Palette.as_view(), name="palette"),
    path("stripe/search/", search.SearchPage.as_view(), name="search"),
    path("stripe/sync/", sync.SyncPage.as_view(), name="sync"),
    path("stripe/sync/<int:pk>/progress/", sync.SyncProgress.as_view(), name="sync-progress"),
    path("stripe/events/", inbox.EventList.as_view(), name="events"),
    path("stripe/events/<path:event_id>/", inbox.EventDetail.as_view(), name="event"),
    path("stripe/endpoint/", endpoint.Endpoint.as_view(), name="endpoint"),
    path("stripe/webhook/", webhook.receive, name="webhook"),
    path("stripe/webhook", webhook.receive),  # a redirect to the slash would lose the body
    path("sample-data/", sample.SampleData.as_view(), name="sample-data"),
    path("exports/", exports.ExportPage.as_view(), name="exports"),
    path("style/", StylePage.as_view(), name="style"),
    path("saved-filters/", saved.SavedFilters.as_view(), name="saved-filters"),
    path("credential/", base.CredentialSwitch.as_view(), name="credential-switch"),
]
