"""The folder network."""
