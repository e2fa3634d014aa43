/* dev/pcapng.h: pcapng and pcap with nanoseconds, written block by block (dev/capture.h reads
 * them).
 *
 * libpcap reads pcapng but doesn't write it, and drops the comments, which are what we are after:
 * the journal's reasons stand beside each packet. So the blocks are ours (draft-ietf-opsawg-pcapng;
 * pcap: draft-ietf-opsawg-pcap).
 *
 *     SHB                     the section: machine, system, program
 *     IDB IDB …               an interface each: name, MAC, addresses, filter, times in
 * nanoseconds; one that comes later has its block before its first packet NRB names of our own
 * addresses EPB EPB EPB …           a frame each: interface, time, bytes; direction and kind of
 * reception, the journal's packet id, how many were lost before it, a comment a reason ISB ISB … at
 * the end, an interface each: how many were seen, kept, lost
 *
 *     CB CB …                 behind the last packet: what a stack of ours was told while it was captured (dev/diary.h)
 *
 * Custom blocks stand at the end because Wireshark counts each as a frame: what is a packet keeps its number.
 * Each has a Private Enterprise Number. This project has none of its own at IANA, and takes 32473, which RFC 5612
 * gives to examples and documentation, and which will never be anybody's; what the block is it says itself in its first
 * line. (4294967295, which files of the field use too, is merely reserved.) Its type is the one that may be
 * copied when a file is cut or merged: nothing in it depends on where it stands.
 *
 * Every block is   type:32  length:32  body…  length:32   and every option in it   code:16
 * length:16 value…, all padded to 32 bits. We write little-endian.
 */
#ifndef DEV_PCAPNG_H
#define DEV_PCAPNG_H

#include <stddef.h>

#include "tapdeck/types.h"

#define PCAPNG_SNAPLEN                                                                             \
    262144u /* bytes kept of a frame when nobody says otherwise: libpcap's largest */

enum pcapng_kind {
    PCAPNG_SECTION = 0x0a0d0d0a,
    PCAPNG_INTERFACE = 1,
    PCAPNG_NAMES = 4,
    PCAPNG_STATISTICS = 5,
    PCAPNG_PACKET = 6,
    PCAPNG_CUSTOM = 0x00000bad,
};

enum { /* options of a block of statistics */
       PCAPNG_ISB_SEEN = 4,
       PCAPNG_ISB_ACCEPTED = 6,
       PCAPNG_ISB_LOST = 7,
       PCAPNG_ISB_WRITTEN = 8,
};

/* Blocks are appended to a buffer. */

struct pcapng_buf {
    uint8_t *b; /* malloc()ed */
    size_t len, room;
    bool failed; /* there was no memory: what is there is not whole */
};
void pcapng_buf_free(struct pcapng_buf *w);

void pcapng_section(struct pcapng_buf *w, const char *hardware, const char *os,
                    const char *application);

#define PCAPNG_ADDRS 8
struct pcapng_interface {
    const char *name, *description, *filter; /* any may be NULL */
    struct td_mac mac;                       /* all zero: none */
    td_ip4 addr[PCAPNG_ADDRS];
    uint8_t plen[PCAPNG_ADDRS];
    unsigned naddrs;
    uint32_t snaplen;
    uint16_t linktype; /* 0: Ethernet */
};
void pcapng_interface(struct pcapng_buf *w, const struct pcapng_interface *i);

struct pcapng_name {
    td_ip4 addr;
    const char *name;
};
void pcapng_names(struct pcapng_buf *w, const struct pcapng_name *n, unsigned count);

enum pcapng_direction { PCAPNG_DIR_UNKNOWN, PCAPNG_DIR_IN, PCAPNG_DIR_OUT };
enum pcapng_reception {
    PCAPNG_RX_UNKNOWN,
    PCAPNG_UNICAST,
    PCAPNG_MULTICAST,
    PCAPNG_BROADCAST,
    PCAPNG_PROMISCUOUS
};

#define PCAPNG_COMMENTS 32
struct pcapng_packet {
    uint32_t interface;   /* number of its IDB, from 0 */
    td_time wall;         /* ns since 1970 */
    uint32_t caplen, len; /* bytes in data, bytes the frame had */
    const uint8_t *data;
    enum pcapng_direction direction;
    enum pcapng_reception reception;
    uint64_t id;   /* the journal's packet id; 0: none */
    uint64_t lost; /* packets lost between the one before and this; 0: no option */
    unsigned ncomments;
    struct {
        const char *s;
        size_t len;
    } comment[PCAPNG_COMMENTS];
};
void pcapng_packet(struct pcapng_buf *w, const struct pcapng_packet *p);

struct pcapng_statistics {
    uint32_t interface;
    td_time wall, start, end; /* ns since 1970: of this block, of the capture */
    uint64_t received;        /* frames seen on the interface */
    uint64_t accepted;        /* of them, by the filter */
    uint64_t lost;            /* of these, for want of room in a queue */
    uint64_t delivered;       /* written */
};
void pcapng_statistics(struct pcapng_buf *w, const struct pcapng_statistics *s);

#define PCAPNG_PEN 32473 /* of our custom blocks */
/* A custom block with this text. It may be of 65535 bytes, as an option's value may. */
#define PCAPNG_CUSTOM_MAX 65535u
void pcapng_custom(struct pcapng_buf *w, const char *text, size_t len);

/* pcap with nanosecond times: a header of 24 bytes, and frames behind 16 bytes each. */
void pcap_header(struct pcapng_buf *w, uint32_t linktype, uint32_t snaplen);
void pcap_packet(struct pcapng_buf *w, const struct pcapng_packet *p);

#endif
