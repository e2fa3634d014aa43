#!/bin/bash
# tapdeck replay --list: its connections have the numbers that tshark gives them as tcp.stream, whatever
# the traffic; and bad input is one sentence and status 2.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ok() { local status=$?; if [ $status -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi; }

# Random segments of a few pairs of ports, SYNs, FINs and RSTs among them: ports are used again and again.
cat >"$work/make.py" <<'PY'
import random, struct, sys
seed, path = int(sys.argv[1]), sys.argv[2]
random.seed(seed)
def segment(up, port, flags, seq, ack, text):
    a, b = (b"\x0a\0\0\1", b"\x0a\0\0\2") if up else (b"\x0a\0\0\2", b"\x0a\0\0\1")
    ports = (port, 80) if up else (80, port)
    tcp = struct.pack("!HHIIBBHHH", *ports, seq, ack, 0x50, flags, 1000, 0, 0) + text
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + a + b
    return b"\0" * 12 + b"\x08\0" + ip + tcp
with open(path, "wb") as f:
    f.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for i in range(400):
        p = segment(random.random() < 0.5, random.choice([1000, 1001, 1002]),
                    random.choice([2, 2, 0x12, 0x10, 0x10, 0x18, 0x10, 0x11, 0x14, 4]),
                    random.choice([100, 101, 200]), random.choice([100, 101, 200, 5]), random.choice([b"", b"abc"]))
        f.write(struct.pack("<IIII", i, 0, len(p), len(p)) + p)
PY
cat >"$work/first.py" <<'PY'
import json, sys
print("\n".join(f"{s['stream']} {s['first_packet']}" for s in json.load(sys.stdin)["streams"]))
PY
for seed in 1 2 3 4; do
    python3 "$work/make.py" $seed "$work/x.pcap"
    tshark -r "$work/x.pcap" -T fields -e tcp.stream -e frame.number 2>/dev/null | awk '!($1 in seen) { seen[$1] = 1; print }' |
        tr '\t' ' ' | sort -n >"$work/theirs"
    "$BUILD/tapdeck" replay --list -j "$work/x.pcap" | python3 "$work/first.py" >"$work/ours"
    streams=$(wc -l <"$work/theirs")
    [ "$streams" -gt 20 ] && cmp -s "$work/ours" "$work/theirs"
    ok "seed $seed: $streams streams, numbered as tshark numbers them"
done
gzip -k "$work/x.pcap" && cmp <("$BUILD/tapdeck" replay --list "$work/x.pcap") <("$BUILD/tapdeck" replay --list - <"$work/x.pcap.gz")
ok "compressed, from the standard input: the same"

refused() { # WORDS… | sentence
    local said status
    said=$("$BUILD/tapdeck" replay "${@:2}" 2>&1 >/dev/null)
    status=$?
    [ $status -eq 2 ] && [[ $said == *"$1"* ]] && [ "$(wc -l <<<"$said")" -eq 1 ]
    ok "refused: replay ${*:2}: $said"
}
: >"$work/empty"
echo "this is text" >"$work/text"
refused "it is empty" --list "$work/empty"
refused "not a capture file" --list "$work/text"
refused "No such file" --list "$work/none"
capture() { python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, int(sys.argv[1])) + (struct.pack("<IIII", 1, 0, 20, 20) + b"a" * 20) * int(sys.argv[2]))' "$@"; }
capture 147 3 >"$work/strange.pcap"
capture 1 0 >"$work/hollow.pcap"
for mode in "" --list -i "--play A" "--play 10.0.0.1" "-i --play 10.0.0.1" "--report html"; do
    refused "link type 147 can't be read" $mode "$work/strange.pcap"
    refused "there is no packet in it" $mode "$work/hollow.pcap"
done
for mode in "" "--play A" "--play 10.0.0.1"; do
    refused "choose one" $mode -j --report html -o "$work/page.html" pcaps/sack/sack.pcapng
