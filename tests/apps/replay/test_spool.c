/* replay/spool.c: what was put by is read again: few bytes, many, forgotten ones, in a child; and
 * when there is no room. */
#include "check_main.h"
#include "replay/spool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t word(uint32_t i)
{
    return i * 2654435761u;
}

static void fill(struct spool *s, uint32_t words)
{
    bool ok = true;
    for (uint32_t i = 0; i < words; i++) {
        uint32_t w = word(i);
        ok = spool_add(s, &w, sizeof(w)) && ok;
    }
    ck_assert(ok);
    ck_assert_uint_eq(s->size, 4 * (uint64_t)words);
    ck_assert(spool_map(s));
}

static bool holds(struct spool *s, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++) {
        uint32_t w = word(i);
        if (memcmp(s->map + 4 * (size_t)i, &w, 4) != 0)
            return false;
        spool_forget(s, 4 * (uint64_t)i);
    }
    return true;
}

START_TEST(few_stay_in_memory)
{
    struct spool s = {0};
    fill(&s, 1000);
    ck_assert(!s.mapped && s.fd == 0);
    ck_assert(holds(&s, 1000));
    spool_rewind(&s);
    spool_seal(&s);
    ck_assert(holds(&s, 1000));
    spool_free(&s);
}
END_TEST

START_TEST(many_go_to_a_file)
{
    enum { WORDS = 6000000 };
    struct spool s = {0};
    int status;
    fill(&s, WORDS);
    ck_assert(s.mapped);
    ck_assert(holds(&s, WORDS));
    ck_assert_uint_ge(s.forgotten, 8u << 20);
    uint32_t changed = 5;
    memcpy(s.map, &changed, 4);
    spool_rewind(&s);
    spool_seal(&s);
    ck_assert_mem_eq(s.map, &changed, 4); /* forgotten, not lost */
    pid_t child = fork();
    if (child == 0)
        _exit(memcmp(s.map, &changed, 4) == 0 &&
                      memcmp(s.map + 4 * (size_t)(WORDS - 1), &(uint32_t){word(WORDS - 1)}, 4) == 0
                  ? 0
                  : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    spool_free(&s);
}
END_TEST

START_TEST(no_room)
{
    struct spool s = {0};
    char msg[256], big[4096] = {0};
    ck_assert_int_eq(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
    bool ok = true;
    for (unsigned i = 0; i < 300; i++)
        ok = spool_add(&s, big, sizeof(big)) && ok;
    ck_assert(!ok && !spool_map(&s));
    spool_why(&s, msg, sizeof(msg));
    ck_assert_str_eq(msg, "it can't be put by in /nowhere/at/all: No such file or directory; "
                          "TMPDIR names another directory");
    spool_free(&s);
    (void)unsetenv("TMPDIR");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay spool");
    TCase *tc = tcase_create("spool");
    tcase_add_test(tc, few_stay_in_memory);
    tcase_add_test(tc, many_go_to_a_file);
    tcase_add_test(tc, no_room);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
