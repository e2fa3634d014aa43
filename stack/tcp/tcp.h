/* tcp/tcp.h: TCP (RFC 9293) as socket/ uses it. The inside is in tcp/tcp_internal.h. */
#ifndef TCP_TCP_H
#define TCP_TCP_H

#include "core/stack.h"
#include "ip/ip.h"
#include "tapdeck/organ.h"
#include "wire/tcp.h"

struct iovec;
struct tcp_info;
struct td_tcp_pin;

int tcp_init(struct td_stack *st);
/* td_tcp_pin of tapdeck/stack.h. */
int tcp_pin_set(struct td_stack *st, const struct td_tcp_pin *pin);
void tcp_done(struct td_stack *st);

enum tcp_state { /* RFC 9293 3.3.2; numbers are Linux's TCP_* so that TCP_INFO can carry them */
    TCPS_ESTABLISHED = 1, TCPS_SYN_SENT, TCPS_SYN_RECEIVED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2,
    TCPS_TIME_WAIT, TCPS_CLOSED, TCPS_CLOSE_WAIT, TCPS_LAST_ACK, TCPS_LISTEN, TCPS_CLOSING,
};
const char *tcp_state_name(enum tcp_state s); /* "SYN-RECEIVED", as the RFC writes it */
const char *tcp_state_ss(enum tcp_state s);   /* "SYN-RECV", "ESTAB" … as ss prints it */

struct tcb; /* transmission control block */

/* Something changed that the owner may want to know: bits of the poll mask that became true
 * (POLLIN, POLLOUT, POLLHUP, POLLERR, POLLPRI, POLLRDHUP). Called only from tcp code, never
 * re-enters; socket/ just remembers it and notifies the application at the end of flush. */
struct tcp_upcalls {
    void (*event)(struct td_stack *st, void *owner, uint32_t poll_bits);
    /* A listener's half-open connection completed its handshake and waits in the accept queue. */
    void (*acceptable)(struct td_stack *st, void *owner);
    struct endpoint_user (*user)(const void *owner); /* for the table */
};

/* ---- the user calls of RFC 9293 3.9.1; socket/ wraps them as BSD calls ---- */
void tcp_set_upcalls(struct td_stack *st, const struct tcp_upcalls *up); /* of all connections */
struct tcb *tcp_new(struct td_stack *st, void *owner, uint32_t id);
/* port 0 = ephemeral. -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL (already bound). */
int tcp_bind(struct td_stack *st, struct tcb *t, td_ip4 addr, uint16_t port, bool reuse_addr,
             bool reuse_port);
int tcp_listen(struct td_stack *st, struct tcb *t, int backlog);
/* The oldest completed connection, which now belongs to `owner`; NULL = none (would block). */
struct tcb *tcp_accept(struct td_stack *st, struct tcb *listener, void *owner, uint32_t id);
/* Active OPEN: -EINPROGRESS when the SYN is on its way, -EISCONN, -EALREADY, -EADDRNOTAVAIL,
 * -ENETUNREACH, -EINVAL/-EACCES (broadcast, multicast), -ECONNREFUSED … when it ended before. */
int tcp_connect(struct td_stack *st, struct tcb *t, td_ip4 addr, uint16_t port);
/* OPEN and SEND in one (RFC 7413, MSG_FASTOPEN; or the first SEND after TCP_FASTOPEN_CONNECT, addr 0):
 * bytes that went with the SYN, -EINPROGRESS when none did; else as tcp_connect. -EOPNOTSUPP. */
int64_t tcp_connect_send(struct td_stack *st, struct tcb *t, td_ip4 addr, uint16_t port,
                         const struct iovec *iov, size_t niov, int flags);
/* connect() left the SYN to the first SEND. */
bool tcp_connect_deferred(const struct tcb *t);
/* SEND: bytes taken, -EAGAIN (no room; also while connecting), -ENOBUFS (no memory), -EPIPE,
 * the pending error. flags: MSG_OOB, MSG_MORE. */
int64_t tcp_send(struct td_stack *st, struct tcb *t, const struct iovec *iov, size_t niov,
                 int flags);
/* RECEIVE: bytes, 0 = FIN seen, -EAGAIN, -ENOTCONN, -ECONNRESET, -ETIMEDOUT … MSG_PEEK, MSG_OOB,
 * MSG_TRUNC. */
int64_t tcp_recv(struct td_stack *st, struct tcb *t, const struct iovec *iov, size_t niov,
                 int flags);
/* CLOSE of one or both directions: how = SHUT_RD, SHUT_WR, SHUT_RDWR. -ENOTCONN. */
int tcp_shutdown(struct td_stack *st, struct tcb *t, int how);
/* The owner lets go: orderly close, or a reset (unread data, linger 0), and the tcb lives on as an
 * orphan as long as the protocol needs it. t must not be used after. A listener's queue is reset. */
void tcp_close(struct td_stack *st, struct tcb *t);
/* connect(AF_UNSPEC): `fresh`, just made, takes over what the user set on `old`, and, after old was
 * aborted and let go, the address and port that the user bound it to. A connection that is cut off
 * leaves ECONNRESET as the pending error, as in Linux. old must not be used after. */
int tcp_disconnect(struct td_stack *st, struct tcb *old, struct tcb *fresh);
/* ABORT. */
void tcp_abort(struct td_stack *st, struct tcb *t);
/* Ends everything that has exactly these ends, in whatever state it is; how many. */
struct tcp_addrs;
int tcp_destroy(struct td_stack *st, const struct tcp_addrs *a);

