#!/bin/bash
# What ip, tc, bridge, ss and nstat say here and what iproute2 says of Linux's own stack, in the same situation: JSON key by
# key, text column by column. Linux's is a namespace with a host like ours: lo, eth0 and eth1 (ends of veth pairs; ours
# are TAP devices), the same addresses, routes, rules, neighbours, stations and connections.
# parity.py compares. What is deliberately not the same is named at each comparison, with its reason.
# shellcheck disable=SC2154,SC2016,SC2317 # lib.sh sets work and space; functions are called by eventually
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/net.sh
. tests/e2e/net.sh
needs python3 "what the tools print here and on Linux"

# ---- two hosts, told the same ----

namespace linux
namespace far # the other ends of Linux's cables
if ! on linux ip link add eth0 address 02:00:00:00:07:00 type veth peer name far0 2>/dev/null ||
    ! on linux ip link add probe type bridge 2>/dev/null; then
    skip "what the tools print here and on Linux" "this kernel has no veth or no bridges"
    exit 0
fi
on linux ip link del probe
on linux ip link add eth1 address 02:00:00:00:07:01 type veth peer name far1
for i in 0 1; do
    on linux ip link set far$i netns "${space[far]}"
    on far ip link set far$i up
done
on far ip addr add 10.7.0.20/24 dev far0
# Nothing of IPv6 here; and Linux is not to answer duplicates of addresses that the other test host has.
for n in linux far; do on $n sh -c 'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$f; done' 2>/dev/null; done

situation=(
    'ip link set eth0 up' 'ip link set eth1 up' 'ip link set eth0 mtu 1400'
    # An address without `brd`: here it has its subnet's broadcast address all the same.
    'ip addr add 10.7.0.1/24 brd + dev eth0'
    'ip addr add 10.7.0.9/24 brd + dev eth0 label eth0:x'
    'ip addr add 10.8.0.1/16 brd + dev eth0'
    'ip addr add 169.254.3.4/16 brd + dev eth0'
    'ip link add br0 address 02:00:00:00:07:0b type bridge' 'ip link set eth1 master br0' 'ip link set br0 up'
    'ip addr add 10.9.0.1/24 brd + dev br0'
    'bridge fdb add 02:00:00:00:00:55 dev eth1 master static'
    'ip route add 192.0.2.0/24 via 10.7.0.254'
    'ip route add 198.51.100.0/24 via 10.7.0.254 dev eth0 metric 50 mtu 1200'
    'ip route add 198.51.100.7 via 10.7.0.253 src 10.7.0.9'
    'ip route add 198.18.0.0/15 via 10.77.0.1 dev eth0 onlink'
    'ip route add blackhole 203.0.113.0/24' 'ip route add unreachable 203.0.114.0/24 metric 9'
    'ip route add prohibit 203.0.115.0/24'
    'ip route add 100.64.0.0/10 nexthop via 10.7.0.7 weight 1 nexthop via 10.8.0.7 weight 2'
    'ip route add default via 10.7.0.254 table 100'
    'ip route add 10.99.0.0/16 dev eth0 proto static scope link'
    'ip neigh add 10.7.0.254 lladdr 02:00:00:00:00:99 dev eth0 nud permanent'
    'ip neigh add 10.7.0.8 lladdr 02:00:00:00:00:98 dev eth0 nud stale'
    'ip rule add from 10.7.0.0/24 table 100 priority 500'
    'ip rule add to 10.9.0.0/16 iif eth0 lookup 200 priority 501'
    'ip rule add blackhole from 1.2.3.4 priority 502'
    'ip rule add not from 1.2.3.0/24 oif br0 table 100 priority 503'
)
printf '%s\n' "${situation[@]}" >"$work/situation"
if ! on linux bash -e "$work/situation" >"$work/linux.log" 2>&1; then
    not_ok "Linux is told" "$work/linux.log"
    exit 1
fi
router ours 'tap add up0 as eth0 mac 02:00:00:00:07:00' 'tap add up1 as eth1 mac 02:00:00:00:07:01' \
    'sysctl -q -w net.ipv4.conf.all.arp_acd=0' 'sysctl -q -w net.ipv4.conf.default.arp_acd=0' 'sysctl -q -w net.ipv4.conf.eth0.arp_acd=0' "${situation[@]}" \
    'app start echo' 'app start daytime'
namespace peer
give up0 peer 10.7.0.20/24

# ---- comparing ----

