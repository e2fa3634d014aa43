/* drill/explain.c: a script as prose, for those who can't read the notation yet.
 *
 * A line an event: where it stands in the file, when it happens, what happens. The words are those
 * of a textbook: acknowledging, window, in order; a call is told by what it does. What has no
 * phrase of its own is shown in the notation.
 */
#include "tapdeck/drill/drill.h"

#include "tapdeck/drill/names.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/socket.h>

/* ---- packets ---- */

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void tell_options(struct text *t, const struct drill_packet *k)
{
    if (k->any_opts) {
        text_puts(t, "; whatever TCP options it has");
        return;
    }
    const char *join = "; TCP options: ";
    for (size_t i = 0; i < k->nopts; i++) {
        const struct drill_opt *o = &k->opt[i];
        if (o->kind == DRILL_OPT_NOP || o->kind == DRILL_OPT_EOL)
            continue;
        text_puts(t, join);
        join = ", ";
        switch (o->kind) {
        case DRILL_OPT_MSS:
            text_printf(t, "segments of at most %u bytes (MSS)", o->v[0]);
            break;
        case DRILL_OPT_WSCALE:
            text_printf(t, "windows count in units of 2^%u bytes", o->v[0]);
            break;
        case DRILL_OPT_SACKOK:
            text_puts(t, "SACK permitted");
            break;
        case DRILL_OPT_SACK:
            text_puts(t, "SACK, also here:");
            for (size_t b = 0; b < o->n; b++)
                text_printf(t, "%s %u up to %u", b == 0 ? "" : " and", o->sack[b][0],
                            o->sack[b][1]);
            break;
        case DRILL_OPT_TS:
            text_printf(t, "timestamp %u echoing %u", o->v[0], o->v[1]);
            break;
        case DRILL_OPT_FO:
        case DRILL_OPT_FOEXP:
            text_puts(t, o->n == 0 ? "a request for a Fast Open cookie" : "a Fast Open cookie");
            break;
        case DRILL_OPT_MD5:
            text_puts(t, "an MD5 signature");
            break;
        case DRILL_OPT_ACCECN:
            text_puts(t, "accurate ECN counters");
            break;
        default:
            break;
        }
    }
}

static void tell_tcp(struct text *t, const struct drill_packet *k)
{
    static const struct {
        uint16_t bit;
        const char *name;
    } extra[] = {{TCP_URG, "URG"}, {TCP_ECE, "ECE"}, {TCP_CWR, "CWR"}, {TCP_AE, "AE"}};
    bool ack = (k->flags & TCP_ACK) != 0;
    if (k->flags & TCP_RST)
        text_puts(t, "a reset");
    else if (k->flags & TCP_SYN)
        text_puts(t, ack ? "a SYN-ACK" : "a SYN");
    else if (k->flags & TCP_FIN)
        text_puts(t, "a FIN");
    else if (k->len > 0)
        text_puts(t, "data");
    else
        text_puts(t, ack ? "a pure acknowledgment" : "an empty segment");
    if (k->len > 0)
        text_printf(t, ": %u byte%s, sequence numbers %u to %u", k->len, plural(k->len), k->seq,
                    k->seq + k->len - 1);
    else
        text_printf(t, ": sequence number %u", k->seq);
    if (k->has_ack)
        text_printf(t, ", acknowledging all before %u", k->ack);
    if (k->has_win)
        text_printf(t, ", window field %u", k->win);
    if (k->has_urg)
        text_printf(t, ", urgent pointer %u", k->urg);
    if (k->flags & TCP_PSH)
        text_puts(t, ", pushed (PSH)");
    for (size_t i = 0; i < sizeof extra / sizeof extra[0]; i++) {
        if (k->flags & extra[i].bit)
            text_printf(t, ", flag %s", extra[i].name);
    }
    tell_options(t, k);
}

