/* socket/dgram_options.c: the options of IPPROTO_IP, and the SOL_SOCKET options that only datagram
 * sockets answer. Numbers, value shapes and errors are Linux's (ip(7), socket(7)); every value's
 * length is checked before it is read.
 */
#include "socket/dgram.h"

#include <errno.h>
#include <string.h>

/* Kernel-side bookkeeping costs count too, so the kernel doubles what is asked for (socket(7)); the
 * floors are Linux's. */
#define RCVBUF_MIN 2304
#define SNDBUF_MIN 4608

#ifndef IP_ORIGDSTADDR
#define IP_ORIGDSTADDR 20
#endif

int dgram_check_options(const void *v, socklen_t len, uint8_t out[40], uint8_t *out_len)
{
    if (len > 40 || (len > 0 && v == NULL)) {
        return -EINVAL;
    }
    struct ipv4_hdr h = {.opt_len = (uint8_t)((len + 3) / 4 * 4)};
    h.hlen = (uint8_t)(IPV4_HLEN + h.opt_len);
    if (len > 0) {
        memcpy(h.opt, v, len);
    }
    unsigned pointer;
    if (ipv4_options_check(&h, &pointer) != WIRE_OK) {
        return -EINVAL;
    }
    memcpy(out, h.opt, sizeof h.opt);
    *out_len = h.opt_len;
    return 0;
}

static int set_range(uint8_t *field, int value, int low, int high)
{
    if (value < low || value > high) {
        return -EINVAL;
    }
    *field = (uint8_t)value;
    return 0;
}

static void set_recv(struct dgram *d, enum dgram_recv bit, int on)
{
    d->recv = (uint8_t)(on != 0 ? d->recv | bit : d->recv & ~bit);
}

static int buffer_size(int value, int64_t most, int least)
{
    int64_t bytes = value < 0 ? most : value;
    bytes = (bytes > most ? most : bytes) * 2;
    if (bytes > INT32_MAX) {
        bytes = INT32_MAX;
    }
    return bytes < least ? least : (int)bytes;
}

