#!/usr/bin/env python3
"""tests/scripts/played.py TAPDECK CAPTURE…: plays each end of each connection of these captures, and says how that went.

A line for each: the capture, the connection, the end, whose it is (ours: the capture holds a diary of it; script: drill's, for one of
ours; other: the kernel's), how many frames have which verdict, and how many differ without a cause being told."""
import gzip, json, re, subprocess, sys


def run(*words):
    p = subprocess.run([sys.argv[1], "replay", "-j"] + list(words), capture_output=True, text=True)
    return p.returncode, json.loads(p.stdout) if p.returncode == 0 else p.stderr.strip()


for path in sys.argv[2:]:
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
        raw = f.read()
    ours = set(m.decode() for m in re.findall(rb"address (\d+\.\d+\.\d+\.\d+)/", raw))
    status, contents = run("--list", path)
    for stream in contents["streams"]:
        for side in "client", "server":
            addr = stream[side]["endpoint"].rsplit(":", 1)[0]
            whose = "ours" if addr in ours else "script" if b"stack 1 drill" in raw else "other"
            status, got = run("--flow", str(stream["stream"]), "--play", side, path)
            name = "%s %d %s %s:" % (path.split("/")[-1].split(".")[0], stream["stream"], side, whose)
            if status != 0:
                print(name, got)
                continue
            verdicts = {}
            silent = 0
            for frame in got["frames"]:
                verdicts[frame["verdict"]] = verdicts.get(frame["verdict"], 0) + 1
                silent += frame["verdict"] != "same" and not frame.get("cause")
            print(name, ", ".join("%d %s" % (n, v) for v, n in sorted(verdicts.items())) + (", %d without a cause" % silent if silent else ""))
