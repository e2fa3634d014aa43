#!/bin/bash
# Captures, read by others: tshark finds interfaces, directions, times and reasons in our files; tcpdump's options
# work; files rotate; a full disk is told; Wireshark's extcap delivers live packets.
. "$(dirname "$0")/lib.sh"
needs tshark "captures"
needs tcpdump "captures"
here=$(pwd)

start_daemon 'app start echo -p 7' 'ip link add link eth0 name eth0.7 type vlan id 7' \
    'ip link set eth0.7 up' 'ip addr add 10.7.0.2/24 dev eth0.7'
export TZ=UTC HOME=$work/home XDG_CONFIG_HOME=$work/home/.config XDG_DATA_HOME=$work/home/.local/share
mkdir -p "$HOME"

# fields FILE FILTER FIELD…: a line a packet.
fields() {
    local file=$1 filter=$2 field arguments=()
    shift 2
    for field in "$@"; do arguments+=(-e "$field"); done
    tshark -r "$file" -Y "$filter" -T fields "${arguments[@]}" 2>/dev/null
}
has() { [ -n "$(fields "$@")" ]; } # FILE FILTER FIELD
# traffic: a few frames of every kind.
traffic() {
    ping -c 2 -i 0.2 -W 1 10.0.0.2
    echo hello | timeout 3 nc -N 10.0.0.2 7
    nc -z -w 1 10.0.0.2 99
} >/dev/null 2>&1
listening() { grep -q listening "$1"; }

# ---- a file ----
before=$(date +%s)
deck capture start "$work/a.pcapng" dev any
deck capture start "$work/a.pcap" dev eth0 icmp
traffic
deck ping -c 1 -W 1 10.7.0.1 >/dev/null # nobody is there: it asks, in the VLAN
deck ping -c 1 127.0.0.1 >/dev/null
deck tc qdisc add dev eth0 ingress netem loss 100%
ping -c 1 -W 1 10.0.0.2 >/dev/null
deck tc qdisc del dev eth0 ingress
deck tc qdisc add dev eth0 root netem loss 100%
ping -c 1 -W 1 -s 77 10.0.0.2 >/dev/null
deck tc qdisc del dev eth0 root
check "captures end" deck capture stop all
after=$(date +%s)
f=$work/a.pcapng
capinfos "$f" >"$work/capinfos" 2>&1
check "capinfos knows the program, and nanoseconds" grep -q 'tapdeck' "$work/capinfos"
check "... in order of time" grep -q 'Strict time order:  *True' "$work/capinfos"
equal "interfaces are named" "$(fields "$f" frame frame.interface_name | sort -u | tr '\n' ' ')" "eth0 eth0.7 lo "
equal "directions: what comes in" "$(fields "$f" 'icmp.type == 8 && frame.interface_name == "eth0" && !vlan' frame.packet_flags_direction | sort -u)" 0x00000001
equal "directions: what goes out" "$(fields "$f" 'icmp.type == 0 && frame.interface_name == "eth0"' frame.packet_flags_direction | sort -u)" 0x00000002
equal "a frame in a VLAN is seen with its tag, and without" \
    "$(fields "$f" 'arp.dst.proto_ipv4 == 10.7.0.1' frame.interface_name vlan.id | sort -u | tr '\t\n' '  ')" "eth0 7 eth0.7  "
equal "times are the wall clock's" "$(fields "$f" frame frame.time_epoch |
    awk -v a="$before" -v b="$after" '{ bad += $1 < a || $1 > b + 1; n++ } END { print bad + 0, (n > 10) }')" "0 1"
