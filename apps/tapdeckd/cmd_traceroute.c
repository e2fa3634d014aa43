/* tapdeckd/cmd_traceroute.c: `traceroute`: by which routers a destination is reached (RFC 1393's
 * predecessor: Jacobson's method of hops to live that run out).
 *
 * Probes are numbered: so many for the first hop, then for the next. Several are on their way at
 * once (-N); they are shown in their order, each as soon as all before it are over, so that a line
 * grows as answers come. A probe is over when it is answered or has waited long enough: MAX
 * seconds, or, as answers from its own hop or a later one show how long a round trip takes, HERE or
 * NEAR times that.
 *
 * Text, marks and habits are those of the traceroute that Debian has; names are not looked up, so
 * without -n an address stands twice.
 */
#include "tapdeckd/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/args.h"

#define WAIT_LEAST (10 * TD_MS)

static void trace_release(struct run *r)
{
    struct trace *t = r->state;
    if (t == NULL)
        return;
    trace_close(r, t);
    free(t->probe);
    free(t);
}

static uint32_t hop_of(const struct trace *t, unsigned i)
{
    return t->first + i / t->queries;
}

/* ---- what is shown ---- */

static void show_json(struct run *r, const struct trace_probe *p, bool first, bool last)
{
    char from[16];
    if (first)
        jw_open(&r->jw, "probes", '[');
    jw_open(&r->jw, NULL, '{');
    if (p->from != 0) {
        format_ip4(p->from, from);
        jw_str(&r->jw, "from", from);
        jw_ms(&r->jw, "rtt_ms", p->rtt);
        if (p->mark[0] != '\0')
            jw_str(&r->jw, "mark", p->mark);
    }
    jw_close(&r->jw, '}');
    if (last) {
        jw_close(&r->jw, ']');
        jw_close(&r->jw, '}');
    }
}

static void show_text(struct run *r, struct trace *t, const struct trace_probe *p)
{
    char from[16];
    if (p->from == 0) {
        run_puts(r, " *");
        return;
    }
    format_ip4(p->from, from);
    if (p->from != t->line_from)
        run_printf(r, t->numeric ? " %s" : " %s (%s)", from, from);
    t->line_from = p->from;
    run_printf(r, "  %llu.%03llu ms", (unsigned long long)(p->rtt / TD_MS),
               (unsigned long long)(p->rtt / TD_US % 1000));
    if (p->mark[0] != '\0')
        run_printf(r, " %s", p->mark);
}

/* Shows the probes that are over, as far as all before them are. True: the last has been shown. */
static bool show(struct run *r, struct trace *t)
{
    while (t->shown < t->nprobes && t->probe[t->shown].done) {
        const struct trace_probe *p = &t->probe[t->shown];
        uint32_t hop = hop_of(t, t->shown);
        bool first = t->shown % t->queries == 0, last = t->shown % t->queries == t->queries - 1;
        if (p->last && (t->last_hop == 0 || hop < t->last_hop))
            t->last_hop = hop;
        if (first && r->json) {
            jw_open(&r->jw, NULL, '{');
            jw_u64(&r->jw, "ttl", hop);
        } else if (first) {
            run_printf(r, "%2u ", hop);
            t->line_from = 0;
        }
        if (r->json)
            show_json(r, p, first, last);
        else
            show_text(r, t, p);
        t->shown++;
        if (last && !r->json)
            run_puts(r, "\n");
        if (last && t->last_hop == hop)
            return true;
    }
    return t->shown == t->nprobes;
}

static int over(struct run *r, int status)
{
    const struct trace *t = r->state;
    bool middle = t->shown % t->queries != 0;
    if (r->json) {
        if (middle) {
            jw_close(&r->jw, ']');
            jw_close(&r->jw, '}');
        }
        jw_close(&r->jw, ']');
        jw_bool(&r->jw, "ended", t->last_hop != 0);
        jw_close(&r->jw, '}');
    }
    if (r->json || middle)
        run_puts(r, "\n");
    return status;
}

/* ---- when ---- */

/* How long probe i, which is on its way, is waited for. */
static td_time patience(const struct trace *t, unsigned i)
{
    unsigned hop = i / t->queries;
    for (unsigned k = hop * t->queries; t->here > 0 && k < (hop + 1) * t->queries; k++)
        if (t->probe[k].from != 0) {
            double w = (double)t->probe[k].rtt * t->here;
            return w < (double)WAIT_LEAST ? WAIT_LEAST : w < (double)t->wait ? (td_time)w : t->wait;
        }
    for (unsigned k = (hop + 1) * t->queries; t->near > 0 && k < t->next; k++)
        if (t->probe[k].from != 0) {
            double w = (double)t->probe[k].rtt * t->near;
            return w < (double)WAIT_LEAST ? WAIT_LEAST : w < (double)t->wait ? (td_time)w : t->wait;
        }
    return t->wait;
}

