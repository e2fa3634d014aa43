/* tapdeckd/why_answers.c: what the questions of `why` are, and their answers.
 *
 * Theory of operation. Each question says which records may answer it and, where the present counts
 * (a connection's state, a neighbour's, a route), makes a sentence from the tables. Where the
 * tables have nothing to say the sentence is the journal's own: that of the event which explains
 * the others (the reset that came, the time-out), and that of what was asked about. The cause comes
 * first.
 */
#include "tapdeckd/why_ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tapdeckd/route_words.h"
#include "tcp/pcb.h"

void why_say(struct ask *a, const char *fmt, ...)
{
    size_t n = strlen(a->answer);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a->answer + n, sizeof(a->answer) - n, fmt, ap);
    va_end(ap);
}

/* "12 s", "1.5 s", "300 ms": since `t`. */
static const char *ago(struct run *r, td_time t, char dst[32])
{
    td_time now = deck_now(r->deck), d = now > t ? now - t : 0;
    if (d >= 10 * TD_SEC)
        snprintf(dst, 32, "%llu s", (unsigned long long)(d / TD_SEC));
    else if (d >= TD_SEC)
        snprintf(dst, 32, "%llu.%llu s", (unsigned long long)(d / TD_SEC),
                 (unsigned long long)(d % TD_SEC / (100 * TD_MS)));
    else
        snprintf(dst, 32, "%llu ms", (unsigned long long)(d / TD_MS));
    return dst;
}

uint64_t why_pcb(struct run *r, const struct ask *a, const char *name)
{
    const struct table *t = table_find(r->deck->st, "tcb");
    return t != NULL ? row_number(t, &a->row, name) : 0;
}

static bool pcb_yes(struct run *r, const struct ask *a, const char *name)
{
    const struct table *t = table_find(r->deck->st, "tcb");
    return t != NULL && row_has(t, &a->row, name);
}

static const char *pcb_word(struct run *r, const struct ask *a, const char *name, char dst[64])
{
    const struct table *t = table_find(r->deck->st, "tcb");
    return t != NULL ? row_text(t, &a->row, name, dst) : "";
}

static bool to_there(const struct ask *a, const struct journal_record *rec)
{
    struct why_filter f;
    if (!a->has_addr)
        return true;
    why_filter_init(&f);
    f.has_addr = true;
    f.addr = a->addr;
    f.port = a->port;
    if (rec->subject.port == 0 && rec->subject.lport == 0)
        f.port = 0; /* of a layer that knows no ports */
    return why_filter_match(&f, NULL, rec);
}

static bool about(const struct ask *a, const struct journal_record *rec)
{
    return a->has_conn ? conn_is_subject(&a->conn, &rec->subject) : to_there(a, rec);
}

/* Something was dropped, or went wrong, on the way between the connection's ends. */
static bool in_the_way(const struct ask *a, const struct journal_record *rec)
{
    enum event_kind kind = event_info[rec->event].kind;
    if (!a->has_conn ||
        (kind != EVK_DROP && rec->event != EV_NEIGH_FAILED && rec->event != EV_TCP_SOFT_ERROR))
        return false;
    struct ask there = {.has_addr = true, .addr = a->conn.a.raddr, .port = a->conn.a.rport};
    return to_there(&there, rec);
}

/* "once", "3 times" */
static const char *times(uint64_t n, char dst[32])
{
    if (n == 1)
        return "once";
    snprintf(dst, 32, "%llu times", (unsigned long long)n);
    return dst;
}

/* ---- why state, why CLOSE-WAIT ---- */

static bool state_match(const struct ask *a, const struct journal_record *rec)
{
    if (!a->has_conn && !a->has_addr)
        return false;
    if (!about(a, rec))
        return false;
    if (a->conn.present && a->state == TCPS_LISTEN)
        return rec->event == EV_TCP_LISTEN;
    return rec->event == EV_TCP_STATE && (!a->conn.present || rec->arg[1] == a->state);
}

