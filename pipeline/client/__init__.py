"""A server of ours as a program meets it: reading a room, and publishing into one."""
