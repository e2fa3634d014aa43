#!/bin/bash
# A student's first ten minutes: a console on a terminal of 80 columns and 24 rows (tmux), keys typed, the screen
# read. Every path of the console and every command is visited; the session is kept as text in
# $BUILD/results/console-session.txt.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs tmux "a session on a terminal"
needs less "the pager of a session on a terminal"
needs curl "a session on a terminal"

export LC_ALL=C.UTF-8 HOME=$work/home TERM=xterm
unset PAGER NO_COLOR LESS
export HISTFILE='' LESSHISTFILE=-
mkdir "$HOME"
record=$BUILD/results/console-session.txt
mkdir -p "$BUILD/results"
: >"$record"

# ---- the terminal ----

tm() { tmux -u -S "$work/tmux" -f /dev/null "$@"; }
pane=:0
screen() { tm capture-pane -p -t "$pane" 2>/dev/null; }
keys() { tm send-keys -t "$pane" "$@"; }
showing() { screen | grep -qE -- "$1"; }
# poll COMMAND…: up to ten seconds, often.
poll() {
    local tries=330
    while [ $tries -gt 0 ]; do
        "$@" && return 0
        tries=$((tries - 1))
        sleep 0.03
    done
    return 1
}
# see WHAT PATTERN…: each of the patterns appears on the screen.
see() {
    local what=$1 pattern
    shift
    for pattern in "$@"; do
        if ! poll showing "$pattern"; then
            screen | grep . >"$work/screen"
            not_ok "$what: '$pattern' doesn't appear" "$work/screen"
            keep "$what"
            return 1
        fi
    done
    ok "$what"
    keep "$what"
}
keep() { { printf '\n==== %s ====\n' "$1"; screen; } >>"$record"; }
# On a screen of its own: the line is typed, and stands at the top.
prompt='tapdeck e2e>'
at_top() { [ "$(screen | head -1)" = "$prompt$1" ]; }
clear_screen() {
    keys C-u C-l
    poll at_top ""
}
run() { # LINE
    clear_screen
    keys -l -- "$1"
    keys Enter
}
# visit WHAT LINE PATTERN…; skipped when the line's command isn't there.
visit() {
    local what=$1 line=$2
    shift 2
    run "$line"
    see "$what" "$@"
    poll showing "^$prompt *$" # it is over
}
known() { case " $commands " in *" $1 "*) ;; *) skip "$1" "there is no such command"; return 1 ;; esac; }
# tab WHAT BEGINNING PATTERN…: what Tab makes of it.
tab() {
    local what=$1 line=$2
    shift 2
    clear_screen
    keys -l -- "$line"
    keys Tab
    see "$what" "$@"
}

daemon_options=--allow-faults
start() {
    rm -f "$work/ready"
    start_daemon 'app start httpd -p 80 scripts/demo-site' 'app start echo' 'ip route add default via 10.0.0.1' \
        'sysctl -q -w net.ipv4.tcp_series=1000'
}
start
commands=$(deck help | awk '{ printf "%s ", $1 }')
tm new-session -d -x 80 -y 24 "bash --norc --noprofile" || { not_ok "tmux starts"; exit 1; }
linux=$(tm display-message -p '#{pid}')
equal "the terminal has 80 columns and 24 rows" "$(tm display-message -p '#{window_width}x#{window_height}')" 80x24
keys -l "PS1='\$ '; clear"
keys Enter

listens() { ss -Htln "sport = :$1" | grep -q .; }

