/* socket/dgram.h: what datagram sockets are made of: UDP (dgram.c) and ping (ping.c). */
#ifndef SOCKET_DGRAM_H
#define SOCKET_DGRAM_H

#include "socket/socket_internal.h"

#include <linux/errqueue.h>

struct dgram;

/* The protocol under a datagram socket. */
struct dgram_proto {
    int (*bind)(struct td_stack *st, struct dgram *d, td_ip4 addr, uint16_t port);
    int (*connect)(struct td_stack *st, struct dgram *d, td_ip4 addr, uint16_t port); /* addr 0: dissolve */
    /* Consumes p. tx->dst 0: to the connected peer. */
    int (*send)(struct td_stack *st, struct dgram *d, struct pkt *p, struct ip_tx *tx,
                uint16_t dport);
    struct udp_addrs (*addrs)(const struct dgram *d);
    void (*set_opts)(struct dgram *d, const struct udp_opts *o);
    void (*release)(struct td_stack *st, struct dgram *d, bool teardown); /* frees d too */
};

struct dgram_group { /* a multicast membership */
    struct dgram_group *next;
    td_ip4 group;
    uint32_t ifindex;
};

/* One entry of the error queue (IP_RECVERR): what recvmsg(MSG_ERRQUEUE) tells. */
struct dgram_err {
    struct dgram_err *next;
    struct sock_extended_err ee;
    td_ip4 offender;       /* who sent the ICMP message; 0 = ourselves */
    struct sock_name dst;  /* where the datagram went */
    uint32_t len;
    uint8_t data[];        /* what was quoted of its payload */
};


enum dgram_recv { /* which control messages recvmsg gives */
    DGRAM_RECV_PKTINFO = 1 << 0,
    DGRAM_RECV_TTL     = 1 << 1,
    DGRAM_RECV_TOS     = 1 << 2,
    DGRAM_RECV_OPTS    = 1 << 3,
    DGRAM_RECV_DSTADDR = 1 << 4,
    DGRAM_RECV_OVFL    = 1 << 5,
};

struct dgram {
    struct sock so; /* first */
    const struct dgram_proto *proto;
    struct udp_pcb *udp;
    /* queues; their charge together is bounded by rcvbuf */
    struct pkt_queue rx;
    uint64_t charge;       /* bytes of memory that rx and errors pin */
    struct dgram_err *errors, **errors_tail;
    uint32_t drops;        /* datagrams refused since the start: SO_RXQ_OVFL */
    int error;             /* pending, positive errno */
    bool shut_rd, shut_wr;
    /* options */
    int rcvbuf, sndbuf;
    uint8_t recv;          /* enum dgram_recv */
    bool recverr, mcast_loop, mcast_all;
    uint8_t tos;
    uint8_t ttl;           /* 0 = the default */
    uint8_t mcast_ttl;
    uint8_t pmtu;          /* enum udp_pmtu */
    uint8_t opt_len;
    uint32_t mcast_ifindex;
    td_ip4 mcast_addr;
    struct dgram_group *groups;
    uint32_t ngroups;
    uint8_t opt[40];       /* IP_OPTIONS */
};

static inline struct dgram *dgram_of(struct sock *so)
{
    return container_of(so, struct dgram, so);
}
static inline const struct dgram *dgram_of_const(const struct sock *so)
{
    return container_of(so, const struct dgram, so);
}

/* ---- dgram.c ---- */
void dgram_init(struct td_stack *st, struct dgram *d, const struct dgram_proto *proto, int protocol);
/* Queues, groups: everything but d itself and the protocol's end. */
void dgram_clear(struct td_stack *st, struct dgram *d, bool teardown);
/* An ICMP error about a datagram of d. hard and connected: see ip_icmp_errno. */
void dgram_icmp_error(struct td_stack *st, struct dgram *d, int err, bool hard,
                      const struct ip_error *e, uint16_t dport);
int dgram_apply_opts(struct td_stack *st, struct sock *so); /* tells the protocol about options */

/* ---- dgram_queue.c ---- */
/* Takes a datagram: p->data at what the application reads. Consumes p unless -ENOBUFS or -ENOMEM. */
int dgram_enqueue(struct td_stack *st, struct dgram *d, struct pkt *p, const struct ip_rx *rx,
                  uint16_t sport, uint16_t dport);
int64_t dgram_recvmsg(struct td_stack *st, struct sock *so, struct msghdr *m, size_t len,
                      int flags);
/* Copies the error to the error queue: false when there is no room. */
bool dgram_enqueue_error(struct td_stack *st, struct dgram *d, const struct dgram_err *what,
                         const uint8_t *data, uint32_t len);
void dgram_errors_clear(struct td_stack *st, struct dgram *d);
void dgram_queues_clear(struct td_stack *st, struct dgram *d);
/* The iovecs' bytes, gathered into dst, which has room for them all. */
void iov_gather(const struct msghdr *m, uint8_t *dst);

/* ---- dgram_options.c ---- */
int dgram_setopt(struct td_stack *st, struct sock *so, int level, int name, const void *v,
                 socklen_t len);
int dgram_getopt(struct td_stack *st, struct sock *so, int level, int name, void *v,
                 socklen_t *len);
/* IP options as given by an application: well-formed, at most 40 bytes; *out_len is padded to 4. */
int dgram_check_options(const void *v, socklen_t len, uint8_t out[40], uint8_t *out_len);

/* ---- groups.c ---- */
int dgram_join(struct td_stack *st, struct dgram *d, const void *v, socklen_t len, bool join);
int dgram_set_mcast_if(struct td_stack *st, struct dgram *d, const void *v, socklen_t len);
bool dgram_wants_group(const void *owner, td_ip4 group, uint32_t ifindex);
void dgram_leave_all(struct td_stack *st, struct dgram *d, bool teardown);

/* ---- cmsg.c ---- */
/* What the control messages of a sendmsg ask for, into *tx (opt: 40 bytes tx->opt may point at).
 * -EINVAL: malformed, or of IPPROTO_IP and unknown. Other levels are left alone, as in Linux. */
int cmsg_parse_tx(struct td_stack *st, const struct msghdr *m, struct ip_tx *tx, uint8_t opt[40]);
/* Appends control messages to m within `room` bytes; *used counts. Sets MSG_CTRUNC. */
struct cmsg_out {
    struct msghdr *m;
    size_t room, used;
};
void cmsg_put(struct cmsg_out *o, int level, int type, const void *data, size_t len);

#endif
