/* tapdeckd/errqueue.c: reading a socket's error queue. */
#include "tapdeckd/errqueue.h"

#include <string.h>

bool errqueue_read(struct td_stack *st, int s, struct queued_error *e)
{
    union {
        char bytes[512];
        struct cmsghdr align;
    } control;
    struct sockaddr_in to = {0};
    struct iovec iov = {e->quoted, sizeof(e->quoted)};
    struct msghdr m = {.msg_name = &to,
                       .msg_namelen = sizeof(to),
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    int64_t n = td_recvmsg(st, s, &m, MSG_ERRQUEUE);
    if (n < 0)
        return false;
    memset(&e->ee, 0, sizeof(e->ee));
    e->from = 0;
    e->port = ntohs(to.sin_port);
    e->quoted_len = (size_t)n;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
        struct {
            struct sock_extended_err ee;
            struct sockaddr_in from;
        } told;
        if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR ||
            c->cmsg_len < CMSG_LEN(sizeof(told)))
            continue;
        memcpy(&told, CMSG_DATA(c), sizeof(told));
        e->ee = told.ee;
        e->from = ntohl(told.from.sin_addr.s_addr);
    }
    return true;
}
