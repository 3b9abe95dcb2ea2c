"""OWASP API Security Top 10 (2023), a file for each item, from an attacker's side; docs/security-tests.md has the table."""
