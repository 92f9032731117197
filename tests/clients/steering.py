"""Judges a broker's log: was a client served where its partitions are, and did it stay there?

steering.py CLIENT one|each|ports LOG

`each`: it sees a broker per shard. Over 99 % of its routed requests are served by the shard that
was asked, not counting those that made a connection move (in seconds on a slow machine they alone
may be one in a hundred), and no connection moves more than MOVES_MAX times. `one`: it sees one
broker, and no connection moves. `ports`: each shard has a port of its own; as `each`, but no
connection moves. The log is that of one broker that served nobody else, with
shard::steer and shard::stop at debug.
"""

import collections
import re
import sys

# The first request, which says whose the connection is, and one change of mind.
MOVES_MAX = 2
REQUESTS_MIN = 500
SHARE_MIN = 0.99

client, sees, log = sys.argv[1:]
with open(log, encoding="utf-8") as lines:
    text = re.sub(r"\x1b\[[0-9;]*m", "", lines.read())

moves = collections.Counter(re.findall(r"the connection moves peer=(\S+)", text))
counts = re.findall(r"own=(\d+) over_mesh=(\d+) arrived=(\d+)", text)
assert len(counts) == 8, f"{len(counts)} shards told their counts"
own, over_mesh, arrived = (sum(map(int, column)) for column in zip(*counts))
share = own / (own + over_mesh)
settled_share = own / (own + over_mesh - arrived)
worst = max(moves.values(), default=0)
print(f"{client}: {own + over_mesh} routed requests, {share:.2%} served where they arrived; "
      f"{arrived} connections moved, {worst} times at most")
assert own + over_mesh >= REQUESTS_MIN, "too few requests to judge"
assert arrived == sum(moves.values()), "not every move was told"
if sees == "each":
    assert arrived > 0, "no connection moved: does it see the shards?"
    assert settled_share > SHARE_MIN, "too many requests over the mesh"
    assert worst <= MOVES_MAX, f"it flaps: {moves.most_common(5)}"
else:
    assert sees == "one" or share > SHARE_MIN, "too many requests over the mesh"
    assert arrived == 0, f"moved: {moves.most_common(5)}"
