/* Organs: each by itself, against its oracle, and a student's in a running stack. */
#include "check_main.h"
#include "loss_bench.h"
#include "loss_simple.h"
#include "prng.h"
#include "reasm_bench.h"
#include "reasm_simple.h"
#include "sack_talk.h"
#include "transfer.h"

#include <errno.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* ---- reassembly ---- */

/* shows: SHLD-31 */
START_TEST(reassemblers_agree)
{
    char why[300];
    for (uint64_t seed = 1; seed <= prng_rounds(400); seed++) {
        uint32_t isn =
            seed % 2 == 0 ? 1000 : 0xffffffffu - (uint32_t)(seed * 7 % 3000); /* the wrap */
        ck_assert_msg(
            reasm_differ(&reasm_simple, &tcp_reassembly_runs, seed, isn, 3000, why, sizeof why),
            "seed %lu: %s", (unsigned long)seed, why);
    }
}
END_TEST

/* One that is wrong in one respect: the comparison must find it. */
static int64_t no_trim_insert(struct td_reassembly *r, struct td_piece *p)
{
    int64_t fresh = tcp_reassembly_runs.insert(r, p);
    return fresh > 1 ? fresh - 1 : fresh;
}
static bool late_range(const struct td_reassembly *r, uint32_t seq, struct td_range *out)
{
    return tcp_reassembly_runs.range(r, seq + 1, out); /* not the one that ends just there */
}
static struct td_piece *early_take(struct td_reassembly *r, uint32_t rcv_nxt)
{
    return tcp_reassembly_runs.take(r, rcv_nxt + 20); /* over a small hole */
}
static void forgetful_clear(struct td_reassembly *r)
{
    (void)r;
}

START_TEST(comparison_finds_mistakes)
{
    char why[300];
    struct td_reassembly_ops bad = tcp_reassembly_runs;
    bad.insert = no_trim_insert;
    ck_assert(!reasm_differ(&tcp_reassembly_runs, &bad, 1, 1000, 3000, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "were new"));
    bad = tcp_reassembly_runs;
    bad.range = late_range;
    ck_assert(!reasm_differ(&tcp_reassembly_runs, &bad, 1, 1000, 3000, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "range"));
    bad = tcp_reassembly_runs;
    bad.take = early_take;
    ck_assert(!reasm_differ(&tcp_reassembly_runs, &bad, 1, 1000, 3000, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "beyond the hole"));
    if (getenv("VALGRIND") == NULL && !SANITIZED) { /* it leaks on purpose */
        bad = tcp_reassembly_runs;
        bad.clear = forgetful_clear;
        ck_assert(!reasm_differ(&tcp_reassembly_runs, &bad, 1, 1000, 30000, why, sizeof why));
        ck_assert_ptr_nonnull(strstr(why, "clear left"));
    }
}
END_TEST

/* Without memory the simple one refuses, keeps what it has, and goes on when there is some again.
 */
START_TEST(reassembler_without_memory)
{
    struct reasm_bench b;
    const uint8_t text[30] = "abcdefghijklmnopqrstuvwxyz";
    struct td_range r;
    bench_open(&b, &reasm_simple, 100);
    ck_assert_int_eq(bench_insert(&b, 110, text + 10, 5), 5);
    b.starved = true;
    ck_assert_int_eq(bench_insert(&b, 112, text + 12, 10), TD_REASSEMBLY_REFUSED);
    ck_assert_uint_eq(bench_in_order(&b, text, 10), 10); /* it can't be delivered yet */
    ck_assert(b.r.ops->range(&b.r, 100, &r) && r.left == 110 && r.right == 115);
    b.starved = false;
    ck_assert_uint_eq(bench_in_order(&b, text + 10, 1), 5); /* the sender sends it again */
    ck_assert_mem_eq(b.stream, text, 15);
    bench_close(&b);
    ck_assert_str_eq(b.wrong, "");
}
END_TEST

