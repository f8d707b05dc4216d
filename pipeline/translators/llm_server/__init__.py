"""A language model behind a chat endpoint as a translator."""
