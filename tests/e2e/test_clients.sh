#!/bin/bash
# nc, get, traceroute, arping and ping of the stack against the kernel's peers.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs nc "the stack's clients"
size=10000000
head -c $size /dev/urandom >"$work/up"
head -c $size /dev/urandom >"$work/down"
mkdir "$work/site"
mv "$work/up" "$work/down" "$work/site"
ln -s site/up site/down "$work"
start_daemon "app start httpd -p 80 $work/site"
sum() { sha256sum | cut -d ' ' -f 1; }
listening() { ss -Hltn "sport = :$1" | grep -q .; }
deck_listens() { deck ss -Hltn | grep -q ":$1 "; }

# ---- nc ----

nc -N -l 5000 <"$work/down" >"$work/got.up" &
peer=$!
eventually 5 listening 5000
timeout 20 "$BUILD/tapdeck" -n e2e nc -N 10.0.0.1 5000 <"$work/up" >"$work/got.down"
equal "nc to the kernel's nc: status" $? 0
wait $peer
equal "nc: 10 MB went out exactly" "$(sum <"$work/got.up")" "$(sum <"$work/up")"
equal "nc: 10 MB came in exactly" "$(sum <"$work/got.down")" "$(sum <"$work/down")"

timeout 20 "$BUILD/tapdeck" -n e2e nc -l 5001 >"$work/got.up" </dev/null &
peer=$!
eventually 5 deck_listens 5001
timeout 20 nc -N 10.0.0.2 5001 <"$work/up"
wait $peer
equal "nc -l > file: status" $? 0
equal "nc -l > file: 10 MB exactly" "$(sum <"$work/got.up")" "$(sum <"$work/up")"

nc -k -l 5002 >/dev/null </dev/null &
linux="$linux $!"
eventually 5 listening 5002
equal "nc -zv" "$(deck nc -zv 10.0.0.1 5002-5003 2>&1)" \
    "Connection to 10.0.0.1 5002 port [tcp/*] succeeded!
nc: connect to 10.0.0.1 port 5003 (tcp) failed: Connection refused"

"$BUILD/tapdeck" -n e2e nc -l 5004 </dev/null >/dev/null 2>&1 &
peer=$!
eventually 5 deck_listens 5004
kill -INT $peer
wait $peer
equal "nc -l is interrupted: status" $? 1
check "and its socket is closed" eval '! deck_listens 5004'

# ---- get ----

# canned PORT ANSWER: the kernel's nc sends it to one who connects, and keeps what it was sent in $work/asked
canned() {
    printf '%b' "$2" | nc -N -l "$1" >"$work/asked" &
    linux="$linux $!"
    eventually 5 listening "$1"
}
canned 8000 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n'
equal "get from the kernel's nc" "$(deck get http://10.0.0.1:8000/a?b)" hello
equal "what it asked" "$(tr -d '\r' <"$work/asked" | head -n 2)" "GET /a?b HTTP/1.1
Host: 10.0.0.1:8000"
canned 8001 'HTTP/1.1 302 Found\r\nLocation: http://10.0.0.2/up\r\n\r\n'
equal "get -L: a redirect to the stack's own server, 10 MB" \
    "$(deck get -L 10.0.0.1:8001 2>"$work/err" | sum)" "$(sum <"$work/up")"
deck get -v -o "$work/file" 10.0.0.2/down 2>"$work/narrative"
equal "get -o: status" $? 0
equal "get -o FILE" "$(sum <"$work/file")" "$(sum <"$work/down")"
equal "get -v tells of TCP" "$(grep -c '^\* TCP: ' "$work/narrative")" 2
deck get -o "$work/none" 10.0.0.1:9 2>"$work/err"
equal "get -o when refused: status" $? 1
equal "get -o when refused: a sentence" "$(cat "$work/err")" "tapdeck: no connection to 10.0.0.1 port 9: Connection refused"
equal "get -o when refused: no file" "$(ls "$work/none" 2>/dev/null)" ""
deck get -o "$work/none/x" 10.0.0.2/up 2>"$work/err"
equal "get -o that can't be written: status" $? 1
equal "get -o that can't be written: a sentence" "$(cat "$work/err")" "tapdeck: $work/none/x can't be written: No such file or directory"
deck get 10.0.0.2/up >/dev/full 2>"$work/err"
equal "output that can't be written: status" $? 1
deck help >/dev/full 2>"$work/err"
equal "the client's own output that can't be written: status" $? 1
equal "... a sentence" "$(cat "$work/err")" "tapdeck: the output can't be written: No space left on device"
equal "-j before a packet script" "$(deck -j drill tests/drill/handshake-passive.pkt | cut -c 1-9)" '[{"file":'

