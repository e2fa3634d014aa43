/* The checksum of any bytes at any alignment equals the definition, whole, in pieces, and updated.
 */
#include "fuzz.h"
#include "wire/checksum.h"
#include "wire/wire.h"

static uint16_t definition(const uint8_t *b, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += i % 2 == 0 ? (uint64_t)b[i] << 8 : b[i];
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FUZZ_CHECK(checksum_fold(checksum_add(0, data, size)) == definition(data, size));
    if (size < 4) {
        return 0;
    }
    const uint8_t *b = data + 1; /* odd address */
    size_t n = size - 1, cut = (size_t)data[0] * 2;
    cut = cut < n ? cut : n & ~(size_t)1;
    uint32_t sum = checksum_add(checksum_add(0, b, cut), b + cut, n - cut);
    FUZZ_CHECK(checksum_fold(sum) == definition(b, n));

    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    size_t even = size & ~(size_t)1;
    uint16_t before = checksum(copy, even), m = wire_get16(copy),
             m2 = (uint16_t)~wire_get16(copy + 2);
    wire_put16(copy, m2);
    uint16_t fresh = checksum(copy, even), updated = checksum_update(before, m, m2);
    /* Only a message of zeros has the other zero. */
    FUZZ_CHECK(updated == fresh || (fresh == 0xffff && updated == 0));
    free(copy);
    return 0;
}
