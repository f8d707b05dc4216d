"""`surtitle serve`: rooms, WebSockets, transcripts, and the pages."""
