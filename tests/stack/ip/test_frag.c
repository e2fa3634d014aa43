/* Reassembly: every order, every overlap, every limit (RFC 791 3.2, 815, 1122 3.3.2, 5722, 6274).
 */
#include "prng.h" /* first: the rig has an r of its own */

#include "ip_rig.h"

#define FRAG_SECONDS 60

/* n octets of the pattern from off on, as a fragment of datagram `id`. */
static void frag(uint16_t id, uint32_t off, uint32_t n, bool more)
{
    ip_in((struct ipv4_hdr){.id = id, .frag_off = (uint16_t)off, .flags = more ? IPV4_MF : 0},
          pattern() + off, n);
}
/* The same with other contents. */
static void forged(uint16_t id, uint32_t off, uint32_t n, bool more)
{
    static uint8_t other[65536];

    memset(other, 0xee, sizeof other);
    ip_in((struct ipv4_hdr){.id = id, .frag_off = (uint16_t)off, .flags = more ? IPV4_MF : 0},
          other, n);
}
static void came_up(uint32_t n)
{
    ck_assert_uint_eq(up.count, 1);
    ck_assert_uint_eq(up.len, n);
    ck_assert_mem_eq(up.bytes, pattern(), n);
    ck_assert_uint_eq(up.rx.h.total_len, n + up.rx.h.hlen);
    ck_assert_uint_eq(up.rx.h.frag_off, 0);
    ck_assert_uint_eq(up.rx.h.flags & IPV4_MF, 0);
    ck_assert_uint_ne(up.flags & PKT_REASSEMBLED, 0);
    up.count = 0;
}
#define held()   (r->st.ip->reasm.held)
#define queues() (r->st.ip->reasm.count)

/* ---- orders ---- */

static void swap(unsigned *a, unsigned *b)
{
    unsigned t = *a;

    *a = *b;
    *b = t;
}

/* All orders of n pieces of 8 octets, the last one of 5 (Heap's algorithm). */
static void all_orders(unsigned *order, unsigned k, unsigned n, unsigned *orders)
{
    if (k == 1) {
        for (unsigned i = 0; i < n; i++) {
            bool last = order[i] == n - 1;

            ck_assert_uint_eq(up.count, 0);
            frag((uint16_t)*orders, 8 * order[i], last ? 5 : 8, !last);
        }
        came_up(8 * (n - 1) + 5);
        (*orders)++;
        return;
    }
    for (unsigned i = 0; i < k; i++) {
        all_orders(order, k - 1, n, orders);
        swap(&order[k % 2 == 0 ? i : 0], &order[k - 1]);
    }
}

/* shows: 1122-I112 1122-I016 815-01 791-02 FRAG-05 */
START_TEST(test_all_permutations)
{
    static const unsigned factorial[] = {1, 1, 2, 6, 24, 120, 720};
    unsigned order[] = {0, 1, 2, 3, 4, 5}, orders = 0;

    all_orders(order, (unsigned)_i, (unsigned)_i, &orders);
    ck_assert_uint_eq(orders, factorial[_i]);
    ck_assert_uint_eq(counter(IpReasmOKs), orders);
    ck_assert_uint_eq(queues(), 0);
    ck_assert_uint_eq(held(), 0);
}
END_TEST

