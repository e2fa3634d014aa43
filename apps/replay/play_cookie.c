/* replay/play_cookie.c: a host that had a Fast Open cookie (RFC 7413 4.1.1) got it before the flow
 * that is played. Here it gets the captured one again: a connection of another port, a while before
 * the first captured frame, asks for a cookie, is answered with that one, and is aborted. Nothing
 * of this is judged.
 */
#include "replay/player.h"

#include <string.h>

#include "tapdeck/socket.h"
#include "wire/checksum.h"

void player_cookie(struct player *r, const struct play_frame *syn, const struct play_frame *theirs)
{
    uint8_t d[ETH_HLEN + IPV4_HLEN + TCP_MAX_HLEN], *ip_at = d + ETH_HLEN,
                                                    *tcp_at = ip_at + IPV4_HLEN;
    const struct play *p = r->p;
    struct sockaddr_in us = td_sockaddr(p->us, (uint16_t)(p->port ^ 1));
    const struct linger now = {.l_onoff = 1};
    int s = td_socket(r->st, AF_INET, SOCK_STREAM, 0);
    if (s < 0)
        return;
    r->apart = true;
    (void)td_bind(r->st, s, (struct sockaddr *)&us, sizeof(us));
    (void)td_sendto(r->st, s, "", 1, MSG_FASTOPEN, p->peer, p->pport);
    td_stack_flush(r->st, td_stack_now(r->st));
    struct tcp_hdr h = {.sport = p->pport,
                        .dport = (uint16_t)(p->port ^ 1),
                        .seq = 1,
                        .ack = r->apart_seq + 1,
                        .flags = TCP_SYN | TCP_ACK,
                        .wnd = 65535};
    h.o = (struct tcp_opts){.has_mss = true,
                            .mss = theirs != NULL && theirs->o.has_mss ? theirs->o.mss : 1460,
                            .has_fastopen = true,
                            .fastopen_len = syn->o.fastopen_len,
                            .fastopen_exp = syn->o.fastopen_exp};
    memcpy(h.o.fastopen, syn->o.fastopen, sizeof(h.o.fastopen));
    (void)tcp_opts_layout(&h, true, TCP_OPTS_LINUX);
    struct ipv4_hdr ip = {.hlen = IPV4_HLEN,
                          .total_len = (uint16_t)(IPV4_HLEN + h.hlen),
                          .ttl = 64,
                          .proto = 6,
                          .src = p->peer,
                          .dst = p->us};
    const struct eth_hdr eth = {.dst = {{2, 0, 0, 0, 0, 1}},
                                .src = {{2, 0, 0, 0, 0, 2}},
                                .type = ETHERTYPE_IPV4,
                                .hlen = ETH_HLEN};
    (void)eth_emit(&eth, d);
    (void)ipv4_emit(&ip, ip_at);
    size_t n = tcp_emit(&h, tcp_at);
    wire_put16(ip_at + 10, 0);
    wire_put16(ip_at + 10, checksum_finish(checksum_add(0, ip_at, IPV4_HLEN)));
    wire_put16(tcp_at + 16, checksum_finish(checksum_add(
                                checksum_pseudo(p->peer, p->us, 6, (uint32_t)n), tcp_at, n)));
    (void)td_stack_input_bytes(r->st, r->eth, d, ETH_HLEN + IPV4_HLEN + n, td_stack_now(r->st));
    td_stack_flush(r->st, td_stack_now(r->st));
    (void)td_setsockopt(r->st, s, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    (void)td_close(r->st, s);
    td_stack_flush(r->st, td_stack_now(r->st));
    r->apart = false;
}
