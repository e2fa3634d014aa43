/* socket/sockets.c: the socket calls.
 *
 * Theory of operation. Each call finds its socket by handle, checks what can be checked without
 * knowing the protocol (addresses, lengths, iovecs, flags), and dispatches to the kind of socket:
 * stream.c over TCP, dgram.c over UDP and for ping sockets. No call blocks. Errors are Linux's
 * errno values, negated, in Linux's order of checks where that can be observed.
 *
 * A socket lives as long as a handle stands for it (td_dup makes more) or a notification runs on
 * it. When the last one goes, the kind's release() closes the protocol's end; a TCP connection may
 * well live on in tcp/ without a socket.
 */
#include "socket/socket_internal.h"
#include "tcp/tcp.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define SOCKET_IOV_MAX 1024 /* UIO_MAXIOV */

/* ---- sockets and names ---- */

void sock_init(struct td_stack *st, struct sock *so, const struct sock_ops *ops, int type,
               int protocol)
{
    so->ops = ops;
    so->refs = 1;
    so->id = ++st->sockets->last_id;
    so->type = (uint32_t)type & 15U;
    so->protocol = (uint8_t)protocol;
    so->first_handle = -1;
}

void sock_ref(struct sock *so)
{
    so->refs++;
}

static void rare_free(struct td_stack *st, struct sock *so)
{
    mem_free(&st->mem, MEM_SOCKET, so->rare, sizeof *so->rare);
    so->rare = NULL;
}

void sock_unref(struct td_stack *st, struct sock *so)
{
    if (--so->refs == 0) {
        sock_unmark(st, so);
        rare_free(st, so);
        if (st->sockets->current == so) {
            st->sockets->current = NULL;
        }
        JOURNAL(st, EV_SOCKET_CLOSE, &((struct journal_subject){.conn = so->id}), so->id);
        so->ops->release(st, so, false);
    }
}

int sock_get_name(const struct sockaddr *sa, socklen_t len, struct sock_name *out)
{
    struct sockaddr_in in;
    if (sa == NULL || len < sizeof in) {
        return -EINVAL;
    }
    memcpy(&in, sa, sizeof in);
    if (in.sin_family != AF_INET) {
        return -EAFNOSUPPORT;
    }
    uint8_t b[6];
    memcpy(b, &in.sin_addr, 4);
    memcpy(b + 4, &in.sin_port, 2);
    out->addr = wire_get32(b);
    out->port = wire_get16(b + 4);
    return 0;
}

void sock_put_name(struct sock_name name, struct sockaddr *sa, socklen_t *len)
{
    if (sa == NULL || len == NULL) {
        return;
    }
    uint8_t b[6];
    wire_put32(b, name.addr);
    wire_put16(b + 4, name.port);
    struct sockaddr_in in = {.sin_family = AF_INET};
    memcpy(&in.sin_addr, b, 4);
    memcpy(&in.sin_port, b + 4, 2);
    memcpy(sa, &in, *len < sizeof in ? *len : sizeof in);
    *len = sizeof in;
}

static struct sock *sock_get(struct td_stack *st, int s)
{
    struct handle *h = handle_get(st, s);
    return h == NULL ? NULL : h->so;
}

/* Bytes of all iovecs: SSIZE_MAX at most. */
static int iov_total(const struct msghdr *m, size_t *total)
{
    if (m == NULL) {
        return -EFAULT;
    }
    if (m->msg_iovlen > SOCKET_IOV_MAX) {
        return -EMSGSIZE;
    }
    if (m->msg_iovlen > 0 && m->msg_iov == NULL) {
        return -EFAULT;
    }
    size_t sum = 0;
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        size_t n = m->msg_iov[i].iov_len;
        if (n > (size_t)SSIZE_MAX - sum) {
            return -EINVAL;
        }
        if (n > 0 && m->msg_iov[i].iov_base == NULL) {
            return -EFAULT;
        }
        sum += n;
    }
    *total = sum;
    return 0;
}

struct endpoint_user sock_user(const struct sock *so)
{
    return (struct endpoint_user){.handle = so->first_handle, .owner = so->owner};
}

/* The number itself is no state of the stack's: a call that opens a socket carries it (TD_CALL_SOCKET). */
uint32_t socket_owner(const struct td_stack *st)
{
    return st->sockets->owner;
}

void socket_set_owner(struct td_stack *st, uint32_t owner)
{
    st->sockets->owner = owner;
}

/* ---- the calls ---- */

