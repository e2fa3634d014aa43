#!/bin/bash
# pcb, states, ladder, graph, timers of a real transfer: during it, after it, as text and as pictures.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs curl "views of a connection"
needs gnuplot "views of a connection"
mkdir "$work/site"
head -c 1500000 /dev/urandom >"$work/site/big"
start_daemon "app start httpd -p 80 $work/site"
deck tc qdisc add dev eth0 root netem delay 5ms loss 2% seed 7 >/dev/null

# a connection just made, while it runs (held up by a reader that is slow)
curl -s --limit-rate 1500K -o "$work/got" http://10.0.0.2/big &
reader=$!
transferring() { deck ss -Htn state established | grep -q ':80 '; }
eventually 5 transferring
deck pcb :80 >"$work/pcb"
deck states :80 >"$work/states.now"
deck timers :80 >"$work/timers"
wait $reader
equal "the transfer is whole" "$(sha256sum <"$work/got")" "$(sha256sum <"$work/site/big")"

check "pcb: SND.NXT with its clause" grep -q '^ SND.NXT .*next number to be sent .9293 3.3.1.' "$work/pcb"
check "pcb: relative numbers" grep -Eq '^ SND\.UNA +[0-9]+ \(\+[0-9]+\) ' "$work/pcb"
check "states: ESTABLISHED is lit" grep -q '> *ESTABLISHED *<' "$work/states.now"

# and afterwards
over() { deck states :80 -j | grep -Eq '"now":"(CLOSED|TIME-WAIT)"'; }
eventually 10 over
deck states :80 >"$work/states"
deck ladder :80 >"$work/ladder"
check "states: the way it took" grep -q 'SYN-RECEIVED -> ESTABLISHED: our SYN was acknowledged #' "$work/states"
check "ladder: from the SYN on" grep -q '<-* SYN 0 win .*| SYN-SENT' "$work/ladder"
check "ladder: what was lost was sent again" grep -q '| sent again: ' "$work/ladder"
check "ladder: to the FIN" grep -q 'FIN,ACK' "$work/ladder"
deck ladder :80 -j >"$work/ladder.json"
check "ladder -j is JSON" python3 -c "
import json, sys
j = json.load(open(sys.argv[1]))
again = [r for r in j['rows'] if r.get('again')]
assert j['from-the-beginning'] and again and j['rows'][0]['flags'] == 'SYN', j['rows'][0]
" "$work/ladder.json"

# pictures
for what in cwnd seq rtt; do
    deck graph :80 $what >"$work/graph.$what" 2>&1
    equal "graph $what in the terminal: status" $? 0
    check "graph $what has a title" grep -q 'of 10.0.0.2:80-10.0.0.1:' "$work/graph.$what"
    for kind in svg png; do
        deck graph :80 $what -o "$work/$what.$kind" >"$work/graph.log" 2>&1
        equal "graph $what -o .$kind: status" $? 0
    done
    check "$what.svg is XML with curves" python3 -c "
import sys, xml.dom.minidom
d = xml.dom.minidom.parse(sys.argv[1])
assert d.documentElement.tagName == 'svg' and len(d.getElementsByTagName('path')) > 10
" "$work/$what.svg"
    check "$what.png is a picture of 900 x 600" python3 -c "
import struct, sys
b = open(sys.argv[1], 'rb').read()
assert b[:8] == b'\x89PNG\r\n\x1a\n' and struct.unpack('>II', b[16:24]) == (900, 600) and len(b) > 5000
" "$work/$what.png"
done
for text in pcb states states.now timers ladder graph.cwnd graph.seq graph.rtt; do
    check "$text keeps to 80 columns" python3 -c "
import sys
n = max(len(l.rstrip('\n')) for l in open(sys.argv[1], encoding='utf-8'))
assert 20 < n <= 80, n
" "$work/$text"
done
# one of which most has fallen out: the samples go on spanning it
deck sysctl -w tapdeck.segments=100 >/dev/null
deck tc qdisc change dev eth0 root netem delay 5ms >/dev/null
curl -s -o "$work/got" http://10.0.0.2/big
equal "the second transfer is whole" "$(sha256sum <"$work/got")" "$(sha256sum <"$work/site/big")"
deck ladder :80 >"$work/ladder.short"
check "ladder: where segments are missing it says so" grep -q "| ... segments in between aren't kept" "$work/ladder.short"
deck ladder :80 -j >"$work/ladder.json"
deck series :80 --csv >"$work/series"
check "the samples span all of it" python3 -c "
import csv, json, sys
rows = json.load(open(sys.argv[1]))['rows']
lasted = (rows[-1]['time_ns'] - rows[0]['time_ns']) / 1e9
t = [float(r['time_s']) for r in csv.DictReader(open(sys.argv[2]))]
assert len(t) > 10 and t[-1] - t[0] > 0.7 * lasted, (len(t), t[-1] - t[0], lasted)
" "$work/ladder.json" "$work/series"
deck graph :80 cwnd >"$work/graph.cwnd" 2>&1
equal "graph cwnd takes the samples: status" $? 0
check "and says nothing is missing" eval "! grep -q 'no longer kept' '$work/graph.cwnd'"
within "graph seq of what is left" 5 "$BUILD/tapdeck" -n e2e graph :80 seq
equal "its status" "$rc" 0
check "says what is missing" grep -q 'Some of its segments are no longer kept' "$work/out"

within "a file that can't be written" 5 "$BUILD/tapdeck" -n e2e graph :80 cwnd -o /nowhere/x.svg
equal "status 1" "$rc" 1
within "no such connection" 5 "$BUILD/tapdeck" -n e2e graph 9999 cwnd
equal "status 1 again" "$rc" 1
within "no such picture" 5 "$BUILD/tapdeck" -n e2e graph :80 loss
equal "status 2" "$rc" 2
finish