# ---- the console, and Tab ----
keys -l "$BUILD/tapdeck -n e2e"
keys Enter
see "the console begins with a hint" '`help` lists the commands, Tab completes' "^$prompt"
tab "Tab completes a subcommand" 'ip ro' "^$prompt ip route *$"
tab "Tab completes an option" 'ss -ta' '-tan'
tab "Tab completes a state" 'ss -tan state time' 'state time-wait *$'
tab "Tab completes an address" 'ip route add 192.0.2.0/24 via 10.' 'via 10\.0\.0\.1 *$'
tab "Tab completes an interface" 'ip link show dev e' 'dev eth0 *$'
tab "Tab completes a knob, and lists what there is" 'sysctl net.ipv4.tcp_time' 'tcp_time_wait +net.ipv4.tcp_timestamps|tcp_timestamps +net.ipv4.tcp_time_wait'
tab "Tab completes a file's name" 'source scripts/dem' 'source scripts/demo'
tab "Tab completes an application" 'app start ht' 'app start httpd *$'
tab "Tab completes a table" 'table neig' 'table neigh *$'
tab "Tab completes what watch is to run" 'watch -n 1 ip rou' 'ip route *$'
tab "Tab completes a fault" 'fault enable no-k' 'no-karn'
tab "Tab completes an event" 'why event tcp-rto' 'tcp-rto'
keys C-c
see "Ctrl-C at the prompt begins a new line" 'tcp-rto.*\^C' "^$prompt *$"
keys -l 'version'
keys Enter
see "and that one is empty" "^$prompt version" 'profile linux'

# ---- help and the pager ----
run 'help'
see "help is longer than the screen: the pager" '^:' '^ip +addresses, links'
keys q
visit "q leaves the pager" 'version' 'tapdeckd .* daemon .e2e., profile linux'
visit "help of a command has examples" 'help ping' '^ping \[-' 'Examples:' 'ping -c 3 10.0.0.1'
visit "help of the console's own" 'help watch' 'watch \[-n SECONDS\]' 'Examples:'
visit "a mistyped command" 'pign 10.0.0.1' "there is no command 'pign': did you mean 'ping'\?"
visit "a mistyped subcommand" 'ip adrr' "did you mean 'addr'"
visit "a mistyped knob" 'sysctl net.ipv4.tcp_sakc' "did you mean 'net.ipv4.tcp_sack'"
visit "a mistyped interface" 'ip link show eth1' "did you mean 'eth0'\?"

# ---- the tools ----
visit "ip addr" 'ip addr' 'inet 10.0.0.2/24' 'eth0: <'
visit "ip -s link" 'ip -s link show eth0' 'RX: *bytes' 'TX: *bytes'
visit "ip route" 'ip route' 'default via 10.0.0.1 dev eth0'
visit "ip rule" 'ip rule' 'lookup main'
visit "ip neigh" 'ip neigh' '10.0.0.1 dev eth0 lladdr'
visit "JSON" 'ip -j route | head -c 60' '\[\{"dst":"default"'
visit "ping" 'ping -c 2 -i 0.1 10.0.0.1' '2 packets transmitted, 2 received'
run 'ping -i 0.1 10.0.0.1'
see "ping goes on" 'icmp_seq=3'
keys C-c
see "Ctrl-C stops the command, with its summary" 'packets transmitted' "^$prompt *$"
equal "not the daemon" "$(deck version >/dev/null && echo there)" there
curl -s -o /dev/null http://10.0.0.2/ &
wait $!
visit "the kernel's curl was here: ss" 'ss -tan' 'LISTEN.*0\.0\.0\.0:80'
visit "ss with a filter" "ss -tan state listening '( sport = :80 )'" '0\.0\.0\.0:80'
visit "output into a shell's pipeline" 'ss -tan | grep -c LISTEN' '^2$'
visit "output into a file" "ip neigh > $work/neigh" "^$prompt"
equal "which has it" "$(grep -c '10.0.0.1 dev eth0' "$work/neigh")" 1
visit "a shell's command" '!echo six times seven is $((6*7))' 'seven is 42'
visit "nstat" 'nstat -as Tcp*' 'TcpPassiveOpens +[1-9]'
visit "sysctl" 'sysctl -w net.ipv4.ip_default_ttl=77' 'net.ipv4.ip_default_ttl = 77'
visit "tc" 'tc qdisc add dev eth0 root netem delay 1ms' "^$prompt"
visit "and what it made" 'tc -s qdisc show dev eth0' 'qdisc netem .* delay 1' 'Sent'
visit "and away with it" 'tc qdisc del dev eth0 root' "^$prompt"
visit "iptables" 'iptables -A INPUT -p udp --dport 9 -j DROP' "^$prompt"
visit "its list" 'iptables -L -n -v' 'Chain INPUT' 'DROP +(17|udp)'
echo x | nc -u -w 1 10.0.0.2 9 2>/dev/null &
udp=$!
visit "conntrack" 'conntrack -C' '^[0-9]+$'
visit "bridge" 'bridge link' "^$prompt"
visit "timers" 'timers' 'fired since the start'
visit "table" 'table memory' 'tag .* used'
wait $udp
visit "why drop" 'why drop -n 1' 'nf|filter|iptables|rule'
visit "why last" 'why last' '^[#0-9]|ago|RFC|tcp|arp|ip'

