"""Files on their way to subtitles: what is asked, what arrives, and what is made of each."""
