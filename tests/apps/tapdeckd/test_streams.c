/* tests of apps/tapdeckd/cmd_events.c and cmd_metrics.c: what other programs read. The JSON lines
 * have the keys that apps/README.md promises, what was missed is said; the metrics go through a
 * parser of the text format that accepts nothing else. */
#include "check_main.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "harness.h"
#include "tapdeckd/deck.h"

static struct deck deck;
static struct hx *h;
static char out[262144], err[768];

static void setup(void)
{
    h = hx_new();
    deck_init(&deck, h->st, "a \"name\"\\with\nall");
}

static void teardown(void)
{
    deck_done(&deck);
    hx_drain(h);
    hx_free(h);
}

static struct run *start(const char *line, bool json)
{
    char msg[256], **argv;
    int argc = words_split(line, &argv, msg, sizeof(msg));
    ck_assert_msg(argc > 0, "%s: %s", line, msg);
    struct run *r = run_start(&deck, argc, argv, json, false);
    words_free(argv);
    return r;
}

/* What it has written so far, taken. */
static void take(struct run *r)
{
    snprintf(out, sizeof(out), "%s", r->out.s != NULL ? r->out.s : "");
    snprintf(err, sizeof(err), "%s", r->err);
    text_free(&r->out);
}

static int finish(const char *line, bool json)
{
    struct run *r = start(line, json);
    for (int i = 0; i < 1000 && r->status == RUN_MORE; i++)
        run_step(r, td_stack_now(h->st));
    take(r);
    int status = r->status;
    run_free(r);
    return status;
}

static void drop(unsigned times)
{
    while (times-- > 0)
        udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_drain(h);
}

/* ---- events ---- */

static json_t *line_of(char **at)
{
    json_error_t e;
    char *end = strchr(*at, '\n');
    ck_assert_msg(end != NULL, "no whole line in '%s'", *at);
    *end = '\0';
    json_t *o = json_loads(*at, 0, &e);
    ck_assert_msg(json_is_object(o), "%s: %s", *at, e.text);
    *at = end + 1;
    return o;
}

/* The keys of apps/README.md's table, and no others. */
static void schema(json_t *o)
{
    static const struct {
        const char *key;
        json_type type;
        bool always;
    } keys[] = {{"seq", JSON_INTEGER, true},        {"time_ns", JSON_INTEGER, true},
                {"wall_ns", JSON_INTEGER, true},    {"event", JSON_STRING, true},
                {"kind", JSON_STRING, true},        {"clause", JSON_STRING, false},
                {"text", JSON_STRING, true},        {"fields", JSON_OBJECT, true},
                {"cause", JSON_INTEGER, false},     {"origin", JSON_STRING, false},
                {"origin_id", JSON_INTEGER, false}, {"conn", JSON_INTEGER, false},
                {"pkt", JSON_INTEGER, false},       {"dev", JSON_STRING, false},
                {"addr", JSON_STRING, false},       {"port", JSON_INTEGER, false},
                {"lport", JSON_INTEGER, false}};
    size_t known = 0;
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        json_t *v = json_object_get(o, keys[i].key);
        ck_assert_msg(v != NULL || !keys[i].always, "there is no %s", keys[i].key);
        ck_assert_msg(v == NULL || json_typeof(v) == keys[i].type, "%s has another type",
                      keys[i].key);
        known += v != NULL;
    }
    ck_assert_uint_eq(known, json_object_size(o));
}

START_TEST(events_from_now_on)
{
    drop(1);
    struct run *r = start("events drop", true);
    ck_assert_int_eq(r->status, RUN_MORE);
    ck_assert(r->follow);
    drop(2);
    run_step(r, 0);
    take(r);
    char *at = out;
    for (int i = 0; i < 2; i++) {
        json_t *o = line_of(&at);
        schema(o);
        ck_assert_str_eq(json_string_value(json_object_get(o, "event")), "udp-drop-no-port");
        ck_assert_str_eq(json_string_value(json_object_get(json_object_get(o, "fields"), "dport")),
                         "9");
        ck_assert_str_eq(json_string_value(json_object_get(o, "clause")), "RFC 1122 4.1.3.1");
        json_decref(o);
    }
    ck_assert_str_eq(at, "");
    run_interrupt(r);
    ck_assert_int_eq(r->status, EXIT_DONE);
    run_free(r);
}
END_TEST

START_TEST(events_since)
{
    drop(1);
    hx_until(h, hx_now(h) + SEC(100));
    drop(1);
    ck_assert_int_eq(finish("events --since 10s -n 1 drop", false), EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out, "udp-drop-no-port"));
    ck_assert_ptr_null(strchr(strchr(out, '\n') + 1, '\n')); /* one line */
    ck_assert_int_eq(finish("events -j --since 1000s -n 2 drop", false), EXIT_DONE);
    char *at = out;
    json_decref(line_of(&at));
    json_decref(line_of(&at));
    ck_assert_str_eq(at, "");
    ck_assert_int_eq(finish("events --since 5mm", false), EXIT_USAGE);
    ck_assert_int_eq(finish("events --since 2m -n 2 drop", false), EXIT_DONE);
    ck_assert_int_eq(finish("events --since 1h -n 2 drop", false), EXIT_DONE);
    ck_assert_int_eq(finish("events --since yesterday", false), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(err, "'yesterday' is not a time"));
    ck_assert_int_eq(finish("events -n 0", false), EXIT_USAGE);
    ck_assert_int_eq(finish("events nonsense", false), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(err, "'nonsense'"));
}
END_TEST

