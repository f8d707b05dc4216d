"""Bots, one per file: each goes where people speak, and brings what it hears to a room of a server.

Where they go is what their command line names; nothing that they hear there sends them elsewhere.
"""