/* Random cuts, order, duplicates; an oracle says after each piece whether all octets are there. */
/* shows: 815-01 1122-I112 ATK-FRAG-16 */
START_TEST(test_random_permutations)
{
    struct prng rng = {.state = (uint64_t)_i + 7};

    for (unsigned round = 0; round < prng_rounds(60); round++) {
        static uint8_t have[65536];
        uint32_t cut[130], n = 1 + prng_below(&rng, 100), at = 0, missing;
        unsigned order[130];

        for (unsigned i = 0; i < n; i++) {
            cut[i] = at;
            at += 8 * (1 + prng_below(&rng, 60));
        }
        cut[n] = at - prng_below(&rng, 8); /* the last piece has any length */
        missing = cut[n];
        memset(have, 0, sizeof have);
        for (unsigned i = 0; i < n; i++)
            order[i] = i;
        for (unsigned i = n; i > 1; i--)
            swap(&order[i - 1], &order[prng_below(&rng, i)]);
        for (unsigned i = 0; i < n; i++) {
            unsigned k = order[i];
            uint32_t len = cut[k + 1] - cut[k];

            if (n == 1)
                break; /* no fragment */
            frag((uint16_t)round, cut[k], len, k + 1 < n);
            missing -= len;
            if (missing > 0 && prng_below(&rng, 4) == 0) /* the network says it twice */
                frag((uint16_t)round, cut[k], len, k + 1 < n);
            ck_assert_uint_eq(up.count, missing == 0);
        }
        if (n > 1)
            came_up(cut[n]);
        ck_assert_uint_eq(held(), 0);
    }
}
END_TEST

/* shows: 1122-I113 */
START_TEST(test_576_in_eights)
{
    for (unsigned off = 0; off < 552; off += 8)
        frag(1, off, 8, true);
    frag(1, 552, 4, false);
    came_up(556); /* 576 with its header */
}
END_TEST

/* shows: 1122-I114 */
START_TEST(test_largest_datagram)
{
    for (uint32_t off = 0; off < 65515; off += 1480)
        frag(1, off, 65515 - off < 1480 ? 65515 - off : 1480, 65515 - off > 1480);
    came_up(65515);
}
END_TEST

static void ping_in_pieces(uint32_t data)
{
    static uint8_t msg[65536], back[65536];
    uint32_t n = (uint32_t)icmp_build(msg, ICMP_ECHO, 0, 0x12345678, pattern(), data);

    for (uint32_t off = 0; off < n; off += 1480) {
        uint32_t len = n - off < 1480 ? n - off : 1480;

        nothing_sent();
        ip_in((struct ipv4_hdr){.id = 9,
                                .frag_off = (uint16_t)off,
                                .proto = IPPROTO_ICMP_,
                                .flags = off + len < n ? IPV4_MF : 0},
              msg + off, len);
    }
    ck_assert_uint_eq(reassemble_out(0, back), n);
    ck_assert_uint_eq(back[0], ICMP_ECHO_REPLY);
    ck_assert_uint_eq(checksum(back, n), 0);
    ck_assert_mem_eq(back + 4, msg + 4, n - 4);
    ck_assert_uint_eq(r->nout, (n + 1479) / 1480);
}

/* shows: 1122-I016 1122-I068 1812-IP17 1812-IC26 */
START_TEST(test_large_echo)
{
    static const uint32_t sizes[] = {1473, 8000, 65507};

    ping_in_pieces(sizes[_i]);
}
END_TEST

static unsigned replies;
static uint32_t reply_len;
static void on_reply(struct td_stack *st, const struct pkt *p, const struct ip_rx *rx,
                     const struct icmp_hdr *h)
{
    static uint8_t b[65536];

    (void)st;
    (void)rx;
    ck_assert_uint_eq(h->echo.id, 77);
    ck_assert(pkt_read(p, 0, b, p->len));
    ck_assert_mem_eq(b + 8, pattern(), p->len - 8);
    reply_len = p->len;
    replies++;
}

/* Our own large echo, out and back. */
START_TEST(test_large_echo_from_us)
{
    static const struct icmp_listener listener = {.reply = on_reply};
    static uint8_t back[65536];
    struct ip_tx tx = {.dst = PEER};
    uint32_t n;

    replies = 0;
    icmp_set_listener(stack(), &listener);
    ck_assert_int_eq(icmp_send_echo(stack(), &tx, 77, 1, pattern(), 8000), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 6);
    n = reassemble_out(0, back);
    ck_assert_uint_eq(n, 8008);
    back[0] = ICMP_ECHO_REPLY;
    wire_put16(back + 2, 0);
    wire_put16(back + 2, checksum(back, n));
    for (uint32_t off = 0; off < n; off += 1480)
        ip_in((struct ipv4_hdr){.id = 3,
                                .frag_off = (uint16_t)off,
                                .proto = IPPROTO_ICMP_,
                                .flags = off + 1480 < n ? IPV4_MF : 0},
              back + off, off + 1480 < n ? 1480 : n - off);
    ck_assert_uint_eq(replies, 1);
    ck_assert_uint_eq(reply_len, 8008);
}
END_TEST

