#!/bin/bash
# `tapdeck replay` beside tshark, packet by packet, over captures made on the spot: our stack in virtual time, and the
# kernel's and ours with each other over an impaired interface, each seen from both ends' side (observe_compare.py has what
# they may differ in). And the inferred congestion window of the kernel beside what `ss -ti` said of it meanwhile.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs tshark "replay beside tshark"
needs tcpdump "replay beside tshark"
compare() { # WHAT CAPTURE...
    local what=$1
    shift
    if python3 tests/e2e/observe_compare.py "$BUILD/tapdeck" "$@" >"$work/compare" 2>&1; then ok "$what"; else not_ok "$what" "$work/compare"; fi
    sed 's/^/# /' "$work/compare" | tail -n 2
}

mkdir "$work/virtual"
if [ -x "$BUILD/tests/apps/replay/test_infer" ]; then
    check "our stack in virtual time" env CAPTURES="$work/virtual" "$BUILD/tests/apps/replay/test_infer"
    compare "our stack: losses, with and without SACK and timestamps, seen from both ends" "$work"/virtual/{losses,newreno,plain}-*.pcap
fi

mkdir "$work/site"
head -c 2000000 /dev/urandom >"$work/site/file"
start_daemon "app start httpd -p 80 $work/site" "app start discard" "app start echo" "app start chargen"
capture() { # NAME
    tcpdump -Z root --immediate-mode -U -B 8192 -s 200 -ni tap0 -w "$work/$1.pcap" tcp 2>"$work/tcpdump.log" &
    capturing=$!
    linux="$linux $capturing"
    eventually 5 grep -q listening "$work/tcpdump.log"
}
captured() {
    sleep 0.3 # what was just sent
    kill -INT $capturing 2>/dev/null
    wait $capturing 2>/dev/null
}

# The kernel sends to discard over a line that delays, loses and narrows; ss looks at it all the while.
cat >"$work/send.py" <<'PY'
import socket, sys
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, sys.argv[1].encode())
s.connect(("10.0.0.2", 9))
left = int(sys.argv[2])
while left > 0:
    left -= s.send(b"x" * min(left, 65536))
s.shutdown(socket.SHUT_WR)
s.settimeout(20)
s.recv(1)
PY
cat >"$work/look.py" <<'PY'
import subprocess, sys, time
with open(sys.argv[1], "w") as out:
    end = time.time() + 30
    while time.time() < end:
        before = time.time()
        said = " ".join(subprocess.run(["ss", "-tinH", "dport", "=", ":9"], capture_output=True, text=True).stdout.split())
        if "ESTAB" in said:
            print((before + time.time()) / 2, said, file=out, flush=True)
        time.sleep(0.01)
PY
cat >"$work/median.py" <<'PY'
import bisect, json, re, statistics, subprocess, sys
tapdeck, capture, log = sys.argv[1:]
report = json.loads(subprocess.run([tapdeck, "replay", "-j", capture], capture_output=True, text=True, check=True).stdout)
rows = [p for p in report["packets"] if p["kind"] == "tcp" and "inferred" in p["client"]]
times = [(report["first_ns"] + p["time_ns"]) / 1e9 for p in rows]
errors = []
for line in open(log):
    when, true = float(line.split()[0]), re.search(r" cwnd:(\d+)", line)
    at = bisect.bisect_right(times, when) - 1
    if true and at >= 0:
        errors.append(abs(rows[at]["client"]["inferred"]["cwnd_segments"] - int(true[1])) / int(true[1]))
print(f"{len(errors)} looks, median error {statistics.median(errors):.3f}")
sys.exit(len(errors) < 20 or statistics.median(errors) > 0.25)
PY
line() { deck tc qdisc replace dev eth0 ingress netem "$@" limit 60 && deck tc qdisc replace dev eth0 root netem delay 10ms limit 2000; }
for cc in reno cubic; do
    grep -qw $cc /proc/sys/net/ipv4/tcp_available_congestion_control || continue
    check "a narrow, lossy line" line delay 10ms rate 20mbit loss 0.2%
    capture "kernel-$cc"
    python3 "$work/look.py" "$work/$cc.log" &
    looking=$!
    linux="$linux $looking"
    check "the kernel sends 2 MB with $cc" timeout 30 python3 "$work/send.py" $cc 2000000
    kill $looking
    captured
    check "its window is inferred with a median error of 25 % or less ($cc)" python3 "$work/median.py" "$BUILD/tapdeck" "$work/kernel-$cc.pcap" "$work/$cc.log"
    sed 's/^/# /' "$work/check.log"
done

# Our stack sends, seen from the kernel's side: late ones, copies, gaps.
line delay 10ms
check "a line that reorders, duplicates and loses" deck tc qdisc replace dev eth0 root netem delay 10ms 2ms loss 0.5% duplicate 1%
capture mixed
check "the kernel fetches 2 MB" timeout 30 curl -sS -o /dev/null http://10.0.0.2/file
captured

# A reader that stops: zero windows and probes; one that says nothing: keep-alives; one that isn't there: RST.
check "no impairments" eval 'deck tc qdisc del dev eth0 root && deck tc qdisc del dev eth0 ingress'
cat >"$work/still.py" <<'PY'
import socket, time
slow = socket.socket()
slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
slow.connect(("10.0.0.2", 19))
idle = socket.create_connection(("10.0.0.2", 7))
idle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
idle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
idle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
idle.sendall(b"hello")
time.sleep(2.2)
for i in range(20):
    slow.recv(65536)
try:
    socket.create_connection(("10.0.0.2", 4000))
except OSError:
    pass
PY
capture still
check "a reader that stops, a connection that is idle" timeout 20 python3 "$work/still.py"
captured
compare "the kernel's and our connections, packet by packet" "$work"/kernel-*.pcap "$work/mixed.pcap" "$work/still.pcap"
"$BUILD/tapdeck" replay "$work/still.pcap" >"$work/text"
for words in "zero window" "zero window probe" "keep-alive" "answer to a keep-alive" "RST"; do
    check "said of it: $words" grep -q "$words" "$work/text"
done
finish
