"""Shapes of what verification gives."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Preferences
from purchases.serializers import RaffleNameSerializer
from verification.models import ChainTransaction, Draw, Pick


class StepSerializer(serializers.ModelSerializer):
    """A step recorded on the chain."""

    class Meta:
        model = ChainTransaction
        fields = ["step", "hash", "block", "block_time"]


class PickSerializer(serializers.ModelSerializer):
    """A pick; the winner is named as they chose."""

    role = serializers.ChoiceField(choices=["winner", "alternate"])
    prize = serializers.CharField(source="prize.name", allow_null=True, default=None)
    entry_id = serializers.UUIDField(source="purchase.entry_id")
    name = serializers.SerializerMethodField()

    class Meta:
        model = Pick
        fields = ["position", "role", "prize", "index", "ticket", "entry_id", "name"]

    @extend_schema_field(serializers.CharField())
    def get_name(self, pick: Pick) -> str:
        """Full, initials, or nothing; alternates are not named."""
        person = pick.purchase.buyer
        choice = person.preferences.winner_name if hasattr(person, "preferences") else Preferences.WinnerName.ANONYMOUS
        if pick.role == "alternate" or choice == Preferences.WinnerName.ANONYMOUS:
            return ""
        if choice == Preferences.WinnerName.FULL:
            return person.display_name
        return "".join(f"{word[0].upper()}." for word in person.display_name.split())


class DrawSerializer(serializers.ModelSerializer):
    """A draw and how far it is."""

    raffle = RaffleNameSerializer()
    anchored = serializers.BooleanField(source="is_anchored")
    chain_id = serializers.IntegerField(source="contract.chain_id", default=None, allow_null=True)
    contract = serializers.CharField(source="contract.address", default=None, allow_null=True)
    transactions = StepSerializer(many=True)
    picks = PickSerializer(many=True)

    class Meta:
        model = Draw
        fields = [
            *("raffle", "sequence", "state", "manifest_hash", "root", "tickets", "entries", "committed_at", "round"),
            *("signature", "randomness", "seed", "anchored", "chain_id", "contract", "transactions", "picks"),
        ]


class DrawDetailSerializer(DrawSerializer):
    """A draw with its manifest."""

    class Meta(DrawSerializer.Meta):
        fields = [*DrawSerializer.Meta.fields, "manifest"]


class PathStepSerializer(serializers.Serializer):
    """One step from the leaf to the root."""

    side = serializers.ChoiceField(choices=["left", "right"])
    sum = serializers.IntegerField()
    hash = serializers.CharField()


class EntryProofSerializer(serializers.Serializer):
    """What proves that one's own tickets are in the draw."""

    raffle = serializers.UUIDField()
    entry_id = serializers.UUIDField()
    first_ticket = serializers.IntegerField()
    count = serializers.IntegerField()
    tickets_before = serializers.IntegerField()
    root = serializers.CharField()  # type: ignore[assignment]
    tickets = serializers.IntegerField()
    path = PathStepSerializer(many=True)


class BundleSerializer(serializers.Serializer):
    """The bundle of `luxewin/draw/v1`, section 7."""

    protocol = serializers.CharField()
    raffle = serializers.UUIDField()
    manifest = serializers.CharField(help_text="Canonical JSON, RFC 8785.")
    manifest_hash = serializers.CharField()
    entries = serializers.DictField()
    commitment = serializers.DictField()
    beacon = serializers.DictField()
    seed = serializers.CharField()
    picks = serializers.ListField(child=serializers.DictField())
    settlement = serializers.DictField(allow_null=True)
