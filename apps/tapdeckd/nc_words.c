/* tapdeckd/nc_words.c: the words behind `nc`, which are netcat-openbsd's. */
#include "tapdeckd/nc.h"

#include <string.h>

#include "common/args.h"

static const char options_are[] =
    "the options are -bCdklNnuvz -M TTL -p PORT -q SECONDS -s ADDR -T TOS -W N -w SECONDS";

static bool number(const char *s, uint32_t max, int *out)
{
    uint32_t v;
    if (!parse_u32(s, max, &v))
        return false;
    *out = (int)v;
    return true;
}

static bool nc_option(struct nc *c, int letter, const char *value)
{
    uint32_t n;
    int quit;
    switch (letter) {
    case 'b':
        c->broadcast = true;
        return true;
    case 'C':
        c->crlf = true;
        return true;
    case 'd':
        c->no_input = true;
        return true;
    case 'k':
        c->keep = true;
        return true;
    case 'l':
        c->listen = true;
        return true;
    case 'N':
        c->half_close = true;
        return true;
    case 'u':
        c->udp = true;
        return true;
    case 'v':
        c->verbose = true;
        return true;
    case 'z':
        c->scan = true;
        return true;
    case 'M':
        return number(value, 255, &c->ttl) && c->ttl > 0;
    case 'T':
        return number(value, 255, &c->tos);
    case 's':
        return parse_ip4(value, &c->source);
    case 'p':
        if (!parse_u32(value, 65535, &n) || n == 0)
            return false;
        c->source_port = (uint16_t)n;
        return true;
    case 'q':
        c->quit = -1;
        if (strcmp(value, "-1") == 0)
            return true;
        c->half_close = true; /* as the tool has it */
        if (!number(value, 1000000, &quit))
            return false;
        c->quit = quit;
        return true;
    case 'W':
        return parse_u64(value, UINT64_MAX, &c->receive) && c->receive > 0;
    case 'w':
        return parse_seconds(value, &c->timeout) && c->timeout > 0;
    default:
        return true; /* -n -4: so it is anyway; -j */
    }
}

static const char *right_value(int letter)
{
    switch (letter) {
    case 'M':
        return "write 1 to 255";
    case 'T':
        return "write 0 to 255";
    case 's':
        return "write an address of this host, such as 10.0.0.2";
    case 'p':
        return "write a port, 1 to 65535";
    case 'q':
    case 'w':
        return "write a number of seconds, such as 3";
    default:
        return "write a number from 1";
    }
}

/* "80", "20-25". */
static bool port_word(struct run *r, struct nc *c, const char *word)
{
    char first[8] = "";
    const char *dash = strchr(word, '-');
    size_t n = dash != NULL ? (size_t)(dash - word) : strlen(word);
    uint32_t a = 0, b = 0;
    if (n < sizeof(first))
        memcpy(first, word, n);
    if (!parse_u32(first, 65535, &a) || !parse_u32(dash != NULL ? dash + 1 : first, 65535, &b) ||
        a == 0 || b == 0) {
        run_fail(r, EXIT_USAGE, "'%s' is not a port: write 1 to 65535, or a range such as 20-25",
                 word);
        return false;
    }
    if (c->nports == NC_PORTS_MAX) {
        run_fail(r, EXIT_USAGE, "'%s': at most %d ports and ranges at once", word, NC_PORTS_MAX);
        return false;
    }
    c->port[c->nports++] = (struct nc_range){(uint16_t)(a < b ? a : b), (uint16_t)(a < b ? b : a)};
    return true;
}

/* `nc ADDR PORT...`, `nc -l [ADDR] PORT`, `nc -l -p PORT`. */
static bool nc_operands(struct run *r, struct nc *c, const char *const *word, unsigned n)
{
    unsigned at = 0;
    bool addr =
        n > 0 && (!c->listen || n > 1 || (c->source_port != 0 && strchr(word[0], '.') != NULL));
    if (addr && !parse_ip4(word[at++], c->listen ? &c->source : &c->addr)) {
        run_fail(r, EXIT_USAGE,
                 "'%s' is not an address: write it as 10.0.0.1 (names are not looked up)", word[0]);
        return false;
    }
    if (c->listen && at == n && c->source_port != 0) {
        c->now_port = c->source_port;
        return true;
    }
    if (at == n) {
        run_fail(
            r, EXIT_USAGE, "%s",
            n == 0 && !c->listen
                ? "to whom? write `nc ADDR PORT`, for example `nc 10.0.0.1 80`, or `nc -l PORT`"
                : "the port is missing: write `nc ADDR PORT` or `nc -l PORT`");
        return false;
    }
    while (at < n)
        if (!port_word(r, c, word[at++]))
            return false;
    if (c->listen && (c->nports > 1 || c->port[0].first != c->port[0].last)) {
        run_fail(r, EXIT_USAGE, "nc listens on one port at a time");
        return false;
    }
    c->now_port = c->port[0].first;
    c->next = c->port[0].first;
    return true;
}

int nc_words(struct run *r, struct nc *c)
{
    struct args a;
    const char *word = NULL, *operand[NC_PORTS_MAX + 2];
    unsigned n = 0;
    int letter;
    args_init(&a, r->argc, r->argv, "4bCdjklM:Nnp:q:s:T:uvW:w:z");
    while ((letter = run_option(r, &a, &word, options_are)) != -1) {
        if (letter == '?')
            return EXIT_USAGE;
        if (letter == 'j')
            r->json = true;
        if (letter == 0 && n == NC_PORTS_MAX + 1)
            return run_fail(r, EXIT_USAGE, "'%s': at most %d ports and ranges at once", word,
                            NC_PORTS_MAX);
        if (letter == 0)
            operand[n++] = word;
        else if (!nc_option(c, letter, a.value))
            return run_fail(r, EXIT_USAGE, "'%s' doesn't fit -%c: %s", a.value, letter,
                            right_value(letter));
    }
    if (c->listen && c->scan)
        return run_fail(r, EXIT_USAGE, "-z scans and -l listens: choose one");
    if (c->keep && !c->listen)
        return run_fail(r, EXIT_USAGE, "-k goes with -l: it waits for the next connection");
    if (r->json && !c->scan)
        return run_fail(r, EXIT_USAGE,
                        "-j goes with -z: what a connection carries is written as it is");
    return nc_operands(r, c, operand, n) ? EXIT_DONE : EXIT_USAGE;
}
