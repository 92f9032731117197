#!/usr/bin/env python3
"""A proxy that records what a client asks a broker and what the broker answers.

    record.py PORT BROKER CLIENT FILE      until SIGTERM

Listens on 127.0.0.1:PORT and passes everything on to BROKER (HOST:PORT), which must advertise the
proxy's address. Of each request of the API keys it sees it keeps, per API, version and direction,
the frame that says most within BYTES_MAX; they are added to FILE, a line each:

    CLIENT API VERSION request|reply HEX

without the length prefix, in the order of these fields. `tests/golden.rs` reads such a file;
`tests/golden/record.sh` made it.

A client that calls itself `golden-N-M` is offered less than the broker has: its newest version of
every API is N lower, that of Metadata M, but never below the oldest. So a client of today sends,
and gets, what older ones do. What is recorded is what the broker said.
"""

import re
import signal
import socket
import struct
import sys
import threading

# Larger frames say the same more often.
BYTES_MAX = 1200
# A frame is kept if it is the smallest of its kind, whatever its size up to here.
SMALLEST_MAX = 6000
PRODUCE, METADATA, API_VERSIONS = 0, 3, 18
# Kafka says that it has older ones, and has not.
PRODUCE_MIN = 3


class Frames:
    """The frame to keep for each (api, version, direction)."""

    def __init__(self):
        self.kept = {}
        self.lock = threading.Lock()

    def offer(self, key, frame):
        def worth(bytes_):
            fits = len(bytes_) <= BYTES_MAX
            return (fits, len(bytes_) if fits else -len(bytes_))

        with self.lock:
            if len(frame) > SMALLEST_MAX:
                return
            if key not in self.kept or worth(frame) > worth(self.kept[key]):
                self.kept[key] = frame


def whole_frames(held, data):
    """The frames that are whole now; the rest stays held."""
    held += data
    frames = []
    while len(held) >= 4:
        length = struct.unpack(">i", held[:4])[0]
        if len(held) < 4 + length:
            break
        frames.append(bytes(held[4 : 4 + length]))
        del held[: 4 + length]
    return frames


def client_id(request):
    length = struct.unpack(">h", request[8:10])[0]
    return request[10 : 10 + max(length, 0)].decode(errors="replace")


def older(reply, version, back, metadata_back):
    """The reply to ApiVersions, with newest versions that are so much lower."""
    lowered = bytearray(reply)
    # Behind correlation id and error: the length, compact or plain, then the rows.
    flexible = version >= 3
    rows = reply[6] - 1 if flexible else struct.unpack(">i", reply[6:10])[0]
    assert rows < 127, "a length of two bytes"
    for row in range(rows):
        at = 7 + 7 * row if flexible else 10 + 6 * row
        api, oldest, newest = struct.unpack(">hhh", reply[at : at + 6])
        oldest = PRODUCE_MIN if api == PRODUCE else oldest
        newest -= metadata_back if api == METADATA else back
        struct.pack_into(">h", lowered, at + 4, max(oldest, newest))
    return bytes(lowered)


class Link:
    """One connection of the client and the one that goes with it."""

    def __init__(self, client, broker, frames):
        self.ends = {"request": (client, broker), "reply": (broker, client)}
        self.frames = frames
        self.asked = {}
        self.back = None
        for direction in self.ends:
            threading.Thread(target=self.carry, args=(direction,), daemon=True).start()

    def carry(self, direction):
        source, target = self.ends[direction]
        held = bytearray()
        try:
            while data := source.recv(1 << 16):
                for frame in whole_frames(held, data):
                    frame = self.note(direction, frame)
                    target.sendall(struct.pack(">i", len(frame)) + frame)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, target):
                end.close()

    def note(self, direction, frame):
        """Records it, and gives what goes on in its place."""
        if direction == "request":
            api, version, correlation = struct.unpack(">hhi", frame[:8])
            self.asked[correlation] = (api, version)
            if named := re.fullmatch(r"golden-(\d+)-(\d+)", client_id(frame)):
                self.back = [int(number) for number in named.groups()]
        else:
            correlation = struct.unpack(">i", frame[:4])[0]
            if correlation not in self.asked:
                return frame
            api, version = self.asked.pop(correlation)
        self.frames.offer((api, version, direction), frame)
        if direction == "reply" and api == API_VERSIONS and self.back:
            return older(frame, version, *self.back)
        return frame


def main():
    port, broker, client, path = sys.argv[1:]
    host, broker_port = broker.rsplit(":", 1)
    frames = Frames()
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=64)

    def end(*_):
        with frames.lock, open(path, "a") as out:
            for (api, version, direction), frame in sorted(frames.kept.items()):
                out.write(f"{client} {api} {version} {direction} {frame.hex()}\n")
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    while True:
        accepted, _ = listener.accept()
        Link(accepted, socket.create_connection((host, int(broker_port))), frames)


main()