int socket_open(struct td_stack *st, int domain, int type, int protocol, uint32_t owner)
{
    if (domain != AF_INET) {
        return -EAFNOSUPPORT;
    }
    type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC); /* true of every socket here */
    struct sock *so = NULL;
    int err = -EPROTONOSUPPORT;
    if (type == SOCK_STREAM) {
        if (protocol == 0 || protocol == IPPROTO_TCP) {
            so = stream_new(st, &err);
        }
    } else if (type == SOCK_DGRAM) {
        if (protocol == 0 || protocol == IPPROTO_UDP) {
            so = dgram_new_udp(st, &err);
        } else if (protocol == IPPROTO_ICMP) {
            so = dgram_new_ping(st, &err);
        }
    } else {
        err = -ESOCKTNOSUPPORT;
    }
    if (so == NULL) {
        return err;
    }
    so->owner = owner;
    int s = handle_open(st, so);
    if (s >= 0) {
        JOURNAL(st, EV_SOCKET_OPEN, &((struct journal_subject){.conn = so->id}), so->id,
                (uint64_t)so->protocol, (uint64_t)s);
    }
    sock_unref(st, so);
    return s;
}

int socket_bind(struct td_stack *st, int s, const struct sockaddr *sa, socklen_t len)
{
    struct sock *so = sock_get(st, s);
    if (so == NULL) {
        return -EBADF;
    }
    struct sock_name name;
    int err = sock_get_name(sa, len, &name);
    return err != 0 ? err : so->ops->bind(st, so, name);
}

int socket_listen(struct td_stack *st, int s, int backlog)
{
    struct sock *so = sock_get(st, s);
    if (so == NULL) {
        return -EBADF;
    }
    return so->ops->listen == NULL ? -EOPNOTSUPP : so->ops->listen(st, so, backlog);
}

int socket_accept(struct td_stack *st, int s, struct sockaddr *sa, socklen_t *len)
{
    struct sock *so = sock_get(st, s);
    if (so == NULL) {
        return -EBADF;
    }
    if (so->ops->accept == NULL) {
        return -EOPNOTSUPP;
    }
    int h = handle_reserve(st); /* before a connection is taken that nobody could then have */
    if (h != 0) {
        return h;
    }
    struct sock *child;
    struct sock_name peer;
    int err = so->ops->accept(st, so, &child, &peer);
    if (err != 0) {
        return err;
    }
    child->owner = so->owner;
    h = handle_open(st, child);
    sock_unref(st, child);
    sock_put_name(peer, sa, len);
    return h;
}

int socket_connect(struct td_stack *st, int s, const struct sockaddr *sa, socklen_t len)
{
    struct sock *so = sock_get(st, s);
    if (so == NULL) {
        return -EBADF;
    }
    sa_family_t family;
    if (sa == NULL || len < sizeof family) {
        return -EINVAL;
    }
    memcpy(&family, sa, sizeof family);
    if (family == AF_UNSPEC) {
        return so->ops->connect(st, so, NULL);
    }
    struct sock_name name;
    int err = sock_get_name(sa, len, &name);
    if (err != 0) {
        return err;
    }
    if (name.addr == 0) {
        name.addr = INADDR_LOOPBACK; /* connecting to "any" means this host */
    }
    return so->ops->connect(st, so, &name);
}

int64_t socket_sendmsg(struct td_stack *st, int s, const struct msghdr *m, int flags)
{
    struct sock *so = sock_get(st, s);
    if (so == NULL) {
        return -EBADF;
    }
    size_t total;
    int err = iov_total(m, &total);
    return err != 0 ? err : so->ops->sendmsg(st, so, m, total, flags);
}

int64_t socket_recvmsg(struct td_stack *st, int s, struct msghdr *m, int flags)
{
    struct sock *so = sock_get(st, s);
    if (so == NULL) {
        return -EBADF;
    }
    size_t total;
    int err = iov_total(m, &total);
    if (err != 0) {
        return err;
    }
    m->msg_flags = 0;
    return so->ops->recvmsg(st, so, m, total, flags);
}

int socket_shutdown(struct td_stack *st, int s, int how)
{
    struct sock *so = sock_get(st, s);
    if (so == NULL) {
        return -EBADF;
    }
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        return -EINVAL;
    }
    int err = so->ops->shutdown(st, so, how);
    sock_mark(st, so);
    return err;
}

int socket_close(struct td_stack *st, int s)
{
    if (handle_get(st, s) == NULL) {
        return -EBADF;
    }
    handle_close(st, s);
    return 0;
}

int socket_dup(struct td_stack *st, int s)
{
    struct sock *so = sock_get(st, s);
    return so == NULL ? -EBADF : handle_open(st, so);
}

int socket_getname(struct td_stack *st, int s, bool peer, struct sockaddr *sa, socklen_t *len)
{
    struct sock *so = sock_get(st, s);
    if (so == NULL) {
        return -EBADF;
    }
    if (sa == NULL || len == NULL) {
        return -EFAULT;
    }
    struct sock_name name;
    int err = so->ops->getname(st, so, peer, &name);
    if (err == 0) {
        sock_put_name(name, sa, len);
    }
    return err;
}

int socket_ioctl(struct td_stack *st, int s, unsigned long request, int *out)
{
    struct sock *so = sock_get(st, s);
    if (so == NULL) {
        return -EBADF;
    }
    return out == NULL ? -EFAULT : so->ops->ioctl(st, so, request, out);
}

