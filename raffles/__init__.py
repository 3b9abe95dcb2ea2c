"""Raffles: catalogue, prizes, lifecycle, ticket counters."""
