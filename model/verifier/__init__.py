"""A model that reads left to right: it writes candidates, and says how likely answers are."""