static void state_told(struct run *r, struct ask *a, const struct journal_record *rec)
{
    char since[32] = "some time", when[48] = "a time the journal has forgotten", due[32], count[32];
    td_time wait = why_pcb(r, a, "timer-due");
    uint64_t again = why_pcb(r, a, "R");
    if (rec != NULL) {
        ago(r, rec->time, since);
        why_time_text(r->deck, rec->time, when, sizeof(when));
        when[8] = '\0'; /* seconds will do */
    }
    format_time(wait, due, sizeof(due));
    a->clause = "RFC 9293 3.3.2";
    switch (a->state) {
    case TCPS_SYN_SENT:
        why_say(a, "no answer to our SYN has come for %s", since);
        if (again > 0)
            why_say(a, "; it was sent again %s, the next goes out in %s", times(again, count), due);
        break;
    case TCPS_SYN_RECEIVED:
        why_say(a, "the peer's SYN came at %s, and our SYN-ACK has not been acknowledged for %s",
                when, since);
        break;
    case TCPS_ESTABLISHED:
        why_say(a, "the handshake was complete at %s, and neither side has closed since", when);
        break;
    case TCPS_CLOSE_WAIT:
        why_say(a,
                "the peer closed at %s (its FIN), and the application on this side has not called "
                "close for %s",
                when, since);
        a->clause = "RFC 9293 3.6";
        break;
    case TCPS_FIN_WAIT_1:
        why_say(a, "this side closed at %s, and the peer has not acknowledged our FIN for %s", when,
                since);
        a->clause = "RFC 9293 3.6";
        break;
    case TCPS_FIN_WAIT_2:
        why_say(
            a,
            "this side has closed, the peer acknowledged it at %s and has not closed its own side "
            "for %s",
            when, since);
        a->clause = "RFC 9293 3.6";
        break;
    case TCPS_CLOSING:
        why_say(a, "both sides closed at once, and the peer has not acknowledged our FIN for %s",
                since);
        a->clause = "RFC 9293 3.6";
        break;
    case TCPS_LAST_ACK:
        why_say(
            a,
            "the peer closed first, then this side at %s; our FIN has not been acknowledged for %s",
            when, since);
        a->clause = "RFC 9293 3.6";
        break;
    case TCPS_TIME_WAIT:
        why_say(
            a,
            "this side closed first, so it waits 2MSL since %s, lest a late segment be taken for a "
            "new connection's",
            when);
        if (wait > 0)
            why_say(a, "; %s are left", due);
        a->clause = "RFC 9293 3.6.1";
        break;
    case TCPS_LISTEN:
        why_say(a, "an application waits for connections");
        break;
    default:
        break;
    }
}

static bool state_tell(struct run *r, struct ask *a, const struct journal_record *rec)
{
    char ends[CONN_TEXT];
    conn_text(&a->conn, ends);
    if (!a->conn.present) {
        if (rec == NULL)
            return false;
        char from[64], to[64], why[96], name[32];
        uint64_t raw;
        journal_field(r->deck->st, rec, 0, name, sizeof(name), from, sizeof(from), &raw);
        journal_field(r->deck->st, rec, 1, name, sizeof(name), to, sizeof(to), &raw);
        journal_field(r->deck->st, rec, 2, name, sizeof(name), why, sizeof(why), &raw);
        why_say(a, "That connection is over: it went from %s to %s (%s).", from, to, why);
        a->clause = "RFC 9293 3.3.2";
        return true;
    }
    why_say(a, "%s is in %s: ", ends, tcp_state_name(a->state));
    state_told(r, a, rec);
    why_say(a, ".");
    return true;
}

/* ---- why cwnd ---- */

static bool cwnd_match(const struct ask *a, const struct journal_record *rec)
{
    if (rec->event != EV_TCP_CWND || rec->arg[0] == W_TCP_FULL_ACK)
        return false; /* the end of a cut isn't its reason */
    bool steps =
        (rec->arg[0] == W_TCP_LOSS || rec->arg[0] == W_TCP_ECN) && rec->arg[3] < rec->arg[1];
    return (rec->arg[2] < rec->arg[1] || steps) && about(a, rec);
}

