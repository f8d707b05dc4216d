"""What a text is: languages, clauses, segments, tokens, terms (pure)."""
