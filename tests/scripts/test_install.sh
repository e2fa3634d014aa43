#!/bin/bash
# make install: DESTDIR and PREFIX are honoured, everything is there and works from there, the manual
# pages are sound and say what --help says, and uninstall leaves nothing.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
dest=$(mktemp -d)
trap 'rm -rf "$dest"' EXIT
ok() { # WHAT: reports the status of the command before
    local status=$?
    if [ $status -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi
}
make_it() { # TARGET: with the build that is there; a sanitized one isn't built anew
    make -s --no-print-directory BUILD="$BUILD" DESTDIR="$dest" PREFIX=/opt/td -o all "$1" >"$dest.log" 2>&1
}
make_it install
ok "make install DESTDIR=… PREFIX=/opt/td" || { cat "$dest.log"; exit 1; }
rm -f "$dest.log"
[ -z "$(find "$dest" -type f ! -path "$dest/opt/td/*")" ]
ok "nothing is put outside the prefix"
root=$dest/opt/td
"$root/bin/tapdeck" --version | grep -q '^tapdeck ' && "$root/bin/tapdeckd" --version | grep -q tapdeckd
ok "the programs run from there"
(cd "$dest" && "$root/bin/tapdeck" drill --help >/dev/null)
ok "from another directory too"

[ -s "$root/share/bash-completion/completions/tapdeck" ] && [ -x "$root/share/tapdeck/install-extcap" ]
ok "bash's completion and install-extcap are there"
PATH=$root/bin:$PATH "$root/share/tapdeck/install-extcap" "$dest/extcap" >/dev/null && grep -q "$root/bin/tapdeck" "$dest/extcap/tapdeck-extcap"
ok "install-extcap takes the installed program"

# The library alone, as a program that embeds the stack uses it.
cat >"$dest/embed.c" <<'C'
#include <tapdeck/stack.h>
int main(void)
{
    return (int)sizeof(struct td_stack *) == 0;
}
C
gcc -std=c11 -Wall -Werror -I"$root/include" -c -o "$dest/embed.o" "$dest/embed.c"
ok "the headers compile on their own"

pages="tapdeck.1 tapdeck-topology.5 tapdeckd.conf.5 tapdeck-commands.7 tapdeckd.8"
for page in $pages; do
    file=$root/share/man/man${page##*.}/$page
    found=$(mandoc -T lint -W warning "$file" 2>&1)
    [ -s "$file" ] && [ -z "$found" ]
    ok "$page: is there, and mandoc has nothing to say${found:+: $found}"
done
plain() { mandoc -T ascii -O width=120 "$root/share/man/man${1##*.}/$1" | col -b; }
# Every option of --help stands in its page.
for program in tapdeck:tapdeck.1 tapdeckd:tapdeckd.8; do
    plain "${program#*:}" >"$dest/page"
    missing=
    for option in $("$root/bin/${program%:*}" --help | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u); do
        grep -q -- "$option" "$dest/page" || missing="$missing $option"
    done
    [ -z "$missing" ]
    ok "${program#*:}: has all options of ${program%:*} --help${missing:+, but for$missing}"
done
# Every key that a topology file may have.
plain tapdeck-topology.5 >"$dest/page"
missing=
for key in name time seed nodes links taps kind interfaces forward routes sysctl apps commands profile faults ends impair there back; do
    grep -qw -- "$key" "$dest/page" || missing="$missing $key"
done
[ -z "$missing" ]
ok "tapdeck-topology.5: has every key${missing:+ but$missing}"
# Every command that is registered.
plain tapdeck-commands.7 >"$dest/page"
missing=
for command in $(grep -rhoE '^ +\.name = "[a-z0-9-]+"' apps/tapdeckd/cmd_*.c apps/tapdeckd/help.c 2>/dev/null | grep -oE '"[^"]+"' | tr -d '"'); do
    grep -qE -- "^ +$command\$" "$dest/page" || missing="$missing $command"
done
[ -z "$missing" ] && [ "$(grep -cE '^   [a-z-]+$' "$dest/page")" -gt 25 ]
ok "tapdeck-commands.7: has every command${missing:+ but$missing}"

make_it uninstall
ok "make uninstall"
left=$(find "$root" -type f)
[ -z "$left" ]
ok "nothing is left${left:+: $left}"