both() { # LINUX-COMMAND OUR-COMMAND: their output, in $work/there and $work/here
    on linux sh -c "$1" >"$work/there" 2>"$work/there.err" || true
    eval "at ours $2" >"$work/here" 2>&1
}
# compare HOW NAME THERE HERE [OPTION…]: these files, when all have been made; options are parity.py's.
compare() {
    local IFS=$'\x1f'
    printf '%s\x1e\n' "$2$IFS$1$IFS${*:3}" >>"$work/list"
}
# same HOW COMMAND [OPTION…]: the same command in both places.
same() {
    nth=$((nth + 1))
    both "$2" "$2"
    mv "$work/there" "$work/$nth.there"
    mv "$work/here" "$work/$nth.here"
    compare "$1" "$2" "$work/$nth.there" "$work/$nth.here" "${@:3}"
}
nth=0
number='[0-9]+'

# ip link. Not ours: `link` and the kind of a veth; what belongs to IPv6, to offloads' limits, to the spanning tree and
# to multicast snooping, which aren't here.
stp=priority,cost,designated_cost,designated_port,bridge_id,root_id,id,no,hold_timer,message_age_timer,forward_delay_timer,topology_change_ack
stp=$stp,config_pending,guard,root_block,fastleave,multicast_router,mcast_flood,bcast_flood,mcast_to_unicast,neigh_suppress,group_fwd_mask
stp=$stp,group_fwd_mask_str,vlan_tunnel,locked,proxy_arp,proxy_arp_wifi,backup_port,mab,mcast_n_groups,mcast_max_groups
slave=$(printf 'linkinfo.info_slave_data.%s,' ${stp//,/ })
limits=inet6_addr_gen_mode,gso_max_size,gso_max_segs,tso_max_size,tso_max_segs,gro_max_size,gso_ipv4_max_size,gro_ipv4_max_size,allmulti
for dev in lo eth0 eth1 br0; do
    for options in '' '-s' '-s -s' '-br'; do
        same json "ip -j $options link show dev $dev" absent=link,link_index,link_netnsid values=ifname,flags,operstate,linkmode,group,link_type,address,broadcast,master,txqlen
    done
    case $dev in
    br0) # of a bridge: what it learns is bounded here, and told
        on linux ip -j -d link show dev br0 >"$work/there"
        at ours ip -j -d link show dev br0 >"$work/here"
        tree=$(python3 -c "import json; print(','.join('linkinfo.info_data.' + k for k in json.load(open('$work/there'))[0]['linkinfo']['info_data'] if k not in ('ageing_time', 'stp_state', 'vlan_filtering')))")
        same json "ip -j -d link show dev br0" "absent=link,link_index,link_netnsid,$limits,$tree" extra=linkinfo.info_data.fdb_n_learned,linkinfo.info_data.fdb_max_learned,allmulti \
            values=linkinfo.info_data.ageing_time,linkinfo.info_kind
        ;;
    eth1) same json "ip -j -d link show dev eth1" "absent=link,link_index,link_netnsid,$limits,linkinfo.info_kind,$slave" extra=allmulti values=linkinfo.info_slave_kind ;;
    *) same json "ip -j -d link show dev $dev" "absent=link,link_index,link_netnsid,linkinfo,$limits" extra=allmulti values=promiscuity,min_mtu,max_mtu ;;
    esac
done
same json 'ip -j addr show dev eth0' absent=link,link_index,link_netnsid values=ifname,addr_info
same json 'ip -j -4 addr show dev eth0' absent=link,link_index,link_netnsid values=ifname,addr_info
same json 'ip -j -br addr show dev eth0' absent=link,link_index,link_netnsid values=ifname,addr_info
same json 'ip -j addr show dev lo' values=addr_info
# Queues differ: a TAP has pfifo, a veth none. So do the counters, and lo's MTU: no datagram has more than 65,535 bytes.
for command in 'link show dev eth0' 'addr show dev eth0' '-4 addr show dev eth0' 'link show dev br0' 'addr show dev lo' '-br link show dev eth0' \
    '-br addr show dev eth0' '-o link show dev eth0' '-o addr show dev eth0' '-4 -o addr show dev eth0'; do
    same text "ip $command" any='(?m)^[0-9]+: ' drop='@if[0-9]+' drop=' link-netnsid 0' any='qdisc [a-z]+' any='mtu 6553[56]' any='(?<=eth0) +(?=UP)'
done
same text 'ip -s link show dev eth1' any='(?m)^[0-9]+: ' drop='@if[0-9]+' drop=' link-netnsid 0' any='qdisc [a-z]+' any=' +[0-9]+(?= )'
same text 'ip -s -s link show dev eth1' any='(?m)^[0-9]+: ' drop='@if[0-9]+' drop=' link-netnsid 0' any='qdisc [a-z]+' any=' +[0-9]+(?= )'

