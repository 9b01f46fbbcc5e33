"""The folder pictures."""