/* The example of the header: one range only. */
struct one {
    struct td_piece *first, *last;
};
static int64_t one_insert(struct td_reassembly *r, struct td_piece *p)
{
    struct one *o = r->state;
    uint32_t fresh = p->len;
    if (o->first != NULL && p->seq != td_piece_end(o->last)) {
        r->host->free(r, p);
        return TD_REASSEMBLY_REFUSED;
    }
    p->next = NULL;
    *(o->first == NULL ? &o->first : &o->last->next) = p;
    o->last = p;
    return fresh;
}
static struct td_piece *one_take(struct td_reassembly *r, uint32_t rcv_nxt)
{
    struct one *o = r->state;
    struct td_piece *p = o->first;
    if (p == NULL || td_seq_before(rcv_nxt, p->seq)) {
        return NULL;
    }
    o->first = p->next;
    return p;
}
static bool one_range(const struct td_reassembly *r, uint32_t seq, struct td_range *out)
{
    const struct one *o = r->state;
    if (o->first == NULL || td_seq_before(td_piece_end(o->last), seq)) {
        return false;
    }
    *out = (struct td_range){o->first->seq, td_piece_end(o->last)};
    return true;
}
static void one_clear(struct td_reassembly *r)
{
    struct td_piece *p;
    while ((p = ((struct one *)r->state)->first) != NULL) {
        ((struct one *)r->state)->first = p->next;
        r->host->free(r, p);
    }
}
static const struct td_reassembly_ops one = {
    "one",    "one range, in order", sizeof(struct one), NULL, one_insert, one_take, one_range,
    one_clear};

/* ---- loss detection ---- */

/* Those that are fast mark what those do that look at everything. */
static bool agree(const struct td_loss_ops *words, const struct td_loss_ops *fast, uint64_t seed,
                  char *why, size_t size)
{
    uint32_t isn =
        seed % 2 == 0 ? 1000 : 0xffffffffu - (uint32_t)(seed * 131 % 50000); /* the wrap */
    return loss_differ(words, fast, seed, isn, why, size);
}

/* shows: 8985-10 */
START_TEST(rack_by_its_words)
{
    char why[300];
    for (uint64_t seed = 1; seed <= prng_rounds(300); seed++) {
        ck_assert_msg(agree(&loss_rack, &tcp_rack, seed, why, sizeof why), "seed %lu: %s",
                      (unsigned long)seed, why);
    }
}
END_TEST

/* The same from IsLost alone: what is entered with is the connection's business. */
/* shows: 6675-02 */
START_TEST(is_lost_by_its_words)
{
    char why[300];
    struct td_loss_ops fast = tcp_sack6675;
    fast.begins = NULL;
    fast.entered = NULL;
    for (uint64_t seed = 1; seed <= prng_rounds(300); seed++) {
        ck_assert_msg(agree(&loss_is_lost, &fast, seed, why, sizeof why), "seed %lu: %s",
                      (unsigned long)seed, why);
    }
}
END_TEST

static td_time impatient(struct td_loss *l)
{
    l->now += 10 * TD_MS;
    td_time wait = tcp_rack.detect(l);
    l->now -= 10 * TD_MS;
    return wait;
}

START_TEST(comparison_of_detectors_finds_mistakes)
{
    char why[300];
    ck_assert(!agree(&loss_rack, &loss_simple, 1, why, sizeof why)); /* another idea altogether */
    ck_assert_ptr_nonnull(strstr(why, "lost"));
    struct td_loss_ops bad = tcp_rack;
    bad.detect = impatient;
    ck_assert(!agree(&loss_rack, &bad, 1, why, sizeof why));
}
END_TEST

/* ---- a student's organ in a running stack ---- */

static char *knob_text(struct td_stack *st, const char *name)
{
    static char text[64];
    ck_assert_int_gt(td_knob_get(st, name, text, sizeof text), 0);
    return text;
}