/* Gives up those that have waited long enough; when the next will have. */
static td_time expire(struct run *r, struct trace *t, td_time now)
{
    td_time next = TD_NEVER;
    for (unsigned i = t->shown; i < t->next; i++) {
        struct trace_probe *p = &t->probe[i];
        if (p->done)
            continue;
        td_time at = p->sent + patience(t, i);
        if (at <= now)
            trace_done(r, t, p);
        else if (at < next)
            next = at;
    }
    return next;
}

/* Some answer said that its hop is the last: nothing is sent beyond it. */
static unsigned worth_sending(const struct trace *t)
{
    for (unsigned i = t->shown; i < t->next; i++)
        if (t->probe[i].last)
            return (i / t->queries + 1) * t->queries;
    return t->nprobes;
}

static int send_due(struct run *r, struct trace *t, td_time now)
{
    unsigned end = worth_sending(t);
    while (t->next < end && t->in_flight < t->flight && now >= t->next_send) {
        int err = trace_send(r, t, t->next, hop_of(t, t->next), now);
        if (err != 0)
            return run_fail(r, EXIT_FAILED, "a probe can't be sent to %s: %s", t->dst_text,
                            error_text(err));
        t->next++;
        t->next_send = now + t->pause;
    }
    return RUN_MORE;
}

static int trace_step(struct run *r, td_time now)
{
    struct trace *t = r->state;
    trace_receive(r, t, now);
    td_time wake = expire(r, t, now);
    if (show(r, t))
        return over(r, EXIT_DONE);
    int status = send_due(r, t, now);
    if (status != RUN_MORE)
        return over(r, status);
    if (t->next < worth_sending(t) && t->in_flight < t->flight && t->next_send < wake)
        wake = t->next_send;
    else if (t->in_flight > 0) /* those just sent */
        wake = wake < now + t->wait ? wake : now + t->wait;
    r->wake = wake;
    return RUN_MORE;
}

static int trace_interrupt(struct run *r)
{
    return over(r, EXIT_FAILED);
}

/* ---- the words ---- */

static const char options_are[] = "the options are -FITn -f FIRST -i IFACE -m MAX -N PROBES -p "
                                  "PORT -q PROBES -s ADDR -t TOS -w SECONDS -z SECONDS";

/* "5", "5,3,10": seconds, and factors that may not be negative. */
static bool wait_word(struct trace *t, const char *value)
{
    char max[32], *end;
    size_t n = strcspn(value, ",");
    if (n >= sizeof(max))
        return false;
    memcpy(max, value, n);
    max[n] = '\0';
    if (!parse_seconds(max, &t->wait) || t->wait < WAIT_LEAST)
        return false;
    if (value[n] == '\0') {
        return true;
    }
    t->here = strtod(value + n + 1, &end);
    if (*end == ',')
        t->near = strtod(end + 1, &end);
    return *end == '\0' && t->here >= 0 && t->here <= 1000 && t->near >= 0 && t->near <= 1000;
}

static bool within(const char *value, uint32_t least, uint32_t most, uint32_t *out)
{
    return parse_u32(value, most, out) && *out >= least;
}

static bool trace_option(struct run *r, struct trace *t, int letter, const char *value,
                         const char **right)
{
    uint32_t n;
    switch (letter) {
    case 'F':
        t->dont_fragment = true;
        return true;
    case 'I':
        t->method = TRACE_ICMP;
        return true;
    case 'T':
        t->method = TRACE_TCP;
        return true;
    case 'n':
        t->numeric = true;
        return true;
    case 'f':
        *right = "write a hop, 1 to 255";
        return within(value, 1, TRACE_HOPS, &t->first);
    case 'm':
        *right = "write a number of hops, 1 to 255";
        return within(value, 1, TRACE_HOPS, &t->max);
    case 'N':
        *right = "write 1 to 64";
        return within(value, 1, TRACE_FLIGHT, &t->flight);
    case 'q':
        *right = "write 1 to 10";
        return within(value, 1, TRACE_QUERIES, &t->queries);
    case 'p':
        *right = "write a port, 1 to 65535";
        if (!within(value, 1, 65535, &n))
            return false;
        t->port = (uint16_t)n;
        return true;
    case 't':
        *right = "write 0 to 255";
        if (!within(value, 0, 255, &n))
            return false;
        t->tos = (int)n;
        return true;
    case 's':
        *right = "write an address of this host, such as 10.0.0.2";
        return parse_ip4(value, &t->src);
    case 'i':
        t->ifname = value;
        t->ifindex = run_interface(r, value);
        return t->ifindex != 0;
    case 'w':
        *right = "write seconds from 0.01, such as 2, or 5,3,10: the longest, times this hop's, "
                 "times the next one's";
        return wait_word(t, value);
    case 'z':
        *right = "write seconds, such as 0.5";
        return parse_seconds(value, &t->pause);
    default:
        return true; /* -4 */
    }
}

