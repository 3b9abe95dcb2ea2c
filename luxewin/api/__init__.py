"""The ground of the HTTP API: router, problem details, pages, rate limits, request context. Knows no app."""
