"""A plugin file without a single hook."""
