/* replay/play_script.c: the played side's application does what the capture's diary says that it
 * did (dev/diary.h, play.h).
 *
 * Captures that were made in virtual time carry the calls of each stack's applications with their
 * times. So nothing is guessed: each call is made at its time, with the text that was captured.
 *
 * At one instant there may be calls and captured frames; which came first the file doesn't say
 * outright. A read or an accept was the answer to what had come: it is made as soon as the stack
 * has what it found. Any other call is made when the frame that is to leave next isn't there yet,
 * or when no more frames come in at that time. Once the stack diverges a call may find less than it
 * did then: what is left to be written or read is done when it can be.
 */
#include "replay/player.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tapdeck/socket.h"

#define PIECE (1u << 20) /* of a call's bytes, at most */
#define LOOK  64         /* captured frames that are looked at ahead */

static const struct diary_call *next_call(const struct player *r)
{
    return r->call < r->p->ncalls ? &r->p->calls[r->call] : NULL;
}

static td_time time_of(const struct player *r, const struct diary_call *c)
{
    int64_t first = r->p->wall - (int64_t)r->ahead;
    return c->wall < first ? PLAY_START - 1 : PLAY_START + ((td_time)c->wall - (td_time)first);
}

static td_time next_time(const struct player *r)
{
    const struct diary_call *c = next_call(r);
    return c != NULL ? time_of(r, c) : TD_NEVER;
}

static int *socket_of(struct player *r, const struct diary_call *c)
{
    return c->s == 1 ? &r->conn : c->s == 0 ? &r->listener : NULL;
}

/* ---- bytes ---- */

/* Writes at most n bytes of what it said. How many. */
static uint64_t write_text(struct player *r, uint64_t n, int flags, bool connects)
{
    n = n < PIECE ? n : PIECE;
    if (!player_text(r, (size_t)n))
        return 0;
    int64_t done = -1;
    if (r->conn >= 0 && connects) /* Fast Open: the first text with the SYN */
        done = td_sendto(r->st, r->conn, r->out + r->out_at, (size_t)n, flags, r->p->peer,
                         r->p->pport);
    else if (r->conn >= 0)
        done = td_send(r->st, r->conn, r->out + r->out_at, (size_t)n, flags);
    if (done <= 0)
        return 0;
    r->out_at += (size_t)done;
    r->put += (tcp_seq)done;
    if (r->out_at == r->out_n)
        r->out_at = r->out_n = 0;
    return (uint64_t)done;
}

static uint64_t read_text(struct player *r, uint64_t n, int flags)
{
    n = n < PIECE ? n : PIECE;
    if (r->in == NULL && (r->in = malloc(PIECE)) == NULL) {
        r->p->no_memory = true;
        return 0;
    }
    int64_t done = r->conn < 0 ? -1 : td_recv(r->st, r->conn, r->in, (size_t)n, flags);
    return done > 0 ? (uint64_t)done : 0;
}

/* What it should have written and read by now, but could not yet. */
static void catch_up(struct player *r)
{
    uint64_t n;
    while (r->owes > 0 && (n = write_text(r, r->owes, 0, false)) > 0)
        r->owes -= n;
    while (r->unread > 0 && (n = read_text(r, r->unread, 0)) > 0)
        r->unread -= n < r->unread ? n : r->unread;
    if (r->owes > 0)
        return;
    if (r->closing && !r->shut && r->conn >= 0)
        r->shut = td_shutdown(r->st, r->conn, r->how) == 0;
    if (r->gone && r->conn >= 0) {
        (void)td_close(r->st, r->conn);
        r->conn = -1;
    }
}

/* ---- calls ---- */

static void listen_on(struct player *r, const struct diary_call *c)
{
    if (r->listener >= 0)
        (void)td_listen(r->st, r->listener, (int)c->n);
}

static void bind_to(struct player *r, int s, const struct diary_call *c)
{
    struct sockaddr_in us = td_sockaddr(c->us.addr == 0 ? 0 : r->p->us, r->p->port);
    if (s >= 0)
        (void)td_bind(r->st, s, (struct sockaddr *)&us, sizeof(us));
}

