"""Recognition and translation on other machines, by Ray Serve. Only what is here imports Ray, and
only in a process of its own: see cluster/process.py.

`access.py` says which clusters are used, `deployments.py` has what runs in them, `connection.py`
is how a server reaches it, and `recordings.py` takes recordings to where there is room.
"""
