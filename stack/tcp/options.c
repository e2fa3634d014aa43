/* tcp/options.c: socket options (setsockopt, getsockopt) that are TCP's to keep.
 *
 * Theory of operation. Names, numbers and value shapes are Linux's (tcp(7), socket(7), ip(7)): an
 * int, unless said otherwise; a shorter value is an error, a longer one is cut. Buffer sizes are
 * doubled when set and told doubled, as Linux does, because they count memory and not text. Setting
 * one switches its auto-tuning off.
 *
 * TCP_MAXSEG holds for a connection to come; of one that is up it tells what full segments carry.
 * TCP_INFO is in info.c; what few connections have set is in a block of its own (more.c).
 */
#include "tcp/tcp_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* Linux's, since 6.3 */
#endif

#define CC_NAME_MAX  16
#define RCVBUF_LEAST 2304
#define SNDBUF_LEAST 4608
#define CLAMP_LEAST  (RCVBUF_LEAST / 2)
#define MAXSEG_LEAST 88
#define SECONDS_MAX  32767
#define COUNT_MAX    127
#define LINGER2_MAX  120

static int set_range(int v, int low, int high, int *out)
{
    if (v < low || v > high) {
        return -EINVAL;
    }
    *out = v;
    return 0;
}

static uint32_t clamp_buffer(int v, int64_t most, uint32_t least)
{
    uint64_t n = v < 0 ? (uint64_t)most : (uint64_t)v;
    n = n > (uint64_t)most ? (uint64_t)most : n;
    n *= 2;
    return n < least ? least : n > INT32_MAX ? INT32_MAX : (uint32_t)n;
}

/* At least so much must have come before the socket is readable. The buffer must be able to hold
 * it: half of the largest at most, and if its size was left to us it grows to twice as much. */
static int set_rcvlowat(struct td_stack *st, struct tcb *t, int v)
{
    struct tcp_more *m = tcp_more(st, t);
    if (m == NULL) {
        return -ENOMEM;
    }
    uint32_t most = t->rcvbuf_locked ? t->rcvbuf_limit / 2 : (uint32_t)knob_n(st, TCP_RMEM, 2) / 2;
    uint32_t n = v < 0 ? INT32_MAX : (uint32_t)v;
    m->rcvlowat = n < most ? n : most;
    if (!t->rcvbuf_locked && m->rcvlowat > t->rcvbuf_limit / 2) {
        t->rcvbuf_limit = 2 * m->rcvlowat;
    }
    tcp_notify(st, t, 0);
    return 0;
}

/* An int or an unsigned long; all ones: no limit. */
static uint64_t pacing_rate(const void *val, uint32_t len, int v)
{
    uint64_t rate = v == -1 ? UINT64_MAX : (uint32_t)v;
    if (len == sizeof rate) {
        memcpy(&rate, val, sizeof rate);
    }
    return rate;
}

