"""Accounts: people, roles, sessions, safeguards, preferences, notifications."""