static int dgram_set_socket(struct td_stack *st, struct dgram *d, int name, const void *v,
                            socklen_t len)
{
    int value;
    int err = option_int(v, len, &value);
    if (err != 0) {
        return err;
    }
    switch (name) {
    case SO_RCVBUF:
        d->rcvbuf = buffer_size(value, knob(st, RMEM_MAX), RCVBUF_MIN);
        return 0;
    case SO_SNDBUF:
        d->sndbuf = buffer_size(value, knob(st, WMEM_MAX), SNDBUF_MIN);
        return 0;
    case SO_RXQ_OVFL:
        set_recv(d, DGRAM_RECV_OVFL, value);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int dgram_set_ip_int(struct dgram *d, int name, int value)
{
    switch (name) {
    case IP_TTL: /* -1: back to the default */
        return value == -1 ? set_range(&d->ttl, 0, 0, 0) : set_range(&d->ttl, value, 1, 255);
    case IP_TOS:
        d->tos = (uint8_t)value; /* as in Linux, only the low octet counts */
        return 0;
    case IP_PKTINFO:
        set_recv(d, DGRAM_RECV_PKTINFO, value);
        return 0;
    case IP_RECVTTL:
        set_recv(d, DGRAM_RECV_TTL, value);
        return 0;
    case IP_RECVTOS:
        set_recv(d, DGRAM_RECV_TOS, value);
        return 0;
    case IP_RECVOPTS:
        set_recv(d, DGRAM_RECV_OPTS, value);
        return 0;
    case IP_ORIGDSTADDR:
        set_recv(d, DGRAM_RECV_DSTADDR, value);
        return 0;
    case IP_MTU_DISCOVER:
        return set_range(&d->pmtu, value, UDP_PMTU_DONT, UDP_PMTU_PROBE);
    case IP_MULTICAST_TTL:
        return value == -1 ? set_range(&d->mcast_ttl, 1, 1, 1)
                           : set_range(&d->mcast_ttl, value, 0, 255);
    case IP_MULTICAST_LOOP:
        d->mcast_loop = value != 0;
        return 0;
    case IP_MULTICAST_ALL:
        if (value != 0 && value != 1) {
            return -EINVAL;
        }
        d->mcast_all = value != 0;
        return 0;
    case IP_RECVERR:
        d->recverr = value != 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int dgram_set_ip(struct td_stack *st, struct dgram *d, int name, const void *v,
                        socklen_t len)
{
    int err;
    switch (name) {
    case IP_OPTIONS:
        return dgram_check_options(v, len, d->opt, &d->opt_len);
    case IP_ADD_MEMBERSHIP:
        return dgram_join(st, d, v, len, true);
    case IP_DROP_MEMBERSHIP:
        return dgram_join(st, d, v, len, false);
    case IP_MULTICAST_IF:
        err = dgram_set_mcast_if(st, d, v, len);
        break;
    default: {
        int value;
        err = option_ip_int(v, len, &value);
        if (err == 0) {
            err = dgram_set_ip_int(d, name, value);
        }
        if (err == 0 && name == IP_RECVERR && !d->recverr) {
            dgram_errors_clear(st, d);
        }
        break;
    }
    }
    return err != 0 ? err : dgram_apply_opts(st, &d->so);
}

int dgram_setopt(struct td_stack *st, struct sock *so, int level, int name, const void *v,
                 socklen_t len)
{
    switch (level) {
    case SOL_SOCKET:
        return dgram_set_socket(st, dgram_of(so), name, v, len);
    case IPPROTO_IP:
        return dgram_set_ip(st, dgram_of(so), name, v, len);
    default:
        return -ENOPROTOOPT;
    }
}

/* ---- reading ---- */

static int dgram_get_mtu(struct td_stack *st, const struct dgram *d, void *v, socklen_t *len)
{
    struct udp_addrs a = d->proto->addrs(d);
    struct ip_route_result r;
    if (a.raddr == 0 || ip_route(st, a.raddr, a.laddr, d->so.ifindex, &r) != 0) {
        return -ENOTCONN;
    }
    return option_put_ip_int((int)r.mtu, v, len);
}

static int dgram_get_mcast_if(const struct dgram *d, void *v, socklen_t *len)
{
    uint8_t b[4];
    wire_put32(b, d->mcast_addr);
    return option_put(b, sizeof b, v, len);
}

static int dgram_get_ip(struct td_stack *st, const struct dgram *d, int name, void *v,
                        socklen_t *len)
{
    int value;
    switch (name) {
    case IP_OPTIONS:
        return option_put(d->opt, d->opt_len, v, len);
    case IP_MTU:
        return dgram_get_mtu(st, d, v, len);
    case IP_MULTICAST_IF:
        return dgram_get_mcast_if(d, v, len);
    case IP_TTL:
        value = d->ttl != 0 ? d->ttl : (int)knob(st, IP_DEFAULT_TTL);
        break;
    case IP_TOS:
        value = d->tos;
        break;
    case IP_PKTINFO:
        value = (d->recv & DGRAM_RECV_PKTINFO) != 0;
        break;
    case IP_RECVTTL:
        value = (d->recv & DGRAM_RECV_TTL) != 0;
        break;
    case IP_RECVTOS:
        value = (d->recv & DGRAM_RECV_TOS) != 0;
        break;
    case IP_RECVOPTS:
        value = (d->recv & DGRAM_RECV_OPTS) != 0;
        break;
    case IP_ORIGDSTADDR:
        value = (d->recv & DGRAM_RECV_DSTADDR) != 0;
        break;
    case IP_MTU_DISCOVER:
        value = d->pmtu;
        break;
    case IP_MULTICAST_TTL:
        value = d->mcast_ttl;
        break;
    case IP_MULTICAST_LOOP:
        value = d->mcast_loop;
        break;
    case IP_MULTICAST_ALL:
        value = d->mcast_all;
        break;
    case IP_RECVERR:
        value = d->recverr;
        break;
    default:
        return -ENOPROTOOPT;
    }
    return option_put_ip_int(value, v, len);
}

int dgram_getopt(struct td_stack *st, struct sock *so, int level, int name, void *v, socklen_t *len)
{
    const struct dgram *d = dgram_of(so);
    if (level == IPPROTO_IP) {
        return dgram_get_ip(st, d, name, v, len);
    }
    if (level != SOL_SOCKET) {
        return -ENOPROTOOPT;
    }
    switch (name) {
    case SO_RCVBUF:
        return option_put_int(d->rcvbuf, v, len);
    case SO_SNDBUF:
        return option_put_int(d->sndbuf, v, len);
    case SO_RXQ_OVFL:
        return option_put_int((d->recv & DGRAM_RECV_OVFL) != 0, v, len);
    case SO_LINGER: {
        const struct linger off = {0};
        return option_put(&off, sizeof off, v, len);
    }
    default:
        return -ENOPROTOOPT;
    }
}
