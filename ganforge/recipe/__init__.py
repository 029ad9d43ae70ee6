"""Recipes: reading them, overriding them from the command line, and checking them."""