# Routes. Here the first address of a subnet is a broadcast address too (RFC 1812 5.3.5.1 lets it be; Linux stopped), and
# a second address of a subnet is its own preferred source: the local table is compared by its keys.
fixed=type,dst,gateway,dev,protocol,scope,prefsrc,metric,metrics,flags,nexthops,table
same json 'ip -j route' values=$fixed
same json 'ip -j -d route' values=$fixed
same json 'ip -j route show table 100' values=$fixed
same text 'ip route'
same text 'ip -d route'
same text 'ip -o route'
same text 'ip route show table 100'
same text 'ip route show match 198.51.100.7'
for table in there here; do
    if [ $table = there ]; then on linux ip -j route show table local; else at ours ip -j route show table local; fi |
        python3 -c 'import json, sys; print(sorted({str(sorted(r)) for r in json.load(sys.stdin) if not r["dst"].endswith(".0")}))' >"$work/$table"
done
check "json: ip -j route show table local, the keys" cmp "$work/there" "$work/here"
# Not ours: there are no users (uid). Ours: how the answer was found.
for to in 192.0.2.1 198.51.100.7 10.7.0.1 10.7.0.255 10.7.0.77 198.18.0.1; do
    same json "ip -j route get $to" absent=uid extra=reasons values=type,dst,gateway,dev,prefsrc,table,flags,cache
    same text "ip route get $to" drop='uid [0-9]+ ' drop='(?m)^    rule [^\n]*\n' drop='(?m)^        [^\n]*\n'
done
same json 'ip -j rule' values=priority,src,srclen,dst,dstlen,iif,oif,table,action,not
same text 'ip rule'
same text 'ip neigh' sort=0
same text 'ip -s neigh' any="used $number/$number/$number" sort=0
same json 'ip -j neigh show dev eth0' 
same json 'ip -j -s neigh show dev eth0'

# Stations. Linux numbers VLANs on a bridge even when it doesn't filter them.
same json 'bridge -j link' absent=link,link_index,link_netnsid,priority,cost values=ifname,flags,mtu,master,state
same text 'bridge link' any='(?m)^[0-9]+: ' drop='@if[0-9]+' drop=' link-netnsid 0' drop=' priority 32 cost 2'
both 'bridge -j fdb show br br0 dev eth1' 'bridge -j fdb show br br0 dev eth1'
for table in there here; do
    python3 -c 'import json, sys; print([e for e in json.load(open(sys.argv[1])) if e["mac"] == "02:00:00:00:00:55"])' "$work/$table" >"$work/$table.one"
done
check "json: bridge -j fdb show, a station" cmp "$work/there.one" "$work/here.one"

# ---- tc: as many disciplines as this kernel has ----

while read -r discipline; do
    kind=${discipline%% *}
    on linux tc qdisc del dev eth1 root 2>/dev/null
    at ours tc qdisc del dev eth1 root 2>/dev/null
    if ! on linux sh -c "tc qdisc replace dev eth1 root handle 1: $discipline" 2>"$work/tc"; then
        skip "tc: $kind" "this kernel has none"
        continue
    fi
    # shellcheck disable=SC2086
    at ours tc qdisc replace dev eth1 root handle 1: $discipline
    # Ours: a seed, by which losses can be had again; marks of ECN.
    same text 'tc qdisc show dev eth1' any="refcnt $number" drop=' seed [0-9]+'
    same text 'tc -s qdisc show dev eth1' any="refcnt $number" drop=' seed [0-9]+' any="Sent $number bytes $number"
    same json 'tc -j qdisc show dev eth1' extra=options.seed values=kind,handle,root,options.limit,options.rate,options.burst
    same json 'tc -s -j qdisc show dev eth1' extra=options.seed,marks values=kind,handle
done <<END
pfifo limit 50
bfifo limit 20000
tbf rate 10mbit burst 15kb latency 500ms
netem limit 500 delay 20ms 5ms loss 1%
fq_codel
red limit 400kb min 30000 max 60000 avpkt 1000 burst 40 bandwidth 10mbit probability 0.1 ecn
END
at ours tc qdisc del dev eth1 root 2>/dev/null
on linux tc qdisc del dev eth1 root 2>/dev/null
same text 'tc qdisc show dev br0' any="refcnt $number"

# ---- sockets: the same conversations with the same services ----

# What comes from 10.7.0.1 went to a gateway that isn't there, so far.
for n in on\ linux at\ ours; do for p in 500 503; do $n ip rule del priority $p; done; done
cat >"$work/server.py" <<'END'
import socket, threading, time
def serve(port, talk):
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', port)); kept.append(u)
    l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(('0.0.0.0', port)); l.listen(128)
    while True:
        threading.Thread(target=talk, args=(l.accept()[0],), daemon=True).start()
