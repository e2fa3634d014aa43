/* The capture reader: any file ends, and says the same when asked again; every frame it hands out
 * is readable to its last byte. */
#include "dev/capture.h"
#include "dev/diary.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char msg[512] = "";
    if (size == 0) {
        return 0; /* fmemopen refuses it */
    }
    FILE *f = fmemopen((void *)(uintptr_t)data, size, "rb");
    FUZZ_CHECK(f != NULL);
    struct capture_reader *r = capture_open_stream(f, "input", msg, sizeof msg);
    if (r == NULL) {
        FUZZ_CHECK(strncmp(msg, "input: ", 7) == 0);
        return 0;
    }
    struct diary_book book = {0};
    capture_on_custom(r, diary_read, &book);
    bool gzip = size > 1 && data[0] == 0x1f && data[1] == 0x8b;
    uint64_t frames = 0, sum = 0;
    struct capture_frame last;
    int got;
    for (;;) {
        struct capture_frame g;
        got = capture_next(r, &g, msg, sizeof msg);
        if (got != 1) {
            break;
        }
        FUZZ_CHECK(g.caplen <= g.len);
        FUZZ_CHECK(gzip || g.caplen <= size); /* no frame is longer than its file */
        for (uint32_t i = 0; i < g.caplen; i++) {
            sum += g.bytes[i];
        }
        FUZZ_CHECK(capture_interface(r, g.iface) != NULL && capture_interface(r, g.iface)->link == g.link);
        sum += g.comment != NULL ? strlen(g.comment) : 0;
        frames++;
        FUZZ_CHECK(gzip || frames <= size);
    }
    FUZZ_CHECK(got == 0 || got == -1);
    FUZZ_CHECK(got == 0 || strstr(msg, "breaks off after") != NULL);
    FUZZ_CHECK(capture_frames(r) == frames);
    FUZZ_CHECK(capture_next(r, &last, msg, sizeof msg) == got);
    for (size_t i = 0; i < book.nstacks; i++) {
        const struct diary_stack *s = &book.stack[i];
        size_t n;
        struct diary_end none = {0};
        for (size_t k = 0; k < s->ncalls && k < 4; k++) {
            free(diary_connection(s, s->call[k].us, s->call[k].peer, s->call[k].wall, &n));
        }
        free(diary_connection(s, none, none, 0, &n));
    }
    diary_book_free(&book);
    capture_close(r);
    return sum == UINT64_MAX; /* keeps the reads alive; never true */
}
