"""The folder exact."""
