/* Overlapping fragments under each policy of net.ipv4.ipfrag_overlap, against a model that decides octet by octet. */
#include "prng.h"

#include "ip_rig.h"

#define LEN 128 /* of the datagrams' payload: sixteen eights */

enum { DROP, FIRST, LAST, BSD, LINUX };

static struct prng random_state;

static unsigned pick(unsigned n)
{
    return prng_u32(&random_state) % n;
}

/* The model: which fragment owns each octet, 0 = none yet. Octets of one owner that lie together are one piece. */
static unsigned owner[LEN];
static uint8_t octets[LEN];

static unsigned piece_begin(const unsigned *own, unsigned x)
{
    while (x > 0 && own[x - 1] == own[x])
        x--;
    return x;
}

static void model_take(int policy, unsigned id, unsigned off, unsigned end, const uint8_t *data)
{
    unsigned before[LEN];

    memcpy(before, owner, sizeof before);
    for (unsigned x = off; x < end; x++) {
        bool old = false;
        if (before[x] != 0) {
            unsigned begin = piece_begin(before, x);
            old = policy == FIRST || (policy == BSD && begin <= off) || (policy == LINUX && begin < off);
        }
        if (old)
            continue;
        owner[x] = id;
        octets[x] = data[x - off];
    }
}

static bool model_whole(void)
{
    for (unsigned x = 0; x < LEN; x++)
        if (owner[x] == 0)
            return false;
    return true;
}

/* Fragment [off, end), filled with octets that nobody else has. */
static void take(int policy, unsigned id, unsigned off, unsigned end)
{
    uint8_t data[LEN];

    for (unsigned i = 0; i < end - off; i++)
        data[i] = (uint8_t)(id * 37 + i);
    model_take(policy, id, off, end, data);
    ip_in((struct ipv4_hdr){.id = 7, .frag_off = (uint16_t)off, .flags = end < LEN ? IPV4_MF : 0}, data, end - off);
}

static void begin(int policy)
{
    set_knob(IPFRAG_OVERLAP, policy);
    memset(owner, 0, sizeof owner);
    up.count = 0;
}

static void check_whole(void)
{
    ck_assert(model_whole());
    ck_assert_uint_eq(up.count, 1);
    ck_assert_uint_eq(up.len, LEN);
    ck_assert_mem_eq(up.bytes, octets, LEN);
    ck_assert_uint_eq(r->st.ip->reasm.held, 0);
}

/* How a second fragment can lie to a first at [40, 80), and whose octets of both survive: 'o' the old one's, 'n' the
 * new one's, for first, last, bsd, linux. */
START_TEST(test_two_fragments)
{
    static const struct {
        unsigned off, end;
        const char *wins;
    } c[] = {
        {24, 56, "onnn"}, /* begins in front */
        {56, 96, "onoo"}, /* begins inside */
        {40, 64, "onon"}, /* begins where the old one does */
        {24, 96, "onnn"}, /* covers it */
        {48, 72, "onoo"}, /* lies within it */
    };
    for (unsigned i = 0; i < sizeof c / sizeof *c; i++)
        for (int policy = FIRST; policy <= LINUX; policy++) {
            begin(policy);
            take(policy, 1, 40, 80);
            take(policy, 2, c[i].off, c[i].end);
            unsigned both = c[i].off > 40 ? c[i].off : 40;
            ck_assert_uint_eq(owner[both], c[i].wins[policy - 1] == 'o' ? 1 : 2);
            ck_assert_uint_eq(up.count, 0);
            unsigned front = c[i].off < 40 ? c[i].off : 40, back = c[i].end > 80 ? c[i].end : 80;
            take(policy, 3, 0, front);
            take(policy, 4, back, LEN);
            check_whole();
            ck_assert_uint_gt(events(EV_FRAG_OVERLAP), 0);
        }
}
END_TEST

/* A thousand datagrams in random, overlapping pieces. */
START_TEST(test_against_the_model)
{
    random_state.state = 11;
    for (unsigned round = 0; round < 1000; round++) {
        int policy = FIRST + (int)(round % 4);
        bool last = false;
        unsigned id = 1;

        begin(policy);
        while (!last || !model_whole()) {
            unsigned off = pick(LEN / 8) * 8, end = off + 8 + pick(8) * 8;
            if (end >= LEN) {
                end = LEN;
                last = true;
            }
            if (id > 100) { /* the rest in order */
                for (unsigned x = 0; x < LEN && up.count == 0; x += 8)
                    if (owner[x] == 0 || x + 8 == LEN)
                        take(policy, id++, x, x + 8);
                break;
            }
            take(policy, id++, off, end);
        }
        check_whole();
    }
    ck_assert_uint_eq(events(EV_FRAG_DROP_DATAGRAM), 0);
}
END_TEST

/* Without the knob the datagram is dropped (RFC 5722), whatever overlaps. */
START_TEST(test_dropped_by_default)
{
    ck_assert_int_eq(knob(stack(), IPFRAG_OVERLAP), DROP);
    take(DROP, 1, 0, 64);
    take(DROP, 2, 56, LEN);
    take(DROP, 3, 64, LEN);
    ck_assert_uint_eq(up.count, 0);
    ck_assert_uint_eq(events(EV_FRAG_DROP_DATAGRAM), 1);
}
END_TEST

/* Under no policy may two ends contradict each other, and no lack of memory leaves anything behind. */
START_TEST(test_ends_and_memory)
{
    for (int policy = FIRST; policy <= LINUX; policy++) {
        begin(policy);
        uint8_t b[LEN] = {0};
        ip_in((struct ipv4_hdr){.id = (uint16_t)(20 + policy), .frag_off = 64}, b, 64);
        ip_in((struct ipv4_hdr){.id = (uint16_t)(20 + policy), .frag_off = 32}, b, 64);
        ck_assert_uint_eq(events(EV_FRAG_DROP_DATAGRAM), (unsigned)policy);
    }
    unsigned given_up = 0;
    for (unsigned fail = 1; fail < 12; fail++) {
        uint8_t b[100];
        struct pkt *p;
        begin(FIRST);
        take(FIRST, 1, 32, 48);
        (void)build(b, (struct ipv4_hdr){.id = 7, .frag_off = 16, .flags = IPV4_MF}, pattern(), 64);
        p = pkt_from_bytes(&r->st.mem, 0, b, 84);
        uint64_t drops = events(EV_FRAG_DROP_DATAGRAM);
        r->st.mem.fail_after = fail;
        ip_input(stack(), eth0, p, NULL);
        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
        given_up += events(EV_FRAG_DROP_DATAGRAM) > drops;
        advance(120 * TD_SEC);
        ck_assert_uint_eq(r->st.ip->reasm.held, 0);
    }
    ck_assert_uint_gt(given_up, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/frag_overlap");
    TCase *t = ip_case(s, "overlap", false);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_two_fragments);
    tcase_add_test(t, test_against_the_model);
    tcase_add_test(t, test_dropped_by_default);
    tcase_add_test(t, test_ends_and_memory);
    return s;
}

CHECK_MAIN(suite)
