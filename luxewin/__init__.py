"""The project: settings, server, tasks, audit, health."""

__version__ = "0.1.0"