static int check_words(struct run *r, struct trace *t, const char *const operand[2], unsigned n)
{
    uint32_t least = t->method == TRACE_TCP ? 60 : 28;
    if (n == 0)
        return run_fail(r, EXIT_USAGE,
                        "where to? write `traceroute ADDR`, for example `traceroute 10.0.0.1`");
    if (!parse_ip4(operand[0], &t->dst))
        return run_fail(r, EXIT_USAGE,
                        "'%s' is not an address: write it as 10.0.0.1 (names are not looked up)",
                        operand[0]);
    if (n == 2 && !within(operand[1], 0, 65535, &t->size))
        return run_fail(r, EXIT_USAGE, "'%s' is not a length of packets: write 28 to 65535 bytes",
                        operand[1]);
    if (t->size < least || t->method == TRACE_TCP)
        t->size = least;
    if (t->first > t->max)
        return run_fail(r, EXIT_USAGE, "-f %u begins behind the last hop of -m %u", t->first,
                        t->max);
    if (t->port == 0)
        t->port = t->method == TRACE_UDP ? 33434 : t->method == TRACE_ICMP ? 1 : 80;
    t->nprobes = (t->max - t->first + 1) * t->queries;
    if (t->method == TRACE_UDP && t->port + t->nprobes > 65536)
        return run_fail(r, EXIT_USAGE,
                        "%u probes from port %u on go beyond port 65535: write a smaller -p",
                        t->nprobes, t->port);
    format_ip4(t->dst, t->dst_text);
    return EXIT_DONE;
}

static int trace_words(struct run *r, struct trace *t)
{
    struct args a;
    const char *word = NULL, *operand[2], *right = "";
    unsigned n = 0;
    int letter;
    args_init(&a, r->argc, r->argv, "4Ff:Ii:jm:N:np:q:s:Tt:w:z:");
    while ((letter = run_option(r, &a, &word, options_are)) != -1) {
        if (letter == '?')
            return EXIT_USAGE;
        if (letter == 'j')
            r->json = true;
        if (letter == 0 && n == 2)
            return run_fail(r, EXIT_USAGE,
                            "'%s' is one word too many: write `traceroute ADDR [LENGTH]`", word);
        if (letter == 0)
            operand[n++] = word;
        else if (!trace_option(r, t, letter, a.value, &right))
            return r->err[0] != '\0' ? EXIT_USAGE
                                     : run_fail(r, EXIT_USAGE, "'%s' doesn't fit -%c: %s", a.value,
                                                letter, right);
    }
    return check_words(r, t, operand, n);
}

static int traceroute_main(struct run *r)
{
    static const char *const names[] = {"udp", "icmp", "tcp"};
    struct trace *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    *t = (struct trace){.first = 1,
                        .max = 30,
                        .queries = 3,
                        .flight = 16,
                        .size = 60,
                        .tos = -1,
                        .s = -1,
                        .wait = 5 * TD_SEC,
                        .here = 3,
                        .near = 10};
    r->state = t;
    r->release = trace_release;
    int status = trace_words(r, t);
    if (status != EXIT_DONE)
        return status;
    t->probe = calloc(t->nprobes, sizeof(*t->probe));
    if (t->probe == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    for (unsigned i = 0; i < t->nprobes; i++)
        t->probe[i].s = -1;
    status = trace_open(r, t);
    if (status != EXIT_DONE)
        return status;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "destination", t->dst_text);
        jw_str(&r->jw, "method", names[t->method]);
        jw_open(&r->jw, "hops", '[');
    } else {
        run_printf(r, "traceroute to %s (%s), %u hops max, %u byte packets\n", t->dst_text,
                   t->dst_text, t->max, t->size);
    }
    r->step = trace_step;
    r->interrupt = trace_interrupt;
    r->ready = true;
    return RUN_MORE;
}

const struct command command_traceroute = {
    .name = "traceroute",
    .usage = "traceroute [-FITnj] [-f N] [-i IFACE] [-m N] [-N N] [-p PORT] [-q N] [-s ADDR] [-t "
             "N] [-w SECONDS] "
             "[-z SECONDS] ADDR [N]",
    .doc = "the routers on the way to an address",
    .more = "Probes with few hops to live: UDP to ports from 33434 (-p), with -I echo requests, "
            "with -T SYNs to port 80 (-p).\n"
            "-f and -m first and last hop, -q probes a hop, -N on their way at once, -w "
            "MAX[,HERE,NEAR] how long to wait,\n"
            "-z between probes, -F forbids fragments, -t TOS, -i and -s where from; the number "
            "behind ADDR is the packets'\n"
            "length. `*`: no answer. !H !N !P: host, network, protocol unreachable; !X prohibited; "
            "!F-MTU too big; !S, !V,\n"
            "!C source route, precedence; !<N> code N. Exit status 0: the way was looked at; 1: it "
            "couldn't be.\n"
            "Examples:\n  traceroute -n 10.0.2.2\n  traceroute -T -p 443 10.0.2.2\n  traceroute -I "
            "-q 1 -m 5 10.0.2.2",
    .fn = traceroute_main,
};
