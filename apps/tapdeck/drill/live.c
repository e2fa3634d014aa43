/* drill/live.c: blocking calls made of calls that never block; see live.h.
 *
 * Theory of operation. Each kind of call knows how to go on from where it was: a write keeps what
 * is left of its vector, a connect waits for the handshake's end and then asks SO_ERROR, a poll
 * looks at its masks again. What a kernel would do between two looks of a sleeping thread happens
 * here between two steps of the stack.
 */
#include "tapdeck/drill/live.h"

#include "core/stack.h"
#include "tapdeck/stack.h"
#include "tapdeck/drill/run.h"
#include "tcp/tcp_internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

void live_deadline(struct live_call *c)
{
    struct timeval tv = {0};
    socklen_t len = sizeof tv;
    int name = c->kind == LIVE_RECV || c->kind == LIVE_ACCEPT ? SO_RCVTIMEO : SO_SNDTIMEO;
    c->deadline = TD_NEVER;
    if (c->kind == LIVE_POLL || td_getsockopt(c->st, c->fd, SOL_SOCKET, name, &tv, &len) != 0 ||
        (tv.tv_sec == 0 && tv.tv_usec == 0)) {
        return;
    }
    c->deadline = td_stack_now(c->st) + (td_time)tv.tv_sec * TD_SEC + (td_time)tv.tv_usec * TD_US;
}

static bool finish(struct live_call *c, int64_t result)
{
    c->result = result;
    return true;
}

bool live_wait(struct live_call *c, int64_t result)
{
    bool may = c->wait && (c->flags & MSG_DONTWAIT) == 0;
    if (!may || td_stack_now(c->st) >= c->deadline) {
        return finish(c, result);
    }
    return false;
}

static bool try_accept(struct live_call *c)
{
    c->addrlen = sizeof c->addr;
    int r = td_accept(c->st, c->fd, (struct sockaddr *)&c->addr, &c->addrlen);
    return r == -EAGAIN ? live_wait(c, -EAGAIN) : finish(c, r);
}

/* The handshake goes on. 1: connected; 0: still going on; negative errno. */
static int handshake(struct live_call *c)
{
    int mask = td_poll(c->st, c->fd), err = 0;
    socklen_t len = sizeof err;
    if ((mask & (POLLOUT | POLLERR | POLLHUP)) == 0) {
        return 0;
    }
    (void)td_getsockopt(c->st, c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
    return err != 0 ? -err : 1;
}

static bool try_connect(struct live_call *c)
{
    if (!c->connecting) {
        int r = td_connect(c->st, c->fd, (struct sockaddr *)&c->addr, c->addrlen);
        if (r != -EINPROGRESS && (r != -EALREADY || !c->wait)) {
            return finish(c, r);
        }
        c->connecting = true;
        if (!c->wait) {
            return finish(c, r);
        }
        return live_wait(c, -EINPROGRESS);
    }
    int r = handshake(c);
    return r == 0 ? live_wait(c, -EINPROGRESS) : finish(c, r > 0 ? 0 : r);
}

/* n bytes of the vector are done with. */
static void eat(struct live_call *c, size_t n)
{
    c->done += (int64_t)n;
    while (c->niov > 0 && n >= c->iov->iov_len) {
        n -= c->iov->iov_len;
        c->iov++;
        c->niov--;
    }
    if (c->niov > 0) {
        c->iov->iov_base = (uint8_t *)c->iov->iov_base + n;
        c->iov->iov_len -= n;
    }
}

size_t live_unsent(const struct live_call *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->niov; i++) {
        n += c->iov[i].iov_len;
    }
    return n;
}

static bool try_recv(struct live_call *c)
{
    size_t want = live_unsent(c);
    c->msg = (struct msghdr){
        .msg_name = &c->addr,
        .msg_namelen = sizeof c->addr,
        .msg_iov = c->iov,
        .msg_iovlen = c->niov,
        .msg_control = c->control,
        .msg_controllen = c->control_len,
    };
    int64_t r = td_recvmsg(c->st, c->fd, &c->msg, c->flags);
    if (r == -EAGAIN && (c->flags & (MSG_ERRQUEUE | MSG_OOB)) == 0) {
        return live_wait(c, c->done > 0 ? c->done : -EAGAIN);
    }
    if (r < 0) {
        return finish(c, c->done > 0 ? c->done : r);
    }
    if ((c->flags & MSG_WAITALL) != 0 && (c->flags & MSG_PEEK) == 0 && r > 0 && (size_t)r < want) {
        eat(c, (size_t)r);
        return live_wait(c, c->done);
    }
    return finish(c, c->done + r);
}

