/* tests of apps/tapdeck/output.c: -o is taken out of get's words, and written here. */
#include "check_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "tapdeck/output.h"

/* The words that are sent, with blanks between; "" when they are sent as they are. */
static const char *sent(const char *line, struct output *o)
{
    static char text[512];
    char **argv, msg[128];
    int argc = words_split(line, &argv, msg, sizeof msg);
    ck_assert_int_gt(argc, 0);
    output_request(argc, argv, o);
    text[0] = '\0';
    for (int i = 0; i < o->argc; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", o->argv[i]);
    if (o->path != NULL)
        o->path = strdup(o->path); /* it was a word */
    words_free(argv);
    return text;
}

START_TEST(words)
{
    static const struct {
        const char *line, *sent, *path;
    } all[] = {
        {"get 10.0.0.1", "get 10.0.0.1", NULL},
        {"get -o f 10.0.0.1", "get 10.0.0.1", "f"},
        {"get 10.0.0.1 -vof", "get 10.0.0.1 -v", "f"},
        {"get -iLo f -m 3 -r 0-9 10.0.0.1", "get -i -L -m 3 -r 0-9 10.0.0.1", "f"},
        {"get -H -o 10.0.0.1", "get -H -o 10.0.0.1", NULL}, /* -o is what -H is given */
        {"get -o - 10.0.0.1", "get 10.0.0.1", NULL},
        {"get -x -o f 10.0.0.1", "", NULL}, /* the daemon says what is wrong with it */
        {"get 10.0.0.1 -o", "", NULL},
        {"nc -o f 10.0.0.1 80", "", NULL},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct output o;
        ck_assert_str_eq(sent(all[i].line, &o), all[i].sent);
        ck_assert_msg((o.path == NULL) == (all[i].path == NULL), "%s", all[i].line);
        if (o.path != NULL)
            ck_assert_str_eq(o.path, all[i].path);
        free((char *)o.path);
        o.path = NULL;
        ck_assert(output_end(&o, NULL, 0));
    }
}
END_TEST

START_TEST(writing)
{
    char dir[] = "/tmp/tapdeck-test-XXXXXX", path[64], msg[256], got[16] = "";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/f", dir);
    struct output o = {.path = path};
    ck_assert_int_ne(access(path, F_OK), 0); /* made with the first piece */
    ck_assert_int_eq(output_write(&o, stdout, "abc\0", 4), 0);
    ck_assert_int_eq(output_write(&o, stdout, "def", 3), 0);
    ck_assert(output_end(&o, msg, sizeof msg));
    FILE *f = fopen(path, "r");
    ck_assert_uint_eq(fread(got, 1, sizeof got, f), 7);
    ck_assert_mem_eq(got, "abc\0def", 7);
    fclose(f);
    unlink(path);
    rmdir(dir);
    o = (struct output){.path = path};
    int err = output_write(&o, stdout, "x", 1);
    ck_assert_int_eq(err, ENOENT);
    output_complaint(&o, err, msg, sizeof msg);
    ck_assert_ptr_nonnull(strstr(msg, "/f can't be written: No such file or directory"));
    ck_assert(output_end(&o, msg, sizeof msg));
    f = fopen("/dev/full", "w");
    ck_assert_int_eq(output_write(&o, f, "x", 1), ENOSPC);
    output_complaint(&o, ENOSPC, msg, sizeof msg);
    ck_assert_int_eq(strncmp(msg, "the output can't be written", 27), 0);
    fclose(f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("output");
    TCase *t = tcase_create("output");
    tcase_add_test(t, words);
    tcase_add_test(t, writing);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
