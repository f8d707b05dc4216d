"""WebRTC as the server and the bots share it: a peer connection, a track that is heard, the tile.

Nothing here opens a connection by itself: `Peer` needs the description of the other side, and how
that comes is for whoever holds it. What is sent leaves from the addresses of `Network` alone.
"""