# ---- a connection that stays ----
mkfifo "$work/open"
nc 10.0.0.2 7 <"$work/open" >"$work/echoed" &
exec 8>"$work/open"
echo hello >&8
poll grep -q hello "$work/echoed"
visit "ss -tani shows its variables" 'ss -tani dst 10.0.0.1' 'ESTAB.*10\.0\.0\.2:7 ' 'cwnd:'
visit "series" 'series' 'cwnd|samples'
tab "Tab completes a connection" 'pcb 10.0.0.1:' 'pcb 10\.0\.0\.1:[0-9]+'
visit "pcb" 'pcb :7 SND.UNA SND.NXT cwnd' 'SND\.UNA' 'cwnd'

visit "states: the diagram, and the way through it" 'states :7' 'FIN-WAIT-1' 'SYN-RECEIVED -> ESTABLISHED'
visit "ladder" 'ladder :7' '10\.0\.0\.2:7 ' 'SYN,ACK 0 ack 1'
if command -v gnuplot >/dev/null; then
    visit "graph, in the terminal" 'graph :7 seq' 'sequence numbers of 10' 'seconds'
    visit "graph, into a file" "graph :7 rtt -o $work/rtt.svg" "^$prompt *$"
    check "which is a plot" grep -q '<svg' "$work/rtt.svg"
    tm resize-window -t "$pane" -x 40 -y 20
    visit "graph, where there is no room for one" 'graph :7 seq' 'a graph needs a terminal of at'
    tm resize-window -t "$pane" -x 80 -y 24
else
    skip "graph" "gnuplot is not installed"
fi
visit "why, of a connection" 'why :7 -n 3' 'tcp'

# ---- to the outside ----
printf 'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nit was delivered\n' | nc -N -l 10.0.0.1 8080 >/dev/null &
poll listens 8080
visit "get" 'get http://10.0.0.1:8080/' '^it was delivered'
nc -l 10.0.0.1 9000 >"$work/typed" &
poll listens 9000
run 'nc 10.0.0.1 9000'
keys -l 'some words'
keys Enter
check "nc carries what is typed" poll grep -qx 'some words' "$work/typed"
keys C-c
see "Ctrl-C ends it" "^$prompt *$"
visit "nc -z" 'nc -zv 10.0.0.1 9' 'refused'
visit "traceroute" 'traceroute -n 10.0.0.1' '1  10\.0\.0\.1 .* ms'
known arping && visit "arping" 'arping -c 1 10.0.0.1' 'reply from 10\.0\.0\.1'
known ethtool && visit "ethtool" 'ethtool -k eth0' 'tcp-segmentation-offload|checksum'
if known tcpdump && command -v tcpdump >/dev/null; then
    run 'tcpdump -c 2 icmp'
    see "tcpdump" 'listening|reading|eth0'
    ping -c 2 -i 0.2 10.0.0.2 >/dev/null
    see "the real one's text" 'ICMP echo request' 'ICMP echo reply' "^$prompt *$"
