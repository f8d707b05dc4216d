"""Cues, line breaks and files of subtitles."""
