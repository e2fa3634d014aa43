/* socket/options.c: setsockopt and getsockopt of SOL_SOCKET (socket(7)).
 *
 * Theory of operation. What every kind of socket keeps in the same way is answered here; the rest
 * goes to the kind (dgram_options.c, TCP). No value is read before its length is checked, and none
 * is written beyond the length the caller gave.
 */
#include "socket/socket_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>

int option_int(const void *v, socklen_t len, int *out)
{
    if (v == NULL || len < sizeof *out) {
        return -EINVAL;
    }
    memcpy(out, v, sizeof *out);
    return 0;
}

int option_ip_int(const void *v, socklen_t len, int *out)
{
    if (v != NULL && len >= 1 && len < sizeof *out) {
        *out = *(const uint8_t *)v;
        return 0;
    }
    return option_int(v, len, out);
}

int option_put(const void *src, socklen_t size, void *v, socklen_t *len)
{
    if (*len > size) {
        *len = size;
    }
    if (*len > 0) {
        memcpy(v, src, *len);
    }
    return 0;
}

int option_put_int(int value, void *v, socklen_t *len)
{
    return option_put(&value, sizeof value, v, len);
}

int option_put_ip_int(int value, void *v, socklen_t *len)
{
    if (*len > 0 && *len < sizeof value && value >= 0 && value <= 255) {
        uint8_t b = (uint8_t)value;
        return option_put(&b, 1, v, len);
    }
    return option_put_int(value, v, len);
}

/* ---- setting ---- */

static int set_device(struct td_stack *st, struct sock *so, const void *v, socklen_t len)
{
    char name[NETIF_NAME_LEN] = {0};
    if (len > 0 && v == NULL) {
        return -EFAULT;
    }
    memcpy(name, v != NULL ? v : "", len < sizeof name - 1 ? len : sizeof name - 1);
    uint32_t ifindex = 0;
    if (name[0] != '\0') {
        const struct netif *nif = netif_by_name(st, name);
        if (nif == NULL) {
            return -ENODEV;
        }
        ifindex = nif->index;
    }
    uint32_t before = so->ifindex;
    so->ifindex = ifindex;
    int err = so->ops->changed(st, so);
    if (err != 0) {
        so->ifindex = before;
    }
    return err;
}

static struct sock_rare *rare(struct td_stack *st, struct sock *so) /* NULL: no memory */
{
    if (so->rare == NULL) {
        so->rare = mem_alloc(&st->mem, MEM_SOCKET, sizeof *so->rare);
    }
    return so->rare;
}

int sock_priority(const struct sock *so)
{
    return so->rare != NULL ? so->rare->priority : 0;
}

int sock_set_priority(struct td_stack *st, struct sock *so, int priority)
{
    if (priority == sock_priority(so)) {
        return 0;
    }
    if (rare(st, so) == NULL) {
        return -ENOMEM;
    }
    so->rare->priority = priority;
    return 0;
}

static int set_timeout(struct td_stack *st, struct sock *so, int which, const void *v,
                       socklen_t len)
{
    struct timeval tv;
    if (v == NULL || len < sizeof tv) {
        return -EINVAL;
    }
    memcpy(&tv, v, sizeof tv);
    if (tv.tv_usec < 0 || tv.tv_usec >= 1000000) {
        return -EDOM;
    }
    int64_t most = INT64_MAX / 1000000 - 1;
    int64_t seconds = tv.tv_sec < 0 ? 0 : tv.tv_sec > most ? most : tv.tv_sec;
    struct sock_rare *r = rare(st, so);
    if (r == NULL) {
        return -ENOMEM;
    }
    r->timeout_us[which] = seconds * 1000000 + tv.tv_usec;
    return 0;
}

/* The field of a yes-or-no option that is kept here, or NULL. */
static bool *bool_option(struct sock *so, int name)
{
    switch (name) {
    case SO_REUSEADDR:
        return &so->reuseaddr;
    case SO_REUSEPORT:
        return &so->reuseport;
    case SO_BROADCAST:
        return &so->broadcast;
    case SO_DONTROUTE:
        return &so->dontroute;
    case SO_NO_CHECK:
        return &so->no_check;
    case SO_KEEPALIVE: /* TCP keeps its own */
        return so->type == SOCK_STREAM ? NULL : &so->keepalive;
    case SO_OOBINLINE:
        return so->type == SOCK_STREAM ? NULL : &so->oobinline;
    default:
        return NULL;
    }
}

