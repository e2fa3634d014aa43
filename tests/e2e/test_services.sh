#!/bin/bash
# echo, discard, chargen and daytime with nc, over TCP and UDP; closed ports; half-close.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs nc "the small services with nc"
start_daemon 'app start echo' 'app start discard' 'app start chargen' 'app start daytime'

within "a closed port is refused at once" 0.5 nc -v -w 5 10.0.0.2 1
equal "with status 1" "$rc" 1
check "and the word for it" grep -qi refused "$work/out"
within "a closed UDP port is unreachable at once" 1.5 nc -v -z -u -w 1 10.0.0.2 1
equal "which nc sees, too" $rc 1

equal "echo: nc -N sends, half-closes and still gets it back" "$(printf 'one\ntwo\n' | timeout 10 nc -N 10.0.0.2 7)" $'one\ntwo'
head -c 5000000 /dev/urandom >"$work/data"
equal "5 MB through echo" "$(timeout 60 nc -N 10.0.0.2 7 <"$work/data" | sha256sum)" "$(sha256sum <"$work/data")"
equal "echo over UDP" "$(printf 'datagram' | timeout 5 nc -u -w 1 10.0.0.2 7)" datagram
equal "a datagram of 8000 bytes through echo" "$(head -c 8000 "$work/data" | timeout 5 nc -u -w 1 10.0.0.2 7 | sha256sum)" "$(head -c 8000 "$work/data" | sha256sum)"
within "discard takes it and closes" 10 nc -N 10.0.0.2 9
equal "saying nothing" "$(timeout 10 nc -N 10.0.0.2 9 <"$work/data" | wc -c)" 0
timeout 5 nc 10.0.0.2 19 </dev/null 2>/dev/null | head -c 74000 >"$work/chars"
equal "chargen: lines of 72 characters" "$(tr -d '\r' <"$work/chars" | awk '{ print length }' | sort -u)" 72
equal "chargen: a thousand of them" "$(wc -l <"$work/chars")" 1000
year=$(date -u +%Y)
check "daytime" grep -q "$year .*-UTC" <(timeout 5 nc 10.0.0.2 13 </dev/null)
check "daytime over UDP" grep -q "$year .*-UTC" <(echo | timeout 5 nc -u -w 1 10.0.0.2 13)

sentence() { # WHAT WANTED COMMAND…
    local what=$1 wanted=$2 got status
    shift 2
    got=$(deck "$@" 2>&1)
    status=$?
    equal "$what: status" $status 2
    if [[ $got == *"$wanted"* ]] && [ "$(wc -l <<<"$got")" = 1 ]; then
        ok "$what: one sentence"
    else
        not_ok "$what: $got"
    fi
}
sentence "a port in use" "TCP port 7 is in use already" app start echo
sentence "an address that isn't ours" "10.9.9.9 is not an address of this host" app start echo -a 10.9.9.9
sentence "no directory" "which directory shall be served?" app start httpd
sentence "a directory that isn't there" "No such file or directory" app start httpd -p 88 /nowhere
finish