check "times have nanoseconds" awk -v n="$(fields "$f" frame frame.time_epoch | grep -cv '000$')" 'BEGIN { exit !(n > 0) }'
check "packet numbers are the journal's" has "$f" 'frame.packet_id > 0' frame.packet_id
check "a closed port: the segment says so" has "$f" 'tcp.dstport == 99 && frame.comment contains "tcp-drop-closed"' frame.number
check "... and the reset says why it was sent" has "$f" 'tcp.srcport == 99 && frame.comment contains "tcp-rst-out" && frame.comment contains "RFC 9293"' frame.number
check "a route is told" has "$f" 'frame.comment contains "next hop 10.0.0.1 on eth0"' frame.number
check "a connection's states are told" has "$f" 'frame.comment contains "from SYN-RECEIVED to ESTABLISHED"' frame.number
check "round trips are told" has "$f" 'frame.comment contains "tcp-rtt"' frame.number
check "what an impairment lost on the way in is there, with its reason" has "$f" 'icmp.type == 8 && frame.comment contains "link-drop-qdisc"' frame.number
equal "what it lost on the way out was never on the wire" "$(fields "$f" 'icmp.type == 8 && frame.len == 119' frame.number | wc -l)" 1
equal "... only its request" "$(fields "$f" 'icmp.type == 0 && frame.len == 119' frame.number | wc -l)" 0
equal "tcpdump reads our pcap, and only what the expression asked for" \
    "$(tcpdump -nr "$work/a.pcap" 2>/dev/null | grep -cv ICMP)" 0

# ---- tcpdump: text ----
deck tcpdump -l -nn -c 4 --why -i eth0 'tcp port 99 or icmp' >"$work/text" 2>"$work/text.err" &
dump=$!
eventually 5 listening "$work/text.err"
traffic
wait $dump
equal "tcpdump -c ends by itself" $? 0
check "it says what it listens on, and its sums" grep -q '^4 packets captured' "$work/text.err"
equal "four packets" "$(grep -c '^[0-9][0-9]:[0-9][0-9]:[0-9.]* IP ' "$work/text")" 4
check "reasons stand under a packet" sh -c "grep -A3 'ICMP echo reply' '$work/text' | grep -q '# why: .*icmp-echo-reply'"
deck tcpdump -n -e -v -XX -tt -i any -w "$work/b.pcapng" -c 6 'icmp or port 99' 2>"$work/b.err" &
dump=$!
eventually 5 listening "$work/b.err"
traffic
wait $dump
deck tcpdump -nr "$work/b.pcapng" 'icmp[icmptype] == icmp-echoreply' >"$work/text" 2>&1
equal "-r filters" "$(grep -c '^[0-9].*ICMP echo reply' "$work/text") $(grep -c '^[0-9].*request' "$work/text")" "2 0"
check "-r shows the file's reasons" grep -q '^    # why: ' "$work/text"
check "several interfaces are told apart" grep -q ' eth0  Out IP ' "$work/text"
deck tcpdump -tttt -nr "$work/b.pcapng" -c 1 >"$work/text" 2>&1
check "-tttt has the date" grep -q "^$(date +%Y-%m-%d) " "$work/text"
equal "-Q out" "$(deck tcpdump -Q out -nr "$work/b.pcapng" 2>/dev/null | grep -c '^[0-9].*request')" 0
check "-D lists interfaces" sh -c "'$BUILD/tapdeck' -n e2e tcpdump -D | grep -q '^[0-9]*\.eth0\.7 \[Up, Running\]'"
# What is in the background ignores SIGINT, but what timeout starts doesn't; and it sends two.
timeout -s INT 60 "$BUILD/tapdeck" -n e2e tcpdump -n icmp >"$work/text" 2>&1 &
dump=$!
eventually 10 listening "$work/text"
ping -c 1 10.0.0.2 >/dev/null
both_shown() { [ "$(grep -c 'ICMP echo' "$work/text")" -ge 2 ]; }
eventually 10 both_shown
kill -INT $dump
wait $dump
check "Ctrl-C: the sums come" grep -q '^2 packets captured' "$work/text"

"$BUILD/tapdeck" -j tcpdump -r "$work/b.pcapng" icmp >"$work/json" 2>&1
check "-j: an object a packet, with bytes and reasons" python3 - "$work/json" <<'PY'
import json, sys
packets = [json.loads(line) for line in open(sys.argv[1])]
assert len(packets) == 4 and all(p["ifname"] == "eth0" and len(p["bytes"]) == 2 * p["len"] for p in packets), packets
assert [p["direction"] for p in packets] == ["in", "out"] * 2
assert any("icmp-echo-reply" in why for p in packets for why in p["why"])
PY

