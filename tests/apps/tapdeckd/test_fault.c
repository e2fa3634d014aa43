/* `fault`: the catalogue, switching by name, and the secret fault, which no command may give away.
 */
#include "console.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/mystery.h"
#include "tapdeck/socket.h"

static char salt[64], line[512];

static void world(bool allowed)
{
    struct td_stack_config c = {.now = TD_SEC, .seed = {7}, .allow_faults = allowed};
    con.st = td_stack_new(&c);
    ck_assert_ptr_nonnull(con.st);
    deck_init(&con.deck, con.st, "test");
}

static void salt_make(const char *text)
{
    strcpy(salt, "/tmp/salt-test-XXXXXX");
    int fd = mkstemp(salt);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static const char *with_salt(const char *fmt)
{
    snprintf(line, sizeof line, fmt, salt);
    return line;
}

START_TEST(test_by_name)
{
    world(true);
    con_done("fault enable no-karn");
    ck_assert(FAULT_ON(con.st, NO_KARN));
    json_t *list = con_json("fault list");
    ck_assert_uint_eq(json_array_size(list), FAULT_COUNT);
    size_t i;
    json_t *f;
    json_array_foreach(list, i, f)
    {
        ck_assert_str_ne(json_string_value(json_object_get(f, "layer")), "");
        ck_assert_int_eq(json_is_true(json_object_get(f, "on")),
                         strcmp(json_string_value(json_object_get(f, "name")), "no-karn") == 0);
    }
    json_decref(list);
    con_done("fault disable no-karn");
    ck_assert(!FAULT_ON(con.st, NO_KARN));
    con_done("fault no-karn on");
    con_done("fault no-karn off");
    ck_assert_uint_eq(con.st->faults, 0);
    con_refused("fault enable", "name is missing");
    con_refused("fault enable no-such", "there is no fault 'no-such'");
    con_refused("fault enable no-karn now", "doesn't belong");
    con_refused("fault no-karn", "missing");
    con_refused("fault no-karn perhaps", "doesn't belong");
    con_refused("fault list all", "no more words");
    con_refused("fault reveal x y", "a daemon reveals nothing");
    con_close();
    world(false);
    con_refused("fault enable no-karn", "--allow-faults");
    con_refused("fault secret /nowhere alice", "--allow-faults");
    con_close();
}
END_TEST

/* At least one fault a layer, 25 altogether. */
START_TEST(test_layers)
{
    static const char *const layers[] = {"link", "arp", "ip", "icmp", "udp", "tcp", "nf"};
    uint64_t all = 0, some;
    char msg[256];
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        ck_assert_msg(mystery_set(layers[i], &some, msg, sizeof msg), "%s: %s", layers[i], msg);
        ck_assert_uint_eq(all & some, 0);
        all |= some;
    }
    ck_assert(mystery_set(NULL, &some, msg, sizeof msg));
    ck_assert_uint_eq(all, some);
    ck_assert_int_ge(__builtin_popcountll(all), 25);
}
END_TEST

START_TEST(test_choice_follows_from_salt_and_id)
{
    /* RFC 4231 test case 2: key "Jefe": 5bdcc146bf60754e… modulo the number of candidates. */
    struct salt s = {.len = 4, .bytes = "Jefe"};
    uint64_t three = UINT64_C(0x1010004);
    unsigned n = mystery_choose(&s, "what do ya want for nothing?", three);
    static const unsigned wanted[] = {2, 16, 24};
    ck_assert_uint_eq(n, wanted[UINT64_C(0x5bdcc146bf60754e) % 3]);
    uint64_t seen = 0;
    for (int i = 0; i < 1000; i++) {
        char id[24];
        snprintf(id, sizeof id, "student%d", i);
        seen |= UINT64_C(1) << mystery_choose(&s, id, (UINT64_C(1) << FAULT_COUNT) - 1);
    }
    ck_assert_uint_eq(seen, (UINT64_C(1) << FAULT_COUNT) - 1); /* each is somebody's */
}
END_TEST

START_TEST(test_secret_words)
{
    world(true);
    salt_make("correct horse\n");
    con_refused("fault secret /nowhere/salt alice", "can't be read");
    con_refused("fault secret /tmp alice", "is no file");
    con_refused("fault secret env:TD_NO_SUCH alice", "no variable TD_NO_SUCH");
    con_refused(with_salt("fault secret %s"), "SALTFILE ID [from SET]");
    con_refused(with_salt("fault secret %s alice from"), "SALTFILE ID [from SET]");
    con_refused(with_salt("fault secret %s alice from tcp,nonsense"),
                "'nonsense' is neither a fault nor a layer");
    con_refused(with_salt("fault secret %s alice from ''"), "no faults");
    con_refused(with_salt("fault secret %s ''"), "an id has");
    ck_assert_uint_eq(con.st->faults, 0);
    con_done("fault secret");
    con_says("no secret fault is on");
    ck_assert_int_eq(con_line("fault secret off", false), EXIT_FAILED);

    struct salt s = {.len = 13, .bytes = "correct horse"};
    uint64_t all;
    char msg[256];
    ck_assert(mystery_set(NULL, &all, msg, sizeof msg));
    con_done(with_salt("fault secret %s alice"));
    ck_assert_uint_eq(con.st->faults, UINT64_C(1) << mystery_choose(&s, "alice", all));
    setenv("TD_TEST_SALT", "correct horse", 1);
    con_done("fault secret env:TD_TEST_SALT alice from udp-silence");
    ck_assert(FAULT_ON(con.st, UDP_SILENCE));
    con_done("fault secret");
    con_says("a secret fault is on");
    con_done("fault secret off");
    ck_assert_uint_eq(con.st->faults, 0);
    con_done("fault enable no-karn");
    ck_assert_int_eq(con_line(with_salt("fault secret %s alice"), false), EXIT_FAILED);
    unlink(salt);
    con_close();
}
END_TEST