static bool cwnd_tell(struct run *r, struct ask *a, const struct journal_record *rec)
{
    char text[300], since[32];
    if (rec == NULL)
        return false;
    const struct journal_record *root = why_root(r->deck->st, rec);
    char why[96], name[32];
    uint64_t raw;
    journal_field(r->deck->st, rec, 0, name, sizeof(name), why, sizeof(why), &raw);
    if (root != rec) {
        journal_format(r->deck->st, root, text, sizeof(text));
        why_say(a, "%s ", text);
        a->clause = event_info[root->event].clause;
    } else {
        a->clause = event_info[rec->event].clause;
    }
    bool steps =
        rec->arg[2] >= rec->arg[1]; /* proportional rate reduction brings it down with the ACKs */
    why_say(a, "So the congestion window was cut from %llu to %llu bytes (%s%s) %s ago.",
            (unsigned long long)rec->arg[1], (unsigned long long)rec->arg[steps ? 3 : 2], why,
            steps ? "; step by step, RFC 9937" : "", ago(r, rec->time, since));
    return true;
}

/* ---- why connect, why fail, why closed, why retransmit ---- */

static bool connect_match(const struct ask *a, const struct journal_record *rec)
{
    if (a->has_conn && a->conn.present) /* it has not failed */
        return (rec->event == EV_TCP_STATE && rec->arg[1] == a->state && about(a, rec)) ||
               (a->state == TCPS_SYN_SENT && in_the_way(a, rec));
    switch (rec->event) {
    case EV_TCP_RST_IN:
        return rec->arg[1] == TCPS_SYN_SENT && to_there(a, rec);
    case EV_TCP_OPEN_FAILED:
    case EV_TCP_ERROR:
    case EV_TCP_HARD_ERROR:
    case EV_TCP_GIVE_UP:
    case EV_TCP_SEND_FAILED:
    case EV_UDP_ERROR:
    case EV_UDP_SEND_FAILED:
    case EV_IP_OUT_DROP_ROUTE:
    case EV_IP_OUT_DROP_SOURCE:
    case EV_IP_OUT_DROP_DESTINATION:
    case EV_IP_OUT_DROP_BROADCAST:
        return to_there(a, rec);
    default:
        return false;
    }
}

static bool fail_match(const struct ask *a, const struct journal_record *rec)
{
    return connect_match(a, rec) ||
           ((event_info[rec->event].kind == EVK_ERROR || rec->event == EV_TCP_RST_IN) &&
            to_there(a, rec));
}

static bool closed_match(const struct ask *a, const struct journal_record *rec)
{
    switch (rec->event) {
    case EV_TCP_RST_IN:
    case EV_TCP_RST_OUT:
    case EV_TCP_GIVE_UP:
    case EV_TCP_HARD_ERROR:
    case EV_TCP_CLOSE:
        return about(a, rec);
    case EV_TCP_STATE:
        return (rec->arg[1] == TCPS_CLOSED || rec->arg[1] == TCPS_CLOSE_WAIT) && about(a, rec);
    default:
        return false;
    }
}

/* The user's close that follows a reset isn't its reason. */
static bool reset_match(const struct ask *a, const struct journal_record *rec)
{
    return (rec->event == EV_TCP_RST_IN || rec->event == EV_TCP_RST_OUT) && about(a, rec);
}

static bool retransmit_match(const struct ask *a, const struct journal_record *rec)
{
    return (rec->event == EV_TCP_RETRANSMIT || rec->event == EV_TCP_PROBE_TAIL) && about(a, rec);
}

/* The journal's own: what the turn began with, then what was asked about. */
static bool journal_tell(struct run *r, struct ask *a, const struct journal_record *rec)
{
    char text[300];
    if (rec == NULL)
        return false;
    const struct journal_record *root = why_root(r->deck->st, rec);
    journal_format(r->deck->st, root, text, sizeof(text));
    why_say(a, "%s", text);
    a->clause = event_info[root->event].clause;
    if (root != rec) {
        journal_format(r->deck->st, rec, text, sizeof(text));
        why_say(a, " %s", text);
    }
    return true;
}

/* What stands in the way comes first, then what it keeps from happening. */
static void obstacle_told(struct run *r, struct ask *a, const struct journal_record *rec)
{
    char text[300], count[32];
    uint64_t again = why_pcb(r, a, "R");
    journal_format(r->deck->st, rec, text, sizeof(text));
    a->clause = event_info[rec->event].clause;
    why_say(a, "%s", text);
    if (a->state == TCPS_SYN_SENT)
        why_say(a, " That is why our SYN is not answered");
    else
        why_say(a, " That is why nothing is acknowledged");
    if (again > 0)
        why_say(a, "; it was sent again %s", times(again, count));
    why_say(a, ".");
}