/* ---- keys ---- */

/* shows: 791-03 ATK-FRAG-11 */
START_TEST(test_key)
{
    struct ipv4_hdr h = {.id = 5, .flags = IPV4_MF};
    struct ipv4_hdr other[] = {h, h, h, h};

    other[0].id = 6;
    other[1].proto = IPPROTO_UDP_;
    other[2].src = TD_IP4(10, 0, 0, 3);
    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, TD_IP4(10, 0, 0, 9), 24, 0), 0);
    other[3].dst = TD_IP4(10, 0, 0, 9);
    ip_in(h, pattern(), 8);
    for (unsigned i = 0; i < 4; i++) {
        ip_in(other[i], pattern(), 8);
        ck_assert_uint_eq(queues(), i + 2);
    }
    for (unsigned i = 0; i < 4; i++) {
        other[i].flags = 0;
        other[i].frag_off = 8;
        ip_in(other[i], pattern() + 8, 3);
        came_up(11);
    }
    ck_assert_uint_eq(queues(), 1);
}
END_TEST

/* shows: 791-04 */
START_TEST(test_whole_datagram_with_a_pending_key)
{
    frag(5, 0, 8, true);
    IP_IN(24, .id = 5);
    ck_assert_uint_eq(up.count, 1);
    up.count = 0;
    frag(5, 8, 8, false);
    came_up(16);
}
END_TEST

/* shows: 815-03 ATK-FRAG-15 */
START_TEST(test_first_header_is_kept)
{
    /* the pieces differ in TTL, TOS, options; DF and the reserved flag may be set */
    struct ipv4_hdr last = {.id = 5, .frag_off = 8, .ttl = 9, .tos = 0x10, .flags = IPV4_EVIL};
    struct ipv4_hdr first = {.id = 5,
                             .ttl = 33,
                             .tos = 0x08,
                             .flags = IPV4_MF | IPV4_DF,
                             .opt_len = 8,
                             .opt = {0x9e, 6, 1, 2, 3, 4, 1, 0}};

    ip_in(last, pattern() + 8, 5);
    ip_in(first, pattern(), 8);
    ck_assert_uint_eq(up.rx.h.ttl, 33);
    ck_assert_uint_eq(up.rx.h.tos, 0x08);
    ck_assert_uint_eq(up.rx.h.opt_len, 8);
    ck_assert_mem_eq(up.rx.h.opt, first.opt, 8);
    ck_assert_uint_eq(up.rx.h.hlen, 28);
    came_up(13);
}
END_TEST

/* shows: ATK-FRAG-15 3168-16 */
START_TEST(test_ecn)
{
    static const struct {
        uint8_t a, b, whole; /* whole 0xff: discarded */
    } t[] = {{0, 0, 0}, {1, 1, 1},    {2, 2, 2},    {2, 3, 3},    {3, 1, 3},
             {3, 3, 3}, {0, 3, 0xff}, {3, 0, 0xff}, {0, 1, 0xff}, {2, 0, 0xff}};

    ip_in((struct ipv4_hdr){.id = 5, .flags = IPV4_MF, .tos = 0x48 | t[_i].a}, pattern(), 8);
    ip_in((struct ipv4_hdr){.id = 5, .frag_off = 8, .tos = 0x48 | t[_i].b}, pattern() + 8, 8);
    if (t[_i].whole == 0xff) {
        ck_assert_uint_eq(up.count, 0);
        ck_assert_uint_eq(last_event(EV_FRAG_DROP_DATAGRAM)->arg[4], W_ECN_MIX);
        return;
    }
    ck_assert_uint_eq(up.rx.h.tos, 0x48 | t[_i].whole);
    came_up(16);
}
END_TEST