def echo(c):
    while (b := c.recv(65536)): c.sendall(b)
    c.close()
def daytime(c):
    c.sendall(b'now\r\n'); c.shutdown(socket.SHUT_WR)
    while c.recv(100): pass
    c.close()
kept = []
for port, talk in ((7, echo), (13, daytime)): threading.Thread(target=serve, args=(port, talk), daemon=True).start()
time.sleep(600)
END
cat >"$work/client.py" <<'END'
import socket, time
def to(port, own):
    c = socket.socket(); c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); c.bind(('10.7.0.20', own)); c.connect(('10.7.0.1', port)); kept.append(c); return c
kept = []
to(7, 40001)                                       # ESTAB, silent
c = to(7, 40002); c.sendall(b'x' * 100000); n = 0  # ESTAB, busy once
while n < 100000: n += len(c.recv(65536))
c = to(13, 40003)                                  # FIN-WAIT-2
while c.recv(100): pass
c = to(13, 40004)                                  # TIME-WAIT
while c.recv(100): pass
c.close()
print('ready', flush=True)
time.sleep(600)
END
on linux python3 "$work/server.py" 2>/dev/null &
linux="$linux $!"
eventually 5 sh -c "nsenter -t ${space[linux]} -n ss -tln | grep -q :13"
for place in far peer; do
    on $place python3 "$work/client.py" >"$work/client.$place" 2>&1 &
    linux="$linux $!"
done
for place in far peer; do
    eventually 10 grep -q ready "$work/client.$place" || not_ok "conversations of $place" "$work/client.$place"
done
settled() { # both have got their last acknowledgments
    on linux ss -tanH | grep -q FIN-WAIT-2 && at ours ss -tanH | grep -q FIN-WAIT-2
}
eventually 5 settled
same text 'ss -tan' sort=1
same text 'ss -tanH' sort=0
same text 'ss -tn' sort=1
same text 'ss -tln' sort=1
same text 'ss -tuan' sort=1
same text 'ss -uan' sort=1
same text 'ss -tan state established' sort=1
same text 'ss -tan state time-wait' sort=1
same text 'ss -tano' sort=1 any='[0-9.]+(min|sec|ms)'
same text "ss -tn exclude fin-wait-2 '( sport = :echo or dport > :65000 ) and not dst 10.8.0.0/16'" sort=1
same text "ss -tan 'sport neq 7'" sort=1
same text 'ss -tan dport ge 40003 and src 10.7.0.0/24' sort=1
same text 'ss -tanp' sort=1 any='"[a-z0-9]+",pid=[0-9]+,fd=[0-9]+' any='Process'
same text 'ss -tanmO state connected' sort=1 any='(?<=[a-z])[0-9]+(?=[,)])' any='Process'
same text 'ss -s' any='[0-9]+ *'
# Not ours: there is no rehashing, and no BBR.
same words 'ss -tniO' absent=bbr,app_limited,rehash,rcv_wnd,dsack_dups,reord_seen,reordering,retrans,bytes_retrans,rcv_rtt,notsent,ssthresh,busy,ato \
    extra=app_limited,ssthresh,busy,reord_seen,ato,rcv_rtt must=wscale,rto,rtt,mss,pmtu,rcvmss,advmss,cwnd,bytes_sent,bytes_acked,bytes_received,segs_out,segs_in,data_segs_out,data_segs_in,send,lastsnd,lastrcv,lastack,pacing_rate,delivery_rate,delivered,rcv_space,rcv_ssthresh,minrtt,snd_wnd
at ours ss -tn -K dport = :40001 >"$work/here" 2>&1
equal "ss -K prints what it ended" "$(awk 'NR > 1 { print $1, $4, $5 }' "$work/here")" "ESTAB 10.7.0.1:7 10.7.0.20:40001"
equal "and it has ended" "$(at ours ss -tanH dport = :40001 | wc -l)" 0

# ---- nstat: "#kernel" is "#tapdeck" here; names of both, values of their own ----

counters="IpInReceives IpOutRequests IcmpInMsgs TcpActiveOpens TcpPassiveOpens TcpInSegs TcpOutSegs UdpInDatagrams TcpExtTW"
both "nstat -az $counters" "nstat -az $counters"
sed -i 's/^#[a-z]*/#/' "$work/there" "$work/here"
check "text: nstat, columns" sh -c "cat $work/there $work/here | grep -v '^#' | awk 'length != 54 || \$3 != \"0.0\" || substr(\$0, 33, 1) == \" \" { exit 1 }'"
equal "text: nstat, names" "$(awk '{ print $1 }' "$work/here" | sort)" "$(awk '{ print $1 }' "$work/there" | sort)"
both "nstat -jaz $counters" "nstat -jaz $counters"
cp "$work/there" "$work/nstat.there"
cp "$work/here" "$work/nstat.here"
compare json nstat "$work/nstat.there" "$work/nstat.here"

