/* drill/info.c: TCP_INFO by name.
 *
 * Theory of operation. The stack fills Linux's struct tcp_info, as far as it knows it and as long
 * as the caller's buffer is; fields newer than the system's header stand at offsets written out
 * here. A field beyond what the stack gave back doesn't exist: a script that asks for it is
 * unsupported.
 */
#include "tapdeck/drill/info.h"

#include "tapdeck/socket.h"

#include <linux/tcp.h>
#include <stddef.h>
#include <string.h>

#ifndef IPPROTO_TCP
#define IPPROTO_TCP 6
#endif

#define BITS 0xff /* a bit field: size field of the table */

struct field {
    const char *name;
    uint16_t off;
    uint8_t size; /* bytes, or BITS */
    uint8_t shift, mask;
};

#define F(n)                                                                                       \
    {                                                                                              \
        "tcpi_" #n, offsetof(struct tcp_info, tcpi_##n), sizeof(((struct tcp_info *)0)->tcpi_##n), \
            0, 0                                                                                   \
    }
#define AT(n, off, size)                                                                           \
    {                                                                                              \
        "tcpi_" n, off, size, 0, 0                                                                 \
    }
/* Behind tcpi_snd_wnd, in kernels newer than the header. */
#define NEW (offsetof(struct tcp_info, tcpi_snd_wnd) + 4)

static const struct field fields[] = {
    F(state),
    F(ca_state),
    F(retransmits),
    F(probes),
    F(backoff),
    F(options),
    {"tcpi_snd_wscale", 6, BITS, 0, 15},
    {"tcpi_rcv_wscale", 6, BITS, 4, 15},
    {"tcpi_delivery_rate_app_limited", 7, BITS, 0, 1},
    {"tcpi_fastopen_client_fail", 7, BITS, 1, 3},
    F(rto),
    F(ato),
    F(snd_mss),
    F(rcv_mss),
    F(unacked),
    F(sacked),
    F(lost),
    F(retrans),
    F(fackets),
    F(last_data_sent),
    F(last_ack_sent),
    F(last_data_recv),
    F(last_ack_recv),
    F(pmtu),
    F(rcv_ssthresh),
    F(rtt),
    F(rttvar),
    F(snd_ssthresh),
    F(snd_cwnd),
    F(advmss),
    F(reordering),
    F(rcv_rtt),
    F(rcv_space),
    F(total_retrans),
    F(pacing_rate),
    F(max_pacing_rate),
    F(bytes_acked),
    F(bytes_received),
    F(segs_out),
    F(segs_in),
    F(notsent_bytes),
    F(min_rtt),
    F(data_segs_in),
    F(data_segs_out),
    F(delivery_rate),
    F(busy_time),
    F(rwnd_limited),
    F(sndbuf_limited),
    F(delivered),
    F(delivered_ce),
    F(bytes_sent),
    F(bytes_retrans),
    F(dsack_dups),
    F(reord_seen),
    F(rcv_ooopack),
    F(snd_wnd),
    AT("rcv_wnd", NEW, 4),
    AT("rehash", NEW + 4, 4),
    AT("total_rto", NEW + 8, 2),
    AT("total_rto_recoveries", NEW + 10, 2),
    AT("total_rto_time", NEW + 12, 4),
    AT("received_ce", NEW + 16, 4),
    AT("delivered_e1_bytes", NEW + 20, 4),
    AT("delivered_e0_bytes", NEW + 24, 4),
    AT("delivered_ce_bytes", NEW + 28, 4),
    AT("received_e1_bytes", NEW + 32, 4),
    AT("received_e0_bytes", NEW + 36, 4),
    AT("received_ce_bytes", NEW + 40, 4),
};

bool info_sample(struct info *i, struct td_stack *st, int fd)
{
    socklen_t len = sizeof i->b;
    memset(i, 0, sizeof *i);
    i->have = fd >= 0 && td_getsockopt(st, fd, IPPROTO_TCP, TCP_INFO, i->b, &len) == 0;
    i->len = i->have ? len : 0;
    len = sizeof i->sndbuf;
    (void)td_getsockopt(st, fd, SOL_SOCKET, SO_SNDBUF, &i->sndbuf, &len);
    len = sizeof i->rcvbuf;
    (void)td_getsockopt(st, fd, SOL_SOCKET, SO_RCVBUF, &i->rcvbuf, &len);
    return i->have;
}

static int64_t read_field(const struct info *i, const struct field *f)
{
    uint8_t b;
    uint16_t h;
    uint32_t w;
    uint64_t d;
    switch (f->size) {
    case 1:
        return i->b[f->off];
    case 2:
        memcpy(&h, i->b + f->off, sizeof h);
        return h;
    case 4:
        memcpy(&w, i->b + f->off, sizeof w);
        return w;
    case 8:
        memcpy(&d, i->b + f->off, sizeof d);
        return (int64_t)d;
    default:
        b = i->b[f->off];
        return b >> f->shift & f->mask;
    }
}

bool info_value(const struct info *i, const char *name, int64_t *v)
{
    bool rcvbuf = strcmp(name, "SK_MEMINFO_RCVBUF") == 0;
    if (i->have && (rcvbuf || strcmp(name, "SK_MEMINFO_SNDBUF") == 0)) {
        *v = rcvbuf ? i->rcvbuf : i->sndbuf;
        return true;
    }
    for (size_t k = 0; i->have && k < sizeof fields / sizeof fields[0]; k++) {
        const struct field *f = &fields[k];
        uint32_t size = f->size == BITS ? 1 : f->size;
        if (strcmp(f->name, name) == 0) {
            if (f->off + size > i->len) {
                return false;
            }
            *v = read_field(i, f);
            return true;
        }
    }
    return false;
}
