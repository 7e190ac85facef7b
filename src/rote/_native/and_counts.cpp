// Compiled once per instruction set, with ROTE_ISA naming the namespace (plain, v2, avx2, avx512).
// It includes nothing that has inline functions: the linker would keep one copy of them, perhaps one that the
// machine at hand cannot run.
#include "and_counts.hpp"

namespace rote::ROTE_ISA {
namespace {

constexpr std::size_t columns = 4;            // columns that share one reading of a row
constexpr std::size_t tile_bytes = 192 << 10;  // rows of b that stay in the second-level cache

// Where an instruction counts bits, the compiler turns this loop into it; elsewhere it counts by arithmetic.
std::int64_t shared_bits(const std::uint64_t* a, const std::uint64_t* b, std::size_t words) {
    std::int64_t count = 0;
    for (std::size_t w = 0; w < words; ++w) count += __builtin_popcountll(a[w] & b[w]);
    return count;
}

void block(const std::uint64_t* a, const std::uint64_t* b, std::size_t words, std::int64_t* counts) {
    const std::uint64_t *b0 = b, *b1 = b + words, *b2 = b + 2 * words, *b3 = b + 3 * words;
    std::int64_t c0 = 0, c1 = 0, c2 = 0, c3 = 0;
    for (std::size_t w = 0; w < words; ++w) {
        c0 += __builtin_popcountll(a[w] & b0[w]);
        c1 += __builtin_popcountll(a[w] & b1[w]);
        c2 += __builtin_popcountll(a[w] & b2[w]);
        c3 += __builtin_popcountll(a[w] & b3[w]);
    }
    counts[0] = c0;
    counts[1] = c1;
    counts[2] = c2;
    counts[3] = c3;
}

#if defined(__AVX2__) && !defined(__AVX512VPOPCNTDQ__)

// AVX2 has no instruction that counts the bits of a vector. On long rows, carry-save adders turn sixteen vectors
// into one that is counted (Muła, Kurz and Lemire 2018, "Faster population counts using AVX2 instructions").
typedef std::uint64_t Vec __attribute__((vector_size(32)));
typedef std::uint64_t LooseVec __attribute__((vector_size(32), aligned(8), may_alias));

inline Vec load(const std::uint64_t* a, const std::uint64_t* b) {
    return *reinterpret_cast<const LooseVec*>(a) & *reinterpret_cast<const LooseVec*>(b);
}

// The sum of three bits per lane: low is its last bit, the result its carry.
inline Vec carry(Vec& low, Vec x, Vec y) {
    const Vec u = low ^ x;
    const Vec c = (low & x) | (u & y);
    low = u ^ y;
    return c;
}

inline Vec lane_counts(Vec x) {
    x -= (x >> 1) & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    x += x >> 8;
    x += x >> 16;
    x += x >> 32;
    return x & 0x7f;
}

inline std::int64_t total(Vec x) { return static_cast<std::int64_t>(x[0] + x[1] + x[2] + x[3]); }

std::int64_t shared_bits_of_long(const std::uint64_t* a, const std::uint64_t* b, std::size_t words) {
    Vec ones{}, twos{}, fours{}, eights{}, sixteens{};
    std::size_t w = 0;
    for (; w + 64 <= words; w += 64) {
        Vec four[2], eight[2];
        for (int half = 0; half < 2; ++half) {
            for (int quarter = 0; quarter < 2; ++quarter) {
                const std::size_t at = w + 32 * half + 16 * quarter;
                const Vec t0 = carry(ones, load(a + at, b + at), load(a + at + 4, b + at + 4));
                const Vec t1 = carry(ones, load(a + at + 8, b + at + 8), load(a + at + 12, b + at + 12));
                four[quarter] = carry(twos, t0, t1);
            }
            eight[half] = carry(fours, four[0], four[1]);
        }
        sixteens += lane_counts(carry(eights, eight[0], eight[1]));
    }
    std::int64_t count = 16 * total(sixteens) + 8 * total(lane_counts(eights)) + 4 * total(lane_counts(fours)) +
                         2 * total(lane_counts(twos)) + total(lane_counts(ones));
    return count + shared_bits(a + w, b + w, words - w);
}

void row_block(const std::uint64_t* a, const std::uint64_t* b, std::size_t words, std::int64_t* counts) {
    if (words < 128) return block(a, b, words, counts);
    for (std::size_t j = 0; j < columns; ++j) counts[j] = shared_bits_of_long(a, b + j * words, words);
}

#else

void row_block(const std::uint64_t* a, const std::uint64_t* b, std::size_t words, std::int64_t* counts) {
    block(a, b, words, counts);
}

#endif

}  // namespace

void and_counts(const AndCounts& job) {
    const std::size_t row_bytes = 8 * (job.words ? job.words : 1);
    const std::size_t fitting = tile_bytes / row_bytes / columns * columns;
    const std::size_t tile = fitting < columns ? columns : fitting;
    for (std::size_t first = 0; first < job.b_rows; first += tile) {
        const std::size_t last = first + tile < job.b_rows ? first + tile : job.b_rows;
        for (std::size_t i = 0; i < job.a_rows; ++i) {
            const std::uint64_t* a = job.a + i * job.words;
            std::int64_t* counts = job.counts + i * job.stride;
            std::size_t j = first;
            for (; j + columns <= last; j += columns) row_block(a, job.b + j * job.words, job.words, counts + j);
            for (; j < last; ++j) counts[j] = shared_bits(a, job.b + j * job.words, job.words);
        }
    }
}

}  // namespace rote::ROTE_ISA