/* ---- what is no fragment ---- */

/* shows: 791-02 FRAG-03 ATK-FRAG-03 ATK-FRAG-04 */
START_TEST(test_bad_lengths)
{
    static const struct {
        uint32_t off, n;
        bool more;
    } bad[] = {{0, 7, true}, {0, 9, true},  {8, 13, true},  {0, 12, true},
               {0, 0, true}, {64, 0, true}, {64, 0, false}, {16, 0, false}};

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        frag(5, bad[i].off, bad[i].n, bad[i].more);
        ck_assert_uint_eq(events(EV_FRAG_DROP_BAD), i + 1);
        ck_assert_uint_eq(counter(IpReasmFails), i + 1);
        ck_assert_uint_eq(queues(), 0);
    }
    frag(5, 0, 16, true); /* and they can't complete one, or end it */
    frag(5, 16, 0, false);
    ck_assert_uint_eq(up.count, 0);
    ck_assert_uint_eq(queues(), 1);
    frag(5, 16, 4, false);
    came_up(20);
}
END_TEST

/* shows: FRAG-02 ATK-FRAG-02 */
START_TEST(test_ping_of_death)
{
    frag(5, 0, 1480, true);
    frag(5, 65512, 1480, false);
    ck_assert_uint_eq(up.count, 0);
    ck_assert_uint_eq(last_event(EV_FRAG_DROP_DATAGRAM)->arg[4], W_OVER_64K);
    frag(6, 65512, 4, false); /* 65,516 with a header of 20 is one too many */
    ck_assert_uint_eq(events(EV_FRAG_DROP_BAD), 1);
    frag(7, 65512, 3, false);
    ck_assert_uint_eq(events(EV_FRAG_DROP_BAD), 1);
    ck_assert_uint_eq(queues(), 2);
}
END_TEST

/* The first piece's header is longer than the others': too long only when it is known. */
START_TEST(test_too_long_with_the_first_header)
{
    uint32_t off = 0;
    struct ipv4_hdr first = {.id = 5, .flags = IPV4_MF, .opt_len = 4, .opt = {1, 1, 1, 1}};

    for (off = 1480; off < 65515; off += 1480)
        frag(5, off, 65515 - off < 1480 ? 65515 - off : 1480, 65515 - off > 1480);
    ip_in(first, pattern(), 1480);
    ck_assert_uint_eq(up.count, 0);
    ck_assert_uint_eq(events(EV_FRAG_DROP_DATAGRAM), 1);
    ck_assert_uint_eq(held(), 0);
}
END_TEST

/* ---- overlaps ---- */

/* One piece 64..127 is there; then comes [off, off + n): dropped with all, and the key is barred.
 */
static const struct {
    uint32_t off, n;
} overlap[] = {
    {56, 16},  /* reaches in from before */
    {120, 16}, /* begins inside, reaches out */
    {72, 16},  /* inside */
    {56, 80},  /* around */
    {64, 64},  /* the same place, other octets */
    {64, 32},  /* the same start, shorter */
    {64, 72},  /* the same start, longer */
    {96, 32},  /* the same end */
};

static void given_up(enum journal_word why, bool overlapped)
{
    ck_assert_uint_eq(events(EV_FRAG_DROP_DATAGRAM), 1);
    ck_assert_uint_eq(last_event(EV_FRAG_DROP_DATAGRAM)->arg[4], why);
    ck_assert_uint_eq(counter(IpExtReasmOverlaps), overlapped ? 1 : 0);
    ck_assert_uint_eq(counter(IpReasmFails), 1);
}