START_TEST(added_and_chosen_by_name)
{
    struct hx *h = hx_new();
    ck_assert_str_eq(knob_text(h->st, "tapdeck.reassembly"), "runs");
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.reassembly", "simple"),
                     -EINVAL); /* not there yet */
    ck_assert_int_eq(td_organ_add(h->st, TD_ORGAN_REASSEMBLY, &reasm_simple), 0);
    ck_assert_int_eq(td_organ_add(h->st, TD_ORGAN_REASSEMBLY, &reasm_simple), -EEXIST);
    struct td_reassembly_ops bad = one;
    bad.take = NULL;
    ck_assert_int_eq(td_organ_add(h->st, TD_ORGAN_REASSEMBLY, &bad), -EINVAL);
    bad = one;
    bad.name = "two words";
    ck_assert_int_eq(td_organ_add(h->st, TD_ORGAN_REASSEMBLY, &bad), -EINVAL);
    bad.name = "a-name-that-is-too-long";
    ck_assert_int_eq(td_organ_add(h->st, TD_ORGAN_REASSEMBLY, &bad), -EINVAL);
    ck_assert_int_eq(td_organ_add(h->st, TD_ORGAN_KINDS, &one), -EINVAL);
    ck_assert_str_eq(knob_text(h->st, "tapdeck.reassembly"), "runs"); /* added isn't chosen */
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.reassembly", "simple"), 0);
    ck_assert_str_eq(knob_text(h->st, "tapdeck.reassembly"), "simple");
    static struct td_reassembly_ops many[20];
    static char names[20][16];
    int e = 0;
    for (int i = 0; i < 20 && e == 0; i++) {
        many[i] = one;
        snprintf(names[i], sizeof names[i], "o%d", i);
        many[i].name = names[i];
        e = td_organ_add(h->st, TD_ORGAN_REASSEMBLY, &many[i]);
    }
    ck_assert_int_eq(e, -ENOSPC);
    hx_free(h);
}
END_TEST

/* A connection keeps what it was born with; two hosts beside each other have each their own. */
START_TEST(for_life)
{
    struct conv c = reach(EST);
    ck_assert_int_eq(td_organ_add(c.h->st, TD_ORGAN_REASSEMBLY, &one), 0);
    ck_assert_int_eq(td_knob_set(c.h->st, "tapdeck.reassembly", "one"), 0);
    c.h->any_tx = true;
    tcp_in(c.h, NOW, .flags = ACK, .seq = 21, .ack = 1, .wnd = 60000, .len = 10);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 41, .ack = 1, .wnd = 60000,
           .len = 10); /* `one` would refuse */
    ck_assert_uint_eq(rcvbuf_pieces(&conv_tcb(&c)->rcv), 2);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 11, .ack = 1, .wnd = 60000, .len = 40);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000, .len = 10);
    read_pattern(&c, 1, 50);
    ck_assert_ptr_null(conv_tcb(&c)->rcv.held);
    hx_flush(c.h);
    c.h->any_tx = false;
    leave(&c);
}
END_TEST

static void with_simple(struct td_stack *st)
{
    ck_assert_int_eq(td_organ_add(st, TD_ORGAN_REASSEMBLY, &reasm_simple), 0);
    ck_assert_int_eq(td_knob_set(st, "tapdeck.reassembly", "simple"), 0);
}
static void with_one(struct td_stack *st)
{
    ck_assert_int_eq(td_organ_add(st, TD_ORGAN_REASSEMBLY, &one), 0);
    ck_assert_int_eq(td_knob_set(st, "tapdeck.reassembly", "one"), 0);
}

/* Whole streams over wires that lose, reorder and repeat; nothing that was asked for is kept. */
START_TEST(streams_through_another_reassembler)
{
    struct transfer_plan plan;
    struct transfer_result r;
    unsigned complete = 0, rounds = getenv("VALGRIND") != NULL ? 10 : 60;
    for (uint64_t seed = 1; seed <= rounds; seed++) {
        transfer_draw(&plan, seed);
        plan.starve = seed % 5 == 0 ? 650 : 0;
        plan.gentle = plan.gentle && plan.starve == 0;
        for (unsigned i = 0; i < plan.conns && plan.starve != 0; i++) {
            plan.conn[i].end[0].keepalive = plan.conn[i].end[1].keepalive = true;
        }
        plan.prepare = _i == 0 ? with_simple : with_one;
        transfer_run(&plan, &r);
        ck_assert_msg(r.fail[0] == '\0', "seed %lu: %s", (unsigned long)seed, r.fail);
        complete += r.complete;
    }
    ck_assert_uint_gt(complete, rounds);
}
END_TEST