static int set_socket(struct td_stack *st, struct tcb *t, int name, const void *val, uint32_t len,
                      int v)
{
    struct linger l;
    struct tcp_more *m;
    switch (name) {
    case SO_KEEPALIVE:
        t->keepalive = v != 0;
        tcp_keepalive_update(st, t);
        return 0;
    case SO_LINGER:
        if (len < sizeof l) {
            return -EINVAL;
        }
        memcpy(&l, val, sizeof l);
        t->linger = l.l_onoff != 0;
        t->linger_s = (uint16_t)(l.l_linger < 0            ? 0
                                 : l.l_linger > UINT16_MAX ? UINT16_MAX
                                                           : l.l_linger);
        return 0;
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        t->rcvbuf_limit =
            clamp_buffer(v, name == SO_RCVBUF ? knob(st, RMEM_MAX) : INT32_MAX / 2, RCVBUF_LEAST);
        t->rcvbuf_locked = true;
        return 0;
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        t->sndbuf_limit =
            clamp_buffer(v, name == SO_SNDBUF ? knob(st, WMEM_MAX) : INT32_MAX / 2, SNDBUF_LEAST);
        t->sndbuf_locked = true;
        return 0;
    case SO_RCVLOWAT:
        return set_rcvlowat(st, t, v);
    case SO_MAX_PACING_RATE:
        m = tcp_more(st, t);
        if (m == NULL) {
            return -ENOMEM;
        }
        m->max_pacing_rate = pacing_rate(val, len, v);
        tcp_pacing_rate(t, st);
        return 0;
    case SO_MARK:
        m = tcp_more(st, t);
        if (m == NULL) {
            return -ENOMEM;
        }
        m->mark = (uint32_t)v;
        return 0;
    case SO_OOBINLINE:
        t->oob_inline = v != 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* IP_LOCAL_PORT_RANGE: the last port in the high half, the first in the low one; 0: the knob's. */
static int set_port_range(struct td_stack *st, struct tcb *t, uint32_t v)
{
    uint16_t low = (uint16_t)v, high = (uint16_t)(v >> 16);
    struct tcp_more *m = tcp_more(st, t);
    if (low != 0 && high != 0 && low > high) {
        return -EINVAL;
    }
    if (m == NULL) {
        return -ENOMEM;
    }
    m->port_low = low;
    m->port_high = high;
    return 0;
}

static int set_ip(struct td_stack *st, struct tcb *t, int name, int v)
{
    int n;
    switch (name) {
    case IP_BIND_ADDRESS_NO_PORT: /* connect chooses among more tuples than bind could */
        t->bind_no_port = v != 0;
        return 0;
    case IP_LOCAL_PORT_RANGE:
        return set_port_range(st, t, (uint32_t)v);
    case IP_TOS:
        t->ep.tos = (uint8_t)((v & ~3) | (t->ep.tos & 3)); /* the ECN bits are TCP's */
        return 0;
    case IP_TTL:
        if (v == -1) {
            t->ep.ttl = 0;
            return 0;
        }
        if (set_range(v, 1, 255, &n) != 0) {
            return -EINVAL;
        }
        t->ep.ttl = (uint8_t)n;
        return 0;
    case IP_RECVERR:
        t->recv_err = v != 0;
        return 0;
    case IP_MTU_DISCOVER:
        if (set_range(v, IP_PMTUDISC_DONT, IP_PMTUDISC_OMIT, &n) != 0) {
            return -EINVAL;
        }
        t->pmtudisc = (uint8_t)(n & 7);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int set_congestion(struct tcb *t, const void *val, uint32_t len, struct td_stack *st)
{
    char name[CC_NAME_MAX] = "";
    memcpy(name, val, len < sizeof name - 1 ? len : sizeof name - 1);
    const struct td_cc_ops *cc = tcp_cc_find(st, name);
    if (cc == NULL) {
        return -ENOENT;
    }
    if (cc != t->cc.ops) {
        if (!tcp_cc_allowed(st, cc)) {
            return -EPERM;
        }
        tcp_cc_set(st, t, cc);
    }
    t->cc_chosen = true;
    return 0;
}

static void set_nodelay(struct td_stack *st, struct tcb *t, bool on)
{
    t->nodelay = on;
    if (on) {
        t->push_now = true;
        tcp_mark(st, t); /* what Nagle held goes now, and what is corked, once */
    }
}

static int set_tcp(struct td_stack *st, struct tcb *t, int name, int v)
{
    struct tcp_more *m;
    int n = 0;
    switch (name) {
    case TCP_NODELAY:
        set_nodelay(st, t, v != 0);
        return 0;
    case TCP_CORK:
        t->cork = v != 0;
        if (!t->cork) {
            t->more = false;
            tcp_mark(st, t);
        }
        return 0;
    case TCP_MAXSEG:
        if (v != 0 && set_range(v, MAXSEG_LEAST, SECONDS_MAX, &n) != 0) {
            return -EINVAL;
        }
        t->user_mss = (uint16_t)v;
        return 0;
    case TCP_KEEPIDLE:
        if (set_range(v, 1, SECONDS_MAX, &n) != 0) {
            return -EINVAL;
        }
        t->keepidle = (uint16_t)n;
        tcp_keepalive_update(st, t);
        return 0;
    case TCP_KEEPINTVL:
        if (set_range(v, 1, SECONDS_MAX, &n) != 0) {
            return -EINVAL;
        }
        t->keepintvl = (uint16_t)n;
        return 0;
    case TCP_KEEPCNT:
        if (set_range(v, 1, COUNT_MAX, &n) != 0) {
            return -EINVAL;
        }
        t->keepcnt = (uint8_t)n;
        return 0;
    case TCP_SYNCNT:
        if (set_range(v, 1, COUNT_MAX, &n) != 0) {
            return -EINVAL;
        }
        t->syncnt = (uint8_t)n;
        return 0;
    case TCP_USER_TIMEOUT:
        if (v < 0) {
            return -EINVAL;
        }
        t->user_timeout_ms = (uint32_t)v;
        tcp_uto_user_set(st, t);
        return 0;
    case TCP_QUICKACK:
        tcp_quickack_set(st, t, v);
        return 0;
    case TCP_DEFER_ACCEPT:
        t->defer_accept = tcp_defer_retries(st, v);
        return 0;
    case TCP_LINGER2:
        t->linger2 = (int16_t)(v < 0 ? -1 : v > LINGER2_MAX ? LINGER2_MAX : v);
        return 0;
    case TCP_WINDOW_CLAMP:
        if (v == 0 && t->state != TCPS_CLOSED) {
            return -EINVAL;
        }
        t->window_clamp = v == 0 ? 0 : v < CLAMP_LEAST ? CLAMP_LEAST : (uint32_t)v;
        return 0;
    case TCP_NOTSENT_LOWAT:
        m = tcp_more(st, t);
        if (m == NULL) {
            return -ENOMEM;
        }
        m->notsent_option = (uint32_t)v;
        m->notsent_lowat = v != 0 ? (uint32_t)v : (uint32_t)knob(st, TCP_NOTSENT_LOWAT);
        tcp_notify(st, t, 0);
        return 0;
    case TCP_INQ:
        if (set_range(v, 0, 1, &n) != 0) {
            return -EINVAL;
        }
        t->inq = n != 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int tcp_setsockopt(struct td_stack *st, struct tcb *t, int level, int name, const void *val,
                   uint32_t len)
{
    int v = 0;
    if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
        return len == 0 ? -EINVAL : set_congestion(t, val, len, st);
    }
    if (level == IPPROTO_TCP && tcp_fastopen_is_option(name)) {
        return tcp_fastopen_setopt(st, t, name, val, len);
    }
    if (level == IPPROTO_IP && len == 1) {
        v = *(const uint8_t *)val; /* as Linux: IP_TOS and IP_TTL may be one byte */
    } else if (len < sizeof v) {
        return -EINVAL;
    } else {
        memcpy(&v, val, sizeof v);
    }
    switch (level) {
    case SOL_SOCKET:
        return set_socket(st, t, name, val, len, v);
    case IPPROTO_IP:
        return set_ip(st, t, name, v);
    case IPPROTO_TCP:
        return set_tcp(st, t, name, v);
    default:
        return -ENOPROTOOPT;
    }
}

/* ---- getsockopt ---- */

static int put(void *dst, uint32_t *len, const void *src, uint32_t size)
{
    uint32_t n = *len < size ? *len : size;
    memcpy(dst, src, n);
    *len = n;
    return 0;
}

static int get_int(const struct td_stack *st, const struct tcb *t, int level, int name, int *v)
{
    switch (level) {
    case SOL_SOCKET:
        switch (name) {
        case SO_KEEPALIVE:
            *v = t->keepalive;
            return 0;
        case SO_RCVBUF:
            *v = (int)t->rcvbuf_limit;
            return 0;
        case SO_SNDBUF:
            *v = (int)t->sndbuf_limit;
            return 0;
        case SO_OOBINLINE:
            *v = t->oob_inline;
            return 0;
        case SO_RCVLOWAT:
            *v = t->more_state != NULL && t->more_state->rcvlowat != 0
                     ? (int)t->more_state->rcvlowat
                     : 1;
            return 0;
        case SO_MARK:
            *v = t->more_state != NULL ? (int)t->more_state->mark : 0;
            return 0;
        default:
            return -ENOPROTOOPT;
        }
    case IPPROTO_IP:
        switch (name) {
        case IP_TOS:
            *v = t->ep.tos;
            return 0;
        case IP_TTL:
            *v = t->ep.ttl != 0 ? t->ep.ttl : (int)knob(st, IP_DEFAULT_TTL);
            return 0;
        case IP_RECVERR:
            *v = t->recv_err;
            return 0;
        case IP_MTU_DISCOVER:
            *v = t->pmtudisc;
            return 0;
        case IP_BIND_ADDRESS_NO_PORT:
            *v = t->bind_no_port;
            return 0;
        case IP_LOCAL_PORT_RANGE:
            *v = t->more_state == NULL
                     ? 0
                     : (int)((uint32_t)t->more_state->port_high << 16 | t->more_state->port_low);
            return 0;
        default:
            return -ENOPROTOOPT;
        }
    case IPPROTO_TCP:
        break;
    default:
        return -ENOPROTOOPT;
    }
    switch (name) {
    case TCP_NODELAY:
        *v = t->nodelay;
        break;
    case TCP_CORK:
        *v = t->cork;
        break;
    case TCP_MAXSEG:
        *v = t->user_mss != 0 && (t->state == TCPS_CLOSED || t->state == TCPS_LISTEN) ? t->user_mss
             : t->mss != 0                                                            ? t->mss
                                                                                      : 536;
        break;
    case TCP_KEEPIDLE:
        *v = t->keepidle != 0 ? t->keepidle : (int)knob(st, TCP_KEEPALIVE_TIME);
        break;
    case TCP_KEEPINTVL:
        *v = t->keepintvl != 0 ? t->keepintvl : (int)knob(st, TCP_KEEPALIVE_INTVL);
        break;
    case TCP_KEEPCNT:
        *v = t->keepcnt != 0 ? t->keepcnt : (int)knob(st, TCP_KEEPALIVE_PROBES);
        break;
    case TCP_SYNCNT:
        *v = t->syncnt != 0 ? t->syncnt : (int)knob(st, TCP_SYN_RETRIES);
        break;
    case TCP_USER_TIMEOUT:
        *v = (int)t->user_timeout_ms;
        break;
    case TCP_QUICKACK:
        *v = tcp_quickack_get(st, t);
        break;
    case TCP_DEFER_ACCEPT:
        *v = tcp_defer_seconds(st, t->defer_accept);
        break;
    case TCP_LINGER2:
        *v = t->linger2 != 0 ? t->linger2 : (int)knob(st, TCP_FIN_TIMEOUT);
        break;
    case TCP_WINDOW_CLAMP:
        *v = (int)t->window_clamp;
        break;
    case TCP_NOTSENT_LOWAT:
        *v = t->more_state != NULL ? (int)t->more_state->notsent_option : 0;
        break;
    case TCP_INQ:
        *v = t->inq;
        break;
    default:
        return -ENOPROTOOPT;
    }
    return 0;
}

/* IP_MTU: of the path, as it is known now. */
static int get_mtu(struct td_stack *st, const struct tcb *t, int *v)
{
    struct ip_route_result r;
    if (t->ep.a.raddr == 0 || ip_route(st, t->ep.a.raddr, t->ep.a.laddr, 0, &r) != 0) {
        return -ENOTCONN;
    }
    *v = (int)r.mtu;
    return 0;
}

int tcp_getsockopt(struct td_stack *st, struct tcb *t, int level, int name, void *val,
                   uint32_t *len)
{
    if (level == SOL_SOCKET && name == SO_LINGER) {
        const struct linger l = {t->linger, t->linger_s};
        return put(val, len, &l, sizeof l);
    }
    if (level == IPPROTO_TCP && tcp_fastopen_is_option(name)) {
        return tcp_fastopen_getopt(st, t, name, val, len);
    }
    if (level == IPPROTO_TCP && name == TCP_INFO) {
        *len = tcp_info_fill(st, t, val, *len);
        return 0;
    }
    if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE) {
        uint64_t rate = tcp_max_pacing_rate(t);
        uint32_t word = rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate;
        return *len >= sizeof rate ? put(val, len, &rate, sizeof rate)
                                   : put(val, len, &word, sizeof word);
    }
    if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
        char cc[CC_NAME_MAX] = "";
        memcpy(cc, t->cc.ops->name, strlen(t->cc.ops->name));
        return put(val, len, cc, sizeof cc);
    }
    int v;
    int e = level == IPPROTO_IP && name == IP_MTU ? get_mtu(st, t, &v)
                                                  : get_int(st, t, level, name, &v);
    if (e == 0 && level == IPPROTO_IP && *len > 0 && *len < sizeof v && v >= 0 && v <= UINT8_MAX) {
        const uint8_t b = (uint8_t)v;
        return put(val, len, &b, 1);
    }
    return e != 0 ? e : put(val, len, &v, sizeof v);
}
