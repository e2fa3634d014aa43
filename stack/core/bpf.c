/* core/bpf.c: the classic BPF machine (McCanne and Jacobson, "The BSD Packet Filter", 1993).
 *
 * Theory of operation. The machine has an accumulator A, an index register X, sixteen words of
 * memory and a frame to look at. An instruction is a code, two jump offsets and a constant k. The
 * code's low three bits are its class; the other bits mean, by class:
 *
 *     load (A), load (X)    what is loaded: k itself, the frame's length, a memory word, a byte or
 *                           16 or 32 bits of the frame at k or at X + k, or (X only) four times the
 *                           low half of the byte at k: the length of an IP header
 *     store A, store X      into memory word k
 *     arithmetic            A = A op k, or A = A op X
 *     jump                  always by k, or by jt or jf as A compares with k or X
 *     return                k, or A: how much of the frame is wanted; 0 is "no match"
 *     misc                  X = A, A = X
 *
 * Bits of the frame are read in network order. A program is checked once (bpf_valid), so the loop
 * in bpf_run needs no checks of jumps, memory words or shift widths; reading the frame is checked
 * at every load. Jumps go forward only, so there is nothing to count: pc grows with every step.
 *
 * Memory words and registers start as zero, so a program gives the same answer every time.
 */
#include "core/bpf.h"

#include "wire/wire.h"

enum {
    CLASS_LD,
    CLASS_LDX,
    CLASS_ST,
    CLASS_STX,
    CLASS_ALU,
    CLASS_JMP,
    CLASS_RET,
    CLASS_MISC,

    SIZE_W = 0x00,
    SIZE_H = 0x08,
    SIZE_B = 0x10,
    MODE_IMM = 0x00,
    MODE_ABS = 0x20,
    MODE_IND = 0x40,
    MODE_MEM = 0x60,
    MODE_LEN = 0x80,
    MODE_MSH = 0xa0,

    ALU_ADD = 0x00,
    ALU_SUB = 0x10,
    ALU_MUL = 0x20,
    ALU_DIV = 0x30,
    ALU_OR = 0x40,
    ALU_AND = 0x50,
    ALU_LSH = 0x60,
    ALU_RSH = 0x70,
    ALU_NEG = 0x80,
    ALU_MOD = 0x90,
    ALU_XOR = 0xa0,

    JMP_JA = 0x00,
    JMP_JEQ = 0x10,
    JMP_JGT = 0x20,
    JMP_JGE = 0x30,
    JMP_JSET = 0x40,

    SRC_X = 0x08,
    RET_A = 0x10,
    MISC_TAX = 0x00,
    MISC_TXA = 0x80,

    MEM_WORDS = 16
};

static bool valid_load(const struct td_bpf_insn *i)
{
    bool to_x = (i->code & 7) == CLASS_LDX;

    switch (i->code & ~7U) {
    case MODE_IMM | SIZE_W:
    case MODE_LEN | SIZE_W:
        return true;
    case MODE_MEM | SIZE_W:
        return i->k < MEM_WORDS;
    case MODE_MSH | SIZE_B:
        return to_x;
    case MODE_ABS | SIZE_W:
    case MODE_ABS | SIZE_H:
    case MODE_ABS | SIZE_B:
    case MODE_IND | SIZE_W:
    case MODE_IND | SIZE_H:
    case MODE_IND | SIZE_B:
        return !to_x;
    default:
        return false;
    }
}

static bool valid_alu(const struct td_bpf_insn *i)
{
    bool by_x = (i->code & SRC_X) != 0;

    switch (i->code & 0xf0) {
    case ALU_ADD:
    case ALU_SUB:
    case ALU_MUL:
    case ALU_OR:
    case ALU_AND:
    case ALU_XOR:
        return true;
    case ALU_NEG:
        return !by_x;
    case ALU_DIV:
    case ALU_MOD:
        return by_x || i->k != 0;
    case ALU_LSH:
    case ALU_RSH:
        return by_x || i->k < 32;
    default:
        return false;
    }
}

/* `left`: instructions behind this one. */
static bool valid_jump(const struct td_bpf_insn *i, uint32_t left)
{
    switch (i->code & 0xf0) {
    case JMP_JA:
        return (i->code & SRC_X) == 0 && i->k < left;
    case JMP_JEQ:
    case JMP_JGT:
    case JMP_JGE:
    case JMP_JSET:
        return i->jt < left && i->jf < left;
    default:
        return false;
    }
}

