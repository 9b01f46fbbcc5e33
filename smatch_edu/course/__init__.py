"""The folder course."""
