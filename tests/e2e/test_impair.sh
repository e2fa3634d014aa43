#!/bin/bash
# Impairments with real clients: curl waits for a SYN-ACK that a rule delays by a second; a dropped segment is sent again;
# what a rule holds comes when it is let go; and ping's round trip while curl downloads through a narrow line, with a long
# queue and with fq_codel.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs curl "impairments with curl"
mkdir "$work/site"
head -c 400000 /dev/urandom >"$work/site/file"
head -c 40000000 /dev/zero >"$work/site/long"
sum=$(sha256sum <"$work/site/file")
start_daemon "app start httpd -p 80 $work/site"

# between WHAT VALUE LEAST MOST
between() {
    if awk -v v="$2" -v a="$3" -v b="$4" 'BEGIN { exit !(v >= a && v <= b) }'; then ok "$1 ($2)"; else
        not_ok "$1"
        echo "#   got $2, wanted $3 to $4"
    fi
}
connect_time() { curl -sS --max-time 20 -o /dev/null -w '%{time_connect}' http://10.0.0.2/file 2>"$work/curl.log"; }

between "without a rule a connection is made at once, seconds" "$(connect_time)" 0 0.5
check "a rule is taken" deck tc rule add dev eth0 delay the 1st SYN-ACK by 1s
between "curl waits for the SYN-ACK that the rule delays by 1 s" "$(connect_time)" 0.95 2
between "and not for the next one" "$(connect_time)" 0 0.5
deck why impair >"$work/why"
check "why says so" grep -q 'Rule 1 of eth0 delays a frame by 1' "$work/why"
check "the rule goes" deck tc rule del dev eth0 all

check "the 3rd segment with data is to be lost" deck tc rule add dev eth0 drop the 3rd segment with data matching 'tcp src port 80'
equal "the file arrives whole" "$(curl -sS --max-time 20 http://10.0.0.2/file 2>&1 | sha256sum)" "$sum"
equal "one segment was dropped" "$(deck -j tc rule show | sed -n 's/.*"acted":\([0-9]*\).*/\1/p')" 1
deck tc rule del dev eth0 all

check "echo requests are to be held" deck tc rule add dev eth0 ingress hold all icmp
ping -c 1 -W 10 10.0.0.2 >"$work/ping" 2>&1 &
pinger=$!
held() { deck -j tc rule show | grep -q '"held":1'; }
check "one is" eventually 5 held
check "and let go" deck tc rule release dev eth0 ingress 1
wait $pinger
equal "ping gets its answer" $? 0
deck tc rule del dev eth0 ingress all

# The median round trip of twenty pings, ms, while a download runs.
loaded_rtt() {
    curl -sS --max-time 60 -o /dev/null http://10.0.0.2/long 2>/dev/null &
    local download=$!
    ping -c 1 -w 5 10.0.0.2 >/dev/null 2>&1
    ping -c 25 -i 0.1 -W 2 10.0.0.2 | sed -n 's/.*time=\([0-9.]*\) ms.*/\1/p' | tail -n 15 | sort -n | sed -n 8p
    kill $download 2>/dev/null
    wait $download 2>/dev/null
}
check "a narrow line with a long queue" deck tc qdisc add dev eth0 root handle 1: tbf rate 10mbit burst 3kb limit 1000kb
bloated=$(loaded_rtt)
check "and fq_codel inside it" deck tc qdisc add dev eth0 parent 1: fq_codel
cured=$(loaded_rtt)
echo "# round trip under load: ${bloated:-none} ms with a bfifo, ${cured:-none} ms with fq_codel"
between "with fq_codel ping waits less than a third as long" "$(awk -v a="${cured:-9999}" -v b="${bloated:-0}" 'BEGIN { print (b > 0 ? a / b : 9) }')" 0 0.34
deck -j tc -s qdisc show dev eth0 >"$work/tc.json"
check "tc -j counts what fq_codel did" grep -q '"new_flow_count":[1-9]' "$work/tc.json"
deck tc qdisc change dev eth0 parent 1: fq_codel target soon 2>"$work/refused"
equal "a wrong word is refused" $? 2
equal "and changes nothing" "$(deck tc qdisc show dev eth0 | grep -c 'target 5ms')" 1
check "all of it goes" deck tc qdisc del dev eth0 root
finish
