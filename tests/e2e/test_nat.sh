#!/bin/bash
# Address translation and the packet filter with real clients: two client networks behind one address, a server behind
# a translated port, dropped and rejected, hairpin, all by iptables' own words.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/net.sh
. tests/e2e/net.sh
needs curl "translation with curl"
needs python3 "translation with a web server"
#
#     c1 10.1.1.2 ─── 10.1.1.1 ┐
#                              ├ tapdeck ┤ 192.0.2.1 ─── server 192.0.2.2, which knows no way to 10.1.0.0/16
#     c2 10.1.2.2 ─── 10.1.2.1 ┘
start_daemon 'tap add tapa as ea' 'ip addr add 10.1.1.1/24 dev ea' 'tap add tapb as eb' 'ip addr add 10.1.2.1/24 dev eb' \
    'tap add tapc as ec' 'ip addr add 192.0.2.1/24 dev ec' 'sysctl -q -w net.ipv4.ip_forward=1' \
    'iptables -t nat -A POSTROUTING -o ec -j MASQUERADE'
for name in c1 c2 server; do namespace $name; done
give tapa c1 10.1.1.2/24 10.1.1.1
give tapb c2 10.1.2.2/24 10.1.2.1
give tapc server 192.0.2.2/24
mkdir -p "$work/site" "$work/inner"
echo "from the server" >"$work/site/who"
echo "from c2" >"$work/inner/who"
head -c 5000000 /dev/urandom >"$work/site/big"
web server 8000 "$work/site"
web c2 80 "$work/inner"
get() {
    local from=$1
    shift
    on "$from" curl -sS --max-time 4 "$@"
}

equal "c1 reaches the server" "$(get c1 http://192.0.2.2:8000/who)" "from the server"
equal "c2, too" "$(get c2 http://192.0.2.2:8000/who)" "from the server"
equal "the server has seen one address" \
    "$(grep -v '^127' "$work/server.web" | grep -o '^[0-9.]* - -' | sort -u)" "192.0.2.1 - -"
both() { # from one port of each client, at the same time
    get c1 --local-port 41000 -o "$work/b1" http://192.0.2.2:8000/big &
    local first=$!
    get c2 --local-port 41000 -o "$work/b2" http://192.0.2.2:8000/big && wait $first
}
check "both at once from the same port" both
equal "5 MB arrive whole" "$(cmp "$work/b1" "$work/site/big" && cmp "$work/b2" "$work/site/big" && echo yes)" yes
deck conntrack -L >"$work/flows"
equal "conntrack -L shows both, with two ports outside" \
    "$(grep -c 'src=10.1.[12].2 dst=192.0.2.2 sport=41000 dport=8000 packets=' "$work/flows") $(grep 'sport=41000 dport=8000' "$work/flows" |
        grep -o 'dst=192.0.2.1 .*dport=[0-9]*' | grep -o 'dport=[0-9]*' | sort -u | wc -l)" "2 2"
crowd() { # thirty clients, all from the same port
    local i pids=()
    for i in $(seq 30); do on c1 ip addr add 10.1.1.$((100 + i))/24 dev tapa; done
    for i in $(seq 30); do
        get c1 --interface 10.1.1.$((100 + i)) --local-port 42000 http://192.0.2.2:8000/who >"$work/crowd$i" &
        pids+=($!)
    done
    wait "${pids[@]}"
    for i in $(seq 30); do [ "$(cat "$work/crowd$i")" = "from the server" ] || return 1; done
}
check "thirty clients at once behind one address, from one port" crowd
equal "each with a port of its own outside" "$(deck conntrack -L -p tcp | grep 'sport=42000 dport=8000' |
    grep -o 'dst=192.0.2.1 .*dport=[0-9]*' | grep -o 'dport=[0-9]*' | sort -u | wc -l)" 30
check "ping" on c1 ping -c 2 -i 0.2 -W 2 192.0.2.2
check "two pings at once" bash -c "nsenter -t ${space[c1]} -n ping -c 3 -i 0.2 -W 2 192.0.2.2 & nsenter -t ${space[c2]} -n ping -c 3 -i 0.2 -W 2 192.0.2.2 && wait \$!"
equal "errors find their way back: a closed port is refused at once" \
    "$(get c1 http://192.0.2.2:9/ 2>&1 | grep -c -i 'refused\|failed to connect')" 1
if command -v traceroute >/dev/null; then
    equal "traceroute through the translation" "$(on c1 traceroute -n -q 1 -w 2 192.0.2.2 | awk 'NR > 1 { printf "%s ", $2 }')" "10.1.1.1 192.0.2.2 "
fi

check "a port is led to c2" deck iptables -t nat -A PREROUTING -d 192.0.2.1 -p tcp --dport 8080 -j DNAT --to-destination 10.1.2.2:80
equal "the server reaches c2 by the outside address" "$(get server http://192.0.2.1:8080/who)" "from c2"
equal "c1 does as well" "$(get c1 http://192.0.2.1:8080/who)" "from c2"
deck iptables -t nat -A POSTROUTING -s 10.1.2.0/24 -d 10.1.2.0/24 -j MASQUERADE
equal "and c2 itself: hairpin" "$(get c2 http://192.0.2.1:8080/who)" "from c2"
equal "which sees the router's address" "$(tail -n 1 "$work/c2.web" | cut -d ' ' -f 1)" "10.1.2.1"

