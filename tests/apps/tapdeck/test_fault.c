/* `fault reveal`: the instructor's answer, without a daemon. */
#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mystery.h"
#include "core/faults.h"
#include "tapdeck/fault.h"

static char *out;

static int reveal(bool json, int argc, const char *const *words)
{
    char *argv[8];
    size_t len;
    struct session s;
    session_init(&s, "nobody", json);
    free(out);
    out = NULL;
    s.out = open_memstream(&out, &len);
    for (int i = 0; i < argc; i++)
        argv[i] = strdup(words[i]);
    ck_assert(fault_is_local(argc, argv));
    int status = fault_reveal(&s, argc, argv);
    fclose(s.out);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    session_end(&s);
    return status;
}
#define REVEAL(json, ...)                                                                          \
    reveal(json, (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)),               \
           (const char *const[]){__VA_ARGS__})

/* The same as the daemon chooses from the same words (tests/apps/tapdeckd/test_fault.c). */
START_TEST(test_the_same_answer)
{
    const struct salt salt = {.len = 13, .bytes = "correct horse"};
    uint64_t all, tcp;
    char msg[256], want[256];
    setenv("TD_TEST_SALT", "correct horse \n", 1);
    ck_assert(mystery_set(NULL, &all, msg, sizeof msg) &&
              mystery_set("tcp", &tcp, msg, sizeof msg));
    const struct fault_info *f = &fault_info[mystery_choose(&salt, "alice", all)];
    ck_assert_int_eq(REVEAL(false, "fault", "reveal", "env:TD_TEST_SALT", "alice"), EXIT_DONE);
    snprintf(want, sizeof want, "alice: %s\n%.60s", f->name, f->symptom);
    ck_assert_msg(strncmp(out, want, strlen(want)) == 0, "%s", out);
    f = &fault_info[mystery_choose(&salt, "bob", tcp)];
    ck_assert_str_eq(f->layer, "tcp");
    ck_assert_int_eq(REVEAL(true, "fault", "reveal", "env:TD_TEST_SALT", "bob", "from", "tcp"),
                     EXIT_DONE);
    snprintf(want, sizeof want, "{\"id\":\"bob\",\"name\":\"%s\",\"layer\":\"tcp\"", f->name);
    ck_assert_msg(strncmp(out, want, strlen(want)) == 0, "%s", out);
}
END_TEST

START_TEST(test_words)
{
    char *other[] = {(char[]){"fault"}, (char[]){"list"}};
    ck_assert(!fault_is_local(2, other));
    ck_assert_int_eq(REVEAL(false, "fault", "reveal", "env:TD_TEST_SALT"), EXIT_USAGE);
    ck_assert_int_eq(REVEAL(false, "fault", "reveal", "/nowhere/salt", "alice"), EXIT_USAGE);
    ck_assert_int_eq(REVEAL(false, "fault", "reveal", "env:TD_TEST_SALT", "alice", "of", "tcp"),
                     EXIT_USAGE);
    ck_assert_str_eq(out, "");
    free(out);
    out = NULL;
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fault reveal");
    TCase *t = tcase_create("fault reveal");
    tcase_add_test(t, test_the_same_answer);
    tcase_add_test(t, test_words);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
