"""Bundling of the one library that a draw's page needs into one committed file."""