static void with_detector(struct td_stack *st, const struct td_loss_ops *ops)
{
    ck_assert_int_eq(td_organ_add(st, TD_ORGAN_LOSS, ops), 0);
    ck_assert_int_eq(td_knob_set(st, "tapdeck.loss_detection", ops->name), 0);
}
static void with_loss_simple(struct td_stack *st)
{
    with_detector(st, &loss_simple);
}
static void with_is_lost(struct td_stack *st)
{
    with_detector(st, &loss_is_lost);
}
static void with_rack_words(struct td_stack *st)
{
    with_detector(st, &loss_rack);
}

START_TEST(streams_with_another_detector)
{
    static void (*const with[])(struct td_stack *) = {with_loss_simple, with_is_lost,
                                                      with_rack_words};
    struct transfer_plan plan;
    struct transfer_result r;
    uint64_t again = 0;
    unsigned rounds = getenv("VALGRIND") != NULL ? 10 : 40;
    for (uint64_t seed = 1; seed <= rounds; seed++) {
        transfer_draw(&plan, seed);
        plan.prepare = with[_i];
        transfer_run(&plan, &r);
        ck_assert_msg(r.fail[0] == '\0', "seed %lu: %s", (unsigned long)seed, r.fail);
        again += r.rexmitted;
    }
    ck_assert_uint_gt(again, 2 * rounds);
}
END_TEST

/* It is the student's detector that finds the loss: three SACKed above it, and not two. */
START_TEST(a_detector_of_ones_own_at_work)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    with_loss_simple(c.h->st);
    knob_set(c.h, "net.ipv4.tcp_early_retrans", "0");
    c = sack_flight(c, 8000);
    ck_assert_str_eq(conv_tcb(&c)->txq->loss.ops->name, "simple");
    sack_in(&c, MS(100), 1, B1(1, 3));
    hx_drain(c.h);
    ck_assert_uint_eq(flight_of(&c).lost, 0);
    sack_in(&c, MS(101), 1, B1(1, 4));
    again_out(&c, NOW, 0);
    ck_assert_uint_eq(flight_of(&c).lost, 1);
    hx_drain(c.h);
    leave(&c);
    /* without SACK it isn't asked: NewReno is */
    c = conv_new(TD_PROFILE_LINUX);
    with_loss_simple(c.h->st);
    c = talk(c, (struct hx_opts){.mss = SMSS, .wscale = 5}, WND, MS(100));
    say(&c, 1, 5000);
    ck_assert_str_eq(conv_tcb(&c)->txq->loss.ops->name, "newreno-prr");
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* Each of ours by its name, whatever tcp_recovery says. */
START_TEST(chosen_by_name)
{
    static const struct {
        const char *name, *got;
    } want[] = {{"auto", "rack"}, {"rack", "rack"}, {"rfc6675", "rfc6675"}, {"newreno", "rack"}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        ck_assert_str_eq(knob_text(c.h->st, "tapdeck.loss_detection"), "auto");
        knob_set(c.h, "tapdeck.loss_detection", want[i].name);
        c = sack_flight(c, 3000);
        ck_assert_str_eq(conv_tcb(&c)->txq->loss.ops->name, want[i].got);
        hx_drain(c.h);
        leave(&c);
    }
    struct hx *h = hx_new();
    struct td_loss_ops bad = loss_simple;
    bad.own_cwnd = true; /* and then doesn't set it */
    ck_assert_int_eq(td_organ_add(h->st, TD_ORGAN_LOSS, &bad), -EINVAL);
    bad = loss_simple;
    bad.detect = NULL;
    ck_assert_int_eq(td_organ_add(h->st, TD_ORGAN_LOSS, &bad), -EINVAL);
    bad = loss_simple;
    bad.name = "auto";
    ck_assert_int_eq(td_organ_add(h->st, TD_ORGAN_LOSS, &bad), -EEXIST);
    hx_free(h);
}
END_TEST