static bool connect_tell(struct run *r, struct ask *a, const struct journal_record *rec)
{
    char text[300], ends[CONN_TEXT];
    if (a->has_conn && a->conn.present && a->state != TCPS_CLOSED && a->state != TCPS_LISTEN) {
        conn_text(&a->conn, ends);
        if (a->state != TCPS_SYN_SENT) {
            why_say(a, "It did not fail: %s is in %s.", ends, tcp_state_name(a->state));
            return true;
        }
        if (rec != NULL && rec->event != EV_TCP_STATE) {
            obstacle_told(r, a, rec);
            return true;
        }
        why_say(a, "It has not failed yet: %s is in SYN-SENT, ", ends);
        state_told(r, a, rec);
        why_say(a, ".");
        return true;
    }
    if (rec == NULL)
        return false;
    const struct journal_record *root = why_root(r->deck->st, rec);
    journal_format(r->deck->st, root, text, sizeof(text));
    a->clause = event_info[root->event].clause;
    if (root->event == EV_TCP_RST_IN && root->arg[1] == TCPS_SYN_SENT) {
        char peer[16];
        format_ip4(root->subject.addr, peer);
        why_say(a,
                "%s answered our SYN to port %u with a reset: nobody listens there, or a filter "
                "refuses.",
                peer, root->subject.port);
    } else {
        why_say(a, "%s", text);
    }
    if (root != rec && rec->event == EV_TCP_ERROR) {
        char name[32];
        uint64_t raw;
        journal_field(r->deck->st, rec, 0, name, sizeof(name), text, sizeof(text), &raw);
        why_say(a, " So the application is told: %s.", text);
    } else if (root != rec) {
        journal_format(r->deck->st, rec, text, sizeof(text));
        why_say(a, " %s", text);
    }
    return true;
}

/* ---- why stalled, why idle ---- */

/* Its state, not a window, is what there is to say. */
static bool state_counts(const struct ask *a)
{
    return a->state == TCPS_LISTEN || a->state == TCPS_SYN_SENT || a->state == TCPS_SYN_RECEIVED ||
           a->state == TCPS_TIME_WAIT || a->state == TCPS_CLOSED;
}

static bool stalled_match(const struct ask *a, const struct journal_record *rec)
{
    if (a->state == TCPS_SYN_SENT && in_the_way(a, rec))
        return true;
    if (a->has_conn && state_counts(a))
        return state_match(a, rec);
    if (a->again && in_the_way(a, rec))
        return true;
    switch (rec->event) {
    case EV_TCP_WINDOW_ZERO_IN:
    case EV_TCP_WINDOW_SHRUNK:
    case EV_TCP_RTO:
    case EV_TCP_PROBE:
    case EV_TCP_HOLD:
    case EV_TCP_LIMIT_OUT:
    case EV_TCP_CWND:
    case EV_TCP_ECN_WAIT:
    case EV_TCP_PROBE_TAIL:
        return a->has_conn && about(a, rec);
    default:
        return false;
    }
}

/* A neighbour's row. */
static bool neigh_row(struct run *r, td_ip4 addr, struct row *row)
{
    const struct table *t = table_find(r->deck->st, "neigh");
    char want[16], text[64];
    uint64_t cursor = 0;
    format_ip4(addr, want);
    while (t != NULL && t->next(r->deck->st, &cursor, row))
        if (strcmp(row_text(t, row, "dst", text), want) == 0)
            return true;
    return false;
}

/* The next hop hasn't been resolved: how often it was asked. */
static bool arp_pending(struct run *r, const struct ask *a, char hop[16], uint64_t *probes)
{
    const struct table *t = table_find(r->deck->st, "neigh");
    struct td_route_answer way;
    struct row row;
    char text[64];
    if (td_route_get(r->deck->st, a->conn.a.raddr, a->conn.a.laddr, &way) != 0 ||
        !neigh_row(r, way.nexthop, &row))
        return false;
    const char *state = row_text(t, &row, "state", text);
    if (strcmp(state, "INCOMPLETE") != 0 && strcmp(state, "FAILED") != 0)
        return false;
    format_ip4(way.nexthop, hop);
    *probes = row_number(t, &row, "probes");
    return true;
}

