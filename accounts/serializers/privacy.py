"""Serializers of exports and deletions."""

from rest_framework import serializers

from accounts.models import Export
from accounts.serializers.fields import PasswordField
from luxewin.api.serializers import InputSerializer


class ExportSerializer(serializers.Serializer):
    """The progress of your archive; its link comes by mail."""

    status = serializers.ChoiceField(
        choices=["none", *Export.Status.values],
        help_text="`none` if there is no export: none was requested, or it was deleted.",
    )
    created_at = serializers.DateTimeField(allow_null=True)
    ready_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="The link in the e-mail works until then.")
    size = serializers.IntegerField(allow_null=True, help_text="Size in bytes.")


# Shown while there is no export.
NO_EXPORT = {"status": "none"} | dict.fromkeys(("created_at", "ready_at", "expires_at", "size"))


class DeleteSerializer(InputSerializer):
    """The password again."""

    password = PasswordField()


class DeletionSerializer(serializers.Serializer):
    """When your account will be erased."""

    due_at = serializers.DateTimeField(
        help_text="The account is erased then. Until then the link in the e-mail cancels the deletion."
    )
