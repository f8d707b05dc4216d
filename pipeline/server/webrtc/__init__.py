"""WebRTC in the server: who speaks and who reads as a peer, and how that is agreed on."""
