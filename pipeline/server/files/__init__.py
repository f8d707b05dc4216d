"""Recordings that are sent over HTTP: received, heard in turn, kept as subtitles."""
