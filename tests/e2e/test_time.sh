#!/bin/bash
# tests/e2e/test_time.sh: a live stack's time by hand: curl stopped at its SYN and stepped through the handshake packet by packet,
# then let go; breakpoints by filter, event, state and variable; what waits says so.
. "$(dirname "$0")/lib.sh"
needs curl "time"

www=$work/www
mkdir "$www"
head -c 3000000 /dev/zero >"$www/big"
echo "hello from a stack that stood still" >"$www/small"
# This kernel's own chatter on the cable isn't part of the lesson.
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
start_daemon "app start httpd -p 80 $www"

has() { # PATTERN COMMAND…
    local pattern=$1
    shift
    "$@" >"$work/has.out" 2>&1
    cat "$work/has.out"
    grep -qe "$pattern" "$work/has.out"
}
state() { deck ss -tan | awk '$4 == "10.0.0.2:80" { print $1; exit }'; }
is_paused() { deck -j version | grep -q '"paused":true'; }
held() { deck -j pause | grep -q '"held":[1-9]'; }
curl_small() { curl -s -m 20 -o "$work/small" http://10.0.0.2/small & curl=$!; }
let_go() { # ends the pause, and what curl did
    deck break del all
    deck resume >/dev/null
    wait "$curl"
}

# ---- stopped at the SYN, stepped through the handshake ----
check "a breakpoint on SYNs" has "breakpoint 1" deck break when 'tcp dst port 80 and tcp[tcpflags] & tcp-syn != 0'
curl_small
within "break wait ends when it is hit" 5 "$BUILD/tapdeck" -n e2e break wait
equal "and says by what" "$(grep -c 'breakpoint 1 (tcp dst port 80.*eth0 in, 74 bytes: 10.0.0.1:.*TCP S, 0 bytes; time is paused' "$work/out")" 1
check "version says that time is paused" is_paused
equal "the SYN is in" "$(state)" SYN-RECV
check "step: the SYN-ACK leaves" has "eth0 out, 74 bytes: 10.0.0.2:80 > 10.0.0.1:.* TCP S\.," deck step
eventually 5 held
check "step: the ACK comes in" has "eth0 in, 66 bytes: .* TCP \.," deck step
equal "which makes the connection" "$(state)" ESTAB
eventually 5 held
check "step: the request comes in" has "eth0 in, .* TCP P\.," deck step
check "its answer waits" has '"leaving":1' deck -j pause
started=$(deck -j pause | sed 's/.*"now_ns":\([0-9]*\).*/\1/')
eventually 1 false # a second of ours
equal "no time has passed" "$(deck -j pause | sed 's/.*"now_ns":\([0-9]*\).*/\1/')" "$started"
check "a ping says that it waits" has "time is paused" timeout -s INT 1 "$BUILD/tapdeck" -n e2e ping -c 1 10.0.0.1
check "resume" has "time goes on" deck resume
wait "$curl"
equal "curl has its file" "$(cat "$work/small")" "hello from a stack that stood still"
check "the journal tells how long time stood still" has "Time stood still for" deck why event time-stood
check "the breakpoint counts" has "^1    1 " deck break list
deck break del all

# ---- by event, state, variable ----
deck break when event=tcp-accept >/dev/null
curl_small
check "an event stops it" eventually 5 is_paused
check "which had come" has "tcp-accept" deck why last
let_go
deck break when state=LAST-ACK >/dev/null
curl_small
check "a state stops it" eventually 5 is_paused
equal "and the connection is in it" "$(state)" LAST-ACK
let_go
deck break when 'cwnd>20' >/dev/null
curl -s -m 20 -o "$work/big" http://10.0.0.2/big &
curl=$!
check "a variable stops it" eventually 5 is_paused
check "and it is so" bash -c "'$BUILD/tapdeck' -n e2e ss -tin | grep -oE 'cwnd:[0-9]+' | awk -F: '\$2 > 20 { ok = 1 } END { exit !ok }'"
check "step by timers: time jumps" has "1 timer; .*(+" deck step timer
check "step by events" has "events\?;" deck step 3 events
let_go
check "the file is whole" cmp "$work/big" "$www/big"

# ---- frames that wait, and those beyond the limit ----
deck pause >/dev/null
ping -q -l 60000 -c 6000 -i 0 -w 2 10.0.0.2 >/dev/null 2>&1
check "frames wait" held
deck resume >"$work/resume"
check "resume tells how many" has "frames waited" cat "$work/resume"
if grep -q "found no room" "$work/resume"; then
    check "those without room are journaled" has "came on eth0 while time stood still" deck why event time-drop-frames
fi
check "it answers again" ping -q -c 3 -i 0.01 -W 2 10.0.0.2

# ---- stack time ahead of the clock: the daemon sleeps all the same when there is nothing to do ----
ticks() { awk '{ print $14 + $15 }' "/proc/$daemon/stat"; } # of the processor's, hundredths of a second
deck pause >/dev/null
deck step 4 timers >/dev/null 2>&1
deck resume >/dev/null
ping -q -c 1 -W 2 10.0.0.2 >/dev/null
used=$(ticks)
eventually 1 false # a second of ours
check "after a jump of its time it doesn't poll" test $(($(ticks) - used)) -lt 20
deck pause >/dev/null
finish_paused() { # a paused daemon ends in order, too
    kill -TERM "$daemon"
    eventually 10 gone "$daemon"
    wait "$daemon"
    equal "a paused daemon ends in order" $? 0
    daemon=
}
finish_paused
[ $failures -eq 0 ]