done
refused "which capture" --list
refused "no option '--lisp'" --lisp "$work/x.pcap"
refused "takes one capture" --list "$work/x.pcap" "$work/x.pcap"
refused "there is no flow 99999; the last is" --flow 99999 "$work/x.pcap"
refused "there is no flow 99999; the last is" --play client --flow 99999 "$work/x.pcap"
refused "--play needs the side" "$work/x.pcap" --play
refused "--summary doesn't go with it" --play client --summary "$work/x.pcap"
refused "--list shows the whole file" --play client --list "$work/x.pcap"
refused "is of 192.0.2.1:40000 (client) and 192.168.0.1:8080" --play 192.0.2.1:9 pcaps/sack/sack.pcapng
refused "it is empty" --play client "$work/empty"
refused "there is no such knob" --play client --knob net.ipv4.tcp_nothing=1 pcaps/sack/sack.pcapng
refused "write NAME=VALUE" --play client --knob reno pcaps/sack/sack.pcapng
refused "it can't have this value" --play client --knob net.ipv4.tcp_sack=many pcaps/sack/sack.pcapng
refused "without --play" --knob net.ipv4.tcp_sack=0 pcaps/sack/sack.pcapng
own=pcaps/sawtooth-reno/sawtooth-reno.pcapng.gz
for side in client server; do
    "$BUILD/tapdeck" replay --play $side $own | grep -q '^[0-9]* same, 0 later, 0 earlier, 0 split, 0 coalesced, 0 extra, 0 missing'
    ok "--play $side: with the knobs and calls that the capture tells, all is the same"
done
! "$BUILD/tapdeck" replay --play server --knob net.ipv4.tcp_congestion_control=cubic $own | grep -q ' 0 extra, 0 missing'
ok "--knob says more than what the capture tells"
reno=$work/reno.pcap # the packets alone
gzip -dc $own | tcpdump -r - -w "$reno" 2>"$work/noise"
"$BUILD/tapdeck" replay --play server --knob net.ipv4.tcp_congestion_control=reno --knob net.ipv4.tcp_slow_start_after_idle=0 "$reno" |
    grep -q '^[0-9]* same, 0 later, 0 earlier, 0 split, 0 coalesced, 0 extra, 0 missing' &&
    ! "$BUILD/tapdeck" replay --play server --knob net.ipv4.tcp_congestion_control=cubic "$reno" | grep -q ' 0 extra, 0 missing'
ok "--knob: a sender with Reno is played by Reno, and differs from CUBIC"
"$BUILD/tapdeck" replay --play server --knob net.ipv4.tcp_slow_start_after_idle=0 "$reno" | grep -q '^its congestion window was taken from the capture'
ok "--play: a sender whose congestion control isn't told has the captured window"
head -c 20000 "$reno" >"$work/half.pcap"
said=$("$BUILD/tapdeck" replay --play server "$work/half.pcap" | tail -2)
[[ $said == *"packets were cut off when they were captured"*"note: "*"half.pcap"* ]]
ok "--play of a file that breaks off: what is there, and a note: ${said##*note: }"
"$BUILD/tapdeck" replay --play server pcaps/sack/sack.pcapng | grep -q '^13 same, 0 later'
ok "--play server: our own stack says the same again"
"$BUILD/tapdeck" replay --play B -j pcaps/sack/sack.pcapng |
    python3 -c 'import json, sys; r = json.load(sys.stdin); sys.exit(not (r["same"] == 13 == len(r["frames"]) and r["played"] == "server" and r["frames"][0]["sent"]["seq"] == r["frames"][0]["captured"]["seq"]))'
ok "--play -j: the same as JSON"
"$BUILD/tapdeck" replay --play client pcaps/half-close/half-close.pcapng | grep -q '^first divergence at [0-9.]* s.*: extra, .* The stack sent it; the captured side'
ok "--play client: a host that acknowledges otherwise; the first difference is told"
refused "there is no packet 5000; the last is 400" --from 5000 "$work/x.pcap"
refused "--flow needs a number" --flow x "$work/x.pcap"
refused "--checksums needs honour, repair or drop" --checksums no "$work/x.pcap"
refused "is before --from" --from 9 --to 3 "$work/x.pcap"
refused "doesn't go with it" --list --flow 3 "$work/x.pcap"
"$BUILD/tapdeck" replay --checksums repair -j "$work/x.pcap" | python3 -c '
import json, sys
d = json.load(sys.stdin)
assert len(d["packets"]) == 400 and [p["number"] for p in d["packets"]] == list(range(1, 401))
assert len(d["streams"]) == 1 + max(p["stream"] for p in d["packets"])'
ok "replay -j: a row for each packet, statistics for each connection"