# ---- traceroute: through the kernel to a host behind it ----

peers=$linux
start_linux
there=$linux # on_linux takes it for one process
linux="$linux $peers"
on_linux() { nsenter -t "$there" -n "$@"; }
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0
on_linux sysctl -qw net.ipv4.icmp_ratelimit=0
on_linux ip route add 10.0.0.0/24 via 10.1.0.1
check "a route" deck ip route add 10.1.0.0/24 via 10.0.0.1
way() { # OPTIONS…: the addresses of the hops
    deck traceroute -n -q 1 "$@" | awk 'NR > 1 { print $1, $2, $5 }' | tr '\n' ';'
}
equal "traceroute" "$(way 10.1.0.2)" "1 10.0.0.1 ;2 10.1.0.2 ;"
equal "traceroute -I" "$(way -I 10.1.0.2)" "1 10.0.0.1 ;2 10.1.0.2 ;"
equal "traceroute -T, a closed port" "$(way -T -p 81 10.1.0.2)" "1 10.0.0.1 ;2 10.1.0.2 ;"
nsenter -t "$there" -n nc -k -l 80 >/dev/null </dev/null &
linux="$linux $!"
eventually 5 on_linux sh -c 'ss -Hltn "sport = :80" | grep -q .'
equal "traceroute -T, an open port" "$(way -T 10.1.0.2)" "1 10.0.0.1 ;2 10.1.0.2 ;"

# ---- arping, in iputils' words where that is installed ----

equal "arping" "$(deck arping -c 2 -i 0.1 -I eth0 10.0.0.1 | tail -n 2)" "Sent 2 probes (1 broadcast(s))
Received 2 response(s)"
deck arping -D -c 1 10.0.0.1 >/dev/null
equal "arping -D of an address in use: status" $? 1
deck arping -D -c 1 -w 0.3 10.0.0.77 >/dev/null
equal "arping -D of a free address: status" $? 0
if command -v arping >/dev/null; then
    without_mac() { sed -e 's/\[[0-9A-F:]*\]/[MAC]/' -e 's/[0-9.]*ms/TIME/' -e 's/10.0.0.[12]/ADDR/g' -e 's/tap0/eth0/'; }
    equal "arping's text is the tool's" "$(deck arping -c 1 -I eth0 10.0.0.1 | without_mac)" \
        "$(arping -c 1 -I tap0 10.0.0.2 | without_mac)"
fi

# ---- ping: the tool's text, here and there ----

shape() { # times and the two ends' addresses away
    sed -e 's/time=[0-9.]* ms/time=T/' -e 's/time [0-9]*ms/time T/' -e 's/= [0-9./]* ms/= T/' -e 's/ewma [0-9./]* ms/ewma T/' \
        -e 's/10\.0\.0\.[12]/ADDR/g' -e 's/\[[0-9.]*\]/[NOW]/' -e 's/eth0/IF/' -e 's/tap0/IF/'
}
for options in "-c 2 -i 0.1 -D" "-c 1 -p ff00 -s 20" "-c 1 -M do -s 1473" "-f -c 3" "-w 1 -c 2 -i 0.1" "-A -c 3 -q"; do
    # shellcheck disable=SC2086
    equal "ping $options" "$(deck ping $options 10.0.0.1 2>&1 | shape)" "$(ping $options 10.0.0.2 2>&1 | shape)"
done
equal "ping -I" "$(deck ping -c 1 -I eth0 10.0.0.1 | shape)" "$(ping -c 1 -I tap0 10.0.0.2 | shape)"

finish