static bool valid_insn(const struct td_bpf_insn *i, uint32_t left)
{
    if (i->code > 0xff)
        return false;
    switch (i->code & 7) {
    case CLASS_LD:
    case CLASS_LDX:
        return valid_load(i);
    case CLASS_ST:
    case CLASS_STX:
        return (i->code & ~7U) == 0 && i->k < MEM_WORDS;
    case CLASS_ALU:
        return valid_alu(i);
    case CLASS_JMP:
        return valid_jump(i, left);
    case CLASS_RET:
        return (i->code & ~7U) == 0 || (i->code & ~7U) == RET_A;
    default:
        return (i->code & ~7U) == MISC_TAX || (i->code & ~7U) == MISC_TXA;
    }
}

bool bpf_valid(const struct td_bpf_insn *code, uint32_t len)
{
    if (len == 0 || (code[len - 1].code & 7) != CLASS_RET)
        return false;
    for (uint32_t i = 0; i < len; i++)
        if (!valid_insn(&code[i], len - 1 - i))
            return false;
    return true;
}

/* A byte, 16 or 32 bits of the frame. False: beyond its end. */
static bool frame_load(const struct pkt *p, uint64_t off, uint16_t size, uint32_t *out)
{
    uint8_t b[4];
    uint32_t n = size == SIZE_W ? 4 : size == SIZE_H ? 2 : 1;

    if (off + n > p->len || !pkt_read(p, (uint32_t)off, b, n))
        return false;
    *out = n == 4 ? wire_get32(b) : n == 2 ? wire_get16(b) : b[0];
    return true;
}

struct machine {
    uint32_t a, x;
    uint32_t mem[MEM_WORDS];
};

static bool load(struct machine *m, const struct td_bpf_insn *i, const struct pkt *p)
{
    uint32_t *to = (i->code & 7) == CLASS_LD ? &m->a : &m->x;

    switch (i->code & 0xe0) {
    case MODE_IMM:
        *to = i->k;
        return true;
    case MODE_LEN:
        *to = p->len;
        return true;
    case MODE_MEM:
        *to = m->mem[i->k];
        return true;
    case MODE_ABS:
        return frame_load(p, i->k, i->code & 0x18, to);
    case MODE_IND:
        return frame_load(p, (uint64_t)m->x + i->k, i->code & 0x18, to);
    default: /* MSH */
        if (!frame_load(p, i->k, SIZE_B, to))
            return false;
        *to = (*to & 15) << 2;
        return true;
    }
}

/* False: a division by zero. */
static bool arithmetic(struct machine *m, const struct td_bpf_insn *i)
{
    uint32_t v = (i->code & SRC_X) != 0 ? m->x : i->k;

    switch (i->code & 0xf0) {
    case ALU_ADD:
        m->a += v;
        return true;
    case ALU_SUB:
        m->a -= v;
        return true;
    case ALU_MUL:
        m->a *= v;
        return true;
    case ALU_DIV:
        if (v == 0)
            return false;
        m->a /= v;
        return true;
    case ALU_MOD:
        if (v == 0)
            return false;
        m->a %= v;
        return true;
    case ALU_OR:
        m->a |= v;
        return true;
    case ALU_AND:
        m->a &= v;
        return true;
    case ALU_XOR:
        m->a ^= v;
        return true;
    case ALU_LSH:
        m->a = v < 32 ? m->a << v : 0;
        return true;
    case ALU_RSH:
        m->a = v < 32 ? m->a >> v : 0;
        return true;
    default: /* NEG */
        m->a = 0U - m->a;
        return true;
    }
}

static uint32_t jump(const struct machine *m, const struct td_bpf_insn *i)
{
    uint32_t v = (i->code & SRC_X) != 0 ? m->x : i->k;

    switch (i->code & 0xf0) {
    case JMP_JA:
        return i->k;
    case JMP_JEQ:
        return m->a == v ? i->jt : i->jf;
    case JMP_JGT:
        return m->a > v ? i->jt : i->jf;
    case JMP_JGE:
        return m->a >= v ? i->jt : i->jf;
    default: /* JSET */
        return (m->a & v) != 0 ? i->jt : i->jf;
    }
}

uint32_t bpf_run(const struct td_bpf_insn *code, const struct pkt *p)
{
    struct machine m = {0};

    for (;; code++) {
        switch (code->code & 7) {
        case CLASS_LD:
        case CLASS_LDX:
            if (!load(&m, code, p))
                return 0;
            break;
        case CLASS_ST:
            m.mem[code->k] = m.a;
            break;
        case CLASS_STX:
            m.mem[code->k] = m.x;
            break;
        case CLASS_ALU:
            if (!arithmetic(&m, code))
                return 0;
            break;
        case CLASS_JMP:
            code += jump(&m, code);
            break;
        case CLASS_RET:
            return (code->code & 0x18) == RET_A ? m.a : code->k;
        default:
            if ((code->code & ~7U) == MISC_TXA)
                m.a = m.x;
            else
                m.x = m.a;
            break;
        }
    }
}
