"""dj-stripe's pages in the back office: those that finance needs, to read."""

from django.apps import apps
from django.contrib import admin
from djstripe.models import Charge, Customer, Dispute, Event, PaymentIntent, Refund

from luxewin.tasks.admin import ReadOnlyAdmin


class MirrorAdmin(ReadOnlyAdmin):
    """What dj-stripe recorded of Stripe. The raw data stays out: it holds client secrets and people's cards."""

    list_display = ["id", "created", "livemode"]
    search_fields = ["id"]
    exclude = ["stripe_data", "metadata"]


# dj-stripe registers some fifty pages: among them those that show the secret key, and forms to edit what Stripe said.
MIRRORS = (Customer, PaymentIntent, Charge, Refund, Dispute, Event)
for model in apps.get_app_config("djstripe").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)
admin.site.register(MIRRORS, MirrorAdmin)
