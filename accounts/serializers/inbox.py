"""Serializers of the inbox."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Notification
from accounts.notification_types import ALWAYS, OPTIONAL, TITLES, event_of
from accounts.words import Words, write
from luxewin.api.fields import Identifier
from luxewin.api.serializers import InputSerializer


class InboxQuerySerializer(serializers.Serializer):
    """Which notifications are listed."""

    unread = serializers.BooleanField(default=False, help_text="Only those that are not read.")


class UnreadSerializer(serializers.Serializer):
    """How many notifications are not read."""

    unread = serializers.IntegerField(min_value=0, read_only=True)


class MarkAllSerializer(InputSerializer):
    """Which notifications are marked as read."""

    up_to = Identifier(required=False, help_text="The id of the newest; without it, all.")


class LinkSerializer(serializers.Serializer):
    """Where a notification leads."""

    label = serializers.CharField(read_only=True)  # type: ignore[assignment]  # a field has a label of its own
    url = serializers.URLField(read_only=True)


class InboxSerializer(serializers.ModelSerializer):
    """A notification in your inbox, in your language. Context: `language`."""

    event = serializers.SerializerMethodField(help_text="What it belongs to in your preferences.")
    title = serializers.SerializerMethodField()
    text = serializers.SerializerMethodField(help_text="Plain text: paragraphs are separated by an empty line.")
    links = serializers.SerializerMethodField()

    class Meta:
        model = Notification
        fields = ["id", "event", "kind", "title", "text", "links", "created_at", "read_at"]

    def to_representation(self, instance: Notification) -> dict[str, Any]:
        """Write its words once."""
        self._words = write(instance.kind, instance.context, self.context["language"])
        return super().to_representation(instance)

    @extend_schema_field(serializers.ChoiceField(choices=[(name, TITLES[name]) for name in (*OPTIONAL, ALWAYS)]))
    def get_event(self, message: Notification) -> str:
        """Return the event."""
        return event_of(message.kind)

    def get_title(self, message: Notification) -> str:
        """Return the mail's subject."""
        return self._words.subject

    def get_text(self, message: Notification) -> str:
        """Return the mail's text, without greeting and links."""
        told = Words("", tuple(block for block in self._words.blocks if block.kind != "link"))
        return told.text[:1].upper() + told.text[1:]

    @extend_schema_field(LinkSerializer(many=True))
    def get_links(self, message: Notification) -> list[dict[str, str]]:
        """Return the links."""
        links = (block for block in self._words.blocks if block.kind == "link")
        return [{"label": block.lines[0], "url": block.address} for block in links]