static bool stalled_tell(struct run *r, struct ask *a, const struct journal_record *rec)
{
    char ends[CONN_TEXT], due[32], hop[16], word[64], count[32];
    uint64_t probes;
    if (!a->has_conn || !a->conn.present)
        return false;
    if (state_counts(a) && (rec == NULL || rec->event == EV_TCP_STATE || a->state != TCPS_SYN_SENT))
        return state_tell(r, a, rec);
    uint64_t queued = why_pcb(r, a, "queued"), flight = why_pcb(r, a, "FlightSize"),
             wnd = why_pcb(r, a, "SND.WND");
    uint64_t cwnd = why_pcb(r, a, "cwnd"), mss = why_pcb(r, a, "SMSS"), again = why_pcb(r, a, "R");
    unsigned long long q = queued, fl = flight;
    conn_text(&a->conn, ends);
    format_time(why_pcb(r, a, "timer-due"), due, sizeof(due));
    if (arp_pending(r, a, hop, &probes) &&
        (queued > 0 || flight > 0 || a->state == TCPS_SYN_SENT)) {
        why_say(a, "The next hop %s does not answer ARP (%llu requests): nothing can leave for %s.",
                hop, (unsigned long long)probes, ends);
        a->clause = "RFC 1122 2.3.2.2";
    } else if (rec != NULL && in_the_way(a, rec)) {
        obstacle_told(r, a, rec);
    } else if (wnd == 0 && (queued > 0 || flight > 0)) {
        why_say(
            a,
            "The peer's window is closed (zero window): its application does not read; %llu bytes "
            "wait, the next probe goes "
            "out in %s.",
            q, due);
        a->clause = "RFC 9293 3.8.6.1";
    } else if (again > 0 && flight > 0) {
        why_say(
            a,
            "Nothing is acknowledged, though the earliest segment was sent again %s: %llu bytes "
            "are in flight; the next attempt is "
            "in %s.",
            times(again, count), fl, due);
        a->clause = "RFC 6298 5.5";
    } else if (queued == 0 && flight == 0) {
        why_say(a, "The application has nothing to send: all it has written was acknowledged.");
        a->clause = "RFC 9293 3.9.1.2";
    } else if (queued == 0) {
        why_say(a,
                "All that was written has been sent: %llu bytes are on their way and wait to be "
                "acknowledged.",
                fl);
        a->clause = "RFC 9293 3.8.1";
    } else if (pcb_yes(r, a, "TCP_CORK") && queued < mss) {
        why_say(
            a,
            "The application has set TCP_CORK: %llu bytes wait to become a full segment of %llu.",
            q, (unsigned long long)mss);
        a->clause = "-";
    } else if (flight > 0 && queued < mss && !pcb_yes(r, a, "TCP_NODELAY") &&
               flight + queued <= wnd && flight + queued <= cwnd) {
        why_say(
            a,
            "Nagle's rule: %llu bytes are less than a full segment (%llu) and wait until the %llu "
            "in flight are acknowledged.",
            q, (unsigned long long)mss, fl);
        a->clause = "RFC 9293 3.7.4";
    } else if (flight + mss > wnd && wnd <= cwnd) {
        why_say(a,
                "The peer's window is full: it takes %llu bytes and %llu are in flight; %llu wait.",
                (unsigned long long)wnd, fl, q);
        a->clause = "RFC 9293 3.8.6";
    } else if (flight + mss > cwnd) {
        why_say(a, "The congestion window is full: %llu bytes, %llu in flight (%s); %llu wait.",
                (unsigned long long)cwnd, fl, pcb_word(r, a, "ca-state", word), q);
        a->clause = "RFC 5681 3.1";
    } else {
        why_say(
            a,
            "It is not held back by TCP's windows: %llu bytes wait for their turn at the interface "
            "(pacing or its queue).",
            q);
        a->clause = "-";
    }
    return true;
}

/* ---- why neigh ADDR ---- */

static bool neigh_match(const struct ask *a, const struct journal_record *rec)
{
    const char *name = event_info[rec->event].name;
    bool layer = strncmp(name, "neigh-", 6) == 0 || strncmp(name, "arp-", 4) == 0 ||
                 strncmp(name, "acd-", 4) == 0;
    return layer && rec->event != EV_ARP_IN && rec->event != EV_ARP_OTHER && to_there(a, rec);
}

