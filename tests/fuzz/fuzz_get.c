/* get: any bytes from a server, and any reference to follow. The first byte says whether the request was HEAD,
 * the second in what pieces the rest comes; the answer must be read the same way as when it comes at once, its
 * content must be part of what came, and what is kept of it must keep its bounds. */
#include "common/text.h"
#include "fuzz.h"
#include "get/answer.h"
#include "get/url.h"

#include <stdlib.h>
#include <string.h>

static void read_all(struct answer *a, struct text *body, const char *in, size_t n, size_t step, bool head)
{
    size_t at = 0;
    answer_init(a, head);
    while (at < n && a->state < ANSWER_DONE) {
        const char *data;
        size_t len, room = n - at < step ? n - at : step, used;
        char *piece = malloc(room); /* so that a read beyond it is seen */
        FUZZ_CHECK(piece != NULL);
        memcpy(piece, in + at, room);
        used = answer_feed(a, piece, room, &data, &len);
        FUZZ_CHECK(used <= room && (used > 0 || a->state >= ANSWER_DONE));
        FUZZ_CHECK(len == 0 || (data >= piece && data + len <= piece + room));
        FUZZ_CHECK(len == 0 || a->framing != FRAMED_NONE);
        text_add(body, data, len);
        free(piece);
        FUZZ_CHECK(a->head.len <= ANSWER_LINE_MAX + ANSWER_HEADERS_MAX);
        at += used;
    }
    if (a->state < ANSWER_DONE)
        answer_eof(a);
    FUZZ_CHECK(a->state == ANSWER_DONE || a->why[0] != '\0');
    FUZZ_CHECK(a->body == body->len);
}

static void follow(const char *reference)
{
    struct url base, u;
    char msg[400] = "";
    FUZZ_CHECK(url_parse(&base, "http://10.0.0.1:8080/a/b;c?d", msg, sizeof msg));
    if (!url_follow(&base, reference, &u, msg, sizeof msg)) {
        FUZZ_CHECK(msg[0] != '\0');
        return;
    }
    FUZZ_CHECK(u.target[0] == '/' && strpbrk(u.target, " \r\n") == NULL && u.port != 0);
    FUZZ_CHECK(strchr(u.target, '?') != NULL || (strstr(u.target, "/../") == NULL && strstr(u.target, "/./") == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answer whole, split;
    struct text a = {0}, b = {0};
    if (size < 2)
        return 0;
    read_all(&whole, &a, (const char *)data + 2, size - 2, SIZE_MAX, data[0] & 1);
    read_all(&split, &b, (const char *)data + 2, size - 2, 1 + data[1], data[0] & 1);
    FUZZ_CHECK(whole.state == split.state && whole.status == split.status && strcmp(whole.why, split.why) == 0);
    FUZZ_CHECK(a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0));
    struct slice name, value;
    for (size_t at = 0; answer_field(&whole, &at, &name, &value);)
        FUZZ_CHECK(at <= whole.head.len);
    follow(whole.location);
    answer_free(&whole);
    answer_free(&split);
    text_free(&a);
    text_free(&b);
    return 0;
}
