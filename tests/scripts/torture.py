#!/usr/bin/env python3
"""tests/scripts/torture.py TAPDECK DIR SEED SECONDS: captures that are wrong in every way, made of those in pcaps/, and each
way of replaying them.

Damage is done to files (bits, tails, lengths, blocks, gzip, diaries) and to frames, with checksums mended (order, times, flags,
numbers, options, VLAN tags, link types, IPv6, jumbo frames, floods). A run must end by itself within a time, with status 0, 1 or 2,
and with a sentence where it isn't 0; whatever ends otherwise is told, and kept in DIR. The seed decides everything but how far it
comes in the time."""
import glob, gzip, os, random, struct, subprocess, sys, time

BIN, DIR, SEED, SECONDS = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
R = random.Random(SEED)
MODES = [["--list"], ["--list", "-j"], [], ["-j"], ["--summary"], ["--flow", "0"], ["--play", "client"], ["--play", "server"],
         ["--play", "server", "-j"], ["--checksums", "repair"], ["--checksums", "drop", "-j"], ["--report", "html", "-o", "/dev/null"],
         ["-w", "/dev/null"], ["--play", "10.0.0.1"], ["--play", "192.168.0.1", "-j"], ["-i", "-e", "step 3", "-e", "ss", "-e", "back"],
         ["-i", "-e", "play", "-e", "goto 2", "-e", "ss", "--play", "server"]]


def load(path):
    raw = open(path, "rb").read()
    return gzip.decompress(raw) if path.endswith(".gz") else raw


def blocks(b):
    out, at = [], 0
    while at + 12 <= len(b):
        n = struct.unpack_from("<I", b, at + 4)[0]
        if n < 12 or at + n > len(b):
            break
        out.append(b[at:at + n])
        at += n
    return out


def frames(b):
    """[time in ns, bytes, length on the wire]"""
    out = []
    if b[:4] == b"\x0a\x0d\x0d\x0a":
        for k in blocks(b):
            if k[:4] == b"\x06\0\0\0":
                hi, lo, n = struct.unpack_from("<III", k, 12)
                out.append([hi << 32 | lo, k[28:28 + n], n])
        return out
    at, unit = 24, 1 if b[:4] == b"\x4d\x3c\xb2\xa1" else 1000
    while at + 16 <= len(b):
        s, part, n = struct.unpack_from("<III", b, at)
        out.append([s * 10**9 + part * unit, b[at + 16:at + 16 + n], n])
        at += 16 + n
    return out


FILES = [load(f) for f in sorted(glob.glob("pcaps/*/*.pcap*"))]
NG = [b for b in FILES if b[:4] == b"\x0a\x0d\x0d\x0a"]
DIARIES = [b for b in NG if b"tapdeck-diary" in b]
TALKS = [frames(b) for b in FILES]