/* The call has sent the SYN, and text on it: it waits for the handshake's end, as connect does. */
static bool is_opening(const struct live_call *c)
{
    struct tcp_info i = {0};
    socklen_t len = sizeof i;
    return c->wait && (c->flags & MSG_DONTWAIT) == 0 &&
           td_getsockopt(c->st, c->fd, IPPROTO_TCP, TCP_INFO, &i, &len) == 0 &&
           i.tcpi_state == TCP_SYN_SENT;
}

static bool try_send(struct live_call *c)
{
    if (c->connecting) {
        int up = handshake(c);
        if (up <= 0) {
            return up == 0 ? live_wait(c, -EINPROGRESS) : finish(c, up);
        }
        c->connecting = false;
        c->flags &= ~MSG_FASTOPEN;
        c->addrlen = 0;
        if (live_unsent(c) == 0) {
            return finish(c, c->done);
        }
    }
    for (;;) {
        size_t want = live_unsent(c);
        const struct msghdr m = {
            .msg_name = c->addrlen > 0 ? &c->addr : NULL,
            .msg_namelen = c->addrlen,
            .msg_iov = c->iov,
            .msg_iovlen = c->niov,
            .msg_control = c->control,
            .msg_controllen = c->control_len,
        };
        int64_t r = td_sendmsg(c->st, c->fd, &m, c->flags);
        if (r == -EINPROGRESS && (c->flags & MSG_FASTOPEN) != 0 && c->wait) {
            c->connecting = true;
            return live_wait(c, -EINPROGRESS);
        }
        if (r == -EAGAIN) {
            return live_wait(c, c->done > 0 ? c->done : -EAGAIN);
        }
        if (r < 0) {
            return finish(c, c->done > 0 ? c->done : r);
        }
        if (r > 0 && is_opening(c)) {
            eat(c, (size_t)r);
            c->connecting = true;
            return live_wait(c, c->done);
        }
        if ((size_t)r >= want) {
            return finish(c, c->done + r);
        }
        eat(c, (size_t)r);
        if (r == 0) {
            return live_wait(c, c->done);
        }
        /* A part went in; without O_NONBLOCK the rest follows as room comes. */
        if (!c->wait || (c->flags & MSG_DONTWAIT) != 0) {
            return finish(c, c->done);
        }
        c->flags &= ~MSG_FASTOPEN;
        c->addrlen = 0;
    }
}

static bool try_poll(struct live_call *c)
{
    int64_t ready = 0;
    for (size_t i = 0; i < c->nfds; i++) {
        struct pollfd *p = &c->fds[i];
        int mask = p->fd < 0 ? 0 : td_poll(c->st, p->fd);
        p->revents = mask < 0 ? POLLNVAL : (short)(mask & (p->events | POLLERR | POLLHUP));
        ready += p->revents != 0;
    }
    if (ready > 0 || td_stack_now(c->st) >= c->deadline) {
        return finish(c, ready);
    }
    return false;
}

/* A close that lingers returns when all has been acknowledged, or when its time is over. */
static bool try_close(struct live_call *c)
{
    if (!c->closed) {
        struct linger l = {0};
        socklen_t len = sizeof l;
        int state = td_getsockopt(c->st, c->fd, SOL_SOCKET, SO_LINGER, &l, &len);
        bool lingers = state == 0 && l.l_onoff != 0 && l.l_linger > 0;
        c->conn = td_socket_id(c->st, c->fd);
        int r = td_close(c->st, c->fd);
        c->closed = true;
        if (r != 0 || !lingers || !c->wait) {
            return finish(c, r);
        }
        c->deadline = td_stack_now(c->st) + (td_time)l.l_linger * TD_SEC;
    }
    for (const struct tcb *t = c->st->tcp->all; t != NULL; t = t->all_next) {
        bool waits =
            t->state == TCPS_FIN_WAIT_1 || t->state == TCPS_CLOSING || t->state == TCPS_LAST_ACK;
        if (t->id == c->conn && waits) {
            return live_wait(c, 0);
        }
    }
    return finish(c, 0);
}

bool live_try(struct live_call *c)
{
    switch (c->kind) {
    case LIVE_ACCEPT:
        return try_accept(c);
    case LIVE_CONNECT:
        return try_connect(c);
    case LIVE_RECV:
        return try_recv(c);
    case LIVE_SEND:
        return try_send(c);
    case LIVE_POLL:
        return try_poll(c);
    case LIVE_EPOLL: {
        int64_t n = play_epoll_try(c->ctx, c);
        return n != 0 ? finish(c, n) : live_wait(c, 0);
    }
    default:
        return try_close(c);
    }
}
