#!/bin/bash
# nc, get, traceroute, arping and ping of the stack against the kernel's peers.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs nc "the stack's clients"
size=10000000
head -c $size /dev/urandom >"$work/up"
head -c $size /dev/urandom >"$work/down"
start_daemon
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

finish
