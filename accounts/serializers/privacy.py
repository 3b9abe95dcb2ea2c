"""Serializers of exports and deletions."""

from rest_framework import serializers

from accounts.models import Export
from accounts.serializers.fields import PasswordField


class ExportSerializer(serializers.Serializer):
    """The progress of your archive; its link comes by mail."""

    status = serializers.ChoiceField(
        choices=["none", *Export.Status.values], help_text="`none`: none was asked for, or it is gone again."
    )
    created_at = serializers.DateTimeField(allow_null=True)
    ready_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Until when the mailed link opens it.")
    size = serializers.IntegerField(allow_null=True, help_text="Bytes.")


# Shown while there is no export.
NO_EXPORT = {"status": "none"} | dict.fromkeys(("created_at", "ready_at", "expires_at", "size"))


class DeleteSerializer(serializers.Serializer):
    """The password again."""

    password = PasswordField()


class DeletionSerializer(serializers.Serializer):
    """When your account will be erased."""

    due_at = serializers.DateTimeField(help_text="Until then the mailed link takes it back.")
