"""What a server keeps: sessions and finals in an SQLite file, and transcripts of them."""
