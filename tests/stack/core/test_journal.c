/* The journal: the catalogue is well formed, records keep order and cause, the ring is bounded. */
#include "check_main.h"
#include "core/stack.h"

#include <stdio.h>
#include <string.h>

static struct td_stack *st;

static void setup(void)
{
    st = calloc(1, sizeof *st);
    mem_init(&st->mem, 0);
    wheel_init(&st->wheel, 0);
    knobs_init(&st->knobs, PROFILE_LINUX);
    journal_init(&st->journal, 1000, JOURNAL_NORMAL);
}

static void teardown(void)
{
    journal_done(st);
    ck_assert_uint_eq(st->mem.used, 0);
    free(st);
}

static bool known_type(const char *t)
{
    static const char *const types[] = {"u32",      "u64",       "i64",  "hex",  "ip",    "port",
                                        "mac",      "ns",        "seq",  "bool", "if",    "tcpstate",
                                        "neighstate", "tcpflags", "proto", "icmp", "errno", "word",
                                        "bytes",    "pkts",      "prefix", "knob", "fault",
                                        "ports",    "nftext"};
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(t, types[i]) == 0)
            return true;
    return false;
}

/* Every line of events.def: unique name, known types, at most 8 fields, every {name} is a field. */
START_TEST(the_catalogue_is_well_formed)
{
    for (unsigned ev = 1; ev < EV_COUNT; ev++) {
        const struct event_info *e = &event_info[ev];
        char names[16][32];
        unsigned n = 0;
        for (unsigned other = 1; other < ev; other++)
            ck_assert_msg(strcmp(e->name, event_info[other].name) != 0, "two events are called %s", e->name);
        ck_assert_msg(strlen(e->clause) > 0, "%s: no clause", e->name);
        for (const char *p = e->fields; *p != '\0';) {
            char name[32], type[32];
            int used = 0;
            ck_assert_msg(sscanf(p, " %31[a-z0-9_]:%31[a-z0-9]%n", name, type, &used) == 2,
                          "%s: fields are not name:type: '%s'", e->name, p);
            ck_assert_msg(known_type(type), "%s: no type %s", e->name, type);
            ck_assert_msg(n < JOURNAL_ARGS, "%s: more than %d fields", e->name, JOURNAL_ARGS);
            /* The value brings its unit along: "98 bytes bytes" reads badly. */
            bool unit = strcmp(type, "bytes") == 0 || strcmp(type, "pkts") == 0;
            char twice[3][48];
            snprintf(twice[0], sizeof twice[0], "{%s} bytes", name);
            snprintf(twice[1], sizeof twice[1], "{%s} packets", name);
            snprintf(twice[2], sizeof twice[2], "{%s} frames", name);
            for (int i = 0; unit && i < 3; i++)
                ck_assert_msg(strstr(e->sentence, twice[i]) == NULL, "%s: a unit twice", e->name);
            strcpy(names[n++], name);
            p += used;
            while (*p == ' ')
                p++;
        }
        size_t len = strlen(e->sentence);
        ck_assert_msg(len > 0 && strchr(".?!", e->sentence[len - 1]) != NULL, "%s: not a sentence", e->name);
        for (const char *p = strchr(e->sentence, '{'); p != NULL; p = strchr(p + 1, '{')) {
            const char *close = strchr(p, '}');
            ck_assert_msg(close != NULL, "%s: { without }", e->name);
            bool found = false;
            for (unsigned i = 0; i < n; i++)
                found = found || (strlen(names[i]) == (size_t)(close - p - 1) &&
                                  strncmp(names[i], p + 1, strlen(names[i])) == 0);
            ck_assert_msg(found, "%s: the sentence names %.*s, which is no field", e->name,
                          (int)(close - p + 1), p);
        }
    }
}
END_TEST

START_TEST(every_event_formats)
{
    for (unsigned ev = 1; ev < EV_COUNT; ev++) {
        struct journal_record r = {.event = (uint16_t)ev};
        char text[512];
        for (int round = 0; round < 3; round++) {
            memset(r.arg, round == 0 ? 0 : round == 1 ? 0xff : 0x11, sizeof r.arg);
            size_t n = journal_format(st, &r, text, sizeof text);
            ck_assert_uint_eq(n, strlen(text));
            ck_assert_ptr_null(strchr(text, '{'));
            char small[5];
            ck_assert_uint_lt(journal_format(st, &r, small, sizeof small), sizeof small);
        }
    }
}
END_TEST