# ---- ethtool: those of its features that there are here, by its names, in its order ----

if command -v ethtool >/dev/null; then
    names() { sed -n '2,$s/:.*//p' "$1"; }
    both 'ethtool -k eth0' 'ethtool -k eth0'
    names "$work/here" >"$work/names"
    equal "text: ethtool -k, names in order" "$(names "$work/here")" "$(names "$work/there" | grep -Fxf "$work/names")"
    equal "text: ethtool -k, lines" "$(sed 1d "$work/here" | grep -vcE "^$(printf '\t')?[a-z0-9-]+: (on|off)( \[fixed\])?$")" 0
    both 'ethtool --json -k eth0' 'ethtool --json -k eth0'
    mv "$work/there" "$work/ethtool.there"
    mv "$work/here" "$work/ethtool.here"
    others=$(python3 -c "import json; a, b = (json.load(open('$work/ethtool.' + f))[0] for f in ('there', 'here')); print(','.join(sorted(a.keys() - b.keys())))")
    compare json 'ethtool --json -k' "$work/ethtool.there" "$work/ethtool.here" "absent=$others"
else
    skip "ethtool -k" "it is not installed"
fi

# ---- ip monitor: the same changes, the same lines ----

changes="ip rule add from 10.7.0.0/24 table 100 priority 600
ip route add 192.0.3.0/24 via 10.7.0.254 metric 5
ip route add 192.0.4.0/24 nexthop via 10.7.0.7 weight 1 nexthop via 10.7.0.8 weight 2
ip addr add 10.6.0.1/24 brd + dev eth0
ip link set br0 mtu 1300
ip route del 192.0.3.0/24 via 10.7.0.254 metric 5
ip rule del priority 600
ip addr del 10.6.0.1/24 dev eth0"
on linux ip monitor all >"$work/there" 2>/dev/null &
there=$!
at ours ip monitor all >"$work/here" 2>&1 &
here=$!
linux="$linux $there $here"
heard() { on linux ip link set eth1 txqueuelen "$RANDOM" && grep -q eth1 "$work/there"; }
eventually 5 heard
heard() { at ours ip link set eth1 promisc on && at ours ip link set eth1 promisc off && grep -q eth1 "$work/here"; }
eventually 5 heard
# shellcheck disable=SC2086 # words
while read -r change; do
    on linux $change </dev/null
    at ours $change </dev/null
done <<<"$changes"
for file in there here; do
    eventually 5 grep -q 'Deleted.*10.6.0.1' "$work/$file"
    # Neighbours live their own lives; routes that follow from an address aren't told apart from it here.
    grep -E -A1 '^\[(LINK|ADDR|ROUTE|RULE)\]' "$work/$file" | grep -vE 'eth1|^--|proto kernel|\[NEIGH\]|02:00:00:00:07:01|\[NETCONF\]' >"$work/$file.told"
done
compare text 'ip monitor all' "$work/there.told" "$work/here.told" any='(?m)(?<=\])(Deleted )?[0-9]+: ' drop='@if[0-9]+' drop=' link-netnsid 0' \
    any='qdisc [a-z]+'
kill $there $here

# ---- what can't be read is one sentence, status 2, and nothing printed ----

while read -r line; do
    # shellcheck disable=SC2086
    at ours $line >"$work/here" 2>"$work/err"
    equal "refused: $line" "$? $(wc -l <"$work/err") $(wc -c <"$work/here")" "2 1 0"
done <<'END'
ip -q link
ip link show nosuch
ip addr add 10.0.0.300/24 dev eth0
ip route get nowhere
ip neigh show 10.0.0.1.2
ip rule add from nowhere table 1
ip monitor everything
ss -tW
ss -tan state asleep
ss -tan dport = :http-alternative
ss -tan ( dport = :80
ss -K
tc -x qdisc
tc qdisc show dev nosuch
bridge vlan
nstat -q
sysctl net.ipv4.nosuch
END
python3 tests/e2e/parity.py "$work/list" || failures=$((failures + 1))
check "the daemon is alive at the end" at ours version
if grep -qE 'ERROR: |runtime error' "$work/ours.log"; then not_ok "the daemon says nothing bad" "$work/ours.log"; fi
[ $failures -eq 0 ]
exit