/* ---- organs that talk nonsense ---- */

static struct prng dice; /* what no organ may have: so that each call says something else */

static uint32_t near_or_far(uint32_t n)
{
    return prng_below(&dice, 3) == 0 ? (uint32_t)prng_u64(&dice) : n + prng_below(&dice, 40) - 20;
}

static int64_t mad_insert(struct td_reassembly *r, struct td_piece *p)
{
    uint32_t n = near_or_far(p->len);
    switch (prng_below(&dice, 4)) {
    case 0: /* cut off more than there is */
        r->host->trim_front(r, p, n);
        r->host->trim_back(r, p, n);
        break;
    case 1:
        r->host->free(r, p);
        return (int64_t)prng_u64(&dice); /* kept, it says */
    default:
        break;
    }
    int64_t fresh = tcp_reassembly_runs.insert(r, p);
    return fresh == TD_REASSEMBLY_REFUSED || prng_below(&dice, 2) == 0 ? fresh : (int64_t)n;
}

static struct td_piece *mad_take(struct td_reassembly *r, uint32_t rcv_nxt)
{
    static const char made_up[30000];
    switch (prng_below(&dice, 6)) {
    case 0: /* over a hole */
        return tcp_reassembly_runs.take(r, rcv_nxt + prng_below(&dice, 5000));
    case 1: /* more than it was given */
        return r->host->make(r, rcv_nxt - prng_below(&dice, 100), made_up, sizeof made_up);
    case 2: /* nowhere */
        return r->host->make(r, (uint32_t)prng_u64(&dice), made_up, prng_below(&dice, 3));
    case 3:
        return NULL;
    default:
        return tcp_reassembly_runs.take(r, rcv_nxt);
    }
}

static struct td_piece *endless_take(struct td_reassembly *r, uint32_t rcv_nxt)
{
    return r->host->make(r, rcv_nxt - 1, "", 1);
}

static bool mad_range(const struct td_reassembly *r, uint32_t seq, struct td_range *out)
{
    bool is = tcp_reassembly_runs.range(r, seq, out);
    if (prng_below(&dice, 2) == 0) {
        *out = (struct td_range){near_or_far(seq), near_or_far(is ? out->right : seq)};
        return prng_below(&dice, 8) != 0;
    }
    return is;
}

/* The stream is spoilt, but nothing is acknowledged or SACKed that wasn't sent, the memory is
 * counted, and the connection can go. */
START_TEST(nonsense_from_a_reassembler)
{
    static struct td_reassembly_ops mad;
    mad = tcp_reassembly_runs;
    mad.name = "mad";
    mad.insert = mad_insert;
    mad.take = _i % 20 == 19 ? endless_take : mad_take;
    mad.range = mad_range;
    dice.state = (uint64_t)_i + 1;
    struct conv c = conv_new(TD_PROFILE_LINUX);
    ck_assert_int_eq(td_organ_add(c.h->st, TD_ORGAN_REASSEMBLY, &mad), 0);
    ck_assert_int_eq(td_knob_set(c.h->st, "tapdeck.reassembly", "mad"), 0);
    c = sack_open(c);
    struct tcb *t = conv_tcb(&c);
    tcp_seq zero = t->rcv_nxt, sent = zero;
    uint8_t buf[4096];
    for (unsigned i = 0; i < 400; i++) {
        tcp_seq at = t->rcv_nxt + prng_below(&dice, 20) * 100 - 500;
        uint32_t len = prng_below(&dice, 10) * 100 + 1;
        tcp_in(c.h, US(100) * i, .flags = ACK, .seq = (int64_t)(int32_t)(at - zero) + 1, .ack = 1,
               .wnd = 60000, .len = len);
        sent = seq_max(sent, at + len);
        ck_assert(seq_le(t->rcv_nxt, sent));
        while (hx_pending(c.h) > 0) {
            ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
            ck_assert(seq_le(c.h->got.tcp.ack, sent));
            for (unsigned k = 0; k < c.h->got.tcp.o.nsack; k++) {
                ck_assert(seq_lt(c.h->got.tcp.o.sack[k].left, c.h->got.tcp.o.sack[k].right));
                ck_assert(seq_le(c.h->got.tcp.o.sack[k].right, sent));
            }
        }
        if (prng_below(&dice, 4) == 0) {
            while (td_recv(c.h->st, c.s, buf, sizeof buf, 0) > 0) {
            }
            ck_assert(t->rcv.held != NULL || t->rcv.truesize == 0);
        }
    }
    leave(&c);
}
END_TEST