START_TEST(a_record_keeps_what_it_was_told)
{
    struct journal_subject subject = {.pkt = 7, .conn = 8, .ifindex = 9, .addr = TD_IP4(10, 0, 0, 1)};
    st->now = 123;
    struct journal_frame saved = journal_enter(st, ORIGIN_FRAME, 55, 0);
    JOURNAL_CAUSE(st, EV_KNOB_SET, &subject, 1, 2, 3);
    JOURNAL(st, EV_KNOB_SET, NULL, KNOB_IP_DEFAULT_TTL, 5, (uint64_t)-6);
    journal_leave(st, saved);
    const struct journal_record *a = journal_find(st, 1), *b = journal_find(st, 2);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_uint_eq(a->cause, 0);
    ck_assert_uint_eq(b->cause, 1);
    ck_assert_uint_eq(a->origin, ORIGIN_FRAME);
    ck_assert_uint_eq(a->origin_id, 55);
    ck_assert_uint_eq(a->time, 123);
    ck_assert_uint_eq(a->subject.conn, 8);
    char text[100];
    journal_format(st, b, text, sizeof text);
    ck_assert_str_eq(text, "net.ipv4.ip_default_ttl was changed from 5 to -6.");
    ck_assert_uint_eq(st->journal.cause, 0); /* the bracket is closed */
}
END_TEST

START_TEST(the_ring_is_bounded_and_counts_what_fell_out)
{
    for (int i = 0; i < 2500; i++)
        JOURNAL(st, EV_KNOB_SET, NULL, (uint64_t)i);
    ck_assert_uint_eq(st->journal.count, 1000);
    ck_assert_uint_eq(st->journal.lost, 1500);
    ck_assert_ptr_null(journal_find(st, 1500));
    ck_assert_uint_eq(journal_from(st, 0)->seq, 1501);
    uint64_t seq = 1501;
    for (const struct journal_record *r = journal_from(st, 0); r != NULL; r = journal_from(st, seq)) {
        ck_assert_uint_eq(r->seq, seq++);
        ck_assert_uint_eq(r->arg[0], r->seq - 1);
    }
    ck_assert_uint_eq(seq, 2501);
    ck_assert_int_eq(journal_resize(st, 100), 0); /* the newest stay */
    ck_assert_uint_eq(journal_from(st, 0)->seq, 2401);
    ck_assert_uint_eq(st->journal.lost, 2400); /* what no longer fits is lost, and counted */
    ck_assert_uint_le(st->mem.used, 100 * sizeof(struct journal_record));
    ck_assert_int_eq(journal_resize(st, 500), 0);
    for (int i = 0; i < 200; i++)
        JOURNAL(st, EV_KNOB_SET, NULL, (uint64_t)i);
    ck_assert_uint_eq(st->journal.count, 300);
    ck_assert_uint_eq(journal_from(st, 0)->seq, 2401);
}
END_TEST

START_TEST(levels_keep_numbers_and_counts)
{
    st->journal.level = JOURNAL_COUNTERS;
    JOURNAL(st, EV_KNOB_SET, NULL, 1);
    ck_assert_uint_eq(st->journal.count, 0);
    ck_assert_uint_eq(st->mem.used, 0);
    st->journal.level = JOURNAL_ALL;
    JOURNAL(st, EV_KNOB_SET, NULL, 1);
    ck_assert_uint_eq(journal_from(st, 0)->seq, 2);
    ck_assert_uint_eq(st->journal.events[EV_KNOB_SET], 2);
}
END_TEST

