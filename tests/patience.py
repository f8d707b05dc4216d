"""How long tests wait for what is to come: far longer than it takes on a machine that is busy.

Only a test that fails waits so long.
"""

PATIENCE_S = 240