static void tell_icmp(struct text *t, const struct drill_packet *k)
{
    struct drill_packet head = *k;
    struct text notation = {0};
    head.has_mtu = head.has_id = false;
    head.quote = DRILL_QUOTE_NONE;
    head.ecn = DRILL_ECN_ANY;
    head.has_ttl = false;
    drill_print_packet(&notation, &head);
    /* Behind "> icmp ". */
    text_printf(t, "an ICMP message (%s)", notation.s + 7);
    text_free(&notation);
    if (k->has_mtu)
        text_printf(t, " that says the next link carries %u bytes", k->mtu);
    if (k->has_id)
        text_printf(t, ", identifier %u", k->id);
    if (k->quote == DRILL_QUOTE_TCP)
        text_printf(t, ", about the segment with sequence number %u", k->seq);
    else if (k->quote == DRILL_QUOTE_UDP)
        text_puts(t, ", about a UDP datagram");
    else if (k->quote == DRILL_QUOTE_RAW)
        text_printf(t, ", with %u bytes", k->len);
}

static void tell_ip(struct text *t, const struct drill_packet *k)
{
    static const char *const ecn[] = {
        [DRILL_ECN_ANY] = "",
        [DRILL_NOECN] = "not ECN-capable",
        [DRILL_ECT0] = "ECN-capable, ECT(0)",
        [DRILL_ECT1] = "ECN-capable, ECT(1)",
        [DRILL_CE] = "marked: congestion experienced",
        [DRILL_ECT01] = "ECN-capable",
    };
    if (k->ecn == DRILL_TOS)
        text_printf(t, "; in IP: TOS 0x%02x", k->tos);
    else if (k->ecn != DRILL_ECN_ANY)
        text_printf(t, "; in IP: %s", ecn[k->ecn]);
    if (k->has_ttl)
        text_printf(t, "; TTL %u", k->ttl);
}

static void tell_packet(struct text *t, const struct drill_packet *k)
{
    text_puts(t, k->inbound ? "the peer sends " : "the stack must send ");
    switch (k->proto) {
    case DRILL_TCP:
        tell_tcp(t, k);
        break;
    case DRILL_UDP:
        text_printf(t, "a UDP datagram of %u byte%s", k->len, plural(k->len));
        break;
    case DRILL_ICMP:
        tell_icmp(t, k);
        break;
    }
    if (k->has_ports)
        text_printf(t, "; from port %u to port %u", k->sport, k->dport);
    tell_ip(t, k);
}

/* ---- calls ---- */

static void tell_arg(struct text *t, const struct drill_call *c, size_t i)
{
    if (i < c->nargs)
        drill_print_expr(t, c->arg[i]);
    else
        text_puts(t, "?");
}

/* The same without the brackets of [value]. */
static void tell_value(struct text *t, const struct drill_call *c, size_t i)
{
    if (i < c->nargs && c->arg[i]->kind == DRILL_LIST && c->arg[i]->nitems == 1)
        drill_print_expr(t, c->arg[i]->item[0]);
    else
        tell_arg(t, c, i);
}

/* The number of an argument; false: it isn't one. */
static bool arg_int(const struct drill_call *c, size_t i, int64_t *v)
{
    return i < c->nargs && drill_expr_int(c->arg[i], v);
}

static bool is(const struct drill_call *c, const char *name)
{
    return strcmp(c->name, name) == 0;
}

static bool is_one_of(const struct drill_call *c, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (is(c, *names))
            return true;
    }
    return false;
}

