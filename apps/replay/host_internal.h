/* replay/host_internal.h: the parts of a played host (theory of operation: host.h). */
#ifndef REPLAY_HOST_INTERNAL_H
#define REPLAY_HOST_INTERNAL_H

#include "dev/diary.h"
#include "dev/reasons.h"
#include "link/link.h"
#include "replay/host.h"
#include "replay/mapped.h"
#include "replay/view.h"
#include "tapdeckd/deck.h"

#define HOST_START    (10000 * TD_SEC) /* a host that has been up for a while */
#define HOST_ROWS     1024             /* whose verdict is open, or that wait behind one */
#define HOST_PATIENCE (60 * TD_SEC)    /* then what has no twin gets none */
#define HOST_LATENESS (4 * TD_MS)
#define HOST_LATE     64
#define HOST_TIMED    256
#define LOOK_TIME     (4 * TD_SEC) /* seen ahead */
#define LOOK_ITEMS    4096
#define LOOK_NEAR     512 /* of these, where what is looked for isn't far */
#define ADDED_MAX     256 /* addresses that it may have been given */
#define LOOK_BYTES    (16u << 20)
#define HOSTS_MAX     1024 /* stations and destinations that are remembered */
#define PORTS_MAX     64   /* sockets */

/* ---- host_facts.c: what a file says of the host ---- */

struct station { /* an address on the link */
    td_ip4 ip;
    struct td_mac mac;
    uint64_t arp_at; /* the packet in which ARP said so first; 0: none did */
};
struct destination { /* the host sent something to it */
    td_ip4 ip;
    struct td_mac mac; /* there first */
    uint64_t at;       /* the packet */
};
struct facts {            /* of an interface */
    bool captured, found; /* there is a file of it; its MAC address is known */
    struct td_mac mac;
    bool sent_to; /* somebody sent something to it: */
    struct td_mac target;
    bool passes; /* somebody passes on what is for elsewhere: */
    struct td_mac router;
    td_ip4 addr;
    uint8_t plen;
    bool arp;        /* there is ARP in it */
    bool redirected; /* a redirect was obeyed */
    struct station station[HOSTS_MAX];
    struct destination dst[HOSTS_MAX];
    unsigned nstations, ndsts;
    td_ip4 gone[64]; /* reported as unreachable by the host */
    unsigned ngone;
    struct {
        td_ip4 dst, via;
    } redirect[16];
    unsigned nredirects;
    struct td_mac seer[2]; /* who may have captured: all unicast frames are from or to it */
    uint8_t ttl;           /* of what it answers by itself; 0: nothing was seen */
    struct {
        uint32_t name; /* identifier and number of an echo request */
        int64_t wall;
    } echo[8]; /* the last that it was asked */
    unsigned nechos;
    td_time soonest;      /* in which it answered one; TD_NEVER: it never did */
    int nseers;           /* -1: there was no unicast frame yet */
    bool announced_first; /* the host's first word is an announcement of its address */
    bool spoke, asked;    /* it sent something; somebody asked for it */
    uint32_t mtu; /* of its fragments, or of what is larger than usual; 0: nothing shows it */
};
#define TCP_BITS (1u << 20)
struct ports { /* shared by all interfaces; bits by port */
    uint8_t sent[8192], refused[8192];
    uint8_t tcp[TCP_BITS / 8]; /* by hash of the ends: the host took part in this connection */
};
/* Looks for the interface's MAC address; done when ARP has told it. */
void facts_mac(struct facts *f, const struct view *v, bool *sure);
void facts_see(struct facts *f, struct ports *p, const struct view *v);
void facts_done(struct facts *f, uint8_t plen);
const struct station *facts_station(const struct facts *f, td_ip4 ip);
/* Where what is for this address goes: its own MAC address, or a gateway's. */
bool facts_mac_of(const struct facts *f, td_ip4 ip, struct td_mac *mac);
bool facts_gone(const struct facts *f, td_ip4 ip);
uint32_t facts_tcp_bit(td_ip4 a, uint16_t ap, td_ip4 b, uint16_t bp);
bool bit_get(const uint8_t *bits, uint32_t i);
/* An error that quotes the beginning of a datagram: what was quoted. */
struct quote {
    uint8_t type, code, proto;
    td_ip4 src, dst;
    uint16_t sport, dport; /* 0 if the quote doesn't reach so far, or it has none */
};
bool quote_read(struct quote *q, const struct view *v);

