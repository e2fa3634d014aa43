#!/bin/bash
# ping from Linux: nothing is lost, at any size; and from tapdeck to Linux.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs ping "ping"
start_daemon

loses_nothing() { # WHAT PING-OPTIONS…
    local what=$1 count=$2
    shift 2
    ping -q -c "$count" "$@" 10.0.0.2 >"$work/ping" 2>&1
    if grep -q "^$count packets transmitted, $count received, 0% packet loss" "$work/ping"; then
        ok "$what: $(grep -o 'rtt.*' "$work/ping")"
    else
        not_ok "$what" "$work/ping"
    fi
}
loses_nothing "1000 pings at 2 ms lose nothing" 1000 -i 0.002
loses_nothing "100 pings of 8000 bytes lose nothing" 100 -s 8000 -i 0.01
loses_nothing "pings of 65507 bytes lose nothing" 10 -s 65507 -i 0.05
# Without room for a time stamp ping knows no round trip, and doesn't wait for the answer to its last
# request: what was answered is read from the stack's own counter.
replies() { deck nstat -a -s IcmpOutEchoReps | awk '$1 == "IcmpOutEchoReps" { print $2 }'; }
before=$(replies)
ping -q -c 10 -s 0 -i 0.01 10.0.0.2 >"$work/ping" 2>&1
for _ in $(seq 50); do
    [ "$(replies)" -ge $((before + 10)) ] && break
    sleep 0.1
done
equal "pings without data are all answered" "$(($(replies) - before))" 10
loses_nothing "flood ping of 2000 loses nothing" 2000 -f
loses_nothing "the largest ping that needs no fragment" 5 -s 1472 -M 'do' -i 0.01
loses_nothing "every byte of the data comes back" 5 -s 1000 -p c0ffee -i 0.01

ping -q -b -c 2 -i 0.1 -W 1 10.0.0.255 >"$work/ping" 2>&1
if grep -q ' 0 received' "$work/ping"; then
    ok "a broadcast ping is not answered (RFC 1122 3.2.2.6; Linux's default)"
else
    not_ok "a broadcast ping is not answered" "$work/ping"
fi
check "tapdeck pings Linux" deck ping -c 3 -i 0.1 10.0.0.1
finish