static void connect_to(struct player *r)
{
    struct sockaddr_in us = td_sockaddr(r->p->us, r->p->port),
                       peer = td_sockaddr(r->p->peer, r->p->pport);
    if (r->conn < 0)
        return;
    (void)td_bind(r->st, r->conn, (struct sockaddr *)&us, sizeof(us));
    (void)td_connect(r->st, r->conn, (struct sockaddr *)&peer, sizeof(peer));
}

static void set_knob(struct player *r, const struct diary_call *c)
{
    char name[256];
    const char *equals = c->text != NULL ? strchr(c->text, '=') : NULL;
    if (c->text != NULL && strncmp(c->text, "net.ipv4.tcp_syncookies", 23) == 0)
        return; /* a cookie holds no number that is given */
    if (equals == NULL || (size_t)(equals - c->text) >= sizeof(name))
        return;
    memcpy(name, c->text, (size_t)(equals - c->text));
    name[equals - c->text] = '\0';
    for (size_t i = 0; i < r->p->nknobs; i++) /* who watches it knows better */
        if (strncmp(r->p->knob[i], c->text, (size_t)(equals - c->text) + 1) == 0)
            return;
    (void)td_knob_set(r->st, name, equals + 1);
}

static void close_socket(struct player *r, const struct diary_call *c)
{
    if (c->s == 0 && r->listener >= 0) {
        (void)td_close(r->st, r->listener);
        r->listener = -1;
    } else if (c->s == 1 && r->copies > 0) {
        r->copies--;
    } else if (c->s == 1) {
        r->gone = true;
        catch_up(r);
    }
}

static void make(struct player *r, const struct diary_call *c)
{
    int *s = socket_of(r, c);
    uint64_t asked = c->n > 0 ? (uint64_t)c->n : 0, did = c->result > 0 ? (uint64_t)c->result : 0,
             n;
    switch (c->what) {
    case DIARY_SOCKET:
        if (s != NULL && *s < 0)
            *s = td_socket(r->st, AF_INET, SOCK_STREAM, 0);
        break;
    case DIARY_SETOPT:
        if (s != NULL && *s >= 0)
            (void)td_setsockopt(r->st, *s, c->level, c->option, c->value, c->len);
        break;
    case DIARY_BIND: /* with connect, for who connects: to the captured port */
        if (c->s == 0 || (c->s == 1 && !r->active))
            bind_to(r, *s, c);
        break;
    case DIARY_LISTEN:
        if (c->s == 0)
            listen_on(r, c);
        break;
    case DIARY_ACCEPT:
        if (r->conn < 0 && r->listener >= 0)
            r->conn = td_accept(r->st, r->listener, NULL, NULL);
        break;
    case DIARY_CONNECT:
        if (c->s == 1)
            connect_to(r);
        break;
    case DIARY_WRITE:
        if (c->peer.port != 0 && c->s == 1)
            bind_to(r, r->conn, c);
        n = r->owes == 0 ? write_text(r, asked, c->flags, c->peer.port != 0) : 0;
        r->owes += n < did ? did - n : 0;
        break;
    case DIARY_READ:
        n = r->unread == 0 ? read_text(r, asked, c->flags) : 0;
        r->unread += n < did ? did - n : 0;
        break;
    case DIARY_SHUTDOWN:
        r->closing = true;
        r->how = (int)c->n;
        catch_up(r);
        break;
    case DIARY_DUP:
        r->copies += c->s == 1;
        break;
    case DIARY_CLOSE:
        close_socket(r, c);
        break;
    case DIARY_DESTROY: {
        const struct td_ends ends = {6, r->p->us, r->p->peer, r->p->port, r->p->pport};
        (void)td_socket_destroy(r->st, &ends);
        break;
    }
    case DIARY_KNOB:
        set_knob(r, c);
        break;
    case DIARY_MTU:
        if (c->text != NULL && strcmp(c->text, r->interface) == 0 && c->n > 0)
            (void)td_if_set_mtu(r->st, r->eth, (uint32_t)c->n);
        break;
    default:
        break;
    }
}

static void make_next(struct player *r)
{
    const struct diary_call *c = next_call(r);
    r->call++;
    make(r, c);
}

static void due(struct player *r)
{
    make_next(r);
    player_flush(r);
}

/* Has the stack been given all that this frame holds? What an application does at once goes out
 * together. */