/* Opening, closing. False: it is another. */
static bool tell_life(struct text *t, const struct drill_call *c)
{
    int64_t v;
    if (is(c, "socket")) {
        bool udp = arg_int(c, 1, &v) && (v & 0xff) == SOCK_DGRAM;
        text_puts(t, udp ? "opens a UDP socket" : "opens a TCP socket");
    } else if (is(c, "bind")) {
        text_puts(t, "binds socket ");
        tell_arg(t, c, 0);
        text_puts(t, " to its address and port");
    } else if (is(c, "listen")) {
        text_puts(t, "waits for connections on socket ");
        tell_arg(t, c, 0);
        text_puts(t, ", with a queue for ");
        tell_arg(t, c, 1);
    } else if (is(c, "accept") || is(c, "accept4")) {
        text_puts(t, "takes a connection from socket ");
        tell_arg(t, c, 0);
    } else if (is(c, "connect")) {
        bool dissolve = c->nargs > 1 && c->arg[1]->kind == DRILL_WORD;
        text_puts(t, dissolve ? "dissolves the connection of socket " : "connects socket ");
        tell_arg(t, c, 0);
        text_puts(t, dissolve ? "" : " to the peer");
    } else if (is(c, "close")) {
        text_puts(t, "closes ");
        tell_arg(t, c, 0);
    } else if (is(c, "shutdown")) {
        bool known = arg_int(c, 1, &v) && v >= SHUT_RD && v <= SHUT_RDWR;
        static const char *const what[] = {"receiving", "sending", "receiving and sending"};
        text_printf(t, "ends %s on socket ", known ? what[v] : "something");
        tell_arg(t, c, 0);
    } else {
        return false;
    }
    return true;
}

static bool tell_transfer(struct text *t, const struct drill_call *c)
{
    static const char *const reads[] = {"read", "recv", "recvfrom", "readv", "recvmsg", NULL};
    static const char *const writes[] = {"write", "send", "sendto", "writev", "sendmsg", NULL};
    bool reading = is_one_of(c, reads);
    int64_t n;
    if (!reading && !is_one_of(c, writes))
        return false;
    /* The number of bytes, the flags: which argument has them. */
    bool vector = strchr(c->name, 'v') == c->name + strlen(c->name) - 1;
    bool message = strstr(c->name, "msg") != NULL;
    text_puts(t, reading ? "reads" : "writes");
    if (!vector && !message && arg_int(c, 2, &n))
        text_printf(t, "%s %lld byte%s", reading ? " up to" : "", (long long)n,
                    plural((uint64_t)n));
    text_puts(t, reading ? " from socket " : " to socket ");
    tell_arg(t, c, 0);
    size_t flags = message ? 2 : 3;
    if (arg_int(c, flags, &n) && n != 0) {
        text_puts(t, ", with ");
        tell_arg(t, c, flags);
    }
    return true;
}

static bool tell_setting(struct text *t, const struct drill_call *c)
{
    int64_t v;
    if (is(c, "setsockopt")) {
        text_puts(t, "sets ");
        tell_arg(t, c, 2);
        text_puts(t, " of socket ");
        tell_arg(t, c, 0);
        text_puts(t, " to ");
        tell_value(t, c, 3);
    } else if (is(c, "getsockopt")) {
        text_puts(t, "asks socket ");
        tell_arg(t, c, 0);
        text_puts(t, " for ");
        tell_arg(t, c, 2);
        text_puts(t, ", which must be ");
        tell_value(t, c, 3);
    } else if (is(c, "fcntl") && arg_int(c, 1, &v) && v == F_SETFL && arg_int(c, 2, &v)) {
        text_printf(t, "makes socket ");
        tell_arg(t, c, 0);
        text_puts(t, v & O_NONBLOCK ? " non-blocking" : " blocking");
    } else {
        return false;
    }
    return true;
}

static bool returns_descriptor(const struct drill_call *c)
{
    return is(c, "socket") || is(c, "accept") || is(c, "accept4");
}

static void tell_result(struct text *t, const struct drill_call *c)
{
    static const char *const counts[] = {"read",    "recv",    "recvfrom", "readv",
                                         "recvmsg", "write",   "send",     "sendto",
                                         "writev",  "sendmsg", NULL};
    int64_t v = 0;
    bool number = drill_expr_int(c->result, &v);
    if (c->error != NULL) {
        text_printf(t, ", which must fail with %s%s%s%s", c->error,
                    c->note != NULL && *c->note != '\0' ? " (" : "", c->note != NULL ? c->note : "",
                    c->note != NULL && *c->note != '\0' ? ")" : "");
    } else if (number && returns_descriptor(c)) {
        text_printf(t, "; the script calls it %lld", (long long)v);
    } else if (number && is_one_of(c, counts)) {
        if (v == 0 && (c->name[0] == 'r'))
            text_puts(t, ", and is told that no more will come");
        else
            text_printf(t, ", and %lld byte%s must pass", (long long)v, plural((uint64_t)v));
    } else if (!number || v != 0) {
        text_puts(t, ", which must give ");
        drill_print_expr(t, c->result);
    }
}

