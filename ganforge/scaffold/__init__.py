"""Writes new plugin packages: what they are called, what is in them, and the folder itself."""
