/* replay/live.c: the script of a captured application, and a socket that follows it (live.h). */
#include "replay/live.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "tapdeck/socket.h"
#include "tapdeck/stack.h"

#define PACE_MOST (TD_NEVER / 8)
#define GAP_MOST (64u << 20)  /* bytes of text that a capture may miss at once */
#define SETTLE   (20 * TD_MS) /* a last acknowledgement leaves */

/* ---- the script ---- */

struct reading {  /* of one end's frames, in their order */
    uint64_t end; /* of the text that has been seen without a gap, */
    td_time at;   /* and since when */
    bool fin, rst;
    td_time closed;
};

static int64_t offset(const struct play *p, const struct play_frame *f)
{
    return (int64_t)seq_diff(f->seq + ((f->flags & TCP_SYN) != 0), p->base[f->ours] + 1);
}

static bool room_for(struct live *l, int who, uint64_t end, uint64_t *room)
{
    if (end <= *room)
        return true;
    uint64_t more = 2 * end + 65536;
    uint8_t *grown = realloc(l->text[who], more);
    if (grown == NULL)
        return false;
    memset(grown + *room, 0, more - *room);
    l->text[who] = grown;
    *room = more;
    return true;
}

static bool hole(struct live *l, uint64_t from, uint64_t to)
{
    struct live_hole *grown = realloc(l->hole, (l->nholes + 1) * sizeof(*grown));
    if (grown == NULL)
        return false;
    l->hole = grown;
    l->hole[l->nholes++] = (struct live_hole){from, to};
    return true;
}

/* Both streams, by sequence numbers. What lies in a gap until the end of the capture is a hole; for
 * who writes, zeros. */
static bool read_streams(struct live *l, struct play *p)
{
    uint64_t room[2] = {0};
    for (size_t i = 0; i < p->ncap; i++) {
        const struct play_frame *f = play_scan(p, i);
        int64_t at = offset(p, f);
        if (f->icmp || f->text == 0 || (f->flags & TCP_RST) || at < 0 ||
            (uint64_t)at > l->n[f->ours] + GAP_MOST)
            continue;
        uint64_t from = (uint64_t)at, end = from + f->text;
        if (!room_for(l, f->ours, end, &room[f->ours]))
            return false;
        play_copy(p, f, f->text_at, f->text, l->text[f->ours] + from);
        if (end > l->n[f->ours])
            l->n[f->ours] = end;
    }
    return true;
}

/* What of the peer's stream no frame holds. Frames that fill a gap later come in any order: so a
 * bit a byte, once. */
static bool read_holes(struct live *l, struct play *p)
{
    uint8_t *there = calloc(1, l->n[0] / 8 + 1);
    bool ok = there != NULL;
    for (size_t i = 0; ok && i < p->ncap; i++) {
        const struct play_frame *f = play_scan(p, i);
        int64_t at = offset(p, f);
        if (f->icmp || f->ours || f->text == 0 || (f->flags & TCP_RST) || at < 0 ||
            (uint64_t)at + f->text > l->n[0])
            continue;
        uint32_t kept = f->kept <= f->text_at ? 0 : f->kept - f->text_at;
        for (uint64_t b = (uint64_t)at; b < (uint64_t)at + (kept < f->text ? kept : f->text); b++)
            there[b / 8] |= (uint8_t)(1u << b % 8);
    }
    for (uint64_t b = 0; ok && b < l->n[0];) {
        uint64_t from = b;
        while (b < l->n[0] && (there[b / 8] >> b % 8 & 1) == 0)
            b++;
        if (b > from)
            ok = hole(l, from, b);
        while (b < l->n[0] && (there[b / 8] >> b % 8 & 1) != 0)
            b++;
    }
    spool_rewind(&p->frames);
    free(there);
    return ok;
}

static struct live_event *add_event(struct live *l, size_t *room)
{
    if (l->nevents == *room) {
        size_t more = *room == 0 ? 64 : 2 * *room;
        struct live_event *grown = realloc(l->event, more * sizeof(*grown));
        if (grown == NULL)
            return NULL;
        l->event = grown;
        *room = more;
    }
    struct live_event *e = &l->event[l->nevents++];
    *e = (struct live_event){.done = TD_NEVER};
    return e;
}

/* When was the connection there for this end: the other's SYN is acknowledged, and its own is. */
static td_time connected_at(const struct play *p)
{
    bool syn = false;
    for (size_t i = 0; i < p->ncap; i++) {
        const struct play_frame *f = &p->cap[i];
        if (f->icmp || f->ours)
            continue;
        syn = syn || (f->flags & TCP_SYN);
        if (syn && (f->flags & TCP_ACK) && seq_gt(f->ack, p->base[1]))
            return f->at;
    }
    return 0;
}