fi
run 'ip monitor neigh'
deck ip neigh replace 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth0
see "ip monitor" '10\.0\.0\.77 dev eth0 lladdr 02:00:00:00:00:77'
keys C-c
see "until Ctrl-C" "^$prompt *$"
if known events; then
    run 'events -j'
    deck ip neigh del 10.0.0.77 dev eth0
    see "events" '^\{"seq":' '"event":"neigh'
    keys C-c
    see "until Ctrl-C" "^$prompt *$"
fi

# ---- time ----
clear_screen
keys -l 'pause'
keys Enter
see "pause, and the prompt says so" "^tapdeck e2e \(paused\)> *$"
keys -l 'step timer'
keys Enter
see "step" 'timer'
keys -l 'resume'
keys Enter
see "resume" 'time goes on' "^$prompt *$"
visit "break" 'break when icmp' 'breakpoint 1'
clear_screen
ping -c 1 -W 1 10.0.0.2 >/dev/null &
pinged=$!
see "the console is told at its prompt" 'breakpoint 1 \(icmp\)' "\(paused\)> *$"
keys -l 'resume'
keys Enter
see "the reply is a frame too" 'out, 98 bytes'
keys -l 'break del 1'
keys Enter
keys -l 'resume'
keys Enter
see "and on it goes" "^$prompt *$"
wait $pinged
visit "a fault" 'fault enable no-karn' "^$prompt *$"
visit "is on" 'fault list | head -2' '^on .*no-karn'
visit "and off" 'fault disable no-karn' "^$prompt *$"

# ---- watch ----
run 'watch -n 0.2 nstat -as Icmp*'
see "watch" '^Every 0.2s: nstat' 'IcmpInEchos +[0-9]+'
ping -c 3 -i 0.25 10.0.0.2 >/dev/null &
marked() { tm capture-pane -p -e -t "$pane" | grep -q $'\033\[7m'; }
check "what changed is in reverse video" poll marked
keep "watch, marked"
wait $!
keys q
see "q ends it, and the screen is as it was" "^$prompt watch -n 0.2"

# ---- the window grows while a command has the screen ----
wide() { [ "$(tm display-message -p -t "$pane" '#{pane_width}')" = "$1" ] && showing "^Every 0.2s: $2"; }
tm resize-window -t "$pane" -x 40 -y 20
run 'watch -n 0.2 version'
check "watch, in forty columns" poll wide 40 version
keys q
run 'watch -n 0.2 ss'
check "watch again" poll wide 40 ss
tm resize-window -t "$pane" -x 80 -y 24
check "it grows" poll wide 80 ss
showing_time() { screen | head -1 | grep -qE '^Every 0.2s: ss {50,}'; }
check "watch notices" poll showing_time
keys q
poll showing "^$prompt"
visit "a line is as long as the window is now" 'help watch | grep -c "a command again and again"' \
    "^$prompt help watch \\| grep -c \"a command again and again\"\$" '^1$'
run 'watch -n 0.2 ip neigh'
see "watch again" '^Every 0.2s: ip neigh'
keys C-c
see "Ctrl-C ends it too" "^$prompt *$"

visit "ss -K ends it" "ss -tanK '( sport = :7 and dst 10.0.0.1 )'" 'ESTAB.*10\.0\.0\.2:7 '
visit "why it is closed" 'why closed' 'tcp'
visit "metrics, to be scraped" 'metrics | grep -c ^tapdeck' '^[1-9][0-9]+'

# ---- files, aliases ----
printf "alias ll='ss -tan'\n# a remark\nip route get 10.0.0.1\nip route get nowhere\nversion\n" >"$work/lab"
visit "source stops at the line that fails" "source $work/lab" "lab:4: " 'dev eth0 src 10\.0\.0\.2'
visit "an alias" 'll state listening' '0\.0\.0\.0:7 '
visit "aliases" 'alias' "^alias ll='ss -tan'"
visit "an alias's end" 'unalias ll' "^$prompt"
visit "and then" 'll' "there is no command 'll'"