deck iptables -A FORWARD -s 10.1.1.0/24 -p tcp --dport 8000 -j DROP
within "dropped: c1 runs into its time-out" 5 nsenter -t "${space[c1]}" -n curl -sS --max-time 2 http://192.0.2.2:8000/who
equal "curl says so" "$rc" 28
equal "why tells by which rule" "$(deck why event nf-drop-rule -n 1 2>/dev/null | grep -c 'rule 1 of chain FORWARD, table filter')" 1
equal "c2 isn't concerned" "$(get c2 http://192.0.2.2:8000/who)" "from the server"
deck iptables -R FORWARD 1 -s 10.1.1.0/24 -p tcp --dport 8000 -j REJECT
within "rejected: c1 is refused" 1 nsenter -t "${space[c1]}" -n curl -sS --max-time 5 http://192.0.2.2:8000/who
equal "curl says so" "$rc" 7
deck iptables -R FORWARD 1 -s 10.1.1.0/24 -p tcp --dport 8000 -j REJECT --reject-with tcp-reset
within "with a reset as well" 1 nsenter -t "${space[c1]}" -n curl -sS --max-time 5 http://192.0.2.2:8000/who
equal "curl says so" "$rc" 7
equal "counters" "$(deck iptables -L FORWARD -n -v | awk '$3 == "REJECT" { print ($1 >= 1) }')" 1

deck iptables-save >"$work/rules"
sed '40q' <(sed 's/^COMMIT$/-A FORWARD -p tcp --dprt 1 -j DROP/' "$work/rules") >"$work/bad"
deck iptables-restore <"$work/bad" 2>"$work/said"
equal "a wrong line: exit status 2" $? 2
equal "one sentence with the line" "$(grep -c "line [0-9]*: there is no option '--dprt'" "$work/said") $(wc -l <"$work/said")" "1 1"
equal "and nothing was changed" "$(deck iptables-save)" "$(cat "$work/rules")"
deck iptables -F
deck iptables -t nat -F
check "restored from a file" deck iptables-restore "$work/rules"
equal "it is as it was" "$(deck iptables-save)" "$(cat "$work/rules")"
{ echo '*filter'; for i in $(seq 38); do echo "-A FORWARD -s 172.16.0.$i -j DROP"; done; echo '-A FORWARD -j DORP'; echo COMMIT; } >"$work/forty"
deck iptables-restore "$work/forty" 2>"$work/said"
equal "an error in line 40: exit status 2" $? 2
equal "which is named" "$(grep -c "line 40: there is no target or chain 'DORP'" "$work/said")" 1
equal "and the 39 lines before it changed nothing" "$(deck iptables-save)" "$(cat "$work/rules")"
deck iptables -I FORWARD -s 10.1.2.0/24 -m limit --limit 1/hour --limit-burst 2 -j LOG --log-prefix 'from c2: '
equal "LOG, within its limit" "$(for i in 1 2 3; do get c2 http://192.0.2.2:8000/who; done | grep -c server) $(
    deck why event nf-log -n 100 2>/dev/null | grep -c 'from c2: ')" "3 2"
deck iptables -D FORWARD 1
# Only what was asked for comes back in: answers, and the errors that belong to them.
deck iptables -P FORWARD DROP
deck iptables -F FORWARD
deck iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
deck iptables -A FORWARD -s 10.1.0.0/16 -m conntrack --ctstate NEW -j ACCEPT
deck iptables -t nat -F PREROUTING
equal "outwards" "$(get c1 http://192.0.2.2:8000/who)" "from the server"
within "related: a closed UDP port is told at once" 1 nsenter -t "${space[c1]}" -n bash -c 'exec 3<>/dev/udp/192.0.2.2/9; echo x >&3; read -r -t 3 -u 3'
equal "as what it is" "$(grep -c refused "$work/out")" 1
on server ip route add 10.1.0.0/16 via 192.0.2.1
within "inwards: nothing" 4 nsenter -t "${space[server]}" -n curl -sS --max-time 2 http://10.1.2.2/who
equal "curl gives up" "$rc" 28
deck iptables-restore "$work/rules"
{ echo '*filter'; for i in $(seq 5000); do echo "-A FORWARD -s 172.16.$((i / 256)).$((i % 256)) -j DROP"; done; echo COMMIT; } >"$work/many"
check "5,000 rules from standard input" bash -c "'$BUILD/tapdeck' -n e2e iptables-restore -n <'$work/many'"
equal "are there" "$(deck iptables -S FORWARD | grep -c '^-A FORWARD -s 172')" 5000
equal "and c2 still gets through" "$(get c2 http://192.0.2.2:8000/who)" "from the server"
finish
