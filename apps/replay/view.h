/* replay/view.h: a captured packet as an Ethernet frame, and what its headers say.
 *
 * Theory of operation. A capture holds what some interface of some machine gave to some program:
 * Ethernet frames with and without VLAN tags, bare IP datagrams, "cooked" packets of Linux's `any`
 * device, the four bytes of a BSD loopback; whole, or cut off at a snap length. The stack takes
 * Ethernet frames, and the trackers want headers. So each captured packet is first made into one
 * frame: tags are taken off, a link layer that isn't Ethernet is replaced by one made up from the IP
 * addresses (02:00 and the four bytes), and what the snap length cut off is put back as zeros and
 * counted. Then its headers are read, leniently: a checksum that doesn't hold is remembered, not
 * judged, for captures made by the sender have unfinished ones (its card was to compute them).
 */
#ifndef REPLAY_VIEW_H
#define REPLAY_VIEW_H

#include "dev/capture.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

enum view_net { VIEW_OTHER, VIEW_ARP, VIEW_IPV4, VIEW_IPV6 };
enum view_sum { SUM_GOOD, SUM_BAD, SUM_UNKNOWN }; /* unknown: a part of what it covers was cut off */

struct view {
    uint64_t number;     /* of the packet in its file, from 1, as Wireshark counts */
    int64_t wall;        /* ns since 1970 (view_wall) */
    uint8_t dir;         /* enum capture_dir */
    uint32_t iface;
    const uint8_t *frame; /* Ethernet, no tags; valid until the next view_make */
    uint32_t frame_len;
    uint32_t filled;     /* of these, zeros at the end in place of what wasn't captured */
    int vlan;            /* the outermost tag's VLAN id; -1: none */
    uint16_t type;       /* EtherType */
    enum view_net net;
    struct ipv4_hdr ip;  /* VIEW_IPV4 */
    bool fragment;       /* of a larger datagram: what follows its IP header is not looked at */
    enum view_sum ip_sum, l4_sum;
    uint8_t proto;       /* IPPROTO_…; 0 = none known */
    uint8_t src[16], dst[16]; /* addresses, IPv4 as ::ffff:a.b.c.d */
    uint16_t sport, dport;    /* TCP, UDP */
    bool has_tcp;        /* the TCP header is whole and well-formed */
    struct tcp_hdr tcp;
    uint32_t text_at, text_len; /* TCP, UDP: the text within frame */
    uint32_t text_kept;         /* bytes of it that were captured */
};

/* Largest frame that is made: a super-segment of 64 KiB, and one of the few that are larger. */
#define VIEW_FRAME_MAX 262144u

struct viewer { /* holds the frame; zero it before use */
    uint8_t *frame;
    uint32_t room;
};

enum view_result {
    VIEW_OK,
    VIEW_SHORT,        /* too few bytes for its link layer's header, or far too many */
    VIEW_UNKNOWN_LINK, /* no idea what it is */
    VIEW_NO_MEMORY,
};
/* Its time, ns since 1970. One that a file can't mean is brought into +-2^61, so that sums and
 * differences of two such times don't overflow. */
int64_t view_wall(const struct capture_frame *f);
/* Reads a captured packet. `v` is whole with VIEW_OK only; number and wall are always set. */
enum view_result view_make(struct viewer *w, const struct capture_frame *f, uint64_t number, struct view *v);
void viewer_done(struct viewer *w);
/* Is this a link type that view_make reads? */
bool view_knows_link(uint16_t link);
/* Why a file is no use of which no packet could be read: it has none, or all of these are like the first, of this
 * link type. */
void view_none(const char *name, uint64_t packets, uint16_t link, char *msg, size_t msg_size);

/* The address and port as text: "10.0.0.1:80", "[2001:db8::1]:80"; into dst of 64 bytes. */
void view_endpoint(const uint8_t addr[16], uint16_t port, char dst[64]);

#endif