/* What isn't kept isn't computed either, only counted. */
START_TEST(arguments_of_what_is_not_kept_are_not_evaluated)
{
    unsigned made = 0;
    JOURNAL(st, EV_IP_IN, JOURNAL_ABOUT({.pkt = ++made}), ++made);
    ck_assert_uint_eq(made, 0);
    ck_assert_uint_eq(st->journal.events[EV_IP_IN], 1);
    ck_assert_uint_eq(st->journal.next_seq, 2);
    JOURNAL(st, EV_IP_DROP_HEADER, JOURNAL_ABOUT({.pkt = ++made}), 1, 2, 3);
    ck_assert_uint_eq(made, 1);
    ck_assert_uint_eq(st->journal.drops, 1);
    ck_assert_uint_eq(journal_find(st, 2)->subject.pkt, 1);
    ck_assert_uint_eq(journal_find(st, 2)->arg[2], 3);
    ck_assert_uint_eq(journal_find(st, 2)->arg[3], 0);
}
END_TEST

START_TEST(looking_back_passes_over_what_is_not_kept)
{
    for (int i = 0; i < 10; i++) {
        JOURNAL(st, EV_KNOB_SET, NULL, 1); /* 1, 3, 5 … */
        JOURNAL(st, EV_IP_IN, NULL, 1);
    }
    uint64_t want = 19;
    for (const struct journal_record *r = journal_before(st, st->journal.next_seq); r != NULL;
         r = journal_before(st, r->seq), want -= 2)
        ck_assert_uint_eq(r->seq, want);
    ck_assert_uint_eq(want, (uint64_t)-1);
    ck_assert_ptr_null(journal_before(st, 1));
    ck_assert_uint_eq(journal_before(st, 2)->seq, 1);
}
END_TEST

START_TEST(no_memory_for_the_ring_is_survived)
{
    st->mem.failing = true;
    JOURNAL(st, EV_KNOB_SET, NULL, 1);
    ck_assert_uint_eq(st->journal.lost, 1);
    st->mem.failing = false;
    JOURNAL(st, EV_KNOB_SET, NULL, 1);
    ck_assert_uint_eq(st->journal.count, 1);
}
END_TEST

static struct journal_record watched[8];
static unsigned nwatched;

static void watch(void *ctx, const struct journal_record *rec)
{
    (void)ctx;
    watched[nwatched++] = *rec;
}

/* Who watches hears of everything; what the ring keeps is as if nobody did. */
START_TEST(a_watch_hears_what_the_level_keeps_out)
{
    struct journal_watch w = {.fn = watch};
    struct journal_subject subject = {.pkt = 9};
    nwatched = 0;
    JOURNAL(st, EV_ETH_OUT, &subject, 1, 60);
    journal_watch(&st->journal, &w);
    JOURNAL(st, EV_ETH_OUT, &subject, 1, 60);
    JOURNAL(st, EV_ETH_DROP_VLAN, &subject, 1, 7);
    journal_set_level(&st->journal, JOURNAL_COUNTERS);
    JOURNAL(st, EV_ETH_DROP_VLAN, &subject, 1, 8);
    journal_unwatch(&st->journal, &w);
    journal_unwatch(&st->journal, &w);
    JOURNAL(st, EV_ETH_DROP_VLAN, &subject, 1, 9);
    ck_assert_uint_eq(nwatched, 3);
    ck_assert_uint_eq(watched[0].event, EV_ETH_OUT);
    ck_assert_uint_eq(watched[0].seq, 2);
    ck_assert_uint_eq(watched[0].subject.pkt, 9);
    ck_assert_uint_eq(watched[2].arg[1], 8);
    ck_assert_uint_eq(st->journal.written, 1);
    ck_assert_uint_eq(journal_from(st, 0)->seq, 3);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("journal");
    TCase *t = tcase_create("journal");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_watch_hears_what_the_level_keeps_out);
    tcase_add_test(t, the_catalogue_is_well_formed);
    tcase_add_test(t, every_event_formats);
    tcase_add_test(t, a_record_keeps_what_it_was_told);
    tcase_add_test(t, the_ring_is_bounded_and_counts_what_fell_out);
    tcase_add_test(t, levels_keep_numbers_and_counts);
    tcase_add_test(t, arguments_of_what_is_not_kept_are_not_evaluated);
    tcase_add_test(t, looking_back_passes_over_what_is_not_kept);
    tcase_add_test(t, no_memory_for_the_ring_is_survived);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