/* Every command's output, without words and with some, in text and JSON. */
static void look(struct text *t)
{
    static const char *const more[] = {
        "ip -s addr",
        "ip -s link",
        "ip route",
        "ip neigh",
        "ip rule",
        "ss -tuanoime",
        "nstat -az",
        "why -n 1000",
        "why event *",
        "sysctl -a",
        "table",
        "table counters",
        "table events",
        "table knobs",
        "table memory",
        "table timers",
        "app list",
        "timers",
        "fault list",
        "version",
        "tc qdisc",
        "sysctl tapdeck.fault.no-karn",
        "sysctl tapdeck.fault.udp-silence",
        "iptables -S",
        "conntrack -L",
        "fault enable no-karn",
        "fault disable no-karn",
        "fault no-karn on",
        "fault enable udp-silence",
        "fault disable udp-silence",
        "fault udp-silence off",
        "sysctl -w tapdeck.fault.no-karn=1",
        "sysctl -w tapdeck.fault.udp-silence=0",
    };
    for (int json = 0; json < 2; json++) {
        for (size_t i = 0; commands[i] != NULL; i++) {
            if (commands[i] == &command_shutdown)
                continue;
            int status = con_line(commands[i]->name, json);
            text_printf(t, "$ %s -> %d %s\n%s", commands[i]->name, status, con.err, con.out);
        }
        for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
            int status = con_line(more[i], json);
            text_printf(t, "$ %s -> %d %s\n%s", more[i], status, con.err, con.out);
        }
    }
}

/* While it does its work, nobody names it but who lists the catalogue. */
START_TEST(test_secret_at_work)
{
    world(true);
    salt_make("s");
    con_done(with_salt("fault secret %s bob from udp-silence"));
    int s = td_socket(con.st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(td_sendto(con.st, s, "anybody?", 8, 0, TD_IP4(127, 0, 0, 1), 9), 8);
    td_stack_flush(con.st, td_stack_now(con.st));
    ck_assert_uint_eq(con.st->counters.v[CNT_UdpNoPorts], 1);
    ck_assert_uint_eq(con.st->counters.v[CNT_IcmpOutDestUnreachs], 0); /* it is at work */
    for (int json = 0; json < 2; json++) {
        for (size_t i = 0; commands[i] != NULL; i++) {
            if (commands[i] == &command_shutdown || commands[i] == &command_fault)
                continue;
            con_line(commands[i]->name, json);
            con_silent("udp-silence");
            ck_assert_ptr_null(strstr(con.err, "udp-silence"));
        }
        con_line("why -n 1000", json);
        con_says("udp-drop-no-port");
        con_silent("udp-silence");
        con_silent("fault");
        con_line("nstat -az", json);
        con_silent("ault");
        con_line("sysctl -a", json);
        con_silent("udp-silence");
    }
    con_close();
    unlink(salt);
}
END_TEST

START_TEST(test_secret_shows_nowhere)
{
    static const char *const cases[] = {"no-karn", "udp-silence", "no-checksum"};
    struct text seen[3] = {{0}};
    salt_make("s");
    for (int i = 0; i < 3; i++) {
        char name[256];
        world(true);
        snprintf(name, sizeof name, "fault secret %s bob from %s", salt, cases[i]);
        con_done(name);
        look(&seen[i]);
        ck_assert(con.st->fault_secret);
        ck_assert_int_eq(__builtin_popcountll(con.st->faults), 1);
        ck_assert_uint_eq(con.st->faults_shown, 0);
        ck_assert_uint_eq(con.st->journal.events[EV_FAULT_SET], 0);
        con_close();
    }
    /* Whichever it is, everything looks the same. */
    ck_assert_str_eq(seen[0].s, seen[1].s);
    ck_assert_str_eq(seen[0].s, seen[2].s);

    /* And as without any, but that none is switched by name and `fault secret` says so. */
    struct text t = {0};
    world(true);
    ck_assert_int_eq(td_fault_secret(con.st, -1), 0);
    con_done("fault list");
    text_puts(&t, con.out);
    con_done("nstat -az");
    text_puts(&t, con.out);
    con_line("why -n 1000", true);
    text_puts(&t, con.out);
    con_done("sysctl -a");
    text_puts(&t, con.out);
    con_close();
    world(true);
    con_done(with_salt("fault secret %s bob from no-karn"));
    struct text u = {0};
    con_done("fault list");
    text_puts(&u, con.out);
    con_done("nstat -az");
    text_puts(&u, con.out);
    con_line("why -n 1000", true);
    text_puts(&u, con.out);
    con_done("sysctl -a");
    text_puts(&u, con.out);
    ck_assert_str_eq(t.s, u.s);
    ck_assert_int_eq(con_line("fault enable no-karn", false), EXIT_FAILED);
    ck_assert_str_eq(con.err, "a secret fault is on: none is switched by name until `fault secret "
                              "off` ends the exercise");
    con_close();
    text_free(&t);
    text_free(&u);
    for (int i = 0; i < 3; i++)
        text_free(&seen[i]);
    unlink(salt);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fault");
    TCase *t = tcase_create("fault");
    tcase_add_test(t, test_by_name);
    tcase_add_test(t, test_layers);
    tcase_add_test(t, test_choice_follows_from_salt_and_id);
    tcase_add_test(t, test_secret_words);
    tcase_add_test(t, test_secret_shows_nowhere);
    tcase_add_test(t, test_secret_at_work);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
