/* tapdeckd/ping_words.c: the words behind `ping`, which are iputils'. */
#include "tapdeckd/ping.h"

#include <stdio.h>
#include <string.h>

#include "common/args.h"

static const char options_are[] = "the options are -AbDfnOqRv -c COUNT -e ID -i SECONDS -I "
                                  "IFACE|ADDR -l COUNT -M do|want|dont|probe -p HEX -Q TOS "
                                  "-s BYTES -t TTL -w SECONDS -W SECONDS";

/* "ff00": an even number of hexadecimal digits, at most 32. */
static bool pattern_word(struct ping *p, const char *value)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = strlen(value);
    if (n == 0 || n > 2 * sizeof(p->pattern))
        return false;
    p->pattern_len = 0;
    for (size_t i = 0; i < n; i += 2) {
        unsigned byte = 0;
        for (size_t k = i; k < i + 2 && k < n; k++) {
            const char *d = strchr(digits, value[k] | 0x20);
            if (d == NULL)
                return false;
            byte = byte * 16 + (unsigned)(d - digits);
        }
        p->pattern[p->pattern_len++] = (uint8_t)byte;
    }
    return true;
}

static bool pmtu_word(struct ping *p, const char *value)
{
    static const char *const words[] = {[IP_PMTUDISC_DONT] = "dont",
                                        [IP_PMTUDISC_WANT] = "want",
                                        [IP_PMTUDISC_DO] = "do",
                                        [IP_PMTUDISC_PROBE] = "probe"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strcmp(value, words[i]) == 0) {
            p->pmtu = (int)i;
            return true;
        }
    return false;
}

static bool number(const char *value, uint32_t least, uint32_t most, uint32_t *out)
{
    return parse_u32(value, most, out) && *out >= least;
}

static bool flag(struct ping *p, int letter)
{
    switch (letter) {
    case 'A':
        return p->adaptive = true;
    case 'b':
        return p->broadcast = true;
    case 'D':
        return p->stamps = true;
    case 'f':
        return p->flood = true;
    case 'O':
        return p->outstanding = true;
    case 'q':
        return p->quiet = true;
    case 'R':
        return p->record = true;
    case 'v':
        return p->verbose = true;
    default:
        return letter == 'n' || letter == '4'; /* always: no name server is asked */
    }
}

static bool option(struct run *r, struct ping *p, int letter, const char *value, const char **right)
{
    uint32_t n;
    switch (letter) {
    case 'c':
        *right = "write a number from 1";
        return parse_u64(value, UINT64_MAX, &p->count) && p->count > 0;
    case 'e':
        *right = "write 1 to 65535";
        if (!number(value, 1, 65535, &n))
            return false;
        p->ident = (uint16_t)n;
        return true;
    case 'i':
        *right = "write seconds, at least 0.002";
        p->interval_set = true;
        return parse_seconds(value, &p->interval) && p->interval >= PING_INTERVAL_MIN;
    case 'I':
        if (parse_ip4(value, &p->src))
            return true;
        p->ifname = value;
        return run_interface(r, value) != 0;
    case 'l':
        *right = "write 1 to 1000";
        return number(value, 1, 1000, &p->preload);
    case 'M':
        *right = "write do, want, dont or probe";
        return pmtu_word(p, value);
    case 'p':
        *right = "write up to 16 bytes in hexadecimal, such as ff00";
        return pattern_word(p, value);
    case 'Q':
        *right = "write 0 to 255";
        if (!number(value, 0, 255, &n))
            return false;
        p->tos = (int)n;
        return true;
    case 's':
        *right = "write 0 to 65507 (bytes)";
        return number(value, 0, PING_MAX, &p->size);
    case 't':
        *right = "write 1 to 255";
        if (!number(value, 1, 255, &n))
            return false;
        p->ttl = (int)n;
        return true;
    case 'w':
        *right = "write seconds, such as 3";
        return parse_seconds(value, &p->deadline) && p->deadline > 0;
    default: /* W */
        *right = "write seconds, such as 0.5";
        return parse_seconds(value, &p->timeout) && p->timeout > 0;
    }
}

int ping_words(struct run *r, struct ping *p)
{
    struct args a;
    const char *word = NULL, *target = NULL, *right = "";
    int letter;
    args_init(&a, r->argc, r->argv, "4Abc:De:fi:I:jl:M:nOp:qQ:Rs:t:vw:W:");
    while ((letter = run_option(r, &a, &word, options_are)) != -1) {
        if (letter == '?')
            return EXIT_USAGE;
        if (letter == 0 && target != NULL)
            return run_fail(r, EXIT_USAGE,
                            "'%s' is a second address: one address is pinged at a time", word);
        if (letter == 0)
            target = word;
        else if (letter == 'j')
            r->json = true;
        else if (!flag(p, letter) && !option(r, p, letter, a.value, &right))
            return r->err[0] != '\0' ? EXIT_USAGE
                                     : run_fail(r, EXIT_USAGE, "'%s' doesn't fit -%c: %s", a.value,
                                                letter, right);
    }
    if (target == NULL)
        return run_fail(r, EXIT_USAGE,
                        "whom? write `ping [-c COUNT] ADDR`, for example `ping -c 3 10.0.0.1`");
    if (!parse_ip4(target, &p->dst))
        return run_fail(r, EXIT_USAGE,
                        "'%s' is not an address: write it as 10.0.0.1 (names are not looked up)",
                        target);
    if (p->record && p->size > PING_MAX - PING_RR_LEN)
        return run_fail(r, EXIT_USAGE, "-R leaves room for %d bytes of -s", PING_MAX - PING_RR_LEN);
    if (p->flood && !p->interval_set)
        p->interval = PING_FLOOD;
    format_ip4(p->dst, p->dst_text);
    return EXIT_DONE;
}
