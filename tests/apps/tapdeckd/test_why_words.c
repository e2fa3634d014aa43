/* tests of apps/tapdeckd/cmd_why.c, why_words.c, why_print.c: the words of `why`, and the forms of
 * its answers. */
#include "check_main.h"

#include "asking.h"

/* ---- the words ---- */

static void refuses(const char *line, const char *why)
{
    int status = run_as(line, false);
    ck_assert_msg(status == EXIT_USAGE, "%s: status %d, %s", line, status, err);
    ck_assert_msg(strstr(err, why) != NULL, "%s: %s", line, err);
    ck_assert_msg(strchr(err, '\n') == NULL, "%s: more than a sentence", line);
}

START_TEST(times)
{
    fresh();
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_until(h, hx_now(h) + SEC(100));
    udp_in(h, NOW, .sport = 8, .dport = 9, .len = 4);
    hx_drain(h);
    good("why drop since 10s");
    ck_assert(strstr(out, "port 8") != NULL && strstr(out, "port 7") == NULL);
    good("why drop until 50s");
    ck_assert(strstr(out, "port 7 ") != NULL && strstr(out, "port 8 ") == NULL);
    good("why drop between 200s and 50s");
    ck_assert(strstr(out, "port 7 ") != NULL && strstr(out, "port 8 ") == NULL);
    good("why drop since 00:00:00 until 23:59:59");
    refuses("why since yesterday", "'yesterday' is not a time");
    refuses("why since", "a time");
    refuses("why between 5s", "a time");
    done();
}
END_TEST

START_TEST(words)
{
    fresh();
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_drain(h);
    good("why udp drop");
    char pkt[64];
    snprintf(pkt, sizeof(pkt), "why %.12s", strstr(out, "pkt "));
    pkt[strcspn(pkt, ":")] = '\0';
    ASKS(pkt, "icmp-error-out", "udp-drop-no-port");
    ASKS("why dev eth0 drop", "nobody listens", "RFC");
    ASKS("why 10.0.0.0/24 drop", "nobody listens", "RFC");
    ASKS("why udp-drop-no-port", "nobody listens", "RFC");
    ASKS("why layer udp", "nobody listens", "RFC");
    ASKS("why udp-drop-*", "nobody listens", "RFC");
    ASKS("why event udp-drop-no-port", "nobody listens", "RFC");
    ASKS("why port drop", "nobody listens", "RFC");
    refuses("why because", "'because'");
    refuses("why rule", "why rule 3 INPUT");
    refuses("why rule x", "why rule 3 INPUT");
    refuses("why state nowhere", "'nowhere'");
    refuses("why cwnd 10.0.0.9 now", "'now'");
    refuses("why dev eth9", "eth9");
    refuses("why catalogue nonsense", "'nonsense'");
    ck_assert_int_eq(run_as("why state 10.0.0.9:1", false), EXIT_FAILED);
    good("why cwnd");
    ck_assert_ptr_nonnull(strstr(out, "no congestion window was cut"));
    good("why stalled");
    ck_assert_ptr_nonnull(strstr(out, "there is no connection"));
    done();
}
END_TEST

/* As somebody would say it to a person. */
START_TEST(sentences)
{
    begin(reach(CLW));
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_drain(h);
    ASKS("why was this dropped", "nobody listens on port 9", "RFC 1122");
    ASKS("why is this socket in CLOSE_WAIT", "is in CLOSE-WAIT: the peer closed at",
         "RFC 9293 3.6");
    ASKS("why is this connection in CLOSE_WAIT?", "is in CLOSE-WAIT: the peer closed at",
         "RFC 9293 3.6");
    ASKS("why is nothing being sent", "The application has nothing to send", "RFC 9293");
    ASKS("why this route 10.0.0.9", "10.0.0.9 goes directly on eth0", "RFC 1812");
    ASKS("why did that connect fail", "no attempt to connect has failed", "no");
    ASKS("why did cwnd halve", "no congestion window was cut", "no");
    ASKS("why dev eth0", "eth0", "#");
    done();
}
END_TEST

/* Words in any order: each answer ends, with a status and at most a sentence; nothing else happens.
 */
