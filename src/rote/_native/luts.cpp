// Compiled once per instruction set, with ROTE_ISA naming the namespace (plain, v2, avx2, avx512).
// Of headers it uses nothing that is inline: the linker would keep one copy, perhaps one that the machine at hand
// cannot run.
#include "luts.hpp"

namespace rote::ROTE_ISA {
namespace {

// 512 examples at a time: eight words of each row.
typedef std::uint64_t Vec __attribute__((vector_size(64)));
typedef std::uint64_t LooseVec __attribute__((vector_size(64), aligned(8), may_alias));
typedef std::uint16_t Vec16 __attribute__((vector_size(64)));
typedef std::uint32_t Vec32 __attribute__((vector_size(64)));
typedef std::uint8_t Vec8 __attribute__((vector_size(64)));
typedef std::uint8_t LooseVec8 __attribute__((vector_size(64), aligned(1), may_alias));
constexpr std::size_t block = 512;

// Words first … first + 8 of a row, zero beyond its end.
inline Vec load(const std::uint64_t* row, std::size_t first, std::size_t words) {
    if (first + 8 <= words) return *reinterpret_cast<const LooseVec*>(row + first);
    Vec v{};
    for (std::size_t w = first; w < words; ++w) v[w - first] = row[w];
    return v;
}

// A delta swap: the bits of a under mask << shift change places with the bits of b under mask.
inline void swap(Vec& a, Vec& b, int shift, std::uint64_t mask) {
    const Vec t = ((a >> shift) ^ b) & mask;
    b ^= t;
    a ^= t << shift;
}

// Eight rows of bits become eight rows of bytes: byte b of row i is the pattern of example 8 b + i.
inline void transpose(Vec* r) {
    for (int i = 0; i < 4; ++i) swap(r[i], r[i + 4], 4, 0x0f0f0f0f0f0f0f0fu);
    for (int i = 0; i < 8; i += (i & 1) ? 3 : 1) swap(r[i], r[i + 2], 2, 0x3333333333333333u);
    for (int i = 0; i < 8; i += 2) swap(r[i], r[i + 1], 1, 0x5555555555555555u);
}

// Bytes of patterns, one group of eight inputs after another.
inline void gather(const Luts& on, const std::int32_t* fanin, std::size_t first, Vec (*rows)[8]) {
    for (std::size_t g = 0; 8 * g < on.k; ++g) {
        const std::size_t held = on.k - 8 * g < 8 ? on.k - 8 * g : 8;
        for (std::size_t i = 0; i < held; ++i)
            rows[g][i] = load(on.bits + static_cast<std::size_t>(fanin[8 * g + i]) * on.words, first, on.words);
        for (std::size_t i = held; i < 8; ++i) rows[g][i] = Vec{};
        transpose(rows[g]);
    }
}

// The patterns of 512 examples, in the order of `lut_order`.
inline void patterns(const Luts& on, const std::int32_t* fanin, std::size_t first, std::uint16_t* at) {
    Vec rows[2][8] = {};
    gather(on, fanin, first, rows);
    for (int i = 0; i < 8; ++i) {
        const Vec16 low = reinterpret_cast<Vec16>(rows[0][i]);
        Vec16 even = low & 0xff, odd = low >> 8;
        if (on.k > 8) {
            const Vec16 high = reinterpret_cast<Vec16>(rows[1][i]);
            even |= high << 8;
            odd |= high & 0xff00;
        }
        *reinterpret_cast<Vec16*>(at + 64 * i) = even;
        *reinterpret_cast<Vec16*>(at + 64 * i + 32) = odd;
    }
}

inline void patterns(const Luts& on, const std::int32_t* fanin, std::size_t first, std::uint32_t* at) {
    Vec rows[3][8] = {};
    gather(on, fanin, first, rows);
    for (int i = 0; i < 8; ++i)
        for (int part = 0; part < 4; ++part) {
            Vec32 p{};
            for (std::size_t g = 0; 8 * g < on.k; ++g)
                p |= (reinterpret_cast<Vec32>(rows[g][i]) >> (8 * part) & 0xff) << (8 * static_cast<int>(g));
            *reinterpret_cast<Vec32*>(at + 64 * i + 16 * part) = p;
        }
}

// Several tables of counters: an example need not wait for the one before it that has the same pattern.
template <class Index, std::size_t tables>
void count(const LutCounts& job, const std::int32_t* fanin, std::uint32_t* counts) {
    const Luts& on = job.on;
    const std::size_t entries = std::size_t{1} << on.k;
    std::uint32_t* h[4];
    for (std::size_t t = 0; t < tables; ++t) h[t] = job.scratch + t * entries;
    for (std::size_t p = 0; p < tables * entries; ++p) job.scratch[p] = 0;
    alignas(64) Index at[block];
    for (std::size_t first = 0; first < on.words; first += 8) {
        patterns(on, fanin, first, at);
        if (job.weights) {
            const std::uint32_t* weights = job.weights + 64 * first;
            for (std::size_t e = 0; e < block; e += tables)
                for (std::size_t t = 0; t < tables; ++t) h[t][at[e + t]] += weights[e + t];
        } else {
            for (std::size_t e = 0; e < block; e += tables)
                for (std::size_t t = 0; t < tables; ++t) ++h[t][at[e + t]];
        }
    }
    for (std::size_t p = 0; p < entries; ++p) {
        std::uint32_t sum = 0;
        for (std::size_t t = 0; t < tables; ++t) sum += h[t][p];
        counts[p] = sum;
    }
    if (!job.weights)  // examples that are not there have the pattern 0
        counts[0] -= static_cast<std::uint32_t>((on.words + 7) / 8 * block - on.m);
}

void lut_counts(const LutCounts& job) {
    for (std::size_t lut = 0; lut < job.on.luts; ++lut) {
        const std::int32_t* fanin = job.on.fanins + lut * job.on.k;
        std::uint32_t* counts = job.counts + (lut << job.on.k);
        if (job.on.k <= 10) count<std::uint16_t, 4>(job, fanin, counts);
        else if (job.on.k <= 16) count<std::uint16_t, 2>(job, fanin, counts);
        else count<std::uint32_t, 1>(job, fanin, counts);
    }
}

// The table as a tree of multiplexers (Shannon's expansion): its two lowest levels are one of sixteen functions.
inline Vec tree(const Luts& on, const std::int32_t* fanin, const std::uint64_t* table, std::size_t first, Vec* node) {
    const Vec x = load(on.bits + static_cast<std::size_t>(fanin[0]) * on.words, first, on.words);
    const Vec y = on.k > 1 ? load(on.bits + static_cast<std::size_t>(fanin[1]) * on.words, first, on.words) : Vec{};
    const Vec minterm[4] = {~x & ~y, x & ~y, ~x & y, x & y};
    Vec of[16];
    of[0] = Vec{};
    for (int f = 1; f < 16; ++f) of[f] = of[f & (f - 1)] | minterm[__builtin_ctz(static_cast<unsigned>(f))];
    std::size_t nodes = on.k > 2 ? std::size_t{1} << (on.k - 2) : 1;
    if (nodes == 1) return of[table[0] & 15];
    const Vec z = load(on.bits + static_cast<std::size_t>(fanin[2]) * on.words, first, on.words);
    nodes /= 2;
    for (std::size_t i = 0; i < nodes; ++i) {
        const std::uint64_t eight = table[i / 8] >> (8 * (i % 8));
        const Vec low = of[eight & 15], high = of[eight >> 4 & 15];
        node[i] = low ^ ((low ^ high) & z);
    }
    for (std::size_t j = 3; j < on.k; ++j) {
        const Vec s = load(on.bits + static_cast<std::size_t>(fanin[j]) * on.words, first, on.words);
        nodes /= 2;
        for (std::size_t i = 0; i < nodes; ++i) node[i] = node[2 * i] ^ ((node[2 * i] ^ node[2 * i + 1]) & s);
    }
    return node[0];
}

// One example at a time, for tables too large to be walked.
inline Vec look_up(const Luts& on, const std::int32_t* fanin, const std::uint64_t* table, std::size_t first) {
    alignas(64) std::uint16_t at[block];
    alignas(64) std::uint8_t bit[block];
    patterns(on, fanin, first, at);
    for (std::size_t i = 0; i < 8; ++i)
        for (std::size_t odd = 0; odd < 2; ++odd)
            for (std::size_t l = 0; l < 32; ++l) {
                const std::uint16_t p = at[64 * i + 32 * odd + l];
                bit[64 * i + 2 * l + odd] = static_cast<std::uint8_t>(table[p >> 6] >> (p & 63) & 1);
            }
    Vec out{};
    for (int i = 0; i < 8; ++i) out |= *reinterpret_cast<const Vec*>(bit + 64 * i) << i;
    return out;
}

void lut_outputs(const LutOutputs& job) {
    const Luts& on = job.on;
    const std::size_t table_words = on.k > 6 ? std::size_t{1} << (on.k - 6) : 1;
    const std::size_t whole = on.m / 64;
    for (std::size_t lut = 0; lut < on.luts; ++lut) {
        const std::int32_t* fanin = on.fanins + lut * on.k;
        const std::uint64_t* table = job.tables + lut * table_words;
        std::uint64_t* out = job.out + lut * on.words;
        for (std::size_t first = 0; first < on.words; first += 8) {
            const Vec answer = on.k <= lut_tree_most
                                   ? tree(on, fanin, table, first, reinterpret_cast<Vec*>(job.scratch))
                                   : look_up(on, fanin, table, first);
            if (first + 8 <= on.words) *reinterpret_cast<LooseVec*>(out + first) = answer;
            else for (std::size_t w = first; w < on.words; ++w) out[w] = answer[w - first];
        }
        if (whole < on.words) out[whole] &= (std::uint64_t{1} << on.m % 64) - 1;
    }
}

// 64 columns of 64 examples: eight examples' bytes become one byte of each column.
void pack_columns(const PackColumns& job, std::size_t first, std::size_t last) {
    for (std::size_t w = first; w < last; ++w) {
        const std::size_t examples = job.m - 64 * w < 64 ? job.m - 64 * w : 64;
        const std::uint8_t* x = job.x + 64 * w * job.n;
        for (std::size_t c = 0; c < job.n; c += 64) {
            const std::size_t columns = job.n - c < 64 ? job.n - c : 64;
            std::uint64_t words[64] = {};
            for (std::size_t part = 0; part < 8 && 8 * part < examples; ++part) {
                Vec sum{};
                for (std::size_t i = 0; i < 8 && 8 * part + i < examples; ++i) {
                    const std::uint8_t* row = x + (8 * part + i) * job.n + c;
                    Vec8 bytes{};
                    if (columns == 64) bytes = *reinterpret_cast<const LooseVec8*>(row);
                    else for (std::size_t j = 0; j < columns; ++j) bytes[j] = row[j];
                    sum |= reinterpret_cast<Vec>(bytes != 0) & (0x0101010101010101u << i);
                }
                alignas(64) std::uint8_t of[64];
                *reinterpret_cast<Vec*>(of) = sum;
                for (std::size_t j = 0; j < 64; ++j) words[j] |= static_cast<std::uint64_t>(of[j]) << (8 * part);
            }
            for (std::size_t j = 0; j < columns; ++j) job.out[(c + j) * job.words + w] = words[j];
        }
    }
}

}  // namespace

LutLoops lut_loops() { return {lut_counts, lut_outputs, pack_columns}; }

}  // namespace rote::ROTE_ISA
