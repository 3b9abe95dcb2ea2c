"""The browser's room: how the one library that the page of a draw needs is bundled into one committed file."""
