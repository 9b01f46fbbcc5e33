"""The folder support."""
