/* replay/play_app.c: what the played side's application must have done, guessed from what was
 * captured (play.h).
 *
 * A captured frame of the played side is the sign for what its application had done by then. What
 * it wrote may stand in the file far behind that moment: from the byte that was captured now to the
 * push that ends the write. It is read ahead of time, but only so far as the stack takes it: a
 * piece is put into a buffer, and the next once that is gone.
 */
#include "replay/player.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "tapdeck/socket.h"

#define BURST      (50 * TD_US) /* what leaves within it left at once */
#define PAUSE      (20 * TD_MS) /* between two writes, at least, of a sender whose window is known */
#define TRAIN_MOST 64u          /* frames that leave together */
#define PIECE      (256u << 10) /* of what is to be written is held, bytes */
#define GAP_MOST   (64u << 20)  /* bytes of text that a capture may miss */

/* n bytes more; uncaptured ones are zeros. */
static bool say(struct player *r, const struct play_frame *f, uint32_t from, size_t n)
{
    if (r->out_n + n > r->out_room) {
        size_t room = 2 * (r->out_n + n) + 4096;
        uint8_t *grown = realloc(r->out, room);
        if (grown == NULL)
            return false;
        r->out = grown;
        r->out_room = room;
    }
    if (f != NULL)
        play_copy(r->p, f, from, (uint32_t)n, r->out + r->out_n);
    else
        memset(r->out + r->out_n, 0, n);
    r->out_n += n;
    return true;
}

/* Segments are pushed in twos and more by senders that hand several to their card at once. So
 * behind a full segment the write goes on where more follows at the same time, or as soon as an
 * acknowledgement makes room for it. */
static bool write_ends(const struct player *r, size_t at)
{
    const struct play_frame *f = &r->p->cap[at];
    const struct play_frame *before = at > 0 ? &r->p->cap[at - 1] : NULL;
    /* Who is let go by its clock waits between two of them too. */
    bool several = r->letting && before != NULL && before->ours && before->text >= r->mss &&
                   before->seq + before->text == f->seq && (before->flags & TCP_PSH) == 0 &&
                   f->at <= before->at + BURST;
    td_time heard = 0;
    if ((f->flags & (TCP_PSH | TCP_FIN)) != TCP_PSH)
        return (f->flags & TCP_FIN) != 0;
    for (size_t i = at + 1; f->text >= r->mss && i < r->p->ncap; i++) {
        const struct play_frame *g = &r->p->cap[i];
        if (g->icmp)
            continue;
        if (!g->ours)
            heard = g->text == 0 ? g->at + r->lag : 0;
        else if (g->text > 0 && seq_gt(g->seq + g->text, r->written))
            return g->at > f->at + (several ? PAUSE : BURST) &&
                   (heard == 0 || g->at < heard || g->at > heard + BURST);
    }
    return true;
}

/* Puts into `out` what a captured frame has of the text that comes next. */
static bool take_frame(struct player *r, const struct play_frame *f)
{
    tcp_seq begin = f->seq + ((f->flags & TCP_SYN) != 0), end = begin + f->text;
    if (!f->ours || (f->flags & TCP_RST) || f->text == 0 || !seq_gt(end, r->written))
        return false;
    uint32_t skip = seq_gt(begin, r->written) ? 0 : r->written - begin;
    if (seq_gt(begin, r->written) && r->out_n + (begin - r->written) > GAP_MOST)
        return false; /* no capture misses so much */
    if (seq_gt(begin, r->written) && !say(r, NULL, 0, begin - r->written))
        r->p->no_memory = true;
    if (!say(r, f, f->text_at + skip, f->text - skip))
        r->p->no_memory = true;
    r->written = end;
    if (f->urgent > 0 && (!r->urgent || seq_ge(begin, r->urgent_to))) {
        r->urgent = true; /* the pointer is to behind the last byte (RFC 6093 3.1) */
        r->urgent_from = begin;
        r->urgent_to = f->seq + f->urgent;
    }
    return true;
}

/* Puts into `out` what is to be written next, a piece at a time: up to the end of the write that
 * goes on, or of the last that a captured frame shows to have begun. */
static void take(struct player *r)
{
    const struct play *p = r->p;
    while ((r->taking || seq_lt(r->written, r->due)) && r->out_n < PIECE) {
        if (r->take_at == p->ncap) {
            if (r->full &&
                !say(r, NULL, 0,
                     r->mss)) /* not pushed: there was more, of which the capture has nothing */
                r->p->no_memory = true;
            r->taking = false;
            r->due = r->written;
            return;
        }
        size_t i = r->take_at++;
        if (!take_frame(r, &p->cap[i]))
            continue;
        r->full = p->cap[i].text >= r->mss;
        r->taking = !write_ends(r, i);
        r->full = r->full && r->taking;
    }
}

