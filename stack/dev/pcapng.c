/* dev/pcapng.c: writing pcapng and pcap. dev/pcapng.h has the layout; here are the blocks, an
 * option a line.
 *
 * A block's length stands in front of it and behind it, so that files can be read backwards; it is
 * known when the block is finished. Comments are UTF-8; ours come from the journal's catalogue,
 * which is ASCII, and from names of interfaces, which somebody chose: bytes that are no text are
 * replaced.
 */
#include "dev/pcapng.h"

#include <stdlib.h>
#include <string.h>

enum {
    OPT_END = 0,
    OPT_COMMENT = 1,
    SHB_HARDWARE = 2,
    SHB_OS = 3,
    SHB_USERAPPL = 4,
    IF_NAME = 2,
    IF_DESCRIPTION = 3,
    IF_IPV4ADDR = 4,
    IF_MACADDR = 6,
    IF_TSRESOL = 9,
    IF_FILTER = 11,
    EPB_FLAGS = 2,
    EPB_DROPCOUNT = 4,
    EPB_PACKETID = 5,
    ISB_STARTTIME = 2,
    ISB_ENDTIME = 3,
    NRB_IPV4 = 1,
};

#define LINK_ETHERNET 1
#define ORDER_MAGIC   0x1a2b3c4d
#define PCAP_NANO     0xa1b23c4d

void pcapng_buf_free(struct pcapng_buf *w)
{
    free(w->b);
    *w = (struct pcapng_buf){0};
}

static void put(struct pcapng_buf *w, const void *bytes, size_t n)
{
    if (w->len + n > w->room && !w->failed) {
        size_t room = w->room * 2 > w->len + n ? w->room * 2 : w->len + n + 512;
        uint8_t *b = realloc(w->b, room);
        w->failed = b == NULL;
        if (b != NULL) {
            w->b = b;
            w->room = room;
        }
    }
    if (w->failed)
        return;
    if (n > 0)
        memcpy(w->b + w->len, bytes, n);
    w->len += n;
}

static void put16(struct pcapng_buf *w, uint32_t v)
{
    put(w, (uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8)}, 2);
}

static void put32(struct pcapng_buf *w, uint32_t v)
{
    put(w, (uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)}, 4);
}

static void put64(struct pcapng_buf *w, uint64_t v)
{
    put32(w, (uint32_t)v);
    put32(w, (uint32_t)(v >> 32));
}

/* A time of an EPB or ISB: the high half first, whatever the byte order. */
static void put_time(struct pcapng_buf *w, td_time wall)
{
    put32(w, (uint32_t)(wall >> 32));
    put32(w, (uint32_t)wall);
}

static void pad(struct pcapng_buf *w, size_t n)
{
    put(w, "\0\0\0", (4 - n % 4) % 4);
}

static void put_ip(struct pcapng_buf *w, td_ip4 a)
{
    put(w, (uint8_t[]){(uint8_t)(a >> 24), (uint8_t)(a >> 16), (uint8_t)(a >> 8), (uint8_t)a}, 4);
}

static void option(struct pcapng_buf *w, uint16_t code, const void *value, size_t n)
{
    if (n > UINT16_MAX)
        n = UINT16_MAX;
    put16(w, code);
    put16(w, (uint32_t)n);
    put(w, value, n);
    pad(w, n);
}

static void option_text(struct pcapng_buf *w, uint16_t code, const char *text)
{
    if (text != NULL && *text != '\0')
        option(w, code, text, strlen(text));
}

static void option_u64(struct pcapng_buf *w, uint16_t code, uint64_t v)
{
    put16(w, code);
    put16(w, 8);
    put64(w, v);
}

static void option_time(struct pcapng_buf *w, uint16_t code, td_time wall)
{
    put16(w, code);
    put16(w, 8);
    put_time(w, wall);
}

/* Begins a block; block_end wants what this returned. */
static size_t block(struct pcapng_buf *w, uint32_t type)
{
    size_t start = w->len;
    put32(w, type);
    put32(w, 0);
    return start;
}

static void block_end(struct pcapng_buf *w, size_t start, bool options)
{
    if (options)
        put32(w, OPT_END);
    uint32_t n = (uint32_t)(w->len - start + 4);
    put32(w, n);
    if (w->failed)
        w->len = start; /* all of a block or nothing */
    else
        for (unsigned i = 0; i < 4; i++)
            w->b[start + 4 + i] = (uint8_t)(n >> 8 * i);
}

void pcapng_section(struct pcapng_buf *w, const char *hardware, const char *os,
                    const char *application)
{
    size_t start = block(w, PCAPNG_SECTION);
    put32(w, ORDER_MAGIC);
    put16(w, 1);
    put16(w, 0);
    put64(w, UINT64_MAX); /* its length isn't known while it is written */
    option_text(w, SHB_HARDWARE, hardware);
    option_text(w, SHB_OS, os);
    option_text(w, SHB_USERAPPL, application);
    block_end(w, start, true);
}

