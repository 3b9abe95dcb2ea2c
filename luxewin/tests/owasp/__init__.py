"""OWASP API Security Top 10 (2023), a file for each item, as an attacker; docs/security-tests.md has the table."""
