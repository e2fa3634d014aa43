/* tcp/isn.c: initial sequence numbers (RFC 6528, RFC 9293 3.4.1).
 *
 * Theory of operation. ISN = M + F(local address, local port, remote address, remote port, key).
 * M counts 4-microsecond ticks, so a later incarnation of the same connection starts beyond what an
 * earlier one may still have in the network. F is SipHash under a 128-bit key drawn when the
 * instance was made, so nobody outside can tell one connection's number from another's. The key
 * never changes while the instance lives: a SYN that reuses a TIME-WAIT relies on the order.
 */
#include "tcp/tcp_internal.h"

tcp_seq tcp_isn(struct td_stack *st, const struct tcp_tuple *a)
{
    const uint32_t in[3] = {a->laddr, a->raddr, (uint32_t)a->lport << 16 | a->rport};
    if (FAULT_ON(st, PREDICTABLE_ISN)) {
        return (tcp_seq)(st->now / (4 * TD_US));
    }
    return (tcp_seq)(st->now / (4 * TD_US)) + (tcp_seq)siphash(&st->tcp->isn_key, in, sizeof in);
}
