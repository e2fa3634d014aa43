/* socket/notify.c: telling applications that a socket may be ready.
 *
 * Theory of operation. Readiness is level-triggered and can be read at any time (socket_poll); this
 * file is about the edges. Protocols never call applications: when something happens to a socket
 * it is marked, once, at the end of a list. At the end of flush sockets_notify takes the sockets
 * that are marked by then, in the order in which they were marked (so nobody starves), and calls
 * each handle's callback once with the mask of that moment.
 *
 * A callback may make any call: open, close, send, remove itself. What it sets going marks sockets
 * for the next round; the door runs another flush round for them, and bounds the rounds. A callback
 * that closes the last handle ends the socket then and there, inside its own call, so that a record
 * of the calls has the end where it happened; `current` tells the loop that there is no socket to
 * go on with.
 */
#include "socket/socket_internal.h"

#include <errno.h>

void sock_mark(struct td_stack *st, struct sock *so)
{
    struct sockets *ss = st->sockets;
    if (so->notifiers == 0 || so->marked) {
        return;
    }
    so->marked = true;
    ss->nmarked++;
    so->mark_next = NULL;
    so->mark_prev = ss->marked_tail;
    *ss->marked_tail = so;
    ss->marked_tail = &so->mark_next;
    st->flush_wanted = true;
}

void sock_unmark(struct td_stack *st, struct sock *so)
{
    if (!so->marked) {
        return;
    }
    *so->mark_prev = so->mark_next;
    if (so->mark_next != NULL) {
        so->mark_next->mark_prev = so->mark_prev;
    } else {
        st->sockets->marked_tail = so->mark_prev;
    }
    so->marked = false;
    st->sockets->nmarked--;
}

int socket_set_notify(struct td_stack *st, int s, td_notify *fn, void *ctx)
{
    struct handle *h = handle_get(st, s);
    if (h == NULL) {
        return -EBADF;
    }
    if (fn != NULL && h->fn == NULL) {
        h->so->notifiers++;
    } else if (fn == NULL && h->fn != NULL) {
        h->so->notifiers--;
    }
    h->fn = fn;
    h->ctx = ctx;
    if (fn != NULL && h->so->ops->poll(h->so) != 0) {
        sock_mark(st, h->so); /* what is ready already is an edge for a newcomer */
    }
    return 0;
}

/* A callback of so that this pass hasn't seen; a callback may have changed the list of handles, so
 * each search starts afresh. */
static struct handle *next_notifier(struct td_stack *st, const struct sock *so, int *s)
{
    for (*s = so->first_handle; *s >= 0; *s = st->sockets->handles.tab[*s].next) {
        struct handle *h = &st->sockets->handles.tab[*s];
        if (h->fn != NULL && h->pass != st->sockets->pass) {
            return h;
        }
    }
    return NULL;
}

/* A number that no handle has. */
static uint32_t next_pass(struct td_stack *st)
{
    struct sockets *ss = st->sockets;
    if (++ss->pass == 0) {
        for (uint32_t i = 0; i < ss->handles.cap; i++) {
            ss->handles.tab[i].pass = 0;
        }
        ss->pass = 1;
    }
    return ss->pass;
}

static bool notify_sock(struct td_stack *st, struct sock *so)
{
    bool ran = false;
    int s;
    struct handle *h;
    uint32_t pass = next_pass(st), owner = st->sockets->owner;
    st->sockets->current = so;
    st->sockets->owner = so->owner;
    while (st->sockets->current == so && (h = next_notifier(st, so, &s)) != NULL) {
        h->pass = pass;
        uint32_t mask = so->ops->poll(so);
        if (mask != 0) {
            h->fn(h->ctx, st, s, (int)mask);
            ran = true;
        }
    }
    st->sockets->current = NULL;
    st->sockets->owner = owner;
    return ran;
}

bool sockets_notify(struct td_stack *st)
{
    struct sockets *ss = st->sockets;
    bool ran = false;
    /* As many as are marked now: what callbacks mark comes behind them, in the next round. */
    for (uint32_t n = ss->nmarked; n > 0 && ss->marked != NULL && !st->halted; n--) {
        struct sock *so = ss->marked;
        sock_unmark(st, so);
        ran |= notify_sock(st, so);
    }
    if (ss->marked != NULL) {
        st->flush_wanted = true;
    }
    return ran;
}