/* ---- host_judge.c ---- */

/* The frame without padding, and without what is never compared. Returns its length; dst has room
 * for n. */
uint32_t norm_make(uint8_t *dst, const uint8_t *frame, uint32_t n);
/* Equal as far as `kept` bytes of a were captured. */
bool norm_same(const uint8_t *a, uint32_t an, uint32_t kept, const uint8_t *b, uint32_t bn);
/* The same message, if not the same bytes. */
bool norm_alike(const uint8_t *a, uint32_t an, const uint8_t *b, uint32_t bn);
/* In what `sent` is not what was captured. */
void norm_difference(const uint8_t *cap, uint32_t ncap, const uint8_t *sent, uint32_t nsent,
                     struct text *out);

struct heard { /* something that was handed in, and may be why something else should have left */
    uint64_t name;  /* norm_question; 0: nothing */
    uint64_t inner; /* norm_inner */
    td_time at;
    uint64_t number;
    unsigned iface;
    char why[200]; /* the last that the journal said of it */
};
#define HEARD_MAX 256

/* ---- rows ---- */

struct host_entry {
    struct host_row r;
    bool open;    /* its verdict isn't known */
    bool gone;    /* it is another's twin */
    bool untold;  /* its reasons haven't been asked for */
    uint64_t pkt; /* the stack's number of it; 0: none */
    bool out;
    uint64_t cause; /* the captured packet that was being handed in when it left; 0: none was */
    uint8_t *norm;
    uint32_t n, kept;
};

/* ---- frames ---- */

struct item {
    struct item *more; /* of a super-segment, the pieces behind this one */
    struct view v;
    uint8_t *frame; /* v.frame */
    unsigned iface;
    td_time at;
    bool out;  /* of the host */
    bool done; /* an application has sent it already */
};

struct feed { /* a file */
    struct mapped map;
    const char *name; /* for sentences */
    struct diary_book book;
    struct capture_reader *reader;
    struct viewer viewer;
    struct item *next;
    uint64_t packets;
    td_time last;
    bool over;
};

/* ---- host_app.c: what applications did ---- */

enum socket_kind { SOCKET_PING, SOCKET_UDP };
struct port {
    enum socket_kind kind;
    uint16_t port;
    int handle;
    uint64_t used; /* when last, by count */
};

enum cause { CAUSE_NONE, CAUSE_STACK, CAUSE_PING, CAUSE_UDP, CAUSE_RAW, CAUSE_FRAME };
struct cause_of { /* a captured datagram of the host, put together from its fragments */
    enum cause cause;
    struct ipv4_hdr ip;
    uint8_t *payload;
    uint32_t n;
    bool whole;
};

struct host_if {
    struct host *h;
    char name[16];
    uint32_t index;
    struct facts f;
    td_ip4 probing; /* an address that it asks about before it takes it (RFC 5227) */
};

struct answer { /* to an ARP request, where no ARP was captured */
    unsigned iface;
    td_ip4 spa, tpa;
    struct td_mac sha, mac;
};

struct reassembly {
    td_ip4 src, dst;
    uint16_t id;
    uint8_t proto;
    unsigned n;
    uint64_t number[16];
};

struct host {
    struct host_options o;
    struct host_if iface[HOST_IFS];
    struct feed feed[HOST_IFS];
    struct td_stack *st;
    struct deck deck;
    struct reasons *reasons;
    struct link_observer observer;
    uint64_t in_pkt;    /* the stack's number of the frame that was handed in last */
    bool nat_or_router; /* TCP is handed in too */
    td_time lag;        /* the capture was made so far from it (there and back), */
    uint8_t hops;       /* and so many routers */
    struct {
        td_time at;       /* since the first packet */
        const char *text; /* a command; of a knob, NAME=VALUE */
        bool knob;
    } timed[HOST_TIMED]; /* in order */
    unsigned ntimed, next_timed;
    bool recording; /* what leaves is compared */
    bool closed;    /* behind the last captured frame */
    int64_t first_wall;
    struct ports *ports;
    struct port port[PORTS_MAX];
    unsigned nports;
    uint64_t uses;
    struct item *look[LOOK_ITEMS];
    unsigned look_at, look_n;
    uint64_t look_bytes;
    struct host_entry row[HOST_ROWS];
    unsigned row_at, row_n;
    struct answer answer[64];
    unsigned nanswers, nadded;
    td_time answered; /* the last of them */
    struct late {
        struct item *it;
        struct host_entry *r;
    } late[HOST_LATE]; /* what the host sent, if nothing that passes through it turns out to be that
                        */
    unsigned nlate;
    struct reassembly reasm[32];
    unsigned next_reasm;
    struct heard heard[HEARD_MAX];
    unsigned nheard;
    uint64_t hearing; /* the packet that is being handed in; 0: none is */
    bool unread;      /* something may have come for its sockets */
    struct {
        uint64_t pkt, number;
    } names[4096]; /* the stack's numbers of captured frames */
    struct host_sum sum;
    struct tape tape;
    uint8_t *now;               /* the frame that the last step came to, */
    struct host_entry *now_row; /* and its row, if it is still there */
    uint8_t bytes[65536 + 64];
    uint8_t norm[65536 + 64];
};