bool player_text(struct player *r, size_t n)
{
    if (r->out_at > 0)
        if (r->out_n > r->out_at)
            memmove(r->out, r->out + r->out_at, r->out_n - r->out_at);
    r->out_n -= r->out_at;
    r->out_at = 0;
    while (r->out_n < n && r->take_at < r->p->ncap)
        (void)take_frame(r, &r->p->cap[r->take_at++]);
    if (r->out_n < n && !say(r, NULL, 0, n - r->out_n))
        r->p->no_memory = true;
    return !r->p->no_memory;
}

/* So many bytes of what waits are written at once: urgent ones by themselves. */
static size_t at_once(struct player *r, int *flags)
{
    size_t n = r->out_n - r->out_at;
    tcp_seq from = r->written - (tcp_seq)n;
    *flags = 0;
    if (r->urgent && seq_ge(from, r->urgent_to))
        r->urgent = false;
    if (!r->urgent)
        return n;
    if (seq_lt(from, r->urgent_from))
        return r->urgent_from - from < n ? r->urgent_from - from : n;
    if (r->urgent_to - from > n)
        return n; /* the rest wasn't captured */
    *flags = MSG_OOB;
    return r->urgent_to - from;
}

static void write_on(struct player *r)
{
    int flags;
    take(r);
    while (r->conn >= 0 && r->out_at < r->out_n) {
        size_t some = at_once(r, &flags);
        int64_t n = td_send(r->st, r->conn, r->out + r->out_at, some, flags);
        if (n <= 0)
            break;
        r->out_at += (size_t)n;
        if (r->out_at == r->out_n) {
            r->out_at = r->out_n = 0;
            take(r);
        }
    }
    if (r->closing && !r->shut && r->out_n == 0 && r->conn >= 0 &&
        td_shutdown(r->st, r->conn, SHUT_WR) == 0)
        r->shut = true;
}

/* Bytes that the captured application had not read when its next frame left. */
static uint64_t unread_then(struct player *r)
{
    const struct play *p = r->p;
    size_t i = r->next_ack > r->next[1] ? r->next_ack : r->next[1];
    while (i < p->ncap &&
           (!p->cap[i].ours || (p->cap[i].flags & (TCP_ACK | TCP_RST | TCP_SYN)) != TCP_ACK))
        i++;
    r->next_ack = i;
    uint64_t w = i < p->ncap ? (uint64_t)p->cap[i].wnd << p->scale[0] : r->window_max;
    return r->window_max > w ? r->window_max - w : 0;
}

static void read_on(struct player *r)
{
    uint8_t text[16384];
    int unread = 0;
    if (r->conn < 0 || td_ioctl(r->st, r->conn, 0x541b /* SIOCINQ */, &unread) != 0)
        return;
    uint64_t leave = unread_then(r);
    while (unread > 0 && (uint64_t)unread > leave) {
        uint64_t want = (uint64_t)unread - leave;
        int64_t n =
            td_recv(r->st, r->conn, text, want < sizeof(text) ? (size_t)want : sizeof(text), 0);
        if (n <= 0)
            return;
        unread -= (int)n;
    }
}

/* Nagle's algorithm (RFC 1122 4.2.3.4) sends one short segment at a time: a host that sent two had
 * it off. */
