// Compiled once per instruction set, with ROTE_ISA naming the namespace (plain, v2, avx2, avx512).
// It includes nothing that has inline functions: the linker would keep one copy of them, perhaps one that the
// machine at hand cannot run.
#include "gf2.hpp"

namespace rote::ROTE_ISA {
namespace {

void add(std::uint64_t* __restrict to, const std::uint64_t* __restrict from, std::size_t words) {
    for (std::size_t w = 0; w < words; ++w) to[w] ^= from[w];
}

void swap(std::uint64_t* __restrict a, std::uint64_t* __restrict b, std::size_t words) {
    for (std::size_t w = 0; w < words; ++w) {
        const std::uint64_t kept = a[w];
        a[w] = b[w];
        b[w] = kept;
    }
}

std::size_t pivots(const Gf2& on, std::uint32_t* values, std::uint8_t* leads) {
    const std::size_t start = on.column / 64, shift = on.column % 64, words = on.words - start;
    const std::uint32_t mask = static_cast<std::uint32_t>((std::uint64_t{1} << on.width) - 1);
    std::uint64_t* const rows = on.rows + start;
    for (std::size_t i = on.rank; i < on.m; ++i)
        values[i] = static_cast<std::uint32_t>(rows[i * on.words] >> shift) & mask;
    std::uint32_t reduced[gf2_window];  // the pivots' own bits of the window
    std::size_t found = 0;
    for (std::size_t i = on.rank; i < on.m && found < on.width; ++i) {
        std::uint32_t value = values[i], used = 0;
        for (std::size_t p = 0; p < found; ++p)
            if (values[i] >> leads[p] & 1) {
                value ^= reduced[p];
                used |= std::uint32_t{1} << p;
            }
        if (!value) continue;
        std::uint64_t* const at = rows + (on.rank + found) * on.words;
        if (i != on.rank + found) {
            swap(at, rows + i * on.words, words);
            const std::uint32_t kept = values[on.rank + found];
            values[on.rank + found] = values[i];
            values[i] = kept;
        }
        const std::uint32_t lead = static_cast<std::uint32_t>(__builtin_ctz(value));
        for (std::size_t p = 0; p < found; ++p)
            if (used >> p & 1) add(at, rows + (on.rank + p) * on.words, words);
        for (std::size_t p = 0; p < found; ++p)
            if (reduced[p] >> lead & 1) {
                reduced[p] ^= value;
                add(rows + (on.rank + p) * on.words, at, words);
            }
        reduced[found] = value;
        leads[found++] = static_cast<std::uint8_t>(lead);
    }
    return found;
}

void tables(const Gf2& on, const std::uint8_t* leads, std::size_t found, std::uint64_t* out) {
    const std::size_t start = on.column / 64;
    const std::uint64_t* pivot[gf2_window] = {};  // by column of the window; none: nothing to clear there
    for (std::size_t p = 0; p < found; ++p) pivot[leads[p]] = on.rows + (on.rank + p) * on.words;
    for (std::size_t at = start; at < on.words; at += gf2_strip) {
        const std::size_t words = on.words - at < gf2_strip ? on.words - at : gf2_strip;
        for (std::size_t t = 0; t < gf2_tables; ++t, out += 256 * gf2_strip) {
            for (std::size_t w = 0; w < words; ++w) out[w] = 0;
            for (std::size_t pattern = 1; pattern < 256; ++pattern) {
                std::uint64_t* const __restrict to = out + pattern * gf2_strip;
                const std::uint64_t* const rest = out + (pattern & (pattern - 1)) * gf2_strip;
                const std::uint64_t* const one = pivot[8 * t + static_cast<std::size_t>(__builtin_ctzll(pattern))];
                for (std::size_t w = 0; w < words; ++w) to[w] = rest[w] ^ (one ? one[at + w] : 0);
            }
        }
    }
}

void clear(const Gf2& on, const std::uint32_t* values, const std::uint64_t* tables, std::size_t first,
           std::size_t last) {
    for (std::size_t at = on.column / 64; at < on.words; at += gf2_strip, tables += gf2_tables * 256 * gf2_strip) {
        const std::size_t words = on.words - at < gf2_strip ? on.words - at : gf2_strip;
        for (std::size_t i = first; i < last; ++i) {
            const std::uint32_t value = values[i];
            if (!value) continue;
            std::uint64_t* const __restrict row = on.rows + i * on.words + at;
            const std::uint64_t* const __restrict a = tables + (value & 255) * gf2_strip;
            const std::uint64_t* const __restrict b = tables + (256 + (value >> 8 & 255)) * gf2_strip;
            const std::uint64_t* const __restrict c = tables + (512 + (value >> 16 & 255)) * gf2_strip;
            const std::uint64_t* const __restrict d = tables + (768 + (value >> 24)) * gf2_strip;
            for (std::size_t w = 0; w < words; ++w) row[w] ^= a[w] ^ b[w] ^ c[w] ^ d[w];
        }
    }
}

}  // namespace

Gf2Loops gf2_loops() { return {pivots, tables, clear}; }

}  // namespace rote::ROTE_ISA