/* ---- host_rows.c ---- */

struct host_entry *host_row_add(struct host *h, unsigned iface, bool out);
struct host_entry *host_row_nth(struct host *h, unsigned i); /* of row_n */
/* Can whoever captured have seen it? */
bool host_row_seen(const struct host *h, const struct host_entry *r);
void host_row_close(struct host *h, struct host_entry *r); /* its twin won't come */
void host_row_pop(struct host *h);               /* tells the first, which must be closed */
void host_rows_out(struct host *h, td_time now); /* all in front that are */
/* What it is compared by; kept: bytes of the frame that were captured. False: no memory. */
bool host_row_frame(struct host *h, struct host_entry *r, const uint8_t *frame, uint32_t n,
                    uint32_t kept);
/* An open row that this frame is the twin of; captured or sent ones. */
struct host_entry *host_row_twin(struct host *h, unsigned iface, bool captured, const uint8_t *norm,
                                 uint32_t n, uint32_t kept, bool alike);
void host_row_verdict(const struct host *h, struct host_entry *cap, td_time sent_at, bool alike);
void host_row_differs(struct host_entry *cap, const uint8_t *sent, uint32_t n);
void host_rows_tell(struct host *h); /* the journal's reasons, outside of the door */
void host_part_came(struct host *h, const struct item *it);
void host_describe(const struct view *v, struct text *out);

/* What an answer is an answer to: one name for a question and for all that may answer it (echo
 * replies, errors that quote it, ARP replies). 0: neither. */
uint64_t norm_question(const uint8_t *b, uint32_t n);
uint64_t norm_answer(const uint8_t *b, uint32_t n);
/* Of what translation leaves alone: the same in what comes in and in what leaves for it. 0: it is
 * no whole datagram. */
uint64_t norm_inner(const uint8_t *b, uint32_t n);
void host_heard(struct host *h, const struct item *it);
/* Did this come in somewhere a moment ago, and is passed on? */
bool host_passes(const struct host *h, const struct item *it);

/* ---- host_load.c ---- */

int host_load(struct host *h, char *msg, size_t msg_size);
/* What a diary in the capture (dev/diary.h) says of the interface's stack; NULL: there is none. */
const struct diary_stack *host_diary(const struct host *h, unsigned k);
struct item *host_look_item(struct host *h, unsigned i); /* the i-th ahead; NULL: there is none */
struct item *
host_look_take(struct host *h);       /* the next one, which is the caller's now; NULL: the end */
void host_item_free(struct item *it); /* alone */

/* ---- host.c ---- */

void host_settle(struct host *h); /* flush, applications, answers, until nothing happens */
void host_note(struct host *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Timers until then (`at`: those at that very time too), then it is that time. */
void host_run(struct host *h, td_time until, bool at);
const struct td_device_ops *host_device(void);
int host_command(struct host *h, const char *line, char *msg, size_t msg_size);

/* host_setup.c */
int host_setup(struct host *h, char *msg, size_t msg_size);
void host_timed(struct host *h, td_time at, const char *text, bool knob); /* is done then */
void host_do_timed(struct host *h, td_time until);
void host_address(struct host *h, unsigned k); /* its address, and what follows from it */

/* host_app.c */
void app_read(struct host *h); /* what has come */
void app_before(struct host *h,
                const struct item *it); /* a frame comes: are its ports as they were? */
/* The host sent this: what made it? Sends what an application sent. False: it is the stack's own
 * affair. */
bool app_send(struct host *h, struct item *it, struct text *why);
void app_arp(struct host *h, struct item *it, struct text *why);
void app_probe(struct host *h, struct item *it); /* before time goes on to it */

#endif