static void tell_call(struct text *t, const struct drill_call *c)
{
    text_puts(t, "the application ");
    if (!tell_life(t, c) && !tell_transfer(t, c) && !tell_setting(t, c)) {
        text_printf(t, "calls %s(", c->name);
        for (size_t i = 0; i < c->nargs; i++) {
            text_puts(t, i > 0 ? ", " : "");
            tell_arg(t, c, i);
        }
        text_puts(t, ")");
    }
    tell_result(t, c);
}

/* ---- events ---- */

/* Source or a command on one line. */
static void tell_source(struct text *t, const char *s)
{
    bool gap = false;
    for (; *s != '\0'; s++) {
        if (*s == '\n') {
            gap = true;
        } else if (gap && (*s == ' ' || *s == '\t' || *s == '\r')) {
            continue;
        } else {
            if (gap)
                text_puts(t, "; ");
            gap = false;
            text_add(t, s, 1);
        }
    }
}

void drill_explain_event(struct text *t, const struct drill_event *e)
{
    switch (e->kind) {
    case DRILL_PACKET:
        tell_packet(t, &e->packet);
        break;
    case DRILL_SYSCALL:
        tell_call(t, &e->call);
        if (e->call.blocking) {
            struct drill_event end = {.time = DRILL_ABSOLUTE, .at = e->call.end};
            bool relative = e->time == DRILL_RELATIVE;
            text_printf(t, "; it must wait, and return %s", relative ? "" : "at ");
            drill_print_time(t, &end);
            text_puts(t, relative ? " s after the event before" : " s");
        }
        break;
    case DRILL_SHELL:
        text_puts(t, "a command is run: ");
        tell_source(t, e->shell);
        break;
    case DRILL_CODE:
        text_puts(t, "the connection is looked at: ");
        tell_source(t, e->code);
        break;
    }
}

static void tell_time(struct text *t, const struct drill_event *e)
{
    struct drill_event end = *e;
    struct drill_event begin = *e;
    bool relative = e->time == DRILL_RELATIVE || e->time == DRILL_RELATIVE_RANGE;
    /* As bare seconds. */
    end.time = begin.time = DRILL_ABSOLUTE;
    end.at = e->until;
    if (e->time == DRILL_ANY) {
        text_puts(t, "At some time ");
    } else if (e->time == DRILL_RELATIVE && e->at == 0) {
        text_puts(t, "At once ");
    } else if (e->until != e->at) {
        text_puts(t, "Between ");
        drill_print_time(t, &begin);
        text_puts(t, " s and ");
        drill_print_time(t, &end);
        text_puts(t, relative ? " s later " : " s ");
    } else {
        text_puts(t, relative ? "" : "At ");
        drill_print_time(t, &begin);
        text_puts(t, relative ? " s later " : " s ");
    }
}

static void tell_command(struct text *t, unsigned line, const char *when, const char *command)
{
    text_printf(t, "%5u  %s the script a command is run: ", line, when);
    tell_source(t, command);
    text_puts(t, ".\n");
}

void drill_explain(struct text *t, const struct drill_script *s)
{
    if (s->init != NULL)
        tell_command(t, s->init_line, "Before", s->init);
    for (size_t i = 0; i < s->nevents; i++) {
        const struct drill_event *e = &s->event[i];
        text_printf(t, "%5u  ", e->line);
        tell_time(t, e);
        drill_explain_event(t, e);
        text_puts(t, ".\n");
    }
    if (s->cleanup != NULL)
        tell_command(t, s->cleanup_line, "After", s->cleanup);
}
