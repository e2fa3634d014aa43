/* socket/socket_internal.h: the inside of the socket layer.
 *
 * A handle is a small integer, an entry of the handle table. A struct sock is what one or more
 * handles stand for (td_dup makes another handle of the same socket). A sock has a kind (stream.c,
 * dgram.c) that embeds struct sock at its start, and an ops table; sockets.c checks arguments and
 * dispatches, so the kinds see parsed addresses and sane lengths.
 */
#ifndef SOCKET_SOCKET_INTERNAL_H
#define SOCKET_SOCKET_INTERNAL_H

#include "ip/ip.h"
#include "socket/sockets.h"
#include "udp/udp.h"

struct sock;

struct sock_name {
    td_ip4 addr;
    uint16_t port;
};

struct sock_ops {
    int (*bind)(struct td_stack *st, struct sock *so, struct sock_name to);
    int (*listen)(struct td_stack *st, struct sock *so, int backlog); /* NULL: -EOPNOTSUPP */
    /* *out has one reference, the caller's; peer is filled in. */
    int (*accept)(struct td_stack *st, struct sock *so, struct sock **out, struct sock_name *peer);
    /* to NULL: dissolve the association (AF_UNSPEC). */
    int (*connect)(struct td_stack *st, struct sock *so, const struct sock_name *to);
    /* len: bytes of all iovecs together. */
    int64_t (*sendmsg)(struct td_stack *st, struct sock *so, const struct msghdr *m, size_t len,
                       int flags);
    int64_t (*recvmsg)(struct td_stack *st, struct sock *so, struct msghdr *m, size_t len,
                       int flags);
    int (*shutdown)(struct td_stack *st, struct sock *so, int how);
    /* Level and name that options.c doesn't answer itself. */
    int (*setopt)(struct td_stack *st, struct sock *so, int level, int name, const void *v,
                  socklen_t len);
    int (*getopt)(struct td_stack *st, struct sock *so, int level, int name, void *v,
                  socklen_t *len);
    /* A common option (reuse, device, broadcast …) changed: 0, or why it can't be. */
    int (*changed)(struct td_stack *st, struct sock *so);
    int (*getname)(struct td_stack *st, struct sock *so, bool peer, struct sock_name *out);
    int (*ioctl)(struct td_stack *st, struct sock *so, unsigned long request, int *out);
    uint32_t (*poll)(const struct sock *so);
    int (*error)(struct sock *so); /* SO_ERROR: positive errno, cleared */
    /* For the table: state word and queue lengths (bytes). */
    const char *(*state)(const struct sock *so, uint64_t *recvq, uint64_t *sendq);
    bool (*listening)(const struct sock *so);
    /* The last handle is gone: closes the protocol's end and frees so. teardown: the whole instance goes. */
    void (*release)(struct td_stack *st, struct sock *so, bool teardown);
};

struct sock {
    const struct sock_ops *ops;
    uint32_t refs;         /* handles, and whoever holds it over a call that may close it */
    uint32_t id;           /* connection id of journal and tables; never reused */
    int first_handle;      /* its handles are a list through struct handle; -1 = none */
    uint32_t notifiers : 25; /* handles with a callback */
    uint32_t type : 4;     /* SOCK_STREAM … */
    bool marked : 1;       /* in the list of those to be notified */
    uint8_t protocol;      /* IPPROTO_TCP … */
    /* Options of SOL_SOCKET that all kinds keep */
    bool reuseaddr, reuseport, broadcast, dontroute, keepalive, oobinline, no_check;
    uint32_t ifindex;      /* SO_BINDTODEVICE; 0 = none */
    uint32_t owner;        /* td_socket_owner's number */
    struct sock *mark_next, **mark_prev;
    struct sock_rare *rare; /* NULL: nothing of it is set */
};

struct sock_rare { /* kept and told: nothing blocks here */
    int64_t timeout_us[2]; /* SO_RCVTIMEO, SO_SNDTIMEO */
    int rcvlowat;          /* SO_RCVLOWAT of all but streams; 0 = 1 */
    int priority;          /* SO_PRIORITY */
};

struct handle {
    struct sock *so;       /* NULL = free */
    td_notify *fn;
    void *ctx;
    int next;              /* next handle of the same socket; -1 = none */
    uint32_t pass;         /* the last pass of notify.c that called it */
};

struct handles {           /* handles.c */
    struct handle *tab;
    uint64_t *used;        /* a bit a handle */
    uint64_t *full;        /* a bit a word of used[] that has no free bit */
    uint32_t cap, count;
};

struct sockets {
    struct handles handles;
    uint32_t last_id;
    uint32_t owner;        /* whom new sockets belong to */
    struct sock *marked, **marked_tail;
    struct sock *current;      /* whose callbacks run now; NULL when one of them ended it */
    uint32_t nmarked;
    uint32_t pass;         /* counts the sockets notified; never 0 */
    struct hash ping;      /* ping.c: by identifier */
    struct table table;
};

/* ---- handles.c ---- */
/* Makes sure that the next handle_open succeeds: 0, -EMFILE (knob), -ENOMEM. */
int handle_reserve(struct td_stack *st);
/* The lowest free handle, now so's (takes a reference). -EMFILE (knob), -ENOMEM. */
int handle_open(struct td_stack *st, struct sock *so);
void handle_close(struct td_stack *st, int s); /* drops the reference */
struct handle *handle_get(struct td_stack *st, int s); /* NULL: not open */
void handles_done(struct td_stack *st);

/* ---- sockets.c ---- */
void sock_init(struct td_stack *st, struct sock *so, const struct sock_ops *ops, int type,
               int protocol); /* one reference; nobody's yet */
struct endpoint_user sock_user(const struct sock *so);
void sock_ref(struct sock *so);
void sock_unref(struct td_stack *st, struct sock *so);
/* Fills a caller's sockaddr as Linux does: at most *len bytes, *len = 16. */
void sock_put_name(struct sock_name name, struct sockaddr *sa, socklen_t *len);
/* AF_INET address of at least 16 bytes: 0, -EINVAL, -EAFNOSUPPORT. */
int sock_get_name(const struct sockaddr *sa, socklen_t len, struct sock_name *out);

/* ---- notify.c ---- */
/* The poll mask of so may have gained bits: its callbacks run at the end of flush. */
void sock_mark(struct td_stack *st, struct sock *so);
void sock_unmark(struct td_stack *st, struct sock *so);

/* ---- options.c ---- */
int sock_set_priority(struct td_stack *st, struct sock *so, int priority); /* -ENOMEM */
int sock_priority(const struct sock *so);
int option_int(const void *v, socklen_t len, int *out);    /* -EINVAL when shorter than an int */
/* IPPROTO_IP's integers: a byte will do too. */
int option_ip_int(const void *v, socklen_t len, int *out);
int option_put(const void *src, socklen_t size, void *v, socklen_t *len);
int option_put_int(int value, void *v, socklen_t *len);
int option_put_ip_int(int value, void *v, socklen_t *len); /* one byte when the caller has no more */

/* ---- the kinds ---- */
void stream_init(struct td_stack *st);
struct sock *stream_new(struct td_stack *st, int *err);
struct sock *dgram_new_udp(struct td_stack *st, int *err);
struct sock *dgram_new_ping(struct td_stack *st, int *err);
int ping_init(struct td_stack *st);
void ping_done(struct td_stack *st);

#endif