/* A reader that doesn't keep up is told how much it missed, in the place where that is missing. */
START_TEST(events_that_were_missed)
{
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.journal.records", "16"), 0);
    struct run *r = start("events -j", false);
    drop(1);
    run_step(r, 0);
    take(r);
    uint64_t written = h->st->journal.written;
    drop(40);
    uint64_t fell = h->st->journal.written - written - 16;
    run_step(r, 0);
    take(r);
    char *at = out;
    json_t *o = line_of(&at);
    ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(o, "lost")), fell);
    ck_assert_uint_eq(json_object_size(o), 1);
    json_decref(o);
    for (int i = 0; i < 16; i++) {
        o = line_of(&at);
        schema(o);
        json_decref(o);
    }
    ck_assert_str_eq(at, "");
    run_free(r);
    ck_assert_int_eq(finish("events --since 1000s -n 1", false), EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out, "events fell out of the journal before they could be told"));
}
END_TEST

/* However much there is, a step writes a bounded amount. */
START_TEST(events_are_bounded)
{
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.journal.records", "100000"), 0);
    struct run *r = start("events -j", false);
    drop(3000);
    run_step(r, 0);
    ck_assert_int_eq(r->status, RUN_MORE);
    ck_assert(r->ready);
    ck_assert_uint_lt(r->out.len, 8192 + 2048);
    run_free(r);
}
END_TEST

/* ---- metrics: the format ---- */

static bool name_first(char c)
{
    return isalpha((unsigned char)c) || c == '_' || c == ':';
}

static const char *metric_name(const char *p, char dst[128])
{
    size_t n = 0;
    ck_assert_msg(name_first(*p), "no name begins '%.20s'", p);
    for (; name_first(*p) || isdigit((unsigned char)*p); p++)
        dst[n++] = *p;
    dst[n] = '\0';
    ck_assert_uint_lt(n, 127);
    return p;
}

static const char *labels(const char *p)
{
    ck_assert_int_eq(*p++, '{');
    for (;;) {
        ck_assert_msg(isalpha((unsigned char)*p) || *p == '_', "no label begins '%.20s'", p);
        while (isalnum((unsigned char)*p) || *p == '_')
            p++;
        ck_assert_msg(p[0] == '=' && p[1] == '"', "no value at '%.20s'", p);
        for (p += 2; *p != '"'; p++) {
            ck_assert_msg(*p != '\0' && *p != '\n', "a value without end");
            if (*p == '\\') {
                p++;
                ck_assert_msg(*p == '\\' || *p == '"' || *p == 'n', "no such escape: \\%c", *p);
            }
        }
        p++;
        if (*p == '}')
            return p + 1;
        ck_assert_msg(*p++ == ',', "no comma at '%.20s'", p);
    }
}

struct parsed {
    unsigned families, samples;
};

/* HELP, TYPE, then at least no sample of another family, every family once, every sample once;
 * values are decimal. */
static struct parsed parse(const char *text)
{
    static char seen[8192][200];
    struct parsed n = {0, 0};
    char now[128] = "", type[16] = "", name[128];
    size_t len = strlen(text);
    ck_assert_uint_gt(len, 0);
    ck_assert_int_eq(text[len - 1], '\n');
    for (const char *p = text; *p != '\0'; p++) {
        if (strncmp(p, "# HELP ", 7) == 0) {
            p = metric_name(p + 7, now);
            ck_assert_msg(*p == ' ' && p[1] != '\n', "%s: no help", now);
            for (; *p != '\n'; p++)
                if (*p == '\\') {
                    p++;
                    ck_assert(*p == '\\' || *p == 'n');
                }
            p++;
            ck_assert_msg(strncmp(p, "# TYPE ", 7) == 0, "%s: HELP without TYPE", now);
            p = metric_name(p + 7, name);
            ck_assert_str_eq(name, now);
            ck_assert_int_eq(*p++, ' ');
            ck_assert_int_eq(sscanf(p, "%15[a-z]", type), 1);
            p += strlen(type);
            ck_assert_int_eq(*p, '\n');
            ck_assert_msg(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0, "%s: %s", now,
                          type);
            bool total = strlen(now) > 6 && strcmp(now + strlen(now) - 6, "_total") == 0;
            ck_assert_msg(total == (strcmp(type, "counter") == 0), "%s is a %s", now, type);
            ck_assert_msg(strncmp(now, "tapdeck_", 8) == 0 && strstr(now, "__") == NULL, "%s", now);
            for (const char *c = now; *c != '\0'; c++)
                ck_assert_msg(!isupper((unsigned char)*c), "%s", now);
            snprintf(seen[n.samples + n.families], sizeof(seen[0]), "family %s", now);
            n.families++;
        } else {
            const char *from = p;
            p = metric_name(p, name);
            ck_assert_msg(strcmp(name, now) == 0, "a sample of %s within %s", name, now);
            if (*p == '{')
                p = labels(p);
            snprintf(seen[n.samples + n.families], sizeof(seen[0]), "%.*s", (int)(p - from), from);
            ck_assert_int_eq(*p++, ' ');
            ck_assert_msg(isdigit((unsigned char)*p), "%s: no number: '%.20s'", name, p);
            p += strspn(p, "0123456789");
            if (*p == '.')
                p += 1 + strspn(p + 1, "0123456789");
            n.samples++;
        }
        ck_assert_msg(*p == '\n', "%s: something behind: '%.20s'", now, p);
        unsigned all = n.samples + n.families;
        ck_assert_uint_lt(all, 8192);
        for (unsigned i = 0; i + 1 < all; i++)
            ck_assert_msg(strcmp(seen[i], seen[all - 1]) != 0, "twice: %s", seen[i]);
    }
    return n;
}

