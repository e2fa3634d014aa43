"""Clients of the control socket that a console would not be: SOCKET connections N | deaf | half N | oversized | nonsense |
flood N | many N COMMAND… | stranger closed|told. Exit status 0: the daemon did as it should."""
import json
import os
import select
import signal
import socket
import sys
import time

path, what, words = sys.argv[1], sys.argv[2], sys.argv[3:]


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    return s


def answer(s):
    """Lines up to the first that ends a command."""
    got = b""
    s.settimeout(10)
    while b'"status"' not in got:
        piece = s.recv(65536)
        if not piece:
            break
        got += piece
    return got


def connections(n):
    kept = [socket.create_connection(("10.0.0.2", 7)) for _ in range(n)]
    print("open", flush=True)
    signal.pause()
    return len(kept)


def deaf():
    """Asks for more and more; never reads. Over when the daemon closes."""
    s = connect()
    s.setblocking(False)
    n, until = 0, time.time() + 15
    while time.time() < until:
        line = b'{"id":%d,"cmd":["table","events"]}\n' % n
        try:
            s.send(line)
            n += 1
        except BlockingIOError:
            poll = select.poll()
            poll.register(s, select.POLLHUP | select.POLLERR)
            if poll.poll(100):
                return 0
        except (BrokenPipeError, ConnectionResetError):
            return 0
    return 1


def half(n):
    kept = []
    for _ in range(n):
        s = connect()
        s.send(b'{"id":1,"cmd":["vers')
        kept.append(s)
    print("open", flush=True)
    signal.pause()
    return len(kept)


def oversized():
    s = connect()
    s.sendall(b'{"id":1,"cmd":["' + b"x" * 300000 + b'"]}\n')
    s.sendall(b'{"id":2,"cmd":["version"]}\n')
    got = b""
    while b'{"id":2,"status":0}' not in got:
        piece = s.recv(65536)
        if not piece:
            return 1
        got += piece
    return 0 if b"at most 65536 bytes" in got else 1


def nonsense():
    for text in (b"\0\0\0\0\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 1000 + b"\n", b"[" * 5000 + b"\n", b'{"id":1e99,"cmd":["x"]}\n',
                 b'{"id":1,"cmd":[' + b'"a",' * 5000 + b'"a"]}\n', b'{"id":1,"cmd":["ss"],"cmd":7}\n'):
        s = connect()
        s.sendall(text)
        if b'"err"' not in answer(s):
            print("no error for", text[:40])
            return 1
    return 0


def flood(n):
    """As many as can be had at a time, and then others in their place."""
    kept, refused = [], 0
    for i in range(n):
        try:
            kept.append(connect())
        except OSError:
            refused += 1
            time.sleep(0.001)
        if len(kept) == 400:
            for s in kept:
                s.close()
            kept = []
    print(n, "connections,", refused, "refused")
    return 0


def many(n, command):
    kept = []
    for _ in range(n):
        s = connect()
        s.sendall(json.dumps({"id": 1, "cmd": command}).encode() + b"\n")
        kept.append(s)
    print("open", flush=True)
    signal.pause()
    return len(kept)


def stranger(wanted):
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    try:
        s = connect()
    except PermissionError:
        return 0 if wanted == "closed" else 1
    if wanted != "told":
        return 1
    got = answer(s)
    return 0 if b"another user's" in got and s.recv(10) == b"" else 1


sys.exit({
    "connections": lambda: connections(int(words[0])),
    "deaf": deaf,
    "half": lambda: half(int(words[0])),
    "oversized": oversized,
    "nonsense": nonsense,
    "flood": lambda: flood(int(words[0])),
    "many": lambda: many(int(words[0]), words[1:]),
    "stranger": lambda: stranger(words[0]),
}[what]())
