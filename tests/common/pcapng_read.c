/* tests/common/pcapng_read.c: see pcapng_read.h. Every length is checked, so that a wrong block is
 * a failed test and not a crash. */
#include "common/pcapng_read.h"

#include <stdio.h>
#include <string.h>

#define BLOCK_MAX     (16u << 20) /* nothing sensible is longer: a frame has at most 256 KiB */
#define ORDER_MAGIC   0x1a2b3c4du
#define BYTE_REVERSED 0x4d3c2b1au

enum {
    OPT_COMMENT = 1,
    IF_NAME = 2,
    IF_TSRESOL = 9,
    EPB_FLAGS = 2,
    EPB_DROPCOUNT = 4,
    EPB_PACKETID = 5
};

static uint32_t get32(const struct pcapng_reader *r, const uint8_t *b)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < 4; i++)
        v = v << 8 | b[r->big_endian ? i : 3 - i];
    return v;
}

static uint16_t get16(const struct pcapng_reader *r, const uint8_t *b)
{
    return (uint16_t)(r->big_endian ? b[0] << 8 | b[1] : b[1] << 8 | b[0]);
}

static uint64_t get64(const struct pcapng_reader *r, const uint8_t *b)
{
    uint64_t one = get32(r, b), two = get32(r, b + 4);
    return r->big_endian ? one << 32 | two : two << 32 | one;
}

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

static int bad(char *msg, size_t msg_size, const char *why)
{
    (void)snprintf(msg, msg_size, "%s", why);
    return -1;
}

size_t pcapng_options(const struct pcapng_reader *r, const struct pcapng_block *b)
{
    switch (b->type) {
    case PCAPNG_SECTION:
        return 16;
    case PCAPNG_INTERFACE:
        return 8;
    case PCAPNG_STATISTICS:
        return 12;
    case PCAPNG_PACKET:
        return b->body_len >= 20 && get32(r, b->body + 12) <= b->body_len
                   ? 20 + padded(get32(r, b->body + 12))
                   : b->body_len;
    default:
        return b->body_len;
    }
}

bool pcapng_option(const struct pcapng_reader *r, const struct pcapng_block *b, size_t *at,
                   uint16_t *code, const uint8_t **value, uint16_t *len)
{
    if (*at + 4 > b->body_len)
        return false;
    *code = get16(r, b->body + *at);
    *len = get16(r, b->body + *at + 2);
    *value = b->body + *at + 4;
    if (*code == 0 || *at + 4 + *len > b->body_len)
        return false;
    *at += 4 + padded(*len);
    return true;
}

/* Ticks of an interface's clock as nanoseconds. */
static td_time nanoseconds(uint8_t tsresol, uint64_t ticks)
{
    if (tsresol & 0x80) {
        unsigned shift = tsresol & 0x7f;
        if (shift >= 64)
            return 0;
        uint64_t part = ticks & ((UINT64_C(1) << shift) - 1);
        /* A fraction finer than 2^-34 would overflow below; its last bits are beyond nanoseconds
         * anyway. */
        if (shift > 34)
            return (ticks >> shift) * TD_SEC + ((part >> (shift - 34)) * TD_SEC >> 34);
        return (ticks >> shift) * TD_SEC + (part * TD_SEC >> shift);
    }
    for (; tsresol > 9; tsresol--)
        ticks /= 10;
    for (; tsresol < 9; tsresol++)
        ticks *= 10;
    return ticks;
}

static int read_interface(struct pcapng_reader *r, const struct pcapng_block *b, char *msg,
                          size_t msg_size)
{
    size_t at = 8;
    uint16_t code, len;
    const uint8_t *value;
    if (b->body_len < 8)
        return bad(msg, msg_size, "the block of an interface is too short");
    if (r->ninterfaces >= PCAPNG_INTERFACES)
        return bad(msg, msg_size, "there are more than 256 interfaces");
    unsigned n = r->ninterfaces++;
    r->interface[n].linktype = get16(r, b->body);
    r->interface[n].snaplen = get32(r, b->body + 4);
    r->interface[n].tsresol = 6;
    r->interface[n].name[0] = '\0';
    while (pcapng_option(r, b, &at, &code, &value, &len)) {
        if (code == IF_NAME)
            (void)snprintf(r->interface[n].name, sizeof r->interface[n].name, "%.*s", (int)len,
                           (const char *)value);
        else if (code == IF_TSRESOL && len == 1)
            r->interface[n].tsresol = *value;
    }
    return 1;
}