START_TEST(any_words)
{
    static const char *const vocabulary[] = {
        "last",       "drop",      "state",
        "cwnd",       "connect",   "stalled",
        "closed",     "fail",      "retransmit",
        "neigh",      "route",     "to",
        "rule",       "nat",       "socket",
        "conn",       "kind",      "layer",
        "event",      "pkt",       "dev",
        "since",      "until",     "between",
        "and",        "-n",        "-j",
        "catalogue",  "tcp",       "udp",
        "rto",        "window",    "*",
        "?",          "[",         "tcp-*",
        "CLOSE-WAIT", "time_wait", "10.0.0.2:40000",
        "10.0.0.2",   ":80",       "10.0.0.1:80-10.0.0.2:40000",
        "10.0.0.0/8", "0.0.0.0/0", "default",
        "eth0",       "INPUT",     "3",
        "0",          "-1",        "18446744073709551616",
        "10s",        "12:34:56",  "99:99:99",
        "#5",         "#",         "",
        " ",          "/",         "-",
        "\"",         "nonsense",  "is",
        "socket",     "the"};
    uint64_t seed = 42;
    begin(reach(CLW));
    for (int round = 0; round < 3000; round++) {
        char *argv[7] = {"why"};
        int argc = 1;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        for (uint64_t bits = seed >> 16, n = 1 + (seed >> 60) % 5; n-- > 0; bits /= 61)
            argv[argc++] =
                (char *)(uintptr_t)vocabulary[bits % (sizeof(vocabulary) / sizeof(*vocabulary))];
        struct run *r = run_start(&deck, argc, argv, (seed >> 40 & 1) != 0, false);
        for (int i = 0; i < 100 && r->status == RUN_MORE; i++)
            run_step(r, td_stack_now(h->st));
        ck_assert_msg(r->status >= EXIT_DONE && r->status <= EXIT_USAGE, "%s %s: %d", argv[0],
                      argv[1], r->status);
        ck_assert((r->status == EXIT_DONE) == (r->err[0] == '\0'));
        ck_assert_ptr_null(strchr(r->err, '\n'));
        if (r->status == EXIT_DONE && r->json) {
            json_t *o = json_loads(r->out.s, 0, NULL);
            ck_assert_msg(o != NULL, "no JSON: %s", r->out.s);
            json_decref(o);
        }
        run_free(r);
    }
    done();
}
END_TEST

START_TEST(catalogue)
{
    fresh();
    good("why catalogue tcp-rto");
    ck_assert_ptr_nonnull(strstr(out, "RFC 6298 5.4-5.6"));
    ck_assert_ptr_nonnull(strstr(out, "rto:ns"));
    good("why catalogue arp");
    ck_assert_ptr_nonnull(strstr(out, "arp-request "));
    ck_assert_ptr_null(strstr(out, "tcp-"));
    good("why catalogue tcp drop");
    ck_assert_ptr_null(strstr(out, "tcp-state"));
    ck_assert_int_eq(run_as("why catalogue", true), EXIT_DONE);
    json_t *list = json_loads(out, 0, NULL);
    ck_assert_ptr_nonnull(list);
    ck_assert_uint_eq(json_array_size(list), EV_COUNT - 1);
    json_decref(list);
    done();
}
END_TEST

START_TEST(what_fell_out_is_told)
{
    fresh();
    knob_set(h, "tapdeck.journal.records", "16");
    for (int i = 0; i < 40; i++)
        udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_drain(h);
    good("why drop -n 5"); /* is complete */
    ck_assert_ptr_null(strstr(out, "fallen out"));
    good("why tcp");
    ck_assert_ptr_nonnull(
        strstr(out, "older events have fallen out of the journal, which holds 16"));
    ck_assert_int_eq(run_as("why tcp", true), EXIT_DONE);
    json_t *list = json_loads(out, 0, NULL);
    ck_assert(json_integer_value(json_object_get(json_array_get(list, 0), "lost")) > 0);
    json_decref(list);
    done();
}
END_TEST

START_TEST(answers_as_json)
{
    begin(reach(CLW));
    ck_assert_int_eq(run_as("why state 10.0.0.2:40000", true), EXIT_DONE);
    json_t *o = json_loads(out, 0, NULL);
    ck_assert_ptr_nonnull(o);
    ck_assert_str_eq(json_string_value(json_object_get(o, "question")), "state");
    ck_assert_str_eq(json_string_value(json_object_get(o, "clause")), "RFC 9293 3.6");
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(o, "answer")), "CLOSE-WAIT"));
    json_t *e = json_array_get(json_object_get(o, "events"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(e, "event")), "tcp-state");
    json_decref(o);
    done();
}
END_TEST

START_TEST(follows)
{
    fresh();
    char *argv[] = {"why", "--follow", "drop"};
    struct run *r = run_start(&deck, 3, argv, false, false);
    ck_assert_int_eq(r->status, RUN_MORE);
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_drain(h);
    run_step(r, td_stack_now(h->st));
    ck_assert_ptr_nonnull(strstr(r->out.s, "nobody listens on port 9"));
    run_interrupt(r);
    ck_assert_int_eq(r->status, EXIT_DONE);
    run_free(r);
    done();
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {times,           words,     sentences,
                                  any_words,       catalogue, what_fell_out_is_told,
                                  answers_as_json, follows};
    Suite *s = suite_create("why/words");
    TCase *t = tcase_create("why/words");
    for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