/* The level-triggered poll mask, always readable. */
uint32_t tcp_poll(const struct tcb *t);
/* Pending error (SO_ERROR): positive errno, cleared by reading; peek keeps it. */
int tcp_error(struct tcb *t, bool peek);
enum tcp_state tcp_state(const struct tcb *t);
struct tcp_addrs { td_ip4 laddr, raddr; uint16_t lport, rport; };
struct tcp_addrs tcp_addrs(const struct tcb *t);
uint32_t tcp_readable(const struct tcb *t);  /* bytes */
uint32_t tcp_inq(const struct tcb *t);       /* bytes up to the urgent mark: SIOCINQ */
bool tcp_tells_inq(const struct tcb *t);     /* TCP_INQ is set: RECEIVE says what is left */
uint32_t tcp_inq_hint(const struct tcb *t);  /* bytes, one more at the end: TCP_INQ */
uint32_t tcp_unsent(const struct tcb *t);    /* bytes not acknowledged, FIN too: SIOCOUTQ */
uint32_t tcp_never_sent(const struct tcb *t); /* bytes not sent, FIN too: SIOCOUTQNSD */
bool tcp_atmark(const struct tcb *t);        /* the next octet is the urgent one: SIOCATMARK */

/* Options that are TCP's to keep: level IPPROTO_TCP (TCP_NODELAY, TCP_MAXSEG, TCP_KEEPIDLE,
 * TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_USER_TIMEOUT, TCP_INFO, TCP_CONGESTION, TCP_CORK,
 * TCP_QUICKACK, TCP_DEFER_ACCEPT, TCP_LINGER2, TCP_WINDOW_CLAMP …), SOL_SOCKET (SO_KEEPALIVE,
 * SO_LINGER, SO_RCVBUF, SO_SNDBUF, SO_OOBINLINE) and IPPROTO_IP (IP_TOS, IP_TTL, IP_RECVERR: soft
 * errors are told at once). Linux's numbers and value shapes. -ENOPROTOOPT, -EINVAL. */
int tcp_setsockopt(struct td_stack *st, struct tcb *t, int level, int name, const void *v,
                   uint32_t len);
int tcp_getsockopt(struct td_stack *st, struct tcb *t, int level, int name, void *v, uint32_t *len);

/* ---- lookup.c: what a person's words mean ---- */
struct tcp_wanted { /* 0 = any */
    struct tcp_addrs a;
    uint32_t id;    /* of the socket */
    bool listening; /* bound and listening sockets too, behind all others */
};
struct tcp_found {
    struct tcp_addrs a;
    uint32_t id; /* 0: not accepted yet */
    enum tcp_state state;
};
/* Adds to counts[state] what is in the table of endpoints (bound and listening sockets too), `most` of them
 * from *cursor on. True: that was all. */
bool tcp_count_states(struct td_stack *st, uint64_t *cursor, unsigned most,
                      uint64_t counts[TCPS_CLOSING + 1]);
/* Armed timers of the endpoint with these ends; how many, at most TCP_TIMERS_MOST. */
#define TCP_TIMERS_MOST 4u
unsigned tcp_timers_of(const struct td_stack *st, const struct tcp_addrs *a,
                       const struct timer *v[TCP_TIMERS_MOST]);
/* Whose an armed timer is; false: no connection's. */
bool tcp_timer_owner(const struct timer *t, struct tcp_found *f);
/* Those of the table of endpoints that are as wanted, newest first, `most` at most; how many. */
unsigned tcp_find(const struct td_stack *st, const struct tcp_wanted *w, struct tcp_found *f,
                  unsigned most);

/* ---- the door's part ---- */
/* Knob net.ipv4.tcp_fastopen_key: "x-x-x-x", hexadecimal words, or two of these with a comma between:
 * the second key is for cookies given out before. -EINVAL. get: as snprintf. */
int tcp_fastopen_key_set(struct td_stack *st, const char *text);
/* Cookies and segment sizes kept of servers are forgotten (Linux: ip tcp_metrics flush). */
void tcp_fastopen_forget(struct td_stack *st);
int tcp_fastopen_key_get(const struct td_stack *st, char *dst, size_t size);
/* td_organ_add (tapdeck/organ.h), and its knobs: the name of an organ; -EINVAL: there is none such. */
int tcp_organ_add(struct td_stack *st, enum td_organ_kind kind, const void *ops);
int tcp_reassembly_set(struct td_stack *st, const char *name);
int tcp_reassembly_get(const struct td_stack *st, char *dst, size_t size);
int tcp_loss_detection_set(struct td_stack *st, const char *name);
int tcp_loss_detection_get(const struct td_stack *st, char *dst, size_t size);
int tcp_rto_organ_set(struct td_stack *st, const char *name);
int tcp_rto_organ_get(const struct td_stack *st, char *dst, size_t size);
/* net.ipv4.tcp_congestion_control: one that was added is chosen by its name (false: none is called so), or one of ours
 * again, by the knob's word; the name of the added one that is chosen, NULL: the knob's word counts. */
bool tcp_cc_choose(struct td_stack *st, const char *name);
void tcp_cc_choose_ours(struct td_stack *st);
const char *tcp_cc_chosen(const struct td_stack *st);
/* tcp_output for every connection marked since the last flush. */
void tcp_flush(struct td_stack *st);

/* Orderly end of everything: closes all connections; true while some still need time. */
bool tcp_closing(const struct td_stack *st);

#endif
