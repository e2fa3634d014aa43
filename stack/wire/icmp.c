/* ICMP messages (RFC 792; path MTU in 1191, the length octet in 4884).
 *
 * Theory of operation. Every message begins with type, code and checksum; the second word depends
 * on the type:
 *
 *      echo, timestamp     identifier, sequence number
 *      unreachable         unused, length of the quoted datagram in 32-bit words (RFC 4884),
 *                          next-hop MTU (code 4, RFC 1191)
 *      time exceeded       the same form, without an MTU
 *      parameter problem   pointer, length, unused
 *      redirect            gateway address
 *      source quench       unused
 *
 * Behind it comes what the caller deals with: echo data, or the quoted datagram; timestamps alone
 * are three words that belong to the struct. Octets that the RFC calls unused are ignored when read
 * and zero when written. Types that were taken out of service (RFC 6918) have no form here:
 * information and address-mask requests and the rest are BAD_TYPE, for the caller to drop silently
 * (RFC 1122 3.2.2).
 */
#include "wire/icmp.h"

#define TIMESTAMP_LEN 20

static bool is_timestamp(uint8_t type)
{
    return type == ICMP_TIMESTAMP || type == ICMP_TIMESTAMP_REPLY;
}

enum wire_status icmp_parse(struct icmp_hdr *h, const uint8_t *b, size_t n)
{
    *h = (struct icmp_hdr){0};
    if (n < ICMP_HLEN) {
        return WIRE_SHORT;
    }
    h->type = b[0];
    h->code = b[1];
    h->csum = wire_get16(b + 2);
    switch (h->type) {
    case ICMP_ECHO:
    case ICMP_ECHO_REPLY:
    case ICMP_TIMESTAMP:
    case ICMP_TIMESTAMP_REPLY:
        h->echo.id = wire_get16(b + 4);
        h->echo.seq = wire_get16(b + 6);
        break;
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
        h->unreach.length = b[5];
        h->unreach.mtu = wire_get16(b + 6);
        break;
    case ICMP_PARAM_PROBLEM:
        h->param.pointer = b[4];
        h->param.length = b[5];
        break;
    case ICMP_REDIRECT:
        h->gateway = wire_get32(b + 4);
        break;
    case ICMP_SOURCE_QUENCH:
        h->word = wire_get32(b + 4);
        break;
    default:
        h->word = wire_get32(b + 4);
        return WIRE_BAD_TYPE;
    }
    if (is_timestamp(h->type)) {
        if (n < TIMESTAMP_LEN) {
            return WIRE_SHORT;
        }
        for (size_t i = 0; i < 3; i++) {
            h->times[i] = wire_get32(b + ICMP_HLEN + 4 * i);
        }
    }
    return WIRE_OK;
}

size_t icmp_emit(const struct icmp_hdr *h, uint8_t *b)
{
    b[0] = h->type;
    b[1] = h->code;
    wire_put16(b + 2, 0);
    switch (h->type) {
    case ICMP_ECHO:
    case ICMP_ECHO_REPLY:
    case ICMP_TIMESTAMP:
    case ICMP_TIMESTAMP_REPLY:
        wire_put16(b + 4, h->echo.id);
        wire_put16(b + 6, h->echo.seq);
        break;
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
        b[4] = 0;
        b[5] = h->unreach.length;
        wire_put16(b + 6, h->unreach.mtu);
        break;
    case ICMP_PARAM_PROBLEM:
        b[4] = h->param.pointer;
        b[5] = h->param.length;
        wire_put16(b + 6, 0);
        break;
    case ICMP_REDIRECT:
        wire_put32(b + 4, h->gateway);
        break;
    default:
        wire_put32(b + 4, h->word);
        break;
    }
    if (!is_timestamp(h->type)) {
        return ICMP_HLEN;
    }
    for (size_t i = 0; i < 3; i++) {
        wire_put32(b + ICMP_HLEN + 4 * i, h->times[i]);
    }
    return TIMESTAMP_LEN;
}
