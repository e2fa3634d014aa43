#!/bin/bash
# arping, traceroute and tracepath see the same as against a Linux host.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs traceroute "traceroute"
needs tracepath "tracepath"
needs arping "arping"
mkdir "$work/site"
start_daemon "app start httpd $work/site"
start_linux
on_linux nc -lk 80 >/dev/null 2>&1 </dev/null &
listener=$!

# Output without times, with one name for both hosts.
plain() { sed -E 's/10\.[01]\.0\.2/TARGET/g; s/10\.[01]\.0\.1/SELF/g; s/[0-9.]+ ?ms//g; s/ +/ /g; s/ +$//'; }
same() { # WHAT COMMAND… with TARGET for the address
    local what=$1
    shift
    # Both limit their ICMP errors (one a second, six saved up): start with as much as can be saved, and at once.
    sleep 7
    timeout 60 "${@//TARGET/10.1.0.2}" >"$work/theirs.raw" 2>&1 &
    timeout 60 "${@//TARGET/10.0.0.2}" >"$work/ours.raw" 2>&1
    local ours=$?
    wait $!
    local theirs=$?
    plain <"$work/ours.raw" >"$work/ours"
    plain <"$work/theirs.raw" >"$work/theirs"
    if [ $ours = $theirs ] && diff "$work/ours" "$work/theirs" >"$work/diff"; then
        ok "$what"
    else
        echo "status $ours, Linux: $theirs" >>"$work/diff"
        not_ok "$what: not as against Linux" "$work/diff"
    fi
}
same "traceroute -U" traceroute -n -U -w 2 TARGET
same "traceroute -U to one port" traceroute -n -U -p 33434 -w 2 TARGET
same "traceroute -I" traceroute -n -I -w 2 TARGET
same "traceroute -T to an open port" traceroute -n -T -p 80 -w 2 TARGET
same "traceroute -T to a closed port" traceroute -n -T -p 81 -w 2 TARGET
same "traceroute with large packets" traceroute -n -U -w 2 TARGET 3000
same "traceroute --mtu" traceroute -n --mtu -w 2 TARGET
same "tracepath" tracepath -n TARGET
check "which has found it: $(tail -n 1 "$work/ours.raw" | xargs)" grep -q reached "$work/ours"
kill $listener 2>/dev/null

arp() { # ADDRESS INTERFACE OPTIONS…
    local address=$1 interface=$2
    shift 2
    timeout 20 arping -I "$interface" "$@" "$address" >"$work/arp" 2>&1
}
arp 10.0.0.2 tap0 -c 3
equal "arping is answered" "$(sed -n 's/^Received \([0-9]*\) response.*/\1/p' "$work/arp")" 3
arp 10.0.0.2 tap0 -D -c 2
ours=$?
arp 10.1.0.2 veth0 -D -c 2
equal "arping -D finds the address taken, as against Linux" $ours $?
equal "which is status 1" $ours 1
arp 10.0.0.77 tap0 -D -c 2 -w 2
equal "arping -D finds a free address free" $? 0
before=$(ip neigh show 10.0.0.2 dev tap0 | grep -o 'lladdr [^ ]*')
arp 10.0.0.2 tap0 -U -c 1 -w 1 # a forged announcement of its own address
check "a forged announcement of its address doesn't take it away" ping -c 3 -i 0.1 -W 2 10.0.0.2
equal "nor change its MAC address" "$(ip neigh show 10.0.0.2 dev tap0 | grep -o 'lladdr [^ ]*')" "$before"
finish
