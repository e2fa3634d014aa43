#!/bin/bash
# Captures that are wrong in every way (tests/scripts/torture.py), in every way of replaying them; and what grows with what.
# TORTURE_SECONDS=600 TORTURE_SEED=7 for more.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ok() { local status=$?; if [ $status -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi; }

said=$(python3 tests/scripts/torture.py "$BUILD/tapdeck" "$work" "${TORTURE_SEED:-1}" "${TORTURE_SECONDS:-5}")
status=$?
grep '^#' <<<"$said"
last=$(tail -1 <<<"$said")
[ $status -eq 0 ] && [ "${last%% runs*}" -ge 20 ]
ok "damaged captures: $last"

case $BUILD in *asan*) exit 0 ;; esac # whose allocator keeps what was freed
# Memory grows with connections and not with packets, time with packets: a connection of 2,000 packets and one of 60,000.
python3 - "$work" <<'PY'
import struct, sys
def ones(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    s = (s & 0xffff) + (s >> 16)
    return ~(s + (s >> 16)) & 0xffff
def frame(back, seq, ack, flags, text=b""):
    a, b = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    src, dst, sp, dp = (b, a, 80, 4000) if back else (a, b, 4000, 80)
    h = struct.pack("!HHIIBBHHH", sp, dp, seq, ack, 0x50, flags, 65535, 0, 0) + text
    h = h[:16] + struct.pack("!H", ones(src + dst + struct.pack("!HH", 6, len(h)) + h)) + h[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(h), 0, 0, 64, 6, 0) + src + dst
    ip = ip[:10] + struct.pack("!H", ones(ip)) + ip[12:]
    return bytes([2, 0, 0, 0, 0, 2 - back, 2, 0, 0, 0, 0, 1 + back, 8, 0]) + ip + h
for n in (2000, 60000):
    with open("%s/%d.pcap" % (sys.argv[1], n), "wb") as f:
        f.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        t = 0
        def put(d):
            global t
            t += 100
            f.write(struct.pack("<IIII", t // 10**6, t % 10**6, len(d), len(d)) + d)
        put(frame(0, 1000, 0, 2))
        put(frame(1, 5000, 1001, 18))
        put(frame(0, 1001, 5001, 16))
        seq = 1001
        for i in range(n // 3):
            put(frame(0, seq, 5001, 24, b"x" * 100))
            put(frame(0, seq + 100, 5001, 24, b"x" * 100))
            seq += 200
            put(frame(1, 5001, seq, 16))
PY
# A flood: what is kept of connections that came to nothing is little.
python3 - "$work/flood.pcap" <<'PY'
import struct, sys
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
    for i in range(60000):
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, 40, 0, 0, 64, 6, 0, 0x0b000000 + i, 0x0a000002)
        f.write(struct.pack("<IIII", i // 1000, i % 1000 * 1000, 40, 40) + ip + struct.pack("!HHIIBBHHH", 1024, 80, i, 0, 0x50, 2, 1024, 0, 0))
PY
said=$("$BUILD/tapdeck" replay --checksums repair --summary "$work/flood.pcap" | tail -5)
[[ $said == *"10000 connections of one or two packets have no statistics"* ]] && [[ $said == *"60000 packets, 60000 TCP connections"* ]]
ok "a flood of 60,000 connections: ${said##*$'\n'}"

for mode in "--list" "" "--summary" "-j" "--report html" "-w /dev/null"; do
    for n in 2000 60000; do
        # shellcheck disable=SC2086
        python3 - "$work/$n.pcap" "$BUILD/tapdeck" replay $mode - >"$work/peak.$n" <<'PY'
import re, resource, subprocess, sys
p = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
p.stdin.write(open(sys.argv[1], "rb").read())
p.stdin.flush()  # all but what the pipe holds has been read
peak = int(re.search(r"VmHWM:\s*(\d+)", open("/proc/%d/status" % p.pid).read()).group(1))
p.stdin.close()
print(p.wait(), peak, int(1000 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime))
PY
    done
    read -r status small _ <"$work/peak.2000"
    read -r status2 large ms <"$work/peak.60000"
    most=$((small + 2048)) # kB; a page keeps at most 50,000 rows
    [[ $mode == *html* ]] && most=$((small + 20480))
    [ "$status" -eq 0 ] && [ "$status2" -eq 0 ] && [ "$large" -le $most ]
    ok "replay ${mode:-FILE}: $small kB for 2,000 packets of a connection, $large kB for 60,000, in $ms ms"
done
