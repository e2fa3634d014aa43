/* drill/calls.h: between the files that make a script's calls. */
#ifndef DRILL_CALLS_H
#define DRILL_CALLS_H

#include "tapdeck/drill/args.h"

/* One call being made: at its time, to end at `end`. */
struct invocation {
    struct args a;
    td_time at, end;
};

/* calls.c: the machinery */
struct fd_label *call_label(struct run *r, int script); /* NULL: no such descriptor */
struct fd_label *call_label_add(struct run *r, int script, int live, int proto, struct conn *c);
int call_live_fd(struct run *r, int script); /* the stack's handle; -1 */
/* The connection's ports and addresses, as far as its socket knows them. anew: it begins. */
void call_name_socket(struct run *r, struct fd_label *f, const struct sockaddr_in *peer, bool anew);
/* Is the result as the script expects? Tells if it isn't. */
bool call_judge(struct args *a, int64_t got);
bool call_judge_descriptor(struct args *a, int64_t got); /* any will do */
/* A call that ends at once, with this result. */
void call_immediate(struct invocation *v, int64_t result);
/* A call that may wait: prepare clears r->p.call for the descriptor in the first argument, the
 * caller fills in the rest, begin tries it. */
struct fd_label *call_prepare(struct invocation *v, enum live_kind kind);
void call_begin(struct invocation *v);
bool call_name_is(const struct invocation *v, const char *name);

/* calls_socket.c, calls_option.c, calls_epoll.c: one function a call */
typedef void call_fn(struct invocation *v);
call_fn call_socket, call_bind, call_listen, call_accept, call_connect, call_recv, call_recvmsg,
    call_send, call_sendmsg, call_close, call_shutdown;
call_fn call_fcntl, call_setsockopt, call_getsockopt, call_ioctl, call_poll;
void play_epoll_judge(struct args *a, const struct live_call *c);
call_fn call_epoll_create, call_epoll_ctl, call_epoll_wait;

#endif
