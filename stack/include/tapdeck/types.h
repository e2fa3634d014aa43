/* tapdeck/types.h: the words every other header uses.
 *
 * Units and byte order, everywhere in the project unless a declaration says otherwise:
 *   - times and durations are nanoseconds, unsigned 64-bit, monotonic, injected by the caller;
 *   - addresses (td_ip4), ports and every integer held in a struct are in HOST order; only the
 *     bytes inside a packet are in network order, and only wire/ converts between the two;
 *   - lengths are bytes, windows are bytes, queue limits say whether they are packets or bytes.
 *
 * Errors: a function that can fail returns 0 (or a count) on success and a negative errno value
 * (Linux's numbers) on failure.
 */
#ifndef TAPDECK_TYPES_H
#define TAPDECK_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nanoseconds. TD_NEVER is later than every deadline. */
typedef uint64_t td_time;
#define TD_NEVER UINT64_MAX
#define TD_US    UINT64_C(1000)
#define TD_MS    UINT64_C(1000000)
#define TD_SEC   UINT64_C(1000000000)

/* An IPv4 address in host order: 10.0.0.1 is 0x0a000001. */
typedef uint32_t td_ip4;
#define TD_IP4(a, b, c, d)                                                                         \
    (((td_ip4)(a) << 24) | ((td_ip4)(b) << 16) | ((td_ip4)(c) << 8) | (td_ip4)(d))
#define TD_IP4_ANY       ((td_ip4)0)
#define TD_IP4_BROADCAST ((td_ip4)0xffffffff)

/* An Ethernet (EUI-48) address, bytes in transmission order. */
struct td_mac {
    uint8_t b[6];
};

struct td_stack; /* one host: everything it knows */
struct pkt;      /* one frame, datagram or segment on its way: core/pkt.h */

#endif
