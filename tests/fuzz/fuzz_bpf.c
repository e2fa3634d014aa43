/* The BPF machine: bytes are a program and a frame. What bpf_valid takes libpcap must take too, and both machines give
 * the same answer, however the frame lies in memory.
 *
 *     byte 0        instructions, mod 64          byte 1   bytes of the frame's head, the rest is a slice
 *     8 bytes each  code (its low byte), jt, jf, k (most of it small), then the frame
 */
#include "fuzz.h"

#include "common/bpf_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct td_bpf_insn code[128];
    struct mem m;

    if (size < 2)
        return 0;
    uint32_t n = bpf_peer_prologue(code), len = n + data[0] % 64, head = data[1];
    data += 2, size -= 2;
    for (uint32_t i = n; i < len; i++, data += 8, size -= 8) {
        if (size < 8)
            return 0;
        code[i] = (struct td_bpf_insn){.code = (uint16_t)(data[0] | (data[3] == 255 ? 256 : 0)), .jt = data[1], .jf = data[2]};
        code[i].k = (uint32_t)data[4] | (data[5] > 250 ? (uint32_t)data[6] << 24 | (uint32_t)data[7] << 16 : 0);
    }
    code[len++] = (struct td_bpf_insn){.code = 0x16}; /* ret a */
    if (!bpf_valid(code, len))
        return 0;
    FUZZ_CHECK(bpf_peer_valid(code, len));
    uint32_t bytes = size < 2000 ? (uint32_t)size : 2000;
    mem_init(&m, 0);
    struct pkt *p = pkt_from_bytes(&m, 0, data, head < bytes ? head : bytes);
    FUZZ_CHECK(p != NULL);
    if (head < bytes) {
        struct pkt_block *block = pkt_block_alloc(&m, bytes - head);
        FUZZ_CHECK(block != NULL);
        memcpy(block->bytes, data + head, bytes - head);
        FUZZ_CHECK(pkt_append_slice(p, block, 0, bytes - head) == 0);
        pkt_block_free(block);
    }
    FUZZ_CHECK(bpf_run(code, p) == bpf_peer_run(code, len, data, bytes));
    pkt_free(p);
    pkt_cache_drop(&m);
    FUZZ_CHECK(m.used == 0);
    return 0;
}