static bool neigh_tell(struct run *r, struct ask *a, const struct journal_record *rec)
{
    const struct table *t = table_find(r->deck->st, "neigh");
    struct row row;
    char addr[16], text[3][64], last[300];
    if (!neigh_row(r, a->addr, &row))
        return journal_tell(r, a, rec);
    format_ip4(a->addr, addr);
    const char *state = row_text(t, &row, "state", text[0]),
               *mac = row_text(t, &row, "lladdr", text[1]);
    const char *dev = row_text(t, &row, "dev", text[2]);
    if (mac[0] == '\0')
        why_say(a, "%s on %s is %s: it has not answered.", addr, dev, state);
    else
        why_say(a, "%s on %s is at %s (%s).", addr, dev, mac, state);
    if (rec != NULL) {
        journal_format(r->deck->st, rec, last, sizeof(last));
        why_say(a, " %s", last);
        a->clause = event_info[rec->event].clause;
    }
    return true;
}

/* ---- why route ADDR ---- */

static bool route_match(const struct ask *a, const struct journal_record *rec)
{
    uint64_t route = (uint64_t)a->prefix << 8 | a->plen;
    switch (rec->event) {
    case EV_ROUTE_ADDED:
    case EV_ROUTE_REMOVED:
        return rec->arg[0] == route;
    case EV_GATEWAY_DEAD:
    case EV_GATEWAY_RETRY:
        return rec->arg[2] == route;
    case EV_ADDR_ADDED: /* and with it the route to its subnet */
        return a->plen > 0 && (rec->arg[0] & 0xff) == a->plen &&
               (((td_ip4)(rec->arg[0] >> 8) ^ a->prefix) >> (32 - a->plen)) == 0;
    case EV_REDIRECT_TAKEN:
    case EV_REDIRECT_FORGOTTEN:
        return rec->subject.addr == a->addr;
    default:
        return false;
    }
}

static bool route_tell(struct run *r, struct ask *a, const struct journal_record *rec)
{
    (void)rec;
    return route_answer(r, a->addr, a->answer, sizeof(a->answer), &a->prefix, &a->plen);
}

const struct question why_questions[] = {
    {.words = "state",
     .takes = TAKES_CONN,
     .match = state_match,
     .tell = state_tell,
     .nothing = "there is no connection to ask about: `ss -tane` lists them",
     .newest = true,
     .condition = true},
    {.words = "cwnd",
     .takes = TAKES_CONN,
     .match = cwnd_match,
     .tell = cwnd_tell,
     .nothing = "no congestion window was cut, as far as the journal reaches back"},
    {.words = "connect refused",
     .takes = TAKES_ADDR,
     .match = connect_match,
     .tell = connect_tell,
     .nothing = "no attempt to connect has failed, as far as the journal reaches back"},
    {.words = "fail failed failure",
     .takes = TAKES_ADDR,
     .match = fail_match,
     .tell = connect_tell,
     .nothing = "nothing has failed, as far as the journal reaches back"},
    {.words = "stalled idle stuck slow nothing",
     .takes = TAKES_CONN,
     .match = stalled_match,
     .tell = stalled_tell,
     .nothing = "there is no connection to ask about: `ss -tane` lists them",
     .better = in_the_way,
     .newest = true},
    {.words = "reset",
     .takes = TAKES_CONN,
     .match = reset_match,
     .tell = journal_tell,
     .nothing = "no reset came or was sent, as far as the journal reaches back"},
    {.words = "closed close",
     .takes = TAKES_CONN,
     .match = closed_match,
     .tell = journal_tell,
     .nothing = "no connection has ended, as far as the journal reaches back"},
    {.words = "retransmit retransmitted retransmission",
     .takes = TAKES_CONN,
     .match = retransmit_match,
     .tell = journal_tell,
     .nothing = "nothing was sent again, as far as the journal reaches back"},
    {.words = "neigh neighbour neighbor arp",
     .takes = TAKES_ADDR,
     .match = neigh_match,
     .tell = neigh_tell,
     .nothing = "there is no such neighbour, and nothing in the journal is about it",
     .condition = true},
    {.words = "route",
     .takes = TAKES_ADDR,
     .match = route_match,
     .tell = route_tell,
     .nothing = "nothing is known of that way",
     .condition = true,
     .route = true},
};
const unsigned why_nquestions = sizeof(why_questions) / sizeof(*why_questions);
