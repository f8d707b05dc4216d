"""Tables of words per language pair: names, numbers and dates that stand in for each other."""