static td_time less(td_time a, td_time b)
{
    return a > b ? a - b : 0;
}

static bool read_events(struct live *l, const struct play *p)
{
    struct reading peer = {0};
    td_time there = connected_at(p), last = there;
    uint64_t written = 0;
    size_t room = 0;
    bool open = false, ended = false; /* a write that isn't pushed yet; closed or reset */
    l->captured_handshake = there;
    l->captured_peer_closed = TD_NEVER;
    peer.at = there;
    for (size_t i = 0; i < p->ncap; i++) {
        const struct play_frame *f = &p->cap[i];
        int64_t at = offset(p, f);
        uint64_t end = at < 0 ? 0 : (uint64_t)at + f->text;
        if (f->icmp)
            continue;
        if (!f->ours) {
            if (f->text > 0 && end > peer.end && end <= l->n[0]) {
                peer.end = end;
                peer.at = f->at;
            }
            if ((f->flags & (TCP_FIN | TCP_RST)) && l->captured_peer_closed == TD_NEVER)
                l->captured_peer_closed = less(f->at, there);
            peer.fin = peer.fin || (f->flags & TCP_FIN);
            peer.rst = peer.rst || (f->flags & TCP_RST);
            continue;
        }
        bool closes =
            (f->flags & (TCP_FIN | TCP_RST)) != 0 && !ended && !((f->flags & TCP_RST) && peer.rst);
        bool writes = f->text > 0 && end > written && end <= l->n[1] && (f->flags & TCP_RST) == 0;
        if (writes && open) {
            l->event[l->nevents - 1].to = end;
        } else if (writes) {
            struct live_event *e = add_event(l, &room);
            if (e == NULL)
                return false;
            td_time before = last > peer.at ? last : peer.at;
            *e = (struct live_event){
                LIVE_WRITE,          written,  end,  peer.end, less(f->at, there),
                less(f->at, before), TD_NEVER, false};
            last = f->at;
        }
        if (writes) {
            written = end;
            open = (f->flags & (TCP_PSH | TCP_FIN)) == 0;
        }
        if (closes) {
            struct live_event *e = add_event(l, &room);
            if (e == NULL)
                return false;
            td_time before = last > peer.at ? last : peer.at;
            *e = (struct live_event){f->flags & TCP_RST ? LIVE_RESET : LIVE_CLOSE,
                                     written,
                                     written,
                                     peer.end,
                                     less(f->at, there),
                                     less(f->at, before),
                                     TD_NEVER,
                                     false};
            last = f->at;
            ended = true;
        }
        if ((f->flags & TCP_RST) && !peer.rst)
            l->captured_end = LIVE_WE_RESET;
    }
    bool we = false;
    for (size_t i = 0; i < l->nevents; i++)
        we = we || l->event[i].kind == LIVE_CLOSE;
    if (peer.rst)
        l->captured_end = LIVE_PEER_RESET;
    else if (l->captured_end != LIVE_WE_RESET)
        l->captured_end = we && peer.fin ? LIVE_CLOSED
                          : we           ? LIVE_WE_CLOSED
                          : peer.fin     ? LIVE_PEER_CLOSED
                                         : LIVE_OPEN;
    l->captured_length = less(p->end, there);
    return true;
}

