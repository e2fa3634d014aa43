/* httpd: any bytes from a client. The first two say in what pieces they come and are answered; the
 * answer is the same as when they come at once. No response leaves the served directory (the secret
 * beside it is never sent), every response begins with a status line, and room keeps its bound. */
#include "common/text.h"
#include "fuzz.h"
#include "httpd/session.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/fuzz_httpd.XXXXXX";
static struct site site = {.root = -1, .max_body = 2000};

static int64_t wall(void *ctx)
{
    (void)ctx;
    return INT64_C(1700000000);
}

static void put(const char *name, const char *text)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", base, name);
    FILE *f = fopen(path, "w");
    FUZZ_CHECK(f != NULL);
    fputs(text, f);
    fclose(f);
}

static void make_dir(const char *name)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", base, name);
    FUZZ_CHECK(mkdir(path, 0700) == 0);
}

static void clean(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", base);
    if (system(command) != 0)
        fputs("can't remove the temporary directory\n", stderr);
}

static void prepare(void)
{
    char path[100];
    FUZZ_CHECK(mkdtemp(base) != NULL);
    atexit(clean);
    make_dir("s");
    make_dir("s/d");
    put("secret", "T0P-5ECRET");
    put("s/f", "hello");
    put("s/d/index.html", "<p>");
    snprintf(path, sizeof path, "%s/s/l", base);
    FUZZ_CHECK(symlink("../secret", path) == 0);
    snprintf(path, sizeof path, "%s/s", base);
    site.root = open(path, O_RDONLY | O_DIRECTORY);
    site.wall = wall;
    FUZZ_CHECK(site.root >= 0);
}

static void talk(struct text *out, const uint8_t *in, size_t n, size_t in_step, size_t out_step)
{
    struct session *s = session_new(&site);
    uint8_t buf[4096];
    size_t at = 0, got;
    bool eof = false;
    for (;;) {
        while ((got = session_pull(s, buf, sizeof buf)) > 0) {
            got = got < out_step ? got : out_step;
            text_add(out, (const char *)buf, got);
            session_sent(s, got);
        }
        if (session_phase(s) >= SESSION_CLOSED)
            break;
        size_t take = session_room(s);
        FUZZ_CHECK(take > 0 && take <= 512 * 1024);
        take = take < n - at ? take : n - at;
        take = take < in_step ? take : in_step;
        if (take == 0) {
            FUZZ_CHECK(!eof); /* after the client's FIN it must come to an end */
            eof = true;
            session_eof(s);
        } else {
            session_feed(s, in + at, take);
            at += take;
        }
    }
    FUZZ_CHECK(session_phase(s) == SESSION_CLOSED);
    session_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (site.root < 0)
        prepare();
    if (size < 2)
        return 0;
    struct text whole = {0}, split = {0};
    talk(&whole, data + 2, size - 2, SIZE_MAX, SIZE_MAX);
    talk(&split, data + 2, size - 2, 1 + data[0], 1 + data[1]);
    FUZZ_CHECK(whole.len == 0 || strncmp(whole.s, "HTTP/1.1 ", 9) == 0);
    FUZZ_CHECK(whole.len == 0 || memmem(whole.s, whole.len, "T0P-5ECRET", 10) == NULL);
    /* Whether "100 Continue" is sent depends on how the bytes come: RFC 9110 10.1.1 has it so. */
    if (whole.len != split.len || (whole.len > 0 && memcmp(whole.s, split.s, whole.len) != 0))
        FUZZ_CHECK(split.len > 0 && strstr(split.s, "100 Continue") != NULL);
    text_free(&whole);
    text_free(&split);
    return 0;
}