void pcapng_interface(struct pcapng_buf *w, const struct pcapng_interface *i)
{
    static const uint8_t nothing[6];
    size_t start = block(w, PCAPNG_INTERFACE);
    put16(w, i->linktype != 0 ? i->linktype : LINK_ETHERNET);
    put16(w, 0);
    put32(w, i->snaplen);
    option_text(w, IF_NAME, i->name);
    option_text(w, IF_DESCRIPTION, i->description);
    for (unsigned k = 0; k < i->naddrs && k < PCAPNG_ADDRS; k++) {
        put16(w, IF_IPV4ADDR);
        put16(w, 8);
        put_ip(w, i->addr[k]);
        put_ip(w, i->plen[k] == 0 ? 0 : UINT32_MAX << (32 - i->plen[k]));
    }
    if (memcmp(i->mac.b, nothing, 6) != 0)
        option(w, IF_MACADDR, i->mac.b, 6);
    option(w, IF_TSRESOL, "\x09", 1);
    if (i->filter != NULL && *i->filter != '\0') { /* a kind in front: 0, libpcap's language */
        size_t n = strlen(i->filter);
        n = n > UINT16_MAX - 1 ? UINT16_MAX - 1 : n;
        put16(w, IF_FILTER);
        put16(w, (uint32_t)n + 1);
        put(w, "\0", 1);
        put(w, i->filter, n);
        pad(w, n + 1);
    }
    block_end(w, start, true);
}

void pcapng_names(struct pcapng_buf *w, const struct pcapng_name *n, unsigned count)
{
    size_t start = block(w, PCAPNG_NAMES);
    for (unsigned i = 0; i < count; i++) {
        size_t len = 4 + strlen(n[i].name) + 1;
        put16(w, NRB_IPV4);
        put16(w, (uint32_t)len);
        put_ip(w, n[i].addr);
        put(w, n[i].name, len - 4);
        pad(w, len);
    }
    put32(w, 0); /* the end of the records; there are no options */
    block_end(w, start, false);
}

void pcapng_packet(struct pcapng_buf *w, const struct pcapng_packet *p)
{
    uint32_t flags = (uint32_t)p->direction | (uint32_t)p->reception << 2;
    size_t start = block(w, PCAPNG_PACKET);
    put32(w, p->interface);
    put_time(w, p->wall);
    put32(w, p->caplen);
    put32(w, p->len);
    put(w, p->data, p->caplen);
    pad(w, p->caplen);
    for (unsigned i = 0; i < p->ncomments && i < PCAPNG_COMMENTS; i++)
        option(w, OPT_COMMENT, p->comment[i].s, p->comment[i].len);
    put16(w, EPB_FLAGS);
    put16(w, 4);
    put32(w, flags);
    if (p->lost > 0)
        option_u64(w, EPB_DROPCOUNT, p->lost);
    if (p->id > 0)
        option_u64(w, EPB_PACKETID, p->id);
    block_end(w, start, true);
}

void pcapng_statistics(struct pcapng_buf *w, const struct pcapng_statistics *s)
{
    size_t start = block(w, PCAPNG_STATISTICS);
    put32(w, s->interface);
    put_time(w, s->wall);
    option_time(w, ISB_STARTTIME, s->start);
    option_time(w, ISB_ENDTIME, s->end);
    option_u64(w, PCAPNG_ISB_SEEN, s->received);
    option_u64(w, PCAPNG_ISB_ACCEPTED, s->accepted);
    option_u64(w, PCAPNG_ISB_LOST, s->lost);
    option_u64(w, PCAPNG_ISB_WRITTEN, s->delivered);
    block_end(w, start, true);
}

/* The text's length isn't in the block but for its padding: zeroes, which a text doesn't end with. */
void pcapng_custom(struct pcapng_buf *w, const char *text, size_t len)
{
    size_t start = block(w, PCAPNG_CUSTOM);
    put32(w, PCAPNG_PEN);
    put(w, text, len);
    pad(w, len);
    block_end(w, start, false);
}

void pcap_header(struct pcapng_buf *w, uint32_t linktype, uint32_t snaplen)
{
    put32(w, PCAP_NANO);
    put16(w, 2);
    put16(w, 4);
    put32(w, 0);
    put32(w, 0);
    put32(w, snaplen);
    put32(w, linktype);
}

void pcap_packet(struct pcapng_buf *w, const struct pcapng_packet *p)
{
    size_t start = w->len;
    put32(w, (uint32_t)(p->wall / TD_SEC));
    put32(w, (uint32_t)(p->wall % TD_SEC));
    put32(w, p->caplen);
    put32(w, p->len);
    put(w, p->data, p->caplen);
    if (w->failed)
        w->len = start;
}
