"""The core of the HTTP API: router, problem details, pages, rate limits, request context. Imports no app."""