static td_time mad_detect(struct td_loss *l)
{
    for (unsigned i = prng_below(&dice, 6); i > 0; i--) {
        uint32_t n = near_or_far(prng_below(&dice, 2) == 0 ? l->first : l->end);
        (void)l->host->lost(l, n, (enum td_loss_why)prng_below(&dice, 9), prng_u64(&dice));
        (void)l->host->unsacked(l, near_or_far(l->end));
    }
    l->marked = prng_below(&dice, 2) != 0;
    l->mark = near_or_far(l->first);
    l->restart_timer = prng_below(&dice, 2) != 0;
    if (prng_below(&dice, 4) == 0) {
        l->host->send_now(l);
    }
    (void)l->host->echoes_older(l, prng_u64(&dice));
    td_time wait = prng_u64(&dice);
    return prng_below(&dice, 3) == 0 ? 0 : wait >> prng_below(&dice, 64);
}
static void mad_delivered(struct td_loss *l, uint32_t n)
{
    (void)n;
    (void)mad_detect(l);
}
static bool mad_begins(const struct td_loss *l)
{
    (void)l;
    return prng_below(&dice, 3) == 0;
}
static void mad_cwnd(struct td_loss *l)
{
    static const uint32_t odd[] = {0, 1, 999, 5000, UINT32_MAX, UINT32_MAX - 3};
    l->cc->cwnd = odd[prng_below(&dice, 6)];
}
static bool mad_stale(const struct td_loss *l, uint32_t n)
{
    (void)n;
    return mad_begins(l);
}
static bool mad_next(struct td_loss *l, uint32_t *n)
{
    *n = near_or_far(l->first);
    return true;
}
static void mad_event(struct td_loss *l, enum td_loss_event what)
{
    (void)what;
    (void)mad_detect(l);
}