def pcap(talk, link=1, order="<", ns=True):
    out = [struct.pack(order + "IHHIIII", 0xA1B23C4D if ns else 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)]
    for t, d, n in talk:
        t %= 2**32 * 10**9
        out.append(struct.pack(order + "IIII", t // 10**9, t % 10**9 // (1 if ns else 1000), len(d), n & 0xFFFFFFFF) + d)
    return b"".join(out)


def ones(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b + b"\0" if len(b) % 2 else b)) if len(b) % 2 == 0 else \
        sum(struct.unpack("!%dH" % ((len(b) + 1) // 2), b + b"\0"))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def is_tcp(d):
    return len(d) >= 54 and d[12:14] == b"\x08\0" and d[14] == 0x45 and d[23] == 6


def mend(d):
    """The checksums of a TCP segment."""
    d = bytearray(d)
    if not is_tcp(d):
        return bytes(d)
    n = min(struct.unpack_from("!H", d, 16)[0], len(d) - 14)
    d[24:26] = b"\0\0"
    struct.pack_into("!H", d, 24, ones(bytes(d[14:34])))
    if n >= 40:
        d[50:52] = b"\0\0"
        struct.pack_into("!H", d, 50, ones(bytes(d[26:34]) + struct.pack("!HH", 6, n - 20) + bytes(d[34:14 + n])))
    return bytes(d)


def spoil_frames(talk):
    talk = [list(f) for f in talk]
    for _ in range(R.choice([1, 2, 5, 20])):
        if not talk:
            break
        i, what = R.randrange(len(talk)), R.randrange(12)
        t, d, n = talk[i]
        b = bytearray(d)
        if what == 0:
            talk.insert(R.randrange(len(talk)), [t, d, n])
        elif what == 1:
            j = R.randrange(len(talk))
            talk[i], talk[j] = talk[j], talk[i]
        elif what == 2:
            del talk[i]
        elif what == 3:
            talk[i][0] = R.choice([0, 2**62, t - 1, max(0, t + 10**9 * R.randrange(-10**6, 10**6))])
        elif what == 4:
            talk[i][1] = d[:R.randrange(len(d) + 1)]
        elif what == 5:
            talk[i][2] = R.choice([0, n + 1, 2**31, 2**32 - 1, 9000, 65549])
        elif what == 6 and len(b) > 54:
            for _ in range(R.choice([1, 2, 4])):
                b[R.randrange(14, min(len(b), 74))] = R.choice([0, 1, 0x7F, 255, R.randrange(256)])
            talk[i][1] = mend(b)
        elif what == 7 and is_tcp(b):
            at = R.choice([38, 42])
            struct.pack_into("!I", b, at, (struct.unpack_from("!I", b, at)[0] + R.choice([1, -1, 1000, -1000, 65536, 2**31, 2**30])) % 2**32)
            talk[i][1] = mend(b)
        elif what == 8 and is_tcp(b):
            b[47] = R.randrange(256)
            talk[i][1] = mend(b)
        elif what == 9 and is_tcp(b):
            struct.pack_into("!H", b, 48, R.choice([0, 1, 65535]))
            talk[i][1] = mend(b)
        elif what == 10:
            tags = b"".join(R.choice([b"\x81\0", b"\x88\xa8"]) + struct.pack("!H", R.randrange(4096)) for _ in range(R.randrange(1, 6)))
            talk[i][1] = bytes(b[:12]) + tags + bytes(b[12:])
        elif what == 11:
            talk[i][1] = d + b"\xee" * R.choice([1, 100, 9000])
    return talk


def bits(b):
    b = bytearray(b)
    for _ in range(R.choice([1, 3, 10, 50, 300])):
        b[R.randrange(len(b))] ^= 1 << R.randrange(8)
    return bytes(b)


def lengths(b):
    b = bytearray(b)
    for _ in range(R.choice([1, 4])):
        struct.pack_into("<I", b, R.randrange(0, len(b) - 4) & ~3, R.choice([0, 1, 12, 13, 65536, 2**31 - 1, 2**31, 2**32 - 1, R.getrandbits(32)]))
    return bytes(b)


def shuffled_blocks(_):
    k = blocks(R.choice(NG))
    for _ in range(R.choice([1, 5, 30])):
        i, what = R.randrange(len(k)), R.randrange(4)
        if what == 0:
            k.insert(i, R.choice(k))
        elif what == 1:
            k[i], k[-1] = k[-1], k[i]
        elif what == 2 and len(k) > 2:
            del k[i]
        else:
            k.insert(R.randrange(len(k) + 1), struct.pack("<IIII", R.choice([0xBAD, 0x40000BAD, 2, 3, 4, 9, 0x123]), 16, R.choice([32473, 1, 0]), 16))
    return b"".join(k)


def diaries(_):
    b = bytearray(R.choice(DIARIES))
    begin = b.index(b"tapdeck-diary")
    for _ in range(R.choice([1, 5, 20])):
        b[R.randrange(begin, len(b))] = R.choice(b"0123456789 \n.:=abc\0\xff-")
    return bytes(b)


def zipped(b):
    g = bytearray(gzip.compress(b, 1, mtime=0))
    for _ in range(R.choice([0, 1, 3])):
        g[R.randrange(len(g))] ^= 1 << R.randrange(8)
    return bytes(g[:R.randrange(len(g))] if R.random() < .5 else g + g)


def flood(_):
    base = next(d for t in TALKS for _, d, _ in t if is_tcp(d))
    talk = []
    for i in range(R.choice([100, 2000])):
        b = bytearray(base)
        struct.pack_into("!IIHHI", b, 26, R.getrandbits(32), R.getrandbits(8), R.getrandbits(16), 80, R.getrandbits(32))
        talk.append([10**18 + i * 1000, mend(b), len(b)])
    return pcap(talk)


def ipv6(d):
    if not is_tcp(d):
        return d
    return d[:12] + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(d) - 34, 6, 64) + b"\x20\x01" + bytes(10) + d[26:30] + \
        b"\x20\x01" + bytes(10) + d[30:34] + d[34:]


def jumbo(_):
    talk = [list(f) for f in R.choice(TALKS)]
    for f in talk:
        if is_tcp(f[1]) and R.random() < .5:
            b = bytearray(f[1] + b"J" * R.choice([8000, 60000, 100000]))
            struct.pack_into("!H", b, 16, len(b) - 14 if len(b) < 65000 else 0)
            f[1], f[2] = bytes(b), len(b)
    return pcap(talk)


def any_talk():
    return R.choice(TALKS)


DAMAGES = [
    bits, lengths, shuffled_blocks, diaries, zipped, flood, jumbo,
    lambda b: b[:R.randrange(len(b))],
    lambda b: b[:24] + R.randbytes(R.choice([0, 10, 1000])),
    lambda b: pcap(any_talk(), order=R.choice("<>"), ns=R.random() < .5),
    lambda b: pcap(spoil_frames(any_talk())),
    lambda b: pcap(spoil_frames(any_talk()), order=">"),
    lambda b: pcap(spoil_frames(any_talk() + any_talk() + any_talk())),
    lambda b: pcap(spoil_frames(any_talk()), link=R.choice([0, 1, 12, 14, 101, 108, 113, 127, 228, 229, 276, R.getrandbits(32)])),
    lambda b: pcap(spoil_frames([[t, d[14:], max(0, n - 14)] for t, d, n in any_talk()]), link=R.choice([0, 12, 101, 108, 228])),
    lambda b: pcap(spoil_frames([[t, ipv6(d), len(ipv6(d))] for t, d, n in any_talk()])),
]

end, runs, bad = time.monotonic() + SECONDS, 0, 0
while (time.monotonic() < end or runs < 21) and bad < 10:  # however slow the machine is
    path = os.path.join(DIR, "capture")
    with open(path, "wb") as f:
        f.write(R.choice(DAMAGES)(R.choice(FILES)))
    for mode in R.sample(MODES, 3):
        runs += 1
        try:
            p = subprocess.run([BIN, "replay"] + mode + [path], capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
            status, said = p.returncode, p.stderr.decode("latin1")
        except subprocess.TimeoutExpired:
            status, said = "it didn't end", ""
        if status not in (0, 1, 2) or (status != 0 and not said.strip()) or "Sanitizer" in said or "runtime error" in said:
            bad += 1
            kept = os.path.join(DIR, "bad-%d" % bad)
            with open(path, "rb") as f, open(kept, "wb") as g:
                g.write(f.read())
            print("# %s: replay %s: %s: %s" % (kept, " ".join(mode), status, said[:300].replace("\n", " | ")))
print("%d runs, %d bad" % (runs, bad))
sys.exit(1 if bad else 0)