# ---- tcpdump: pipes and files ----
deck tcpdump -w - -c 3 icmp 2>"$work/pipe.err" | tshark -r - -T fields -e frame.comment >"$work/pipe" 2>/dev/null &
dump=$!
eventually 5 listening "$work/pipe.err"
traffic
wait $dump
equal "a pipe into tshark" "$(grep -c 'icmp-echo-reply' "$work/pipe")" 3
"$BUILD/tapdeck" -n e2e tcpdump -w "$work/r.pcapng" -C 1 -W 3 -i eth0 2>"$work/r.err" &
dump=$!
eventually 5 listening "$work/r.err"
ping -c 2000 -s 1400 -f 10.0.0.2 >/dev/null
kill -INT $dump
wait $dump
equal "files rotate in a ring" "$(cd "$work" && echo r.pcapng*)" "r.pcapng0 r.pcapng1 r.pcapng2"
equal "each is whole by itself" "$(for i in 0 1 2; do capinfos -c "$work/r.pcapng$i" >/dev/null 2>&1 && echo ok; done | wc -l)" 3
check "none is much larger than asked for" sh -c "[ \$(stat -c %s '$work'/r.pcapng* | sort -n | tail -n 1) -lt 1100000 ]"
timeout 5 "$BUILD/tapdeck" -n e2e tcpdump -w /dev/full -i eth0 >"$work/full" 2>&1 &
dump=$!
eventually 5 listening "$work/full"
ping -c 100 -s 1400 -f 10.0.0.2 >/dev/null
wait $dump
equal "a full disk ends it" $? 1
check "... with a sentence" grep -q '/dev/full is incomplete: No space left on device' "$work/full"
deck capture start /dev/full dev eth0
ping -c 1 10.0.0.2 >/dev/null
deck capture stop /dev/full >"$work/full" 2>&1
check "a full disk under the daemon, too" grep -q '/dev/full is incomplete: No space left on device' "$work/full"
deck tcpdump -i eth9 >"$work/out" 2>&1
equal "no such interface: status" $? 2
check "... and sentence" grep -q "no interface 'eth9'" "$work/out"
deck tcpdump prot 9 >"$work/out" 2>&1
equal "a bad expression" $? 2

# ---- Wireshark's extcap ----
mkdir "$work/extcap"
check "install-extcap" scripts/install-extcap "$work/extcap"
own=$(tshark -G folders 2>/dev/null | sed -n 's/^Extcap path:[[:space:]]*//p')
if [ -d "$own" ] && unshare --mount true 2>/dev/null; then
    # Where this tshark looks is its package's directory: ours lies over it, for these commands alone.
    inside() { unshare --mount sh -c 'mount --bind "$1" "$2"; shift 2; cd "$1"; shift; exec "$@"' sh "$work/extcap" "$own" "$here" "$@"; }
    inside tshark -D >"$work/list" 2>/dev/null
    check "tshark lists the daemon's interfaces" grep -q 'tapdeck-e2e:eth0.7' "$work/list"
    ping -i 0.2 10.0.0.2 >/dev/null &
    linux=$!
    inside timeout 15 tshark -n -i tapdeck-e2e:eth0 -f 'icmp' -c 3 -T fields -e frame.interface_name -e icmp.type \
        -e frame.comment >"$work/live" 2>"$work/live.err"
    kill $linux
    linux=
    if [ "$(grep -c '^eth0.*icmp-echo-reply' "$work/live")" = 3 ]; then
        ok "live packets reach tshark, with their reasons"
    else
        not_ok "live packets reach tshark, with their reasons" "$work/live.err"
    fi
else
    skip "extcap in tshark" "no extcap directory to lie over"
fi
check "--uninstall" scripts/install-extcap --uninstall "$work/extcap"
equal "... leaves nothing" "$(ls "$work/extcap")" ""
eventually 5 sh -c "[ \"\$('$BUILD/tapdeck' -n e2e capture show)\" = '' ]"
equal "no capture is left behind" "$(deck capture show)" ""

finish
