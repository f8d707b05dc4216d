"""Translators of other people through CTranslate2: models, how they want a text, where they are."""