# ---- two consoles ----
tm new-window "bash --norc --noprofile"
pane=:1
printf "alias hops='ip route'\n" >"$HOME/.tapdeckrc"
keys -l "NO_COLOR=1 $BUILD/tapdeck -n e2e"
keys Enter
see "a second console" "^$prompt"
visit "~/.tapdeckrc was read" 'hops' 'default via'
clear_screen
keys Up Up
see "history of the first console" "^$prompt ll$"
run 'version'
see "the second goes on" 'profile linux'
pane=:0
clear_screen
keys -l 'why -n 2'
keys Enter
see "the first has colours" '^[0-9:.]+ #'
coloured() { tm capture-pane -p -e -t "$pane" | grep -q $'\033\[3[0-9]'; }
check "on the screen" coloured
pane=:1
run 'why -n 2'
see "the second was told NO_COLOR" '^[0-9:.]+ #' "^$prompt *$"
check "and has none" eval '! coloured'
pane=:0
visit "and the first" 'ip addr show lo' '127.0.0.1/8'
equal "the history file has both" "$(grep -cx -e hops -e 'ip addr show lo' "$HOME/.tapdeck_history")" 2

# ---- a daemon's restart ----
run 'ping -i 0.1 10.0.0.1'
see "a command runs" 'icmp_seq=2'
exec 8>&-
kill -TERM "$daemon"
wait "$daemon" 2>/dev/null
daemon=
see "the daemon goes under a command: a sentence, and the prompt" "the daemon 'e2e' has gone away" "^$prompt *$"
pane=:1
see "and under none" "the daemon 'e2e' has gone away"
pane=:0
visit "without it" 'ss' "no daemon named 'e2e' is running"
clear_screen
start
see "it comes back: a sentence" "the daemon 'e2e' is back"
visit "and the console goes on" 'ip route' 'default via 10.0.0.1'
pane=:1
see "the other one too" "the daemon 'e2e' is back"
keys C-u
keys -l 'exit'
keys Enter
see "exit leaves" 'exit' '^bash.*[#\$] *$'
pane=:0
keys C-u C-d
see "Ctrl-D leaves" '^\$ *$'

# ---- without a terminal ----
equal "watch without a terminal" "$(deck watch -n 0.1 -c 2 sysctl -n net.ipv4.ip_forward | tr '\n' ' ')" "0 ---- 0 "
equal "a pipeline in a script" "$(echo 'ss -tan | grep -c LISTEN' | deck)" 2
equal "complete, for scripts" "$(deck complete -- ip link show dev e)" eth0
completed() { # WORD…: what bash would offer for this line
    # shellcheck disable=SC2016
    PATH="$BUILD:$PATH" bash -c '. scripts/tapdeck.bash-completion
        COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _tapdeck tapdeck; echo "${COMPREPLY[*]}"' bash "$@"
}
equal "bash: a command" "$(completed tapdeck -n e2e iptables-s)" iptables-save
equal "bash: an interface" "$(completed tapdeck -n e2e ip link show dev e)" eth0
equal "bash: nothing begun yet" "$(completed tapdeck -n e2e fault no-karn '')" "off on"
equal "bash: a daemon's name" "$(completed tapdeck -n e)" e2e
equal "bash: an option of tapdeck" "$(completed tapdeck --js)" --json
mac=$(deck ip neigh show | sed -n 's/^10.0.0.1 .*lladdr \([0-9a-f:]*\).*/\1/p')
equal "bash: behind a colon" "$(completed tapdeck -n e2e ip neigh add 10.0.0.9 lladdr "${mac:0:9}")" "${mac:9}"
finish
