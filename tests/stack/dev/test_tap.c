/* tests of dev/tap.c that need no device: what is written for a packet, and what a bad name is
 * told. (With a device: tests/e2e/test_daemon.sh.) */
#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/pkt.h"
#include "dev/tap.h"

static struct mem mem;
static int pair[2];

static void setup(void)
{
    mem_init(&mem, 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
                     0);
}

static void teardown(void)
{
    close(pair[0]);
    close(pair[1]);
    ck_assert_uint_eq(mem.used, 0);
}

/* A packet of `head` linear bytes and n slices of 10 bytes each; byte i of it is i % 251. */
static struct pkt *packet(uint32_t head, uint32_t n)
{
    uint32_t at = 0;
    struct pkt *p = pkt_alloc(&mem, 0, head);
    uint8_t *room = pkt_put(p, head);
    for (; at < head; at++)
        room[at] = (uint8_t)(at % 251);
    for (uint32_t i = 0; i < n; i++) {
        struct pkt_block *b = pkt_block_alloc(&mem, 12);
        for (uint32_t k = 0; k < 10; k++)
            b->bytes[k + 1] = (uint8_t)(at++ % 251);
        ck_assert_int_eq(pkt_append_slice(p, b, 1, 10), 0);
        pkt_block_free(b);
    }
    return p;
}

static void expect(uint32_t len)
{
    uint8_t buf[8192];
    ck_assert_int_eq(read(pair[1], buf, sizeof(buf)), (int)len);
    for (uint32_t i = 0; i < len; i++)
        ck_assert_uint_eq(buf[i], i % 251);
}

static void write_one(uint32_t head, uint32_t slices)
{
    struct pkt *p = packet(head, slices);
    ck_assert_int_eq(tap_write_fd(pair[0], p), 0);
    expect(head + 10 * slices);
    pkt_free(p); /* it stays the caller's */
}

START_TEST(pieces_are_one_frame)
{
    write_one(60, 0);
    write_one(54, 1);
    write_one(54, 2);
    write_one(54, 60);
    /* More pieces than an iovec of ours holds. */
    write_one(54, 63);
    write_one(54, 64);
    write_one(54, 300);
}
END_TEST

START_TEST(busy)
{
    struct pkt *p = packet(1000, 0);
    int err = 0;
    for (int i = 0; i < 100000 && err == 0; i++)
        err = tap_write_fd(pair[0], p);
    ck_assert_int_eq(err, -EAGAIN);
    pkt_free(p);
}
END_TEST

START_TEST(lost)
{
    struct pkt *p = packet(60, 0);
    int fd = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(tap_write_fd(fd, p), -EBADF);
    close(fd);
    pkt_free(p);
}
END_TEST

START_TEST(bad_names)
{
    static const char *const names[] = {"", "a-name-that-is-far-too-long", "a/b", "a b"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct tap_config c = {.name = names[i]};
        char name[16], msg[512] = "";
        uint32_t mtu;
        int err = tap_open_fd(&c, name, &mtu, msg, sizeof(msg));
        ck_assert_int_lt(err, 0);
        /* Where there is no /dev/net/tun at all that is said first. */
        ck_assert_msg(strstr(msg, "not a name for an interface") != NULL ||
                          strstr(msg, "/dev/net/tun") != NULL,
                      "%s", msg);
    }
}
END_TEST

START_TEST(no_such_namespace)
{
    struct tap_config c = {.name = "surely-not-there:tap0"};
    char name[16], msg[512] = "";
    uint32_t mtu;
    ck_assert_int_lt(tap_open_fd(&c, name, &mtu, msg, sizeof(msg)), 0);
    ck_assert_msg(strstr(msg, "'surely-not-there'") != NULL, "%s", msg);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tap");
    TCase *t = tcase_create("tap");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, pieces_are_one_frame);
    tcase_add_test(t, busy);
    tcase_add_test(t, lost);
    tcase_add_test(t, bad_names);
    tcase_add_test(t, no_such_namespace);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