/* The honest pieces that come later don't make a datagram. */
static void is_barred(uint16_t id)
{
    uint64_t before = events(EV_FRAG_DROP_BARRED);

    frag(id, 0, 64, true);
    frag(id, 64, 64, true);
    frag(id, 128, 64, false);
    ck_assert_uint_eq(up.count, 0);
    ck_assert_uint_eq(events(EV_FRAG_DROP_BARRED), before + 3);
    advance((FRAG_SECONDS + 1) * TD_SEC); /* until the time-out */
    ck_assert_uint_eq(queues(), 0);
    frag(id, 0, 64, true);
    frag(id, 64, 64, true);
    frag(id, 128, 64, false);
    came_up(192);
}

/* shows: FRAG-05 ATK-FRAG-05 791-05 ATK-FRAG-08 */
START_TEST(test_overlaps)
{
    frag(5, 64, 64, true);
    forged(5, overlap[_i].off, overlap[_i].n, true);
    given_up(W_OVERLAP, true);
    ck_assert_uint_lt(held(), 1000); /* the pieces have gone at once */
    is_barred(5);
}
END_TEST

/* shows: ATK-FRAG-01 FRAG-05 */
START_TEST(test_teardrop)
{
    ip_in((struct ipv4_hdr){.id = 5, .flags = IPV4_MF}, pattern(), 40);
    ip_in((struct ipv4_hdr){.id = 5, .frag_off = 24}, pattern() + 24, 4);
    given_up(W_OVERLAP, true);
    is_barred(5);
}
END_TEST

/* shows: FRAG-05 ATK-FRAG-08 ATK-FRAG-07 */
START_TEST(test_tcp_header_rewritten)
{
    struct ipv4_hdr h = {.id = 5, .proto = IPPROTO_TCP_, .flags = IPV4_MF};

    ip_in(h, pattern(), 8); /* RFC 1858: 8 octets of TCP header, the flags in the second piece */
    ck_assert_uint_eq(up.count, 0); /* nobody sees half a header */
    h.frag_off = 8;
    ip_in(h, pattern() + 8, 16);
    h.frag_off = 0; /* RFC 3128: another first piece */
    ip_in(h, pattern() + 100, 24);
    h.frag_off = 24;
    h.flags = 0;
    ip_in(h, pattern() + 24, 8);
    ck_assert_uint_eq(up.count, 0);
    given_up(W_OVERLAP, true);
}
END_TEST

/* shows: FRAG-05 ATK-FRAG-18 ATK-FRAG-14 */
START_TEST(test_exact_duplicates_are_harmless)
{
    td_time deadline;

    frag(5, 64, 64, true);
    deadline = wheel_next(&r->st.wheel);
    uint64_t before = held();

    advance(TD_SEC);
    for (unsigned i = 0; i < 1000; i++) /* jolt2 */
        frag(5, 64, 64, true);
    ck_assert_uint_eq(held(), before);
    ck_assert_uint_eq(events(EV_FRAG_DROP_DUPLICATE), 1000);
    ck_assert_uint_eq(wheel_next(&r->st.wheel), deadline); /* time isn't extended */
    frag(5, 128, 64, false);
    frag(5, 128, 64, false); /* the last one twice */
    frag(5, 0, 64, true);
    came_up(192);
}
END_TEST

/* shows: FRAG-08 ATK-FRAG-06 */
START_TEST(test_ends)
{
    static const struct {
        uint32_t off1, n1, off2, n2;
        bool more1, more2;
        enum journal_word why;
    } t[] = {
        {64, 64, 128, 64, false, false, W_END_CONFLICT}, /* two ends */
        {128, 64, 64, 32, false, false, W_END_CONFLICT},
        {64, 64, 128, 64, false, true, W_PAST_END}, /* data behind the end */
        {192, 64, 64, 64, true, false, W_PAST_END}, /* the end before data that is here */
        {64, 64, 64, 64, false, true, W_OVERLAP},   /* the same piece, once with more to come */
    };

    frag(5, t[_i].off1, t[_i].n1, t[_i].more1);
    frag(5, t[_i].off2, t[_i].n2, t[_i].more2);
    given_up(t[_i].why, t[_i].why == W_OVERLAP);
    is_barred(5);
}
END_TEST