int socket_poll(struct td_stack *st, int s)
{
    struct sock *so = sock_get(st, s);
    return so == NULL ? -EBADF : (int)so->ops->poll(so);
}

uint32_t socket_id(struct td_stack *st, int s)
{
    struct sock *so = sock_get(st, s);
    return so == NULL ? 0 : so->id;
}

int socket_destroy(struct td_stack *st, const struct td_ends *which)
{
    int n;
    if (which->protocol == IPPROTO_TCP) {
        const struct tcp_addrs a = {which->laddr, which->raddr, which->lport, which->rport};
        n = tcp_destroy(st, &a);
    } else if (which->protocol == IPPROTO_UDP) {
        const struct udp_addrs a = {which->laddr, which->raddr, which->lport, which->rport};
        n = udp_destroy(st, &a);
    } else {
        return -EPROTONOSUPPORT;
    }
    return n > 0 ? n : -ENOENT;
}

/* ---- the table ---- */

enum {
    COL_HANDLE,
    COL_TYPE,
    COL_ID,
    COL_STATE,
    COL_RECVQ,
    COL_SENDQ,
    COL_LADDR,
    COL_LPORT,
    COL_RADDR,
    COL_RPORT,
    COL_OWNER,
    NCOLS
};
static const struct column socket_columns[] = {
    [COL_HANDLE] = {"handle", VAL_U64, "the application's number for the socket"},
    [COL_TYPE] = {"type", VAL_STR, "tcp, udp or icmp"},
    [COL_ID] = {"id", VAL_U64, "number of the socket, as the journal and why use it"},
    [COL_STATE] = {"state", VAL_STR, "state as ss prints it"},
    [COL_RECVQ] = {"recv-q", VAL_U64, "bytes waiting to be read"},
    [COL_SENDQ] = {"send-q", VAL_U64, "bytes sent or to be sent, not yet acknowledged"},
    [COL_LADDR] = {"local", VAL_IP4, "local address"},
    [COL_LPORT] = {"lport", VAL_U64, "local port, or identifier of a ping socket"},
    [COL_RADDR] = {"peer", VAL_IP4, "connected peer"},
    [COL_RPORT] = {"pport", VAL_U64, "port of the connected peer"},
    [COL_OWNER] = {"owner", VAL_U64, "number of the application that opened it; 0: not said"},
};

static const char *sock_type_word(const struct sock *so)
{
    switch (so->protocol) {
    case IPPROTO_TCP:
        return "tcp";
    case IPPROTO_UDP:
        return "udp";
    default:
        return "icmp";
    }
}

static bool sockets_table_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    const struct handles *h = &st->sockets->handles;
    while (*cursor < h->cap && h->tab[*cursor].so == NULL) {
        ++*cursor;
    }
    if (*cursor >= h->cap) {
        return false;
    }
    uint64_t s = (*cursor)++;
    struct sock *so = h->tab[s].so;
    uint64_t recvq = 0, sendq = 0;
    row_clear(row);
    row_u64(row, COL_HANDLE, s);
    row_word(row, COL_TYPE, sock_type_word(so));
    row_u64(row, COL_ID, so->id);
    row_word(row, COL_STATE, so->ops->state(so, &recvq, &sendq));
    row_u64(row, COL_OWNER, so->owner);
    row_u64(row, COL_RECVQ, recvq);
    row_u64(row, COL_SENDQ, sendq);
    struct sock_name name;
    if (so->ops->getname(st, so, false, &name) == 0) {
        row_ip4(row, COL_LADDR, name.addr);
        row_u64(row, COL_LPORT, name.port);
    }
    if (so->ops->getname(st, so, true, &name) == 0) {
        row_ip4(row, COL_RADDR, name.addr);
        row_u64(row, COL_RPORT, name.port);
    }
    return true;
}

/* ---- the instance ---- */

int sockets_init(struct td_stack *st)
{
    struct sockets *ss = mem_alloc(&st->mem, MEM_INSTANCE, sizeof *ss);
    if (ss == NULL) {
        return -ENOMEM;
    }
    st->sockets = ss;
    ss->marked_tail = &ss->marked;
    stream_init(st);
    ss->table = (struct table){
        .name = "socket",
        .doc = "handles of applications",
        .columns = socket_columns,
        .ncolumns = NCOLS,
        .next = sockets_table_next,
    };
    table_register(st, &ss->table);
    return ping_init(st);
}

void sockets_done(struct td_stack *st)
{
    struct sockets *ss = st->sockets;
    if (ss == NULL) {
        return;
    }
    for (uint32_t s = 0; s < ss->handles.cap; s++) {
        struct sock *so = ss->handles.tab[s].so;
        if (so != NULL && --so->refs == 0) {
            rare_free(st, so);
            so->ops->release(st, so, true);
        }
    }
    handles_done(st);
    ping_done(st);
    mem_free(&st->mem, MEM_INSTANCE, ss, sizeof *ss);
    st->sockets = NULL;
}