int live_load(struct live *l, struct play *p, const char *name, char *msg, size_t msg_size)
{
    *l = (struct live){.server = p->side == 1, .listener = -1, .conn = -1, .peer_closed = TD_NEVER};
    if (connected_at(p) == 0 && p->ncap > 0 && p->cap[0].at == 0) {
        bool answered = false;
        for (size_t i = 0; i < p->ncap; i++)
            answered = answered || (!p->cap[i].icmp &&
                                    (p->cap[i].flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK));
        if (!answered) {
            (void)snprintf(msg, msg_size,
                           "%s: the connection was never there: nothing was said over it that "
                           "could be said again",
                           name);
            return EXIT_USAGE;
        }
    }
    if (!read_streams(l, p) || !read_holes(l, p) || !read_events(l, p)) {
        (void)snprintf(msg, msg_size, "out of memory");
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

void live_done(struct live *l)
{
    for (int i = 0; i < 2; i++)
        free(l->text[i]);
    free(l->hole);
    free(l->event);
    *l = (struct live){0};
}

/* ---- the run ---- */

td_time live_pace(td_time gap, double speed)
{
    double ns = speed <= 0 ? 0 : (double)gap / speed;
    return ns < (double)PACE_MOST ? (td_time)ns : PACE_MOST;
}

static td_time since(const struct live *l, td_time now)
{
    return less(now, l->there);
}

int live_begin(struct live *l, struct td_stack *st, const struct live_options *o, td_time now,
               char *msg, size_t msg_size)
{
    struct sockaddr_in us = td_sockaddr(o->us, l->server ? o->port : 0),
                       to = td_sockaddr(o->to, o->port);
    int err;
    l->o = *o;
    l->st = st;
    l->began = now;
    td_stack_clock(st, now);
    int s = td_socket(st, AF_INET, SOCK_STREAM, 0);
    if (s < 0 || (err = td_bind(st, s, (struct sockaddr *)&us, sizeof(us))) != 0 ||
        (l->server ? td_listen(st, s, 4) != 0
                   : ((err = td_connect(st, s, (struct sockaddr *)&to, sizeof(to))) != 0 &&
                      err != -EINPROGRESS))) {
        (void)snprintf(msg, msg_size,
                       l->server ? "the stack can't listen there"
                                 : "the stack can't connect from there: %s",
                       strerror(s < 0 ? -s : -err));
        return EXIT_FAILED;
    }
    if (l->server)
        l->listener = s;
    else
        l->conn = s;
    return EXIT_DONE;
}

static int state_of(struct live *l)
{
    struct tcp_info i;
    socklen_t n = sizeof(i);
    memset(&i, 0, sizeof(i));
    if (l->conn < 0 || td_getsockopt(l->st, l->conn, IPPROTO_TCP, TCP_INFO, &i, &n) != 0)
        return TCP_CLOSE;
    if (i.tcpi_total_retrans > 0)
        l->retransmits = i.tcpi_total_retrans;
    if (i.tcpi_rtt > 0)
        l->rtt_us = i.tcpi_rtt;
    return i.tcpi_state;
}

static void finish(struct live *l, td_time now, enum live_end end)
{
    if (l->quit != 0)
        return;
    (void)state_of(l);
    l->end = end;
    l->quit = now + SETTLE;
}

static void reset(struct live *l)
{
    const struct linger at_once = {.l_onoff = 1};
    if (l->conn < 0)
        return;
    (void)state_of(l);
    (void)td_setsockopt(l->st, l->conn, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    (void)td_close(l->st, l->conn);
    l->conn = -1;
}

static void fail(struct live *l, td_time now, int error)
{
    l->error = error;
    /* EPIPE: it was reset before, and what had come until then was read. */
    finish(l, now,
           error == ECONNRESET || error == ECONNREFUSED || error == EPIPE ? LIVE_PEER_RESET
                                                                          : LIVE_OPEN);
}

static bool pending_error(struct live *l, td_time now)
{
    int error = 0;
    socklen_t n = sizeof(error);
    if (td_getsockopt(l->st, l->conn, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error == 0)
        return false;
    fail(l, now, error);
    return true;
}

static void is_there(struct live *l, td_time now)
{
    struct sockaddr_in a;
    socklen_t n = sizeof(a);
    l->connected = true;
    l->there = l->last = l->heard = l->satisfied = now;
    if (td_getpeername(l->st, l->conn, (struct sockaddr *)&a, &n) == 0) {
        l->peer = ntohl(a.sin_addr.s_addr);
        l->pport = ntohs(a.sin_port);
    }
    n = sizeof(a);
    if (td_getsockname(l->st, l->conn, (struct sockaddr *)&a, &n) == 0)
        l->lport = ntohs(a.sin_port);
}

static void connecting(struct live *l, td_time now)
{
    if (l->conn < 0 && l->listener >= 0) {
        int s = td_accept(l->st, l->listener, NULL, NULL);
        if (s >= 0) {
            l->conn = s;
            (void)td_close(l->st, l->listener); /* one connection was captured */
            l->listener = -1;
        }
    }
    if (l->conn >= 0) {
        int state = state_of(l);
        if (state != TCP_SYN_SENT && state != TCP_SYN_RECV && state != TCP_CLOSE &&
            state != TCP_LISTEN) {
            is_there(l, now);
            return;
        }
        if (pending_error(l, now))
            return;
    }
    if (now >= l->began + l->o.wait) {
        l->broken = l->server ? "nobody connected" : "nobody answered";
        fail(l, now, ETIMEDOUT);
    }
}

/* Compares n bytes of the peer's with the captured ones, but for what the capture lacks. */
static void compare(struct live *l, const uint8_t *b, size_t n)
{
    size_t h = 0;
    for (size_t i = 0; i < n && !l->differs; i++) {
        uint64_t at = l->received + i;
        while (h < l->nholes && l->hole[h].to <= at)
            h++;
        if (at < l->n[0] && h < l->nholes && l->hole[h].from <= at)
            continue;
        if (at < l->n[0] && l->text[0][at] == b[i]) {
            l->compared++;
            continue;
        }
        l->differs = true;
        l->difference = at;
    }
    for (size_t i = 0; l->differs && i < n && l->ngot < sizeof(l->got); i++)
        if (l->received + i >= l->difference)
            l->got[l->ngot++] = b[i];
    l->received += n;
}

static void read_on(struct live *l, td_time now)
{
    uint8_t text[16384];
    while (l->conn >= 0 && !l->fin_seen && l->quit == 0) {
        int64_t n = td_recv(l->st, l->conn, text, sizeof(text), 0);
        if (n > 0) {
            compare(l, text, (size_t)n);
            l->heard = now;
        } else if (n == 0) {
            l->fin_seen = true;
            l->peer_closed = since(l, now);
            l->heard = now;
        } else if (n == -EAGAIN) {
            return;
        } else {
            l->peer_closed = since(l, now);
            fail(l, now, (int)-n);
            return;
        }
    }
}

/* Makes the event; false: the stack takes no more at present. */
static bool act(struct live *l, struct live_event *e, td_time now)
{
    if (e->kind == LIVE_WRITE) {
        while (l->sent < e->to) {
            int64_t n = td_send(l->st, l->conn, l->text[1] + l->sent, (size_t)(e->to - l->sent), 0);
            if (n == -EAGAIN)
                return false;
            if (n <= 0) {
                fail(l, now, (int)-n);
                return false;
            }
            l->sent += (uint64_t)n;
        }
    } else if (e->kind == LIVE_CLOSE) {
        l->shut = td_shutdown(l->st, l->conn, SHUT_WR) == 0;
    } else {
        reset(l);
        finish(l, now, LIVE_WE_RESET);
    }
    e->done = since(l, now);
    l->last = now;
    return true;
}

/* Has come what the captured application had read by then? Or won't it come any more? */
static bool may_go_on(struct live *l, struct live_event *e, td_time now, td_time *again)
{
    if (l->received < e->after && !l->fin_seen) {
        td_time from = l->heard > l->last ? l->heard : l->last;
        l->waiting = true;
        if (now < from + l->o.patience) {
            *again = from + l->o.patience;
            return false;
        }
        e->impatient = true;
    }
    if (l->waiting) {
        l->waiting = false;
        l->satisfied = now;
    }
    return true;
}

/* The script is at its end: what is left is the close. */
static td_time closing(struct live *l, td_time now)
{
    int state = state_of(l);
    if (!l->closing) {
        l->closing = true;
        l->heard = now > l->heard ? now : l->heard;
    }
    td_time limit = l->heard + l->o.patience;
    bool more = !l->fin_seen && (l->received < l->n[0] || l->captured_end == LIVE_CLOSED ||
                                 l->captured_end == LIVE_PEER_CLOSED);
    if (more && now < limit && state != TCP_CLOSE)
        return limit;
    if (!l->shut) { /* the capture leaves it open */
        l->shut = true;
        (void)td_shutdown(l->st, l->conn, SHUT_WR);
        l->heard = now;
        return now + l->o.patience;
    }
    if (state == TCP_CLOSE || state == TCP_TIME_WAIT) {
        finish(l, now, l->fin_seen ? LIVE_CLOSED : LIVE_PEER_RESET);
    } else if (now >= limit) {
        l->broken = l->fin_seen ? "the peer never acknowledged the close" : "the peer never closed";
        finish(l, now, l->fin_seen ? LIVE_PEER_CLOSED : LIVE_WE_CLOSED);
        reset(l);
    }
    return limit;
}

td_time live_turn(struct live *l, td_time now)
{
    if (l->over)
        return TD_NEVER;
    if (l->quit != 0) {
        l->over = now >= l->quit;
        return l->quit;
    }
    if (!l->connected) {
        connecting(l, now);
        if (!l->connected)
            return l->quit != 0 ? l->quit : l->began + l->o.wait;
    }
    read_on(l, now);
    while (l->quit == 0 && l->next < l->nevents) {
        struct live_event *e = &l->event[l->next];
        td_time again = now + TD_SEC;
        if (!may_go_on(l, e, now, &again))
            return again;
        td_time from = l->last > l->satisfied ? l->last : l->satisfied,
                due = from + live_pace(e->gap, l->o.speed);
        if (now < due)
            return due;
        if (!act(l, e, now))
            return l->quit != 0 ? l->quit : now + TD_SEC; /* its acknowledgements wake the loop */
        l->next++;
    }
    if (l->quit != 0)
        return l->quit;
    return closing(l, now);
}

void live_stop(struct live *l, td_time now)
{
    if (l->quit == 0) {
        l->broken = "interrupted";
        finish(l, now, LIVE_WE_RESET);
        reset(l);
    }
}

bool live_went_well(const struct live *l)
{
    return l->connected && l->broken == NULL && l->next == l->nevents &&
           (l->error == 0 || (l->captured_end == LIVE_PEER_RESET && l->error == ECONNRESET));
}