static bool given(const struct player *r, const struct play_frame *f)
{
    if (r->conn < 0 && !r->gone)
        return false;
    if ((f->flags & TCP_FIN) && !r->closing && !r->gone)
        return false;
    return f->text == 0 || seq_ge(r->put, f->seq + ((f->flags & TCP_SYN) != 0) + f->text);
}

/* Is the stack where this call found it? */
static bool answers(const struct player *r, const struct diary_call *c)
{
    int unread = 0;
    if (c->what == DIARY_READ && r->conn >= 0 && c->result > 0)
        return td_ioctl(r->st, r->conn, 0x541b /* SIOCINQ */, &unread) == 0 && unread >= c->result;
    if (c->what == DIARY_ACCEPT && r->listener >= 0)
        return (td_poll(r->st, r->listener) & POLLIN) != 0;
    return false;
}

/* More comes in at this instant before anything leaves. */
static bool more_comes(const struct player *r)
{
    const struct play *p = r->p;
    td_time now = td_stack_now(r->st) - PLAY_START;
    size_t next[2] = {r->next[0], r->next[1]};
    for (unsigned ours = 0; ours < 2; ours++)
        for (size_t last = next[ours] + LOOK; next[ours] < p->ncap && next[ours] < last;
             next[ours]++)
            if (p->cap[next[ours]].ours == (ours != 0) || p->cap[next[ours]].at > now)
                break;
    size_t a = next[0];
    return a < p->ncap && a < next[1] && !p->cap[a].ours && p->cap[a].at + r->lag <= now;
}

/* The captured frame that leaves at this instant, if there is one. */
static const struct play_frame *leaves_now(const struct player *r)
{
    const struct play *p = r->p;
    size_t i = r->next[1], last = i + LOOK;
    while (i < p->ncap && i < last && !p->cap[i].ours)
        i++;
    return i < p->ncap && p->cap[i].ours && PLAY_START + p->cap[i].at <= td_stack_now(r->st)
               ? &p->cap[i]
               : NULL;
}

static bool is_due(const struct player *r)
{
    const struct diary_call *c = next_call(r);
    return c != NULL && time_of(r, c) <= td_stack_now(r->st);
}

static void go(struct player *r)
{
    catch_up(r);
    while (is_due(r) && (answers(r, next_call(r)) || !more_comes(r))) {
        const struct play_frame *f = leaves_now(r);
        make_next(r);
        if (f == NULL || given(r, f) || !is_due(r))
            td_stack_flush(r->st, td_stack_now(r->st));
    }
}

static void captured(struct player *r, const struct play_frame *f, size_t index)
{
    (void)index;
    while (is_due(r)) {
        const struct play_row *row = judge_look(r->judge, f->number);
        if (row == NULL || row->was_sent)
            break;
        make_next(r);
        if (given(r, f) || !is_due(r))
            player_flush(r);
    }
}

/* Somebody must listen where a connection is asked for. */
static void coming(struct player *r, const struct play_frame *f)
{
    const struct diary_call *c;
    while ((f->flags & TCP_SYN) && r->passive && (c = next_call(r)) != NULL &&
           time_of(r, c) <= td_stack_now(r->st) && c->s <= 0 && c->what != DIARY_ACCEPT)
        due(r);
}

static td_time read_at(struct player *r, uint32_t bytes)
{
    const struct play *p = r->p;
    while (r->reading < p->ncalls && r->was_read < bytes) {
        const struct diary_call *c = &p->calls[r->reading++];
        if (c->what == DIARY_READ && c->s == 1 && c->result > 0 && (c->flags & MSG_PEEK) == 0)
            r->was_read += (uint64_t)c->result;
    }
    if (r->was_read < bytes || r->reading == 0)
        return TD_NEVER;
    td_time t = time_of(r, &p->calls[r->reading - 1]);
    return t > PLAY_START ? t - PLAY_START : 0;
}

static uint64_t unwritten(const struct player *r)
{
    return r->owes;
}

static void done(struct player *r)
{
    free(r->out);
    free(r->in);
}

const struct play_app play_script = {.captured = captured,
                                     .coming = coming,
                                     .go = go,
                                     .next = next_time,
                                     .due = due,
                                     .read_at = read_at,
                                     .unwritten = unwritten,
                                     .done = done};
