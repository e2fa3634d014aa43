/* drill/live.h: socket calls that may wait, on sockets that never do.
 *
 * The stack's calls never block. A script's may: a read on a descriptor without O_NONBLOCK returns
 * when data has come. A live_call is such a call on its way: it is tried, and if it would wait it
 * is tried again after everything that happens in the stack, until it is done; the virtual time
 * then is the time at which it returned.
 */
#ifndef DRILL_LIVE_H
#define DRILL_LIVE_H

#include "tapdeck/socket.h"
#include "tapdeck/types.h"

#define LIVE_EPOLL_MOST 64 /* events of one epoll_wait */

enum live_kind {
    LIVE_ACCEPT,
    LIVE_CONNECT,
    LIVE_RECV,
    LIVE_SEND,
    LIVE_POLL,
    LIVE_EPOLL,
    LIVE_CLOSE
};

struct live_call {
    enum live_kind kind;
    struct td_stack *st;
    int fd;
    bool wait; /* the descriptor has no O_NONBLOCK */
    int flags;
    struct sockaddr_in addr; /* accept: out; connect, sendto: in; recvfrom: out */
    socklen_t addrlen;
    struct iovec *iov; /* recv, send: this call's own, eaten as bytes go */
    size_t niov;
    struct msghdr msg; /* recv: as it came back */
    void *control;     /* recvmsg, sendmsg: its control messages */
    size_t control_len;
    struct pollfd *fds; /* poll: fd is the stack's handle; -1 none */
    size_t nfds;
    struct live_event {
        uint32_t events;
        uint64_t data;
    } ready[LIVE_EPOLL_MOST]; /* epoll_wait: what is ready */
    size_t nready;
    void *ctx;        /* epoll_wait: the run; fd is the script's */
    td_time deadline; /* on the stack's clock; TD_NEVER: none */
    uint32_t conn;    /* close: the connection that lingers */
    /* state */
    bool connecting, closed;
    int64_t done;   /* bytes so far */
    int64_t result; /* a count, a handle, or a negative errno */
};

/* How long a wait may be (SO_RCVTIMEO, SO_SNDTIMEO); call once, after st, fd and kind are set. */
void live_deadline(struct live_call *c);
/* True: it is done, and result holds. */
bool live_try(struct live_call *c);
/* Bytes that a call has still to send. */
size_t live_unsent(const struct live_call *c);
/* The call would wait: it may (false), or it is over with `result`. */
bool live_wait(struct live_call *c, int64_t result);

#endif
