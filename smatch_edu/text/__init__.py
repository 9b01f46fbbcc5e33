"""The folder text."""
