#!/bin/bash
# `tapdeck replay --live`: one end of a capture against a real peer, the kernel's sockets, at the other side of a TAP
# device; and `--inject`: frames as they were captured, seen by tcpdump.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs tcpdump "replay --live"
ip link set lo up
ip tuntap add tap0 mode tap
ip link set tap0 mtu 1400 # not the usual one: it must stay
ip addr add 10.0.0.1/24 dev tap0
ip link set tap0 up
replay() { "$BUILD/tapdeck" replay "$@"; }

# A conversation: a line, its answer, after 300 ms a second line and a half-close, 40000 bytes, the end.
cat >"$work/make.py" <<'PY'
import struct, sys
def sum16(b):
    s = sum(struct.unpack("!%dH" % (len(b + b"\0" * (len(b) % 2)) // 2), b + b"\0" * (len(b) % 2)))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return struct.pack("!H", ~s & 0xffff)
def segment(up, flags, seq, ack, text=b""):
    a, b = (b"\x0a\x09\0\2", b"\x0a\x09\0\1") if up else (b"\x0a\x09\0\1", b"\x0a\x09\0\2")
    if len(sys.argv) > 3: # on one host
        a = b = b"\x7f\0\0\1"
    tcp = struct.pack("!HHIIBBHHH", *((5000, 7000) if up else (7000, 5000)), seq & 0xffffffff, ack & 0xffffffff, 0x50, flags, 65000, 0, 0) + text
    tcp = tcp[:16] + sum16(a + b + struct.pack("!HH", 6, len(tcp)) + tcp) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + a + b
    ip = ip[:10] + sum16(ip) + ip[12:]
    return b"\x02\0\x0a\x09\0\1" + b"\x02\0\x0a\x09\0\2" + b"\x08\0" + ip + tcp
big = bytes(i * 7 % 251 for i in range(40000))
open(sys.argv[2], "wb").write(big)
c, s = 0xfffffff0, 777 # the client's numbers wrap
frames = [(0, segment(1, 2, c - 1, 0)), (1, segment(0, 0x12, s - 1, c)), (2, segment(1, 0x10, c, s)), (12, segment(1, 0x18, c, s, b"first line\n"))]
c += 11
frames += [(13, segment(0, 0x18, s, c, b"answer\n"))]
s += 7
frames += [(14, segment(1, 0x10, c, s)), (314, segment(1, 0x18, c, s, b"second\n")), (315, segment(1, 0x11, c + 7, s))]
c += 8
for i in range(0, len(big), 1000):
    frames.append((320, segment(0, 0x18 if i == 39000 else 0x10, s, c, big[i:i + 1000])))
    s += 1000
frames += [(321, segment(1, 0x10, c, s)), (322, segment(0, 0x11, s, c)), (323, segment(1, 0x10, c, s + 1))]
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for ms, p in frames:
        f.write(struct.pack("<IIII", 1700000000 + ms // 1000, ms % 1000 * 1000, len(p), len(p)) + p)
PY
python3 "$work/make.py" "$work/talk.pcap" "$work/big" && python3 "$work/make.py" "$work/lo.pcap" "$work/big" lo

cat >"$work/server.py" <<'PY'
import socket, sys
l = socket.create_server(("10.0.0.1", int(sys.argv[1])))
open(sys.argv[3], "w").close()
c, _ = l.accept()
c.settimeout(30)
heard = c.recv(100)
c.sendall(sys.argv[4].encode() + b"\n")
while b := c.recv(1000):
    heard += b
c.sendall(open(sys.argv[2], "rb").read())
c.close()
open(sys.argv[3], "wb").write(heard)
PY
serve() { # PORT ANSWER
    rm -f "$work/heard"
    python3 "$work/server.py" "$1" "$work/big" "$work/heard" "$2" 2>"$work/server.log" &
    linux="$linux $!"
    eventually 20 test -e "$work/heard"
}
field() { python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(*[d[k] for k in sys.argv[2:]])' "$work/json" "$@"; }

tcpdump -Z root --immediate-mode -U -B 4096 -s 2000 -ni tap0 -w "$work/seen.pcap" 2>"$work/tcpdump.log" &
seeing=$!
linux="$linux $seeing"
eventually 20 grep -q listening "$work/tcpdump.log"
serve 7000 answer
replay --live tap0 --play client --as 10.0.0.2/24 --to 10.0.0.1 -j "$work/talk.pcap" >"$work/json" 2>"$work/err"
equal "the client of a capture with a real server: status" $? 0
equal "what was said" "$(field same sent captured_sent received captured_received end captured_end)" "True 18 18 40007 40007 closed closed"
eventually 20 test -s "$work/heard"
equal "the server has heard what was captured" "$(cat "$work/heard")" "$(printf 'first line\nsecond')"
python3 -c '
import json, sys
e = json.load(open(sys.argv[1]))["events"]
assert [x["kind"] for x in e] == ["write", "write", "close"] and e[1]["after_bytes"] == 7, e
gap = e[1]["done_ns"] - e[0]["done_ns"]
assert 295e6 < gap < 5e9, gap' "$work/json" 2>"$work/err"
equal "its second line is as long after the answer as it was" $? 0
kill -INT $seeing; wait $seeing 2>/dev/null
replay -j "$work/seen.pcap" >"$work/observed" && python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
s = d["streams"]
rows = [p for p in d["packets"] if p["kind"] == "tcp"]
assert len(s) == 1 and s[0]["begins"] == "SYN" and s[0]["ends"] == "FIN", s
assert rows[1]["flags"] == "S." and rows[2]["flags"] == "." and rows[-1]["client"]["after"] == "TIME-WAIT", rows[-1]
assert not any("rst" in m for p in rows for m in p["marks"])' "$work/observed" 2>"$work/err"
equal "on the wire: a whole handshake, both closes, no reset" "$?$(cat "$work/err")" 0

serve 7001 Answer
replay --live tap0 --play client --as 10.0.0.2/24 --to 10.0.0.1:7001 --speed 10x "$work/talk.pcap" >"$work/out" 2>&1
equal "another answer is no failure" $? 0
check "the first difference is told" grep -q 'byte 0 is the first that differs: captured "answer.*received "Answer' "$work/out"

serve 7002 answer
replay --live tap0 --play client --as 10.0.0.2/24 --to 10.0.0.1:7002 --max -j "$work/lo.pcap" >"$work/json" 2>"$work/err"
equal "a capture of the loopback interface, without pauses" "$? $(field same end)" "0 True closed"

cat >"$work/client.py" <<'PY'
import socket, sys, time
end = time.time() + 20
while True:
    try:
        c = socket.create_connection(("10.0.0.2", int(sys.argv[1])), 20)
        break
    except OSError:
        if time.time() > end:
            raise
        time.sleep(0.05)
c.sendall(b"first line\n")
said = c.recv(7)
c.sendall(b"second\n")
c.shutdown(socket.SHUT_WR)
while b := c.recv(65536):
    said += b
sys.stdout.buffer.write(said)
PY
replay --live tap0 --play server --as 10.0.0.2/24 --port 8000 -j "$work/talk.pcap" >"$work/json" 2>"$work/err" &
live=$!
linux="$linux $live"
python3 "$work/client.py" 8000 >"$work/said" 2>"$work/client.log"
wait $live
equal "the server of a capture with a real client: status" $? 0
equal "what was said" "$(field same sent received end) $(cmp <(printf 'answer\n'; cat "$work/big") "$work/said" 2>&1)" "True 40007 18 closed "

if command -v curl >/dev/null; then
    rm -f "$work/out"
    replay --live tap0 --play server --as 10.0.0.2/24 --port 8080 pcaps/http-keep-alive/http-keep-alive.pcap.gz >"$work/out" 2>&1 &
    live=$!
    linux="$linux $live"
    eventually 20 grep -q listening "$work/out"
    check "curl fetches from a captured server" curl -sf --retry 20 --retry-connrefused --retry-delay 1 -m 20 http://10.0.0.2:8080/
    wait $live
fi

replay --live tap0 --play client --as 10.0.0.2/24 --to 10.0.0.1:1 "$work/talk.pcap" >"$work/out" 2>&1
equal "nobody listens: status" "$? $(grep -c 'Connection refused' "$work/out")" "1 1"
replay --live tap0 --play client --as 10.0.0.2/24 --to 10.0.0.99:1 --wait 0.4 "$work/talk.pcap" >"$work/out" 2>&1
equal "nobody answers: status" "$? $(grep -c 'nobody answered' "$work/out")" "1 1"
rm -f "$work/out"
"$BUILD/tapdeck" replay --live tap0 --play server --as 10.0.0.2/24 "$work/talk.pcap" >"$work/out" 2>&1 &
live=$!
linux="$linux $live"
eventually 20 grep -q listening "$work/out"
kill -INT $live
wait $live
equal "a signal ends it: status" "$? $(grep -c interrupted "$work/out")" "1 1"
equal "the device's MTU has stayed" "$(ip -o link show tap0 | grep -o "mtu [0-9]*")" "mtu 1400"

# ---- injection ----
f=pcaps/sack/sack.pcapng
rm -f "$work/tcpdump.log" # it says "listening" of the first
tcpdump -Z root --immediate-mode -U -B 4096 -s 2000 -ni tap0 -w "$work/seen.pcap" 'tcp port 40000' 2>"$work/tcpdump.log" &
seeing=$!
linux="$linux $seeing"
eventually 20 grep -q listening "$work/tcpdump.log"
# Never sooner; and not later in the best of some tries, for the machine may be busy with something else.
for try in 1 2 3 4 5; do
    replay --inject tap0 --speed 2x -j $f >"$work/json$try"
    equal "injected at twice the speed: status" $? 0
done
python3 -c '
import json, sys
d = [json.load(open(f)) for f in sys.argv[1:]]
assert all(x["frames"] == 25 and x["too_large"] == 0 for x in d), d
assert all(x["seconds"] > 0.15 for x in d) and min(x["seconds"] for x in d) < 0.29, d' "$work"/json[1-5] 2>"$work/err"
equal "25 frames of 0.3 s in half of it" "$?$(cat "$work/err")" 0
replay --inject tap0 --max --loop 4 -j $f >"$work/json" && replay --inject tap0 --pps 500 -j $f >"$work/json2"
enough() { [ "$(tcpdump -nr "$work/seen.pcap" 2>/dev/null | wc -l)" -ge 250 ]; }
eventually 20 enough
kill -INT $seeing; wait $seeing 2>/dev/null
equal "tcpdump saw them all" "$(tcpdump -nr "$work/seen.pcap" 2>/dev/null | wc -l)" 250
equal "byte for byte" "$(tcpdump -ttnexxr "$work/seen.pcap" -c 25 2>/dev/null | sed 's/^[0-9.]* //' | md5sum)" "$(tcpdump -ttnexxr $f 2>/dev/null | sed 's/^[0-9.]* //' | md5sum)"
ip link set tap0 mtu 500
replay --inject tap0 --max $f >"$work/out" 2>&1
equal "frames that are too large: status" "$? $(grep -c 'too large for its MTU of 500: not sent' "$work/out")" "1 1"

refused() { # SENTENCE WORDS…
    local said status
    said=$(replay "${@:2}" 2>&1 >/dev/null)
    status=$?
    if [ $status -eq 2 ] && [[ $said == *"$1"* ]] && [ "$(wc -l <<<"$said")" -eq 1 ]; then ok "refused: ${*:2}: $said"; else not_ok "refused: ${*:2}: $said ($status)"; fi
}
refused "which capture" --live tap0 --play client
refused "needs the side that the stack is" --live tap0 $f
refused "choose one" --inject tap0 --max --pps 3 $f
refused "goes with --inject" --live tap0 --play client --loop 3 $f
refused "goes with --live" --inject tap0 --to 10.0.0.1 $f
refused "isn't in 10.0.0.2/24" --live tap0 --play client --as 10.0.0.2/24 $f
refused "--speed needs a factor" --inject tap0 --speed fast $f
refused "--as needs the stack's own address" --live tap0 --play client --as 10.0.0.2 $f
refused "--to is whom a client connects to" --live tap0 --play server --to 10.0.0.1:3 $f
refused "No such file" --inject tap0 "$work/none"
capture() { python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, int(sys.argv[1])) + (struct.pack("<IIII", 1, 0, 20, 20) + b"a" * 20) * int(sys.argv[2]))' "$@"; }
capture 147 3 >"$work/strange.pcap"
capture 1 0 >"$work/none.pcap"
refused "link type 147" --inject tap0 "$work/strange.pcap"
refused "no packet in it" --inject tap0 --loop 3 "$work/none.pcap"
refused "there is no such knob" --live tap0 --play server --knob net.ipv4.x=1 $f
exit $((failures > 0))