static void see_nagle(struct player *r, const struct play_frame *f)
{
    int on = 1;
    if (f->text == 0 || f->text >= r->mss || (f->flags & (TCP_SYN | TCP_FIN | TCP_RST)) ||
        seq_lt(f->seq, r->written))
        return;
    if (r->small && !r->no_delay && r->conn >= 0 && seq_gt(r->small_end, r->heard))
        r->no_delay = td_setsockopt(r->st, r->conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
    r->small = true;
    r->small_end = f->seq + f->text;
}

static bool is_probe(const struct play_frame *f, tcp_seq end)
{
    return f->ours && (f->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK &&
           f->text <= 1 && f->seq == end - 1;
}

/* Keep-alive probes (RFC 9293 3.8.4) ask about the byte before what is next. From the first come
 * how long the host waited in silence, from those behind it the time between two, and how many it
 * sent before it gave up. */
static void see_keep_alive(struct player *r)
{
    struct play *p = r->p;
    td_time quiet = 0, probed = 0;
    tcp_seq end = 0, acked = 0;
    uint16_t window = 0;
    int idle = 0, interval = 0, unanswered = 0, on = 1;
    bool begun = false;
    for (size_t i = 0; i < p->ncap; i++) {
        const struct play_frame *f = play_scan(p, i);
        if (f->icmp)
            continue;
        bool probe = begun && is_probe(f, end) && acked == end &&
                     window > 0; /* else it asks about something else */
        if (probe && idle == 0)
            idle = (int)((f->at - quiet + TD_SEC / 2) / TD_SEC);
        if (probe && unanswered > 0)
            interval = (int)((f->at - probed + TD_SEC / 2) / TD_SEC);
        if (f->ours && (f->flags & TCP_RST))
            break;
        unanswered = probe ? unanswered + 1 : 0;
        probed = f->at;
        quiet = f->at + (f->ours ? 0 : r->lag);
        if (!f->ours) {
            acked = f->ack;
            window = f->wnd;
        } else if (!probe) {
            tcp_seq e =
                f->seq + f->text + ((f->flags & TCP_SYN) != 0) + ((f->flags & TCP_FIN) != 0);
            end = !begun || seq_gt(e, end) ? e : end;
            begun = true;
        }
    }
    spool_rewind(&p->frames);
    if (idle < 1 || idle > 32767 || interval > 32767)
        return;
    (void)td_setsockopt(r->st, r->conn, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)td_setsockopt(r->st, r->conn, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    if (interval > 0)
        (void)td_setsockopt(r->st, r->conn, IPPROTO_TCP, TCP_KEEPINTVL, &interval,
                            sizeof(interval));
    if (unanswered > 0 && unanswered < 127)
        (void)td_setsockopt(r->st, r->conn, IPPROTO_TCP, TCP_KEEPCNT, &unanswered,
                            sizeof(unanswered));
}

static void go(struct player *r)
{
    if (r->conn < 0 && r->listener >= 0 &&
        (r->conn = td_accept(r->st, r->listener, NULL, NULL)) >= 0)
        see_keep_alive(r);
    write_on(r);
    read_on(r);
}

static bool together(const struct player *r, const struct play_frame *f, const struct play_frame *g)
{
    if (r->lag > 0 && f->o.has_ts && g->o.has_ts) /* a queue may lie between them and the capture */
        return f->o.ts_val == g->o.ts_val && f->o.ts_ecr == g->o.ts_ecr;
    return g->at <= f->at + BURST;
}

/* What the captured host sent now shows what its congestion window let it send: so much the stack
 * may send too. What is handed to the card at once was let go at once. */
static void let_go(struct player *r, const struct play_frame *f, size_t last)
{
    struct play *p = r->p;
    for (size_t i = 0; i < p->nknobs; i++)
        if (strncmp(p->knob[i], "net.ipv4.tcp_congestion_control=", 32) == 0)
            return; /* who says what it was wants to see what that does */
    struct td_tcp_pin pin = {.laddr = p->us,
                             .raddr = p->peer,
                             .lport = p->port,
                             .rport = p->pport,
                             .what = TD_PIN_WINDOW,
                             .credit = f->text};
    const struct play_frame *end = &p->cap[last];
    tcp_seq edge = end->seq + end->text + ((end->flags & TCP_FIN) != 0);
    if (end->flags & TCP_PSH) /* Linux pushes at the end of what it hands over at once */
        pin.what |= TD_PIN_BURST;
    if (r->letting && r->lag > 0 &&
        seq_lt(f->seq, r->let)) /* and of what went again some was lost */
        pin.credit += f->text;
    if (r->letting &&
        seq_gt(f->seq, r->let)) /* what was lost before it came to the capture was let go too */
        pin.credit += f->seq - r->let;
    r->let = !r->letting || seq_gt(edge, r->let) ? edge : r->let;
    r->letting = true;
    pin.snd_edge = r->let;
    p->windowed |= td_tcp_pin(r->st, &pin) == 0;
}

/* The last frame of those that left together with this one, up to the first that was pushed. */
static size_t train_end(const struct player *r, const struct play_frame *f, size_t index)
{
    const struct play *p = r->p;
    size_t last = index;
    for (size_t i = index + 1; i < p->ncap && i <= index + TRAIN_MOST; i++) {
        const struct play_frame *g = &p->cap[i];
        if (!g->ours && r->lag > 0)
            continue; /* it passed on its way between them */
        if (!g->ours || (p->cap[last].flags & TCP_PSH) || (g->flags & (TCP_SYN | TCP_RST)) ||
            seq_lt(g->seq, p->cap[last].seq) || !together(r, f, g))
            break;
        last = i;
    }
    return last;
}

/* What it must have written by now, and whether it has closed. */
static void owe(struct player *r, const struct play_frame *f, size_t index)
{
    tcp_seq end = f->seq + ((f->flags & TCP_SYN) != 0) + f->text;
    if ((f->flags & TCP_RST) == 0 && f->text > 0 && seq_gt(end, r->written) &&
        seq_gt(end, r->due)) {
        if (!r->taking && r->take_at < index && seq_le(r->due, r->written))
            r->take_at = index;
        r->due = end;
    }
    if (f->flags & TCP_FIN)
        r->closing = true;
}

/* Fast Open: who connects so hands over its first text with it, which leaves with the SYN if there
 * is a cookie, else after the handshake. False: no text was captured. */
static bool open_fast(struct player *r, const struct play_frame *f, size_t index)
{
    if (r->take_at < index)
        r->take_at = index;
    r->due = f->seq + 1 + f->text;
    r->taking = f->text == 0;
    take(r);
    if (r->out_n == 0)
        return false;
    int64_t n = td_sendto(r->st, r->conn, r->out, r->out_n, MSG_FASTOPEN, r->p->peer, r->p->pport);
    r->out_at += n > 0 ? (size_t)n : 0;
    if (r->out_at == r->out_n)
        r->out_at = r->out_n = 0;
    return true;
}

/* A frame of the played side was captured: what must its application have done? */
static void captured(struct player *r, const struct play_frame *f, size_t index)
{
    struct sockaddr_in us = td_sockaddr(r->p->us, r->p->port),
                       peer = td_sockaddr(r->p->peer, r->p->pport);
    if ((f->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && r->active && r->conn < 0) {
        r->conn = td_socket(r->st, AF_INET, SOCK_STREAM, 0);
        see_keep_alive(r);
        (void)td_bind(r->st, r->conn, (struct sockaddr *)&us, sizeof(us));
        if (!f->o.has_fastopen || !open_fast(r, f, index))
            (void)td_connect(r->st, r->conn, (struct sockaddr *)&peer, sizeof(peer));
    }
    see_nagle(r, f);
    size_t last = train_end(r, f, index);
    for (size_t i = index; i <= last; i++)
        if (r->p->cap[i].ours)
            owe(r, &r->p->cap[i], i);
    if ((f->flags & (TCP_SYN | TCP_RST)) == 0 && (f->text > 0 || (f->flags & TCP_FIN)))
        let_go(r, f, last);
    if ((f->flags & (TCP_ACK | TCP_RST | TCP_SYN)) == TCP_ACK) {
        uint64_t w = (uint64_t)f->wnd << r->p->scale[0];
        r->window_max = w > r->window_max ? w : r->window_max;
    }
    go(r);
    player_flush(r);
    if ((f->flags & TCP_RST) && !r->reset && r->conn >= 0 && !r->aborted) {
        const struct linger now = {.l_onoff = 1};
        (void)td_setsockopt(r->st, r->conn, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        (void)td_close(r->st, r->conn);
        r->conn = -1;
        r->aborted = true;
        player_flush(r);
    }
}

/* Somebody must listen where a connection is asked for. */
static void coming(struct player *r, const struct play_frame *f)
{
    struct sockaddr_in us = td_sockaddr(r->p->us, r->p->port);
    if ((f->flags & TCP_SYN) == 0 || r->listener >= 0 || !r->passive)
        return;
    r->listener = td_socket(r->st, AF_INET, SOCK_STREAM, 0);
    (void)td_bind(r->st, r->listener, (struct sockaddr *)&us, sizeof(us));
    (void)td_listen(r->st, r->listener, 16);
}

static td_time next_time(const struct player *r)
{
    (void)r;
    return TD_NEVER;
}

static void due(struct player *r)
{
    (void)r;
}

static td_time read_at(struct player *r, uint32_t bytes)
{
    (void)r;
    (void)bytes;
    return TD_NEVER;
}

static uint64_t unwritten(const struct player *r)
{
    return r->out_n - r->out_at;
}

static void done(struct player *r)
{
    free(r->out);
}

const struct play_app play_guess = {.captured = captured,
                                    .coming = coming,
                                    .go = go,
                                    .next = next_time,
                                    .due = due,
                                    .read_at = read_at,
                                    .unwritten = unwritten,
                                    .done = done};
