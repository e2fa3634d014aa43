/* The capture reader: any file ends, and says the same when asked again; every frame it hands out
 * is readable to its last byte. */
#include "dev/capture.h"
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
    uint64_t frames = 0, sum = 0;
    int got;
    for (;;) {
        td_time wall = 0;
        const uint8_t *frame = NULL;
        uint32_t caplen = 0, len = 0;
        got = capture_next(r, &wall, &frame, &caplen, &len, msg, sizeof msg);
        if (got != 1) {
            break;
        }
        FUZZ_CHECK(caplen <= len);
        FUZZ_CHECK(caplen <= size); /* no frame is longer than its file */
        for (uint32_t i = 0; i < caplen; i++) {
            sum += frame[i];
        }
        frames++;
        FUZZ_CHECK(frames <= size);
    }
    FUZZ_CHECK(got == 0 || got == -1);
    FUZZ_CHECK(got == 0 || strstr(msg, "breaks off after") != NULL);
    FUZZ_CHECK(capture_frames(r) == frames);
    FUZZ_CHECK(capture_next(r, NULL, NULL, NULL, NULL, msg, sizeof msg) == got);
    capture_close(r);
    return sum == UINT64_MAX; /* keeps the reads alive; never true */
}
