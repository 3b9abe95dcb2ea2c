"""Serializers of accounts."""
