#!/bin/bash
# tests/stack/purity/test_purity.sh: the protocol core does no I/O and has no state of its own.
#
# stack/ without stack/dev is a pure function of what enters through the door: that is what lets the same
# code run behind a TAP, in a fuzzer, forty times in one process, and again bit by bit in a replay. It
# is shown here on what the compiler made and on what the sources include:
#
#   symbols   libtapdeck.a asks the outside for nothing but the allow-list below: memory, strings,
#             snprintf, nettle, the compiler's runtime. A system call, a clock, a thread is not on it.
#   data      no object has a writable section: no globals, no statics that change, no thread-locals, no
#             constructors. (.data.rel.ro* is constant once relocated.)
#   calls     no object uses a symbol that a higher layer defines, however it was declared.
#   includes  #include goes down or sideways as `rank` says, private headers stay in their folder, and
#             of the system's headers only those of the allow-list are used.
#   numbers   no floating point: integer arithmetic gives the same bits everywhere.
#
# Each check is shown to bite on a small program that breaks the rule, and not to bite on one that
# comes close without breaking it.
set -u
cd "$(dirname "$0")/../../.." || exit 2
BUILD=${BUILD:-build}
CC=${CC:-gcc}
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0

# ---- the rules ----

allowed_symbols='^(
malloc|free|
mem(cpy|move|set|cmp|chr|mem)|
str(len|nlen|cmp|ncmp|ncpy|chr|rchr|str|spn|cspn|pbrk)|strerrordesc_np|
v?snprintf|
nettle_[a-z0-9_]+|_nettle_[a-z0-9_]+|
__(memcpy|memmove|memset|strncpy|v?snprintf)_chk|
__stack_chk_(fail|guard)|_GLOBAL_OFFSET_TABLE_|
__[a-z]*(ti|di)[234]|
__(asan|ubsan|sanitizer|lsan|gcov|llvm_profile)_[a-zA-Z0-9_]+
)$'
allowed_symbols=${allowed_symbols//$'\n'/}

# Constants, types and the functions allowed above. Not here: unistd.h, sys/ioctl.h, time.h, pthread.h,
# fcntl.h, signal.h and whatever else acts on the world.
allowed_headers='^(
errno|limits|stdarg|stdbool|stddef|stdint|inttypes|stdio|stdlib|string|
poll|sys/socket|sys/uio|sys/time|netinet/in|netinet/tcp|arpa/inet|
linux/errqueue|linux/sockios|asm/ioctls|nettle/[a-z0-9-]+
)\.h$'
allowed_headers=${allowed_headers//$'\n'/}

# Who stands on whom. What goes up goes through handlers.
ranks='
core 1
wire 1
link 2
arp 3
ip 4
udp 5
tcp 5
socket 6
door 7
'
# udp and tcp stand beside each other: tcp may use what is one mechanism for both, the choice of ports
# (RFC 6056), nothing else of udp, and udp nothing of tcp.
shared_of_udp=' port_candidate port_candidate_in '

# ---- the checks: each prints what breaks the rule, one a line ----

check_symbols() { # ARCHIVE
    nm -g "$1" 2>/dev/null | awk 'NF == 3 { print $3 }' | LC_ALL=C sort -u >"$tmp/defined"
    nm -A -u "$1" 2>/dev/null | awk '{ n = split($1, part, ":"); print $NF, part[n - 1] }' |
        LC_ALL=C sort -u >"$tmp/wanted"
    awk -v allowed="$allowed_symbols" '
        NR == FNR { defined[$1] = 1; next }
        !($1 in defined) && $1 !~ allowed { print $2 " uses " $1 }' "$tmp/defined" "$tmp/wanted"
}

check_data() { # ARCHIVE
    readelf -SW "$1" 2>/dev/null | awk '
        /^File: / { file = $2; next }
        { sub(/^ *\[ *[0-9]+\] */, "") }
        # Name Type Address Off Size ES Flg Lk Inf Al
        NF >= 9 && $7 ~ /W/ && $7 ~ /A/ && $5 !~ /^0+$/ && $1 !~ /^\.data\.rel\.ro/ {
            print file " has " $5 " bytes of writable " $1
        }'
}

check_calls() { # FOLDER of object files: FOLDER/core/*.o, FOLDER/link/*.o …
    local object
    find "$1" -name '*.o' | LC_ALL=C sort | while read -r object; do
        # An object whose source is gone is a leftover of an earlier build.
        [ -n "${2:-}" ] && [ ! -f "$2/${object#"$1"/}" ] && [ ! -f "$2/$(x=${object#"$1"/}; echo "${x%.o}.c")" ] && continue
        nm -g "$object" 2>/dev/null | awk -v f="${object#"$1"/}" 'NF == 3 { print f, "D", $3 } NF == 2 { print f, "U", $2 }'
    done | awk -v ranks="$ranks" -v shared="$shared_of_udp" '
        BEGIN { n = split(ranks, r); for (i = 1; i < n; i += 2) rank[r[i]] = r[i + 1] }
        { split($1, dir, "/"); where = dir[1] }
        $2 == "D" { home[$3] = where; next }
        { file[++uses] = $1; from[uses] = where; what[uses] = $3 }
        END {
            for (i = 1; i <= uses; i++) {
                to = home[what[i]]
                if (!(to in rank) || !(from[i] in rank))
                    continue
                up = rank[to] > rank[from[i]]
                beside = rank[to] == rank[from[i]] && to != from[i] && rank[to] > rank["core"]
                if (up || (beside && !(from[i] == "tcp" && index(shared, " " what[i] " "))))
                    print file[i] " calls up: " what[i] " is of " to
            }
        }'
}

check_includes() { # FOLDER with core/ link/ … dev/ include/
    grep -rnE '^[[:space:]]*#[[:space:]]*include' "$1" --include='*.c' --include='*.h' --include='*.def' |
        LC_ALL=C sort | awk -v root="$1/" -v ranks="$ranks" -v allowed="$allowed_headers" '
        BEGIN { n = split(ranks, r); for (i = 1; i < n; i += 2) rank[r[i]] = r[i + 1] }
        {
            colon = index($0, ":"); file = substr($0, length(root) + 1, colon - length(root) - 1)
            split(file, dir, "/"); from = dir[1]
            name = $0; sub(/^[^<"]*[<"]/, "", name); sub(/[>"].*/, "", name)
            if ($0 ~ /include[[:space:]]*</) {
                if (from != "dev" && name !~ allowed)
                    print file ": system header " name
                next
            }
            split(name, part, "/"); to = part[1]
            if (from == "include") { # a program outside has only these
                if (to != "tapdeck") print file ": a public header includes " name
                next
            }
            if (name ~ /_(internal|priv)\.h$/ && from != to) { print file ": private header " name; next }
            if (to == "tapdeck") {
                # types, devices, links, disciplines, routes, pins and organs are everybodys words; sockets, instances and calls the top layers own
                need = name ~ /\/(types|device|qdisc|link|route|pin|organs?|reassembly|loss)\.h$/ ? 0 : name ~ /\/socket\.h$/ ? rank["socket"] : rank["door"]
                if (from != "dev" && rank[from] < need) print file ": upward include of " name
            } else if (from == "dev") {
                if (to != "dev" && to != "core" && to != "wire" && to != "link")
                    print file ": a device includes " name
            } else if (!(to in rank) || !(from in rank)) {
                print file ": include of " name
            } else if (rank[to] > rank[from]) {
                print file ": upward include of " name
            } else if (rank[to] == rank[from] && to != from && rank[to] > rank["core"] && !(from == "tcp" && name == "udp/udp.h")) {
                print file ": sideways include of " name
            }
        }'
}

check_numbers() { # FOLDER
    find "$1" -path "$1/dev" -prune -o -path "$1/include" -prune -o \( -name '*.c' -o -name '*.h' \) -print |
        LC_ALL=C sort | while read -r file; do
        # gcc takes the comments and string contents away more surely than a pattern does.
        "$CC" -fpreprocessed -dD -E -P "$file" 2>/dev/null | sed 's/"[^"]*"//g' |
            grep -nwE 'float|double|_Complex|long double' | sed "s|^|${file#"$1"/}: |"
    done
}

# ---- reporting ----

clean() { # WHAT CHECK ARGUMENT…: nothing breaks the rule
    local what=$1 found
    shift
    found=$("$@")
    if [ -z "$found" ]; then
        echo "ok - $what"
    else
        echo "not ok - $what"
        printf '%s\n' "$found" | head -n 20 | sed 's/^/#   /'
        failed=1
    fi
}

caught() { # WHAT PATTERN CHECK ARGUMENT…: exactly one line, and it names the culprit
    local what=$1 pattern=$2 found
    shift 2
    found=$("$@")
    if [[ $found == *"$pattern"* ]] && [ "$(printf '%s\n' "$found" | wc -l)" = 1 ]; then
        echo "ok - caught: $what"
    else
        echo "not ok - caught: $what (wanted '$pattern', got '$found')"
        failed=1
    fi
}

# ---- the real thing ----

lib=$BUILD/libtapdeck.a
if [ ! -s "$lib" ]; then
    echo "not ok - $lib is there to be checked"
    exit 1
fi
members=$(ar t "$lib" | wc -l)
sources=$(find stack -path stack/dev -prune -o -name '*.c' -print | wc -l)
if [ "$members" = "$sources" ]; then
    echo "ok - the archive has one object for each of the $sources sources of the core"
else
    echo "not ok - the archive has $members objects, the core $sources sources"
    failed=1
fi
clean "the core asks the outside for memory, strings and nettle only" check_symbols "$lib"
if nm -u "$lib" 2>/dev/null | grep -q '__asan_'; then
    echo "ok - the core has no writable data # SKIP AddressSanitizer adds its own"
else
    clean "the core has no writable data" check_data "$lib"
fi
clean "no object uses what a higher layer defines" check_calls "$BUILD/obj/stack" stack
clean "includes go downwards, and to no header that acts on the world" check_includes stack
clean "no floating point" check_numbers stack

# ---- the checks can fail ----

archive() { # SOURCE: an archive of one object, its path in $made
    made=$tmp/neg.a
    rm -f "$made" "$tmp/neg.o"
    printf '%s\n' "$1" >"$tmp/neg.c"
    "$CC" -O1 -c -o "$tmp/neg.o" "$tmp/neg.c" && ar rcs "$made" "$tmp/neg.o"
}

archive '#include <time.h>
long f(void) { return (long)time((time_t *)0); }'
caught "a clock is read" "neg.o uses time" check_symbols "$made"
archive '#include <unistd.h>
long f(const void *p) { return (long)write(1, p, 1); }'
caught "a system call" "neg.o uses write" check_symbols "$made"
archive '#include <stdio.h>
void f(int x) { printf("%d%d", x, x); }'
caught "output" "neg.o uses printf" check_symbols "$made"
archive '#include <errno.h>
int f(void) { return errno; }'
caught "errno, which is a thread-local of the C library" "neg.o uses __errno_location" check_symbols "$made"
archive '#include <stdlib.h>
void *f(void *p) { return realloc(p, 9); }'
caught "an allocation that isn't accounted" "neg.o uses realloc" check_symbols "$made"
archive 'int tap_open(void); int f(void) { return tap_open(); }'
caught "a device is called" "neg.o uses tap_open" check_symbols "$made"

archive 'static int n; int f(void) { return ++n; }'
caught "a static that changes" "writable .bss" check_data "$made"
archive 'int n = 7;'
caught "a global with a value" "writable .data" check_data "$made"
archive '_Thread_local int n; int f(void) { return ++n; }'
caught "a thread-local" "writable .tbss" check_data "$made"
archive 'void g(void); __attribute__((constructor)) static void f(void) { g(); }'
caught "code that runs before main" "writable .init_array" check_data "$made"
archive 'extern int a, b; const int *const f[2] = {&a, &b};
const char *const names[] = {"one", "two"};'
clean "a constant table of pointers is no writable data" check_data "$made"

mkdir -p "$tmp/obj/core" "$tmp/obj/ip" "$tmp/obj/udp" "$tmp/obj/tcp"
object() { # FOLDER SOURCE
    printf '%s\n' "$2" | "$CC" -xc -O1 -c -o "$tmp/obj/$1/neg.o" -
}
object core 'int core_thing(void) { return 1; }'
object ip 'int core_thing(void); int ip_thing(void) { return core_thing(); }'
object udp 'int port_candidate(void) { return 1; } int udp_thing(void) { return 2; }'
object tcp 'int port_candidate(void); int tcp_thing(void) { return port_candidate(); }'
clean "calls down, and of port_candidate, are as it should be" check_calls "$tmp/obj"
object core 'int ip_thing(void); int core_thing(void) { return ip_thing(); }'
caught "a call upwards, declared by hand" "core/neg.o calls up: ip_thing" check_calls "$tmp/obj"
object core 'int core_thing(void) { return 1; }'
object tcp 'int udp_thing(void); int tcp_thing(void) { return udp_thing(); }'
caught "tcp uses more of udp than its ports" "calls up: udp_thing" check_calls "$tmp/obj"
object tcp 'int tcp_thing(void) { return 2; }'
object udp 'int tcp_thing(void); int udp_thing(void) { return tcp_thing(); }'
caught "udp uses tcp" "calls up: tcp_thing" check_calls "$tmp/obj"

mkdir -p "$tmp/src/core" "$tmp/src/wire" "$tmp/src/link" "$tmp/src/ip" "$tmp/src/udp" "$tmp/src/dev" "$tmp/src/include/tapdeck"
source_of() { # FILE LINE: the only file of the tree
    rm -f "$tmp"/src/*/*.[ch] "$tmp"/src/include/tapdeck/*.h
    printf '%s\n' "$2" >"$tmp/src/$1"
}
source_of link/a.c '#include "core/stack.h"'
clean "link may include core" check_includes "$tmp/src"
source_of core/a.c '#include "wire/checksum.h"'
clean "core and wire are neighbours" check_includes "$tmp/src"
source_of dev/a.c '#include <unistd.h>'
clean "a device may do I/O" check_includes "$tmp/src"
source_of link/a.c '#include "ip/ip.h"'
caught "link includes ip" "link/a.c: upward include of ip/ip.h" check_includes "$tmp/src"
source_of udp/a.h '  #  include "tcp/tcp.h"'
caught "udp includes tcp, in a header, indented" "udp/a.h: sideways include of tcp/tcp.h" check_includes "$tmp/src"
source_of ip/a.c '#include "link/link_priv.h"'
caught "a private header" "ip/a.c: private header link/link_priv.h" check_includes "$tmp/src"
source_of ip/a.c '#include "tapdeck/stack.h"'
caught "ip calls in at the door" "ip/a.c: upward include of tapdeck/stack.h" check_includes "$tmp/src"
source_of ip/a.c '#include "dev/tap.h"'
caught "ip includes a device" "ip/a.c: include of dev/tap.h" check_includes "$tmp/src"
source_of ip/a.c '#include "tapdeckd/deck.h"'
caught "ip includes the daemon" "ip/a.c: include of tapdeckd/deck.h" check_includes "$tmp/src"
source_of include/tapdeck/a.h '#include "core/stack.h"'
caught "a public header shows the inside" "a public header includes core/stack.h" check_includes "$tmp/src"
for header in unistd.h sys/ioctl.h time.h pthread.h fcntl.h sys/epoll.h signal.h; do
    source_of core/a.c "#include <$header>"
    caught "<$header> in the core" "core/a.c: system header $header" check_includes "$tmp/src"
done
source_of ip/a.c 'static double rate; /* double */'
caught "floating point" "ip/a.c: " check_numbers "$tmp/src"
source_of ip/a.c '/* a double acknowledgment */ static const char *s = "double";'
clean "the word alone is no floating point" check_numbers "$tmp/src"

exit $failed