static void has(const char *line)
{
    ck_assert_msg(strstr(out, line) != NULL, "'%s' is not in:\n%.3000s", line, out);
}

START_TEST(metrics_are_what_prometheus_reads)
{
    (void)hx_tcp_listen(h, 80);
    (void)hx_udp_socket(h, 0, 5000);
    drop(3);
    ck_assert_int_eq(finish("tc qdisc add dev eth0 root handle 1: netem delay 1ms", false),
                     EXIT_DONE);
    ck_assert_int_eq(finish("tc qdisc add dev eth0 parent 1: netem delay 1ms", false), EXIT_DONE);
    ck_assert_int_eq(finish("metrics", false), EXIT_DONE);
    struct parsed n = parse(out);
    ck_assert_uint_gt(n.families, CNT_COUNT + 25);
    ck_assert_uint_gt(n.samples, CNT_COUNT + EV_COUNT);
    has("tapdeck_info{name=\"a \\\"name\\\"\\\\with\\nall\",profile=\"linux\"} 1\n");
    has("\ntapdeck_udp_no_ports_total 3\n");
    has("\ntapdeck_ip_in_receives_total ");
    has("\ntapdeck_tcp_ext_tcp_loss_probes_total 0\n");
    has("\ntapdeck_tcp_ext_tcp_dsack_recv_total 0\n");
    has("\ntapdeck_eth_in_ipv6_total 0\n");
    has("\ntapdeck_tcp_ext_delayed_acks_total 0\n");
    has("# TYPE tapdeck_tcp_curr_estab gauge\n");
    has("\ntapdeck_sockets{protocol=\"tcp\",state=\"LISTEN\"} 1\n");
    has("\ntapdeck_sockets{protocol=\"udp\",state=\"UNCONN\"} 1\n");
    has("\ntapdeck_journal_events_total{event=\"udp-drop-no-port\",kind=\"drop\"} 3\n");
    has("\ntapdeck_interface_receive_packets_total{device=\"eth0\"} ");
    has("\ntapdeck_neighbours{state=\"PERMANENT\"} ");
    has("\ntapdeck_memory_bytes{purpose=\"tcp\"} ");
    has("{device=\"eth0\",direction=\"egress\",kind=\"netem\",place=\"1\"} ");
    has("\ntapdeck_timers_armed ");
    has("\ntapdeck_uptime_seconds ");
}
END_TEST

START_TEST(metrics_as_json)
{
    drop(3);
    ck_assert_int_eq(finish("metrics -j", false), EXIT_DONE);
    json_t *list = json_loads(out, 0, NULL), *o;
    size_t i;
    bool found = false;
    ck_assert(json_is_array(list));
    json_array_foreach(list, i, o)
    {
        ck_assert(json_is_string(json_object_get(o, "name")) &&
                  json_is_string(json_object_get(o, "type")));
        ck_assert(json_is_object(json_object_get(o, "labels")) &&
                  json_is_number(json_object_get(o, "value")));
        if (strcmp(json_string_value(json_object_get(o, "name")), "tapdeck_udp_no_ports_total") ==
            0)
            found = json_integer_value(json_object_get(o, "value")) == 3;
    }
    ck_assert(found);
    json_decref(list);
    ck_assert_int_eq(finish("metrics now", false), EXIT_USAGE);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("streams");
    TCase *t = tcase_create("streams");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, events_from_now_on);
    tcase_add_test(t, events_since);
    tcase_add_test(t, events_that_were_missed);
    tcase_add_test(t, events_are_bounded);
    tcase_add_test(t, metrics_are_what_prometheus_reads);
    tcase_add_test(t, metrics_as_json);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