/* ---- time ---- */

/* shows: 1122-I116 1122-I117 FRAG-01 792-04 815-04 ATK-FRAG-13 ATK-FRAG-14 1122-I059 */
START_TEST(test_timeout)
{
    bool zero = _i == 1;
    td_time start = r->st.now;
    uint8_t first[20 + 64];

    set_knob(IPFRAG_TIME, FRAG_SECONDS);
    ip_in((struct ipv4_hdr){.id = 5, .frag_off = 64, .flags = IPV4_MF, .ttl = 1}, pattern(), 64);
    advance(10 * TD_SEC);
    build(first, (struct ipv4_hdr){.id = 5, .flags = IPV4_MF, .ttl = 1}, pattern(), 64);
    if (zero)
        raw_in(first, sizeof first);
    for (unsigned i = 0; i < 4; i++) { /* dripping changes nothing */
        advance(10 * TD_SEC);
        frag(5, 128 + 64 * i, 64, true);
    }
    rig_run(r, start + FRAG_SECONDS * TD_SEC - 1000);
    ck_assert_uint_eq(queues(), 1);
    nothing_sent();
    rig_run(r, start + FRAG_SECONDS * TD_SEC);
    ck_assert_uint_eq(queues(), 0);
    ck_assert_uint_eq(held(), 0);
    ck_assert_uint_eq(counter(IpReasmTimeout), 1);
    ck_assert_uint_eq(events(EV_FRAG_DROP_TIMEOUT), 1);
    if (!zero) {
        nothing_sent();
        return;
    }
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_TIME_EXCEEDED, 1);
    ck_assert_uint_eq(outh.dst, PEER);
    ck_assert_mem_eq(outp + 8, first, sizeof first); /* the first piece, as it came */
    ck_assert_uint_eq(outn, 8 + sizeof first);
}
END_TEST

/* Linux waits 30 s; the RFC's own profile 60. */
START_TEST(test_profiles)
{
    struct knobs k;

    knobs_init(&k, PROFILE_RFC);
    ck_assert_int_eq(k.v[KNOB_IPFRAG_TIME][0], 60);
    frag(5, 0, 8, true);
    advance(30 * TD_SEC - 1000);
    ck_assert_uint_eq(queues(), 1);
    advance(1000);
    ck_assert_uint_eq(queues(), 0);
}
END_TEST

/* shows: 1122-I045 ATK-FRAG-13 */
START_TEST(test_no_error_about_later_pieces)
{
    ip_in((struct ipv4_hdr){.id = 5, .frag_off = 64, .proto = 99}, pattern(), 8);
    ip_in((struct ipv4_hdr){.id = 5, .frag_off = 64, .opt_len = 4, .opt = {7, 1, 0, 0}}, pattern(),
          8);
    nothing_sent();
    ck_assert_uint_eq(last_event(EV_ICMP_ERROR_SILENT)->arg[2], W_NOT_FIRST);
}
END_TEST

/* ---- limits ---- */

static void frag_from(td_ip4 src, uint16_t id, uint32_t off, uint32_t n)
{
    ip_in((struct ipv4_hdr){.src = src, .id = id, .frag_off = (uint16_t)off, .flags = IPV4_MF},
          pattern() + off, n);
}

/* shows: FRAG-10 ATK-FRAG-09 FRAG-04 */
START_TEST(test_pieces_of_one_datagram)
{
    unsigned most = (unsigned)r->st.knobs.v[KNOB_IPFRAG_MAX_FRAGS][0];

    for (unsigned i = 0; i < 8000; i++) {
        frag_from(PEER, 5, 8 * ((i * 4999) % 8000), 8); /* each offset once, shuffled */
        if (i == most)
            ck_assert_uint_eq(last_event(EV_FRAG_DROP_DATAGRAM)->arg[4], W_TOO_MANY_FRAGS);
    }
    ck_assert_uint_eq(events(EV_FRAG_DROP_DATAGRAM), 1);
    ck_assert_uint_eq(events(EV_FRAG_QUEUED), most);
    ck_assert_uint_eq(events(EV_FRAG_DROP_BARRED), 8000 - most - 1);
    ck_assert_uint_lt(held(), 1000);
    IP_IN(100, .id = 1);
    ck_assert_uint_eq(up.count, 1);
}
END_TEST

