/* socket/cmsg.c: control messages of sendmsg and recvmsg (cmsg(3), ip(7)).
 *
 * Theory of operation. Control data is a row of (length, level, type, value) records, each aligned
 * to a long. The application's buffer may have any alignment and any contents, so records are read
 * and written with memcpy and every length is checked before it is used; the CMSG_ macros are used
 * for sizes only. A record that doesn't fit on receipt is cut, and MSG_CTRUNC says so.
 */
#include "socket/dgram.h"

#include <errno.h>
#include <string.h>

void cmsg_put(struct cmsg_out *o, int level, int type, const void *data, size_t len)
{
    size_t header = CMSG_LEN(0);
    size_t left = o->room - o->used;
    if (o->m->msg_control == NULL || left < header) {
        o->m->msg_flags |= MSG_CTRUNC;
        return;
    }
    size_t n = len;
    if (n > left - header) {
        n = left - header;
        o->m->msg_flags |= MSG_CTRUNC;
    }
    struct cmsghdr h = {.cmsg_len = header + n, .cmsg_level = level, .cmsg_type = type};
    uint8_t *dst = (uint8_t *)o->m->msg_control + o->used;
    memcpy(dst, &h, sizeof h);
    memcpy(dst + header, data, n);
    size_t space = CMSG_SPACE(n);
    o->used += space < left ? space : left;
}

static uint32_t be32(const void *p)
{
    uint8_t b[4];
    memcpy(b, p, 4);
    return wire_get32(b);
}

static int cmsg_ip(struct td_stack *st, int type, const uint8_t *data, size_t len, struct ip_tx *tx,
                   uint8_t opt[40])
{
    int value;
    switch (type) {
    case IP_PKTINFO: {
        struct in_pktinfo info;
        if (len != sizeof info) {
            return -EINVAL;
        }
        memcpy(&info, data, sizeof info);
        if (info.ipi_ifindex != 0) {
            if (info.ipi_ifindex < 0 || netif_by_index(st, (uint32_t)info.ipi_ifindex) == NULL) {
                return -ENODEV;
            }
            tx->ifindex = (uint32_t)info.ipi_ifindex;
        }
        if (be32(&info.ipi_spec_dst) != 0) {
            tx->src = be32(&info.ipi_spec_dst);
        }
        return 0;
    }
    case IP_TTL:
        if (len != sizeof value) {
            return -EINVAL;
        }
        memcpy(&value, data, sizeof value);
        if (value < 1 || value > 255) {
            return -EINVAL;
        }
        tx->ttl = (uint8_t)value;
        return 0;
    case IP_TOS:
        if (len == 1) {
            value = data[0];
        } else if (len == sizeof value) {
            memcpy(&value, data, sizeof value);
        } else {
            return -EINVAL;
        }
        if (value < 0 || value > 255) {
            return -EINVAL;
        }
        tx->tos = (uint8_t)value;
        return 0;
    case IP_OPTIONS:
    case IP_RETOPTS: {
        int err = dgram_check_options(data, (socklen_t)(len < 41 ? len : 41), opt, &tx->opt_len);
        tx->opt = opt;
        return err;
    }
    default:
        return -EINVAL;
    }
}

int cmsg_parse_tx(struct td_stack *st, const struct msghdr *m, struct ip_tx *tx, uint8_t opt[40])
{
    if (m->msg_controllen == 0) {
        return 0;
    }
    const uint8_t *b = m->msg_control;
    if (b == NULL) {
        return -EFAULT;
    }
    size_t left = m->msg_controllen;
    while (left >= CMSG_LEN(0)) {
        struct cmsghdr h;
        memcpy(&h, b, sizeof h);
        if (h.cmsg_len < CMSG_LEN(0) || h.cmsg_len > left) {
            return -EINVAL;
        }
        if (h.cmsg_level == IPPROTO_IP) {
            int err = cmsg_ip(st, h.cmsg_type, b + CMSG_LEN(0), h.cmsg_len - CMSG_LEN(0), tx, opt);
            if (err != 0) {
                return err;
            }
        }
        size_t step = CMSG_ALIGN(h.cmsg_len);
        if (step > left) {
            break;
        }
        b += step;
        left -= step;
    }
    return 0;
}