/* Too early, too late, of segments that aren't there: it costs time, and no octet. */
START_TEST(nonsense_from_a_detector)
{
    static struct td_loss_ops mad;
    mad = (struct td_loss_ops){.name = "mad",
                               .doc = "",
                               .sack = _i % 4 != 0,
                               .timed = _i % 3 == 0,
                               .own_cwnd = _i % 2 == 0,
                               .delivered = _i % 5 == 0 ? NULL : mad_delivered,
                               .detect = mad_detect,
                               .begins = mad_begins,
                               .entered = mad_cwnd,
                               .in_recovery = mad_cwnd,
                               .done = mad_cwnd,
                               .stale = mad_stale,
                               .next = mad_next,
                               .event = mad_event};
    if (_i % 2 != 0) {
        mad.entered = mad.in_recovery = mad.done = NULL;
    }
    struct conv c = conv_new(_i % 7 == 0 ? TD_PROFILE_RFC : TD_PROFILE_LINUX);
    dice.state = (uint64_t)_i + 1;
    with_detector(c.h->st, &mad);
    if (mad.sack) {
        c = sack_flight(c, 60000);
    } else {
        c = talk(c, (struct hx_opts){.mss = SMSS, .wscale = 5}, WND, MS(100));
        c.h->start = td_stack_now(c.h->st);
        say(&c, 1, 60000);
    }
    struct tcb *t = conv_tcb(&c);
    static bool have[61];
    memset(have, 0, sizeof have);
    unsigned next = 0, out = 0;
    while (next < 60) {
        ck_assert_msg(hx_now(c.h) < SEC(3600), "%u arrived", next);
        hx_until(c.h, hx_now(c.h) + MS(50));
        bool some = false;
        while (hx_pending(c.h) > 0) {
            ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
            some = some || c.h->got.len > 0;
            ck_assert_uint_lt(++out, 20000);
            uint32_t at = c.h->got.tcp.seq - (t->iss + 1);
            ck_assert_uint_le(at + c.h->got.len, 60000);
            if (at % SMSS == 0 && prng_below(&dice, 4) != 0) { /* a quarter is lost */
                for (unsigned k = 0; k < c.h->got.len / SMSS; k++) {
                    have[(at / SMSS + k) % 60] = true;
                }
            }
        }
        if (!some) {
            continue;
        }
        while (next < 60 && have[next]) {
            next++;
        }
        unsigned left = next, right;
        while (left < 60 && !have[left]) {
            left++;
        }
        for (right = left; right < 60 && have[right];) {
            right++;
        }
        sack_in(&c, hx_now(c.h), 1 + SMSS * (int64_t)next,
                mad.sack && right > left ? B1(left, right) : (struct blocks){0});
        ck_assert(t->cc.cwnd >= t->mss && t->cc.cwnd <= TD_CC_CWND_MAX);
    }
    ck_assert_uint_eq(t->snd_una, t->iss + 60001);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* ---- congestion control, the retransmission time-out ---- */

static void five_acked(struct td_cc *cc, const struct td_cc_ack *ack)
{
    (void)ack;
    cc->cwnd = 5 * cc->mss;
}
static uint32_t five_ssthresh(struct td_cc *cc, enum td_cc_cause why, uint32_t flight, td_time now)
{
    (void)why;
    (void)flight;
    (void)now;
    return 5 * cc->mss;
}
static const struct td_cc_ops five = {
    .name = "five", .doc = "five segments, always", .acked = five_acked, .ssthresh = five_ssthresh};

/* What TCP_CONGESTION says of a new connection. */
static const char *cc_of_a_new_one(struct hx *h)
{
    static char name[16];
    socklen_t len = sizeof name;
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(s, 0);
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    ck_assert_int_eq(td_close(h->st, s), 0);
    return name;
}

/* As reno and cubic are: by the knob for new connections, by the socket option at any time. */
START_TEST(congestion_control_of_ones_own)
{
    struct conv c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = SMSS, .wscale = 5}, WND, MS(100));
    const char *knob = "net.ipv4.tcp_congestion_control";
    struct td_cc_ops bad = five;
    c.h->any_tx = true;
    bad.acked = NULL;
    ck_assert_int_eq(td_organ_add(c.h->st, TD_ORGAN_CC, &bad), -EINVAL);
    bad = five;
    bad.name = "cubic";
    ck_assert_int_eq(td_organ_add(c.h->st, TD_ORGAN_CC, &bad), -EEXIST);
    ck_assert_int_eq(td_knob_set(c.h->st, knob, "five"), -EINVAL);
    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_CONGESTION, "five", 4), -ENOENT);
    ck_assert_int_eq(td_organ_add(c.h->st, TD_ORGAN_CC, &five), 0);
    ck_assert_str_eq(cc_of_a_new_one(c.h), "cubic"); /* added isn't chosen */
    ck_assert_int_eq(td_knob_set(c.h->st, knob, "five"), 0);
    ck_assert_str_eq(knob_text(c.h->st, knob), "five");
    ck_assert_str_eq(cc_of_a_new_one(c.h), "five");
    ck_assert_str_eq(conv_tcb(&c)->cc.ops->name, "cubic"); /* this one was there before */
    ck_assert_int_eq(td_knob_set(c.h->st, knob, "nosuch"), -EINVAL);
    ck_assert_str_eq(knob_text(c.h->st, knob), "five");
    ck_assert_int_eq(td_knob_set(c.h->st, knob, "reno"), 0);
    ck_assert_str_eq(knob_text(c.h->st, knob), "reno");
    ck_assert_str_eq(cc_of_a_new_one(c.h), "reno");

    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_CONGESTION, "five", 4), 0);
    char name[16];
    socklen_t len = sizeof name;
    ck_assert_int_eq(td_getsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    ck_assert_str_eq(name, "five");
    struct tcb *t = conv_tcb(&c);
    say(&c, 1, 60000);
    for (int64_t at = 1; at < 30000; at += SMSS) {
        ack_in(&c, NOW, at + SMSS, WND);
        ck_assert_uint_eq(t->cc.cwnd, 5 * t->mss);
        if (at > 10 * SMSS) { /* what cubic had sent is over */
            ck_assert_uint_eq(t->snd_nxt - t->snd_una, 5 * t->mss);
        }
    }
    hx_drain(c.h);
    c.h->any_tx = false;
    leave(&c);
}
END_TEST

