#!/bin/bash
# nmap does no harm, sees what is there, and finds our sequence numbers as hard to guess as Linux's.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs nmap "port scans"
mkdir "$work/site"
echo hello >"$work/site/index.html"
start_daemon "app start httpd $work/site" 'app start echo' 'app start daytime'

if timeout 120 nmap -n -sS -p 1-1024 10.0.0.2 >"$work/nmap" 2>&1; then
    equal "nmap -sS -p 1-1024 finds exactly the open ports" "$(grep -o '^[0-9]*/tcp *open' "$work/nmap" | cut -d / -f 1 | xargs)" "7 13 80"
    check "and the others closed, not filtered" grep -q 'Not shown: 1021 closed' "$work/nmap"
else
    not_ok "nmap -sS" "$work/nmap"
fi
if timeout 200 nmap -n -sU --top-ports 50 10.0.0.2 >"$work/nmap" 2>&1; then
    check "nmap -sU --top-ports 50 ends: $(grep -o 'scanned in.*' "$work/nmap")" grep -q '1 host up' "$work/nmap"
    check "and finds closed UDP ports by their ICMP errors" grep -qE '(Not shown: [0-9]+ closed|/udp +closed)' "$work/nmap"
else
    not_ok "nmap -sU --top-ports 50" "$work/nmap"
fi
for kind in sF sX sN sA sW sM; do
    check "nmap -$kind does no harm" timeout 60 nmap -n -$kind -p 1-100 10.0.0.2
done
check "nmap with fragments does no harm" timeout 60 nmap -n -f -sS -p 1-100 10.0.0.2
check "nmap with bad checksums does no harm" timeout 60 nmap -n --badsum -sS --max-retries 0 -p 1-20 10.0.0.2
check "IP protocol scan does no harm" timeout 100 nmap -n -sO --max-retries 1 -T5 10.0.0.2
check "the web server still answers" curl -sS --max-time 5 -o /dev/null http://10.0.0.2/

# The same question to the kernel beside it. nmap's difficulty is a statistic of six samples and differs
# from run to run by a few points, for the kernel as for us: as hard means that our best is not below the
# kernel's worst, asked up to nine times. (A predictable generator is far below: below 100.)
start_linux
on_linux nc -lk 80 >/dev/null 2>&1 </dev/null &
listener=$!
difficulty() { # ADDRESS
    timeout 60 nmap -n -O -v -p 80,81 "$1" >"$work/nmap.$1" 2>&1
    sed -n 's/^TCP Sequence Prediction: Difficulty=\([0-9]*\).*/\1/p' "$work/nmap.$1"
}
ours=0 theirs=999
for try in 1 2 3 4 5 6 7 8 9; do
    mine=$(difficulty 10.0.0.2)
    kernels=$(difficulty 10.1.0.2)
    echo "#   difficulty: tapdeck ${mine:-unknown}, Linux ${kernels:-unknown}"
    [ "${mine:-0}" -gt "$ours" ] && ours=$mine
    [ "${kernels:-999}" -lt "$theirs" ] && theirs=$kernels
    [ "$try" -ge 2 ] && [ "$theirs" -lt 999 ] && [ "$ours" -ge "$theirs" ] && break
done
if [ "$theirs" -lt 999 ] && [ "$ours" -ge "$theirs" ]; then
    ok "nmap -O: sequence prediction is as hard as Linux's"
else
    not_ok "nmap -O: sequence prediction is as hard as Linux's" "$work/nmap.10.0.0.2"
fi
kill $listener 2>/dev/null
echo "#   difficulty: tapdeck $ours, Linux $theirs"
[ "$theirs" -gt 0 ] || not_ok "nmap -O against Linux" "$work/nmap.10.1.0.2"
check "nmap -O: sequence prediction is as hard as Linux's" [ "$ours" -gt 0 -a "$ours" -ge "$theirs" ]
ids() { sed -n 's/^IP ID Sequence Generation: //p' "$work/nmap.$1"; }
echo "#   IP ID: tapdeck $(ids 10.0.0.2), Linux $(ids 10.1.0.2)"
finish
