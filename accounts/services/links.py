"""Mails requested by address alone: sent in the background, so that the answer reveals nothing."""

from django.db import transaction

from accounts.models import LinkRequest, User
from accounts.notifications import notify
from luxewin.audit.services import record


def request_link(kind: LinkRequest.Kind, *, email: str) -> None:
    """Record the request. Cost: one INSERT, whether the address has an account or not."""
    LinkRequest.objects.create(kind=kind, email=email)


def answer_link_request(request_id: str) -> None:
    """Mail the link if the address has an account that needs it, and delete the request in any case."""
    with transaction.atomic():
        request = LinkRequest.objects.select_for_update().filter(pk=request_id).first()
        if request is None:
            return
        request.delete()
        user = User.objects.filter(email=request.email, is_active=True).first()
        if user is None or (request.kind == LinkRequest.Kind.VERIFY and user.has_verified_email):
            return
        notify(user, request.kind, about=request_id)
        record("user.link_sent", user, after={"kind": request.kind})