static td_time seven; /* ns: what it answers */
static void seven_init(struct td_rto *r, const struct td_rto_limits *l)
{
    (void)l;
    r->rto = seven;
}
static void seven_sample(struct td_rto *r, const struct td_rto_limits *l, td_time rtt)
{
    (void)l;
    r->srtt8 = rtt * 8;
    r->rto = seven;
}
static const struct td_rto_ops constant = {.name = "constant",
                                           .doc = "always the same",
                                           .init = seven_init,
                                           .sample = seven_sample,
                                           .backoff = seven_init};

START_TEST(time_out_of_ones_own)
{
    /* 0.7 s, whatever was measured and however often it expired; nonsense is brought within the limits */
    static const td_time answers[] = {MS(700), 0, UINT64_MAX}, waits[] = {MS(700), MS(200), SEC(120)};
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct td_rto_ops bad = constant;
    seven = answers[_i];
    bad.backoff = NULL;
    ck_assert_int_eq(td_organ_add(c.h->st, TD_ORGAN_RTO, &bad), -EINVAL);
    ck_assert_str_eq(knob_text(c.h->st, "tapdeck.rto"), "rfc6298");
    ck_assert_int_eq(td_organ_add(c.h->st, TD_ORGAN_RTO, &constant), 0);
    ck_assert_int_eq(td_knob_set(c.h->st, "tapdeck.rto", "constant"), 0);
    ck_assert_str_eq(knob_text(c.h->st, "tapdeck.rto"), "constant");
    knob_set(c.h, "net.ipv4.tcp_early_retrans", "0"); /* no probe before it */
    c = talk(c, (struct hx_opts){.mss = SMSS}, 60000, MS(100));
    c.h->tolerance = US(1);
    td_time at = hx_now(c.h);
    say(&c, 1, 10);
    tcp_out(c.h, at, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 10);
    for (int i = 0; i < 4; i++) {
        at += waits[_i];
        tcp_out(c.h, at, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 10);
    }
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("organs");
    TCase *tc = tcase_create("reassembly");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, reassemblers_agree);
    tcase_add_test(tc, comparison_finds_mistakes);
    tcase_add_test(tc, reassembler_without_memory);
    tcase_add_test(tc, added_and_chosen_by_name);
    tcase_add_test(tc, for_life);
    tcase_add_loop_test(tc, streams_through_another_reassembler, 0, 2);
    suite_add_tcase(s, tc);
    tc = tcase_create("loss detection");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, rack_by_its_words);
    tcase_add_test(tc, is_lost_by_its_words);
    tcase_add_test(tc, comparison_of_detectors_finds_mistakes);
    tcase_add_test(tc, a_detector_of_ones_own_at_work);
    tcase_add_test(tc, chosen_by_name);
    tcase_add_loop_test(tc, streams_with_another_detector, 0, 3);
    suite_add_tcase(s, tc);
    tc = tcase_create("congestion control, time-out");
    tcase_add_test(tc, congestion_control_of_ones_own);
    tcase_add_loop_test(tc, time_out_of_ones_own, 0, 3);
    suite_add_tcase(s, tc);
    tc = tcase_create("nonsense");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, nonsense_from_a_reassembler, 0, 40);
    tcase_add_loop_test(tc, nonsense_from_a_detector, 0, 60);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