/* shows: FRAG-04 FRAG-09 ATK-FRAG-10 */
START_TEST(test_flood_of_sources)
{
    uint64_t high = 100000;

    set_knob(IPFRAG_HIGH_THRESH, (int64_t)high);
    for (unsigned i = 0; i < 5000; i++) {
        frag_from(TD_IP4(20, 0, i >> 8, i & 255), (uint16_t)i, 0, 8);
        ck_assert_uint_le(held(), high);
    }
    ck_assert_uint_gt(events(EV_FRAG_DROP_LIMIT), 4000);
    IP_IN(100, .id = 1); /* what isn't a fragment doesn't notice */
    ck_assert_uint_eq(up.count, 1);
    up.count = 0;
    frag(7, 8, 8, false); /* and a datagram in two pieces gets through */
    frag(7, 0, 8, true);
    came_up(16);
    advance(31 * TD_SEC);
    ck_assert_uint_eq(held(), 0);
    ck_assert_uint_eq(queues(), 0);
}
END_TEST

/* shows: FRAG-09 ATK-FRAG-10 */
START_TEST(test_one_source_starves_nobody)
{
    td_ip4 victim = TD_IP4(20, 1, 1, 1);

    set_knob(IPFRAG_HIGH_THRESH, 200000);
    for (unsigned i = 0; i < 3; i++)
        frag_from(victim, (uint16_t)i, 0, 800);
    for (unsigned i = 0; i < 20000; i++)
        frag_from(PEER, (uint16_t)i, 0, 1200);
    ck_assert_uint_le(held(), 200000 / 4 + 20000);
    ck_assert_uint_le(queues(), 64 + 3);
    for (unsigned i = 0; i < 3; i++) {
        ip_in((struct ipv4_hdr){.src = victim, .id = (uint16_t)i, .frag_off = 800}, pattern() + 800,
              9);
        came_up(809);
    }
    /* the attacker's own oldest went: its newest is still there */
    ip_in((struct ipv4_hdr){.id = 19999, .frag_off = 1200}, pattern() + 1200, 9);
    came_up(1209);
    ip_in((struct ipv4_hdr){.id = 19000, .frag_off = 1200}, pattern() + 1200, 9);
    ck_assert_uint_eq(up.count, 0);
}
END_TEST

START_TEST(test_number_of_datagrams_of_one_source)
{
    for (unsigned i = 0; i < 200; i++)
        frag_from(PEER, (uint16_t)i, 0, 8);
    ck_assert_uint_eq(queues(), 64);
    for (unsigned i = 136; i < 200; i++) { /* the newest */
        ip_in((struct ipv4_hdr){.id = (uint16_t)i, .frag_off = 8}, pattern() + 8, 8);
        came_up(16);
    }
    set_knob(IPFRAG_HIGH_THRESH, 0);
    frag_from(PEER, 5, 0, 8);
    ck_assert_uint_eq(queues(), 0);
    ck_assert_uint_eq(last_event(EV_FRAG_DROP_BAD)->arg[4], W_LIMIT);
}
END_TEST

/* shows: ATK-X-01 */
START_TEST(test_without_memory)
{
    for (unsigned fail = 1; fail < 40; fail++) {
        struct pkt *p[4];

        for (unsigned i = 0; i < 4; i++) {
            uint8_t b[100];
            size_t n = build(b,
                             (struct ipv4_hdr){.id = (uint16_t)fail,
                                               .frag_off = (uint16_t)(8 * i),
                                               .flags = i < 3 ? IPV4_MF : 0},
                             pattern() + 8 * i, 8);

            p[i] = pkt_from_bytes(&r->st.mem, 0, b, (uint32_t)n);
        }
        r->st.mem.fail_after = fail;
        for (unsigned i = 0; i < 4; i++)
            ip_input(stack(), eth0, p[i], NULL);
        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
    }
    advance(100 * TD_SEC);
    ck_assert_uint_eq(held(), 0);
    ck_assert_uint_gt(up.count, 0);
}
END_TEST