static int set_socket(struct td_stack *st, struct sock *so, int name, const void *v, socklen_t len)
{
    switch (name) {
    case SO_BINDTODEVICE:
        return set_device(st, so, v, len);
    case SO_RCVTIMEO:
    case SO_SNDTIMEO:
        return set_timeout(st, so, name == SO_SNDTIMEO, v, len);
    case SO_TYPE: /* can only be read */
    case SO_DOMAIN:
    case SO_PROTOCOL:
    case SO_ERROR:
    case SO_ACCEPTCONN:
        return -ENOPROTOOPT;
    default:
        break;
    }
    int value;
    int err;
    bool *flag = bool_option(so, name);
    if (flag != NULL) {
        err = option_int(v, len, &value);
        if (err != 0) {
            return err;
        }
        *flag = value != 0;
        return so->ops->changed(st, so);
    }
    switch (name) {
    case SO_PRIORITY:
        err = option_int(v, len, &value);
        return err == 0 ? sock_set_priority(st, so, value) : err;
    case SO_RCVLOWAT:
        if (so->type == SOCK_STREAM) { /* TCP keeps its own */
            return so->ops->setopt(st, so, SOL_SOCKET, name, v, len);
        }
        err = option_int(v, len, &value);
        if (err == 0) {
            if (rare(st, so) == NULL) {
                return -ENOMEM;
            }
            so->rare->rcvlowat = value < 0 ? INT32_MAX : value == 0 ? 1 : value;
        }
        return err;
    default:
        return so->ops->setopt(st, so, SOL_SOCKET, name, v, len);
    }
}

int socket_setopt(struct td_stack *st, int s, int level, int name, const void *v, socklen_t len)
{
    struct handle *h = handle_get(st, s);
    if (h == NULL) {
        return -EBADF;
    }
    if (len > INT32_MAX) { /* a negative length */
        return -EINVAL;
    }
    return level == SOL_SOCKET ? set_socket(st, h->so, name, v, len)
                               : h->so->ops->setopt(st, h->so, level, name, v, len);
}

/* ---- reading ---- */

static int get_device(struct td_stack *st, const struct sock *so, void *v, socklen_t *len)
{
    const struct netif *nif = so->ifindex != 0 ? netif_by_index(st, so->ifindex) : NULL;
    if (nif == NULL) {
        *len = 0;
        return 0;
    }
    if (*len < NETIF_NAME_LEN) {
        return -EINVAL;
    }
    return option_put(nif->name, (socklen_t)(strlen(nif->name) + 1), v, len);
}

static int rcvlowat(const struct sock *so)
{
    return so->rare != NULL && so->rare->rcvlowat != 0 ? so->rare->rcvlowat : 1;
}

static int get_timeout(const struct sock *so, int which, void *v, socklen_t *len)
{
    int64_t us = so->rare != NULL ? so->rare->timeout_us[which] : 0;
    struct timeval tv = {
        .tv_sec = (time_t)(us / 1000000),
        .tv_usec = (suseconds_t)(us % 1000000),
    };
    return option_put(&tv, sizeof tv, v, len);
}

static int get_socket(struct td_stack *st, struct sock *so, int name, void *v, socklen_t *len)
{
    const bool *flag = bool_option(so, name);
    if (flag != NULL) {
        return option_put_int(*flag, v, len);
    }
    switch (name) {
    case SO_TYPE:
        return option_put_int(so->type, v, len);
    case SO_DOMAIN:
        return option_put_int(AF_INET, v, len);
    case SO_PROTOCOL:
        return option_put_int(so->protocol, v, len);
    case SO_ERROR:
        return option_put_int(so->ops->error(so), v, len);
    case SO_ACCEPTCONN:
        return option_put_int(so->ops->listening(so), v, len);
    case SO_PRIORITY:
        return option_put_int(sock_priority(so), v, len);
    case SO_RCVLOWAT:
        return so->type == SOCK_STREAM ? so->ops->getopt(st, so, SOL_SOCKET, name, v, len)
                                       : option_put_int(rcvlowat(so), v, len);
    case SO_SNDLOWAT:
        return option_put_int(1, v, len);
    case SO_RCVTIMEO:
    case SO_SNDTIMEO:
        return get_timeout(so, name == SO_SNDTIMEO, v, len);
    case SO_BINDTODEVICE:
        return get_device(st, so, v, len);
    default:
        return so->ops->getopt(st, so, SOL_SOCKET, name, v, len);
    }
}

int socket_getopt(struct td_stack *st, int s, int level, int name, void *v, socklen_t *len)
{
    struct handle *h = handle_get(st, s);
    if (h == NULL) {
        return -EBADF;
    }
    if (v == NULL || len == NULL) {
        return -EFAULT;
    }
    if (*len > INT32_MAX) {
        return -EINVAL;
    }
    return level == SOL_SOCKET ? get_socket(st, h->so, name, v, len)
                               : h->so->ops->getopt(st, h->so, level, name, v, len);
}
