"""Serializers of linked accounts elsewhere."""

from rest_framework import serializers

from accounts.models import Identity
from accounts.serializers.fields import CodeField, PasswordField
from luxewin.api.serializers import InputSerializer


class IdentitySerializer(serializers.ModelSerializer):
    """An account elsewhere with which you sign in here."""

    class Meta:
        model = Identity
        fields = ["id", "provider", "email", "created_at"]
        read_only_fields = fields


class UnlinkSerializer(InputSerializer):
    """The password again, and a code if there is a second factor."""

    password = PasswordField()
    code = CodeField(required=False)