/* Anything at all: nothing may leak, hang or deliver what wasn't sent. */
START_TEST(test_random_garbage)
{
    struct prng rng = {.state = (uint64_t)_i + 1};

    set_knob(IPFRAG_HIGH_THRESH, 60000);
    for (unsigned i = 0; i < prng_rounds(4000); i++) {
        struct ipv4_hdr h = {.id = prng_u16(&rng) % 4,
                             .frag_off = (uint16_t)(8 * prng_below(&rng, 40)),
                             .flags = prng_u16(&rng) & 0xe000,
                             .tos = prng_below(&rng, 16) == 0,
                             .src = PEER + prng_below(&rng, 3)};

        ip_in(h, pattern() + h.frag_off, prng_below(&rng, 30) * (prng_below(&rng, 8) ? 8 : 1));
        if (up.count > 0 && (up.flags & PKT_REASSEMBLED) != 0)
            ck_assert_mem_eq(up.bytes, pattern(), up.len);
        up.count = 0;
        if (prng_below(&rng, 50) == 0)
            advance(prng_below(&rng, 40) * TD_SEC);
        ck_assert_uint_le(held(), 60000);
    }
}
END_TEST

static void setup(void)
{
    ip_setup();
    set_knob(IPFRAG_TIME, FRAG_SECONDS);
    r->st.journal.level = JOURNAL_ALL;
}
static void setup_linux(void)
{
    ip_setup();
}

static Suite *suite(void)
{
    Suite *s = suite_create("ip/frag");
    TCase *tc = tcase_create("order");

    tcase_add_checked_fixture(tc, setup, ip_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_all_permutations, 2, 7);
    tcase_add_loop_test(tc, test_random_permutations, 0, 8);
    tcase_add_test(tc, test_576_in_eights);
    tcase_add_test(tc, test_largest_datagram);
    tcase_add_loop_test(tc, test_large_echo, 0, 3);
    tcase_add_test(tc, test_large_echo_from_us);
    tcase_add_test(tc, test_key);
    tcase_add_test(tc, test_whole_datagram_with_a_pending_key);
    tcase_add_test(tc, test_first_header_is_kept);
    tcase_add_loop_test(tc, test_ecn, 0, 10);
    suite_add_tcase(s, tc);
    tc = tcase_create("attacks");
    tcase_add_checked_fixture(tc, setup, ip_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_bad_lengths);
    tcase_add_test(tc, test_ping_of_death);
    tcase_add_test(tc, test_too_long_with_the_first_header);
    tcase_add_loop_test(tc, test_overlaps, 0, sizeof overlap / sizeof *overlap);
    tcase_add_test(tc, test_teardrop);
    tcase_add_test(tc, test_tcp_header_rewritten);
    tcase_add_test(tc, test_exact_duplicates_are_harmless);
    tcase_add_loop_test(tc, test_ends, 0, 5);
    tcase_add_loop_test(tc, test_timeout, 0, 2);
    tcase_add_test(tc, test_no_error_about_later_pieces);
    tcase_add_loop_test(tc, test_random_garbage, 0, 4);
    suite_add_tcase(s, tc);
    tc = tcase_create("limits");
    tcase_add_checked_fixture(tc, setup_linux, ip_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_profiles);
    tcase_add_test(tc, test_pieces_of_one_datagram);
    tcase_add_test(tc, test_flood_of_sources);
    tcase_add_test(tc, test_one_source_starves_nobody);
    tcase_add_test(tc, test_number_of_datagrams_of_one_source);
    tcase_add_test(tc, test_without_memory);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