static void packet_option(const struct pcapng_reader *r, struct pcapng_packet *p, uint16_t code,
                          const uint8_t *value, uint16_t len)
{
    if (code == OPT_COMMENT && p->ncomments < PCAPNG_COMMENTS) {
        p->comment[p->ncomments].s = (const char *)value;
        p->comment[p->ncomments++].len = len;
    } else if (code == EPB_FLAGS && len == 4) {
        uint32_t flags = get32(r, value), kind = flags >> 2 & 7;
        p->direction = (flags & 3) == 3 ? PCAPNG_DIR_UNKNOWN : (enum pcapng_direction)(flags & 3);
        p->reception = kind > PCAPNG_PROMISCUOUS ? PCAPNG_RX_UNKNOWN : (enum pcapng_reception)kind;
    } else if (code == EPB_DROPCOUNT && len == 8) {
        p->lost = get64(r, value);
    } else if (code == EPB_PACKETID && len == 8) {
        p->id = get64(r, value);
    }
}

static int read_packet(const struct pcapng_reader *r, struct pcapng_block *b, char *msg,
                       size_t msg_size)
{
    struct pcapng_packet *p = &b->packet;
    size_t at;
    uint16_t code, len;
    const uint8_t *value;
    if (b->body_len < 20)
        return bad(msg, msg_size, "the block of a packet is too short");
    *p = (struct pcapng_packet){.interface = get32(r, b->body),
                                .caplen = get32(r, b->body + 12),
                                .len = get32(r, b->body + 16),
                                .data = b->body + 20};
    if (p->interface >= r->ninterfaces)
        return bad(msg, msg_size, "a packet is of an interface that wasn't described");
    if (p->caplen > b->body_len - 20)
        return bad(msg, msg_size, "a packet is longer than its block");
    p->wall = nanoseconds(r->interface[p->interface].tsresol,
                          (uint64_t)get32(r, b->body + 4) << 32 | get32(r, b->body + 8));
    at = pcapng_options(r, b);
    while (pcapng_option(r, b, &at, &code, &value, &len))
        packet_option(r, p, code, value, len);
    return 1;
}

static int read_section(struct pcapng_reader *r, const uint8_t *b, char *msg, size_t msg_size)
{
    r->big_endian = false;
    uint32_t order = get32(r, b + 8);
    if (order != ORDER_MAGIC && order != BYTE_REVERSED)
        return bad(msg, msg_size, "the section's byte order can't be told");
    r->big_endian = order == BYTE_REVERSED;
    r->in_section = true;
    r->ninterfaces = 0;
    return get16(r, b + 12) == 1
               ? 1
               : bad(msg, msg_size, "the section is of a version that isn't known (not 1)");
}

int pcapng_read(struct pcapng_reader *r, const uint8_t *b, size_t n, struct pcapng_block *block,
                char *msg, size_t msg_size)
{
    static const uint8_t section[4] = {0x0a, 0x0d, 0x0d, 0x0a};
    if (n < 12)
        return 0;
    bool begins = memcmp(b, section, 4) == 0;
    if (!begins && !r->in_section)
        return bad(msg, msg_size, "that is no pcapng: it doesn't begin with a section");
    if (begins && n < 16)
        return 0;
    if (begins && read_section(r, b, msg, msg_size) < 0)
        return -1;
    size_t len = get32(r, b + 4);
    if (len < 12 || len % 4 != 0 || len > BLOCK_MAX || (begins && len < 28))
        return bad(msg, msg_size, "a block's length can't be");
    if (n < len)
        return 0;
    if (get32(r, b + len - 4) != len)
        return bad(msg, msg_size, "a block's two lengths differ");
    memset(block, 0, sizeof *block);
    block->type = begins ? (uint32_t)PCAPNG_SECTION : get32(r, b);
    block->len = len;
    block->body = b + 8;
    block->body_len = len - 12;
    switch (block->type) {
    case PCAPNG_INTERFACE:
        return read_interface(r, block, msg, msg_size);
    case PCAPNG_PACKET:
        return read_packet(r, block, msg, msg_size);
    default:
        return 1;
    }
}
