#!/bin/bash
# The tape deck on a terminal (tmux): a live daemon's run is recorded, then played, stopped, taken back and looked at, with
# keys typed and the screen read.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs tmux "a tape deck on a terminal"
export LC_ALL=C.UTF-8 HOME=$work/home TERM=xterm PAGER=cat NO_COLOR=1
export HISTFILE=''
mkdir "$HOME"

# ---- a run to record ----
daemon_options="--record $work/run.deck"
start_daemon 'app start echo'
for word in one two three; do
    echo $word | timeout 20 nc -N 10.0.0.2 7 >"$work/said"
    equal "the echo of $word" "$(cat "$work/said")" $word
done
closed() { [ "$(deck ss -Htan state connected | wc -l)" = 0 ] || [ -n "$(deck ss -Htan state last-ack)" ]; }
tries=500
until closed || [ $((tries -= 1)) -eq 0 ]; do sleep 0.02; done
deck -n e2e shutdown >/dev/null
wait "$daemon" 2>/dev/null
equal "the daemon ends in order" $? 0
daemon=
check "a recording is there" test -s "$work/run.deck"

# ---- the terminal ----
tm() { tmux -u -S "$work/tmux" -f /dev/null "$@"; }
screen() { tm capture-pane -p -t :0 2>/dev/null; }
keys() { tm send-keys -t :0 "$@"; }
showing() { screen | grep -qE -- "$1"; }
see() { # WHAT PATTERN…
    local what=$1 pattern tries
    shift
    for pattern in "$@"; do
        tries=1000
        until showing "$pattern"; do
            if [ $((tries -= 1)) -le 0 ]; then
                screen | grep . >"$work/screen"
                not_ok "$what: '$pattern' doesn't appear" "$work/screen"
                return 1
            fi
            sleep 0.03
        done
    done
    ok "$what"
}
at_top() { screen | head -1 | grep -qE "$1"; }
run() { # LINE
    keys C-u C-l
    local tries=1000
    until at_top '^#[0-9/]+ [0-9.]+s> *$' || [ $((tries -= 1)) -eq 0 ]; do sleep 0.03; done
    keys -l -- "$1"
    keys Enter
}
frames=$("$BUILD/tapdeck" replay -i -e 'goto end' -e 'where -j' "$work/run.deck" | sed -n 's/.*"step":\([0-9]*\).*/\1/p' | tail -1)
check "it has frames ($frames)" test "$frames" -gt 20
tm new-session -d -x 120 -y 24 "bash --norc --noprofile" || { not_ok "tmux starts"; exit 1; }
linux=$(tm display-message -p '#{pid}')
keys -l "PS1='\$ '; clear; $BUILD/tapdeck replay -i $work/run.deck"
keys Enter
see "the deck begins with a hint" '`play`, `step`, `back`' '^#0.* 0\.000000s> *$'
run 'step 2'
see "step" ' 1 .*eth0' ' 2 .*eth0' '^#2(/[0-9]+)? '
keys -l 'unt'
keys Tab
keys -l 'state=ESTA'
keys Tab
see "Tab completes words and states" '> until state=ESTABLISHED'
keys Enter
see "until" 'SYN-RECEIVED to ESTABLISHED' '^#[0-9/]+ .*s> *$'
run 'ss -tan'
see "ss at that instant" 'ESTAB .*10.0.0.2:7 '
run 'back'
see "back prints what it takes back" '^- +[0-9]+ '
run 'ss -tan'
see "and ss says what was before" 'SYN-RECV .*10.0.0.2:7 '
run 'goto end'
see "goto end" "^#$frames(/[0-9]+)? "
run 'goto start'
see "goto start" '^#0'
run 'speed 0.01x'
run 'play'
see "play, slowly" ' 1 .*eth0'
keys C-c
see "Ctrl-C stops it" '^stands at|^tapdeck: stopped at' '^#[0-9/]+ .*s> *$'
run 'play'
see "play again" ' eth0'
keys Enter
see "Enter stops it too" 'stands at' '^#[0-9/]+ .*s> *$'
run 'watch ss'
see "watch has nothing to wait for" 'is of no use on a tape'
run 'stpe'
see "a word mistyped" "did you mean 'step'"
keys C-u Up
see "history" '> stpe$'
keys C-u C-d
see "Ctrl-D leaves" '^\$ *$'
nobody() { ! pgrep -f "replay -i $work/run.deck" >/dev/null; }
check "nobody is left behind" eventually 20 nobody
exit $((failures > 0))
