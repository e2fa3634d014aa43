/* tapdeck/socket.h: the non-blocking BSD-like socket layer that every application uses.
 *
 * Handles are small integers, reference-counted (td_dup), lowest free first. Constants, option
 * numbers, struct shapes and errno values are Linux's: sockaddr_in (network order inside, as
 * always), iovec, msghdr with control messages (IP_PKTINFO, IP_TTL, IP_TOS, IP_RECVOPTS,
 * IP_RECVERR), tcp_info. No call ever blocks: what would block returns -EAGAIN (connect:
 * -EINPROGRESS). Readiness is a level-triggered poll mask that can always be read (td_poll); its
 * edges are notified: the callback runs at the end of td_stack_flush, never inside a call, and may
 * make any call itself.
 */
#ifndef TAPDECK_SOCKET_H
#define TAPDECK_SOCKET_H

#include "tapdeck/types.h"
#include <sys/socket.h>
#include <netinet/in.h>
#include <poll.h>

/* AF_INET; SOCK_STREAM, SOCK_DGRAM (UDP, or protocol IPPROTO_ICMP: a ping socket whose payload is
 * the ICMP message and whose "port" is the identifier). -EAFNOSUPPORT, -EPROTONOSUPPORT, -EMFILE. */
int td_socket(struct td_stack *st, int domain, int type, int protocol);
int td_bind(struct td_stack *st, int s, const struct sockaddr *sa, socklen_t len);
int td_listen(struct td_stack *st, int s, int backlog);
int td_accept(struct td_stack *st, int s, struct sockaddr *sa, socklen_t *len);
int td_connect(struct td_stack *st, int s, const struct sockaddr *sa, socklen_t len);
int64_t td_sendmsg(struct td_stack *st, int s, const struct msghdr *m, int flags);
int64_t td_recvmsg(struct td_stack *st, int s, struct msghdr *m, int flags);
int td_shutdown(struct td_stack *st, int s, int how);
int td_close(struct td_stack *st, int s);
int td_dup(struct td_stack *st, int s);
int td_setsockopt(struct td_stack *st, int s, int level, int name, const void *v, socklen_t len);
int td_getsockopt(struct td_stack *st, int s, int level, int name, void *v, socklen_t *len);
int td_getsockname(struct td_stack *st, int s, struct sockaddr *sa, socklen_t *len);
int td_getpeername(struct td_stack *st, int s, struct sockaddr *sa, socklen_t *len);
/* SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK: value in *out. */
int td_ioctl(struct td_stack *st, int s, unsigned long request, int *out);

/* Present readiness: POLLIN POLLOUT POLLERR POLLHUP POLLRDHUP POLLPRI; -EBADF. */
int td_poll(struct td_stack *st, int s);
/* fn(ctx, st, s, mask): mask is td_poll's at the moment of the call. One per handle; NULL removes. */
typedef void td_notify(void *ctx, struct td_stack *st, int s, int mask);
int td_set_notify(struct td_stack *st, int s, td_notify *fn, void *ctx);

/* Conveniences over sendmsg and recvmsg. */
int64_t td_send(struct td_stack *st, int s, const void *buf, size_t len, int flags);
int64_t td_recv(struct td_stack *st, int s, void *buf, size_t len, int flags);
int64_t td_sendto(struct td_stack *st, int s, const void *buf, size_t len, int flags, td_ip4 addr,
                  uint16_t port);
/* addr and port may be NULL. */
int64_t td_recvfrom(struct td_stack *st, int s, void *buf, size_t len, int flags, td_ip4 *addr,
                    uint16_t *port);
/* A sockaddr_in from host-order address and port. */
struct sockaddr_in td_sockaddr(td_ip4 addr, uint16_t port);

/* Sockets opened from now on belong to `owner`, a number that only the embedding program understands (0: to
 * nobody), and so do the connections they accept and what is opened in their notifications. The tables tcp, udp
 * and socket show it. */
void td_socket_owner(struct td_stack *st, uint32_t owner);

/* Ends what has exactly these ends, whoever owns it, as Linux's SOCK_DESTROY (ss -K): a connection is reset, a
 * listener or half-open connection closed, a TIME-WAIT forgotten, a datagram socket disconnected; an owner gets
 * ECONNABORTED. How many; -ENOENT, -EPROTONOSUPPORT. */
struct td_ends {
    uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
    td_ip4 laddr, raddr;
    uint16_t lport, rport;
};
int td_socket_destroy(struct td_stack *st, const struct td_ends *which);

/* The connection id the journal, `ss` and `why` use for this handle; 0 = bad handle. */
uint32_t td_socket_id(struct td_stack *st, int s);

#endif
