// Patterns of lookup tables, formed, counted and looked up: the inner loops, compiled once per instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rote {

// bits[n, words]: packed rows, zero beyond example m. fanins[luts, k]: the rows that each lut reads; the first is
// the pattern's lowest bit. Not every field serves every loop.
struct Luts {
    const std::uint64_t* bits;
    const std::int32_t* fanins;
    std::size_t luts, k, words, m;
};

// counts[luts, 2^k]: how many of the m examples have each pattern; with weights (one per example, in the order of
// `lut_order`), the sum of their weights. scratch: 4 * 2^k counters.
struct LutCounts {
    Luts on;
    const std::uint32_t* weights;  // may be null
    std::uint32_t* counts;
    std::uint32_t* scratch;
};

// tables[luts, max(1, 2^k / 64)]: bit p is the answer to pattern p. out[luts, words], zero beyond example m.
// scratch: max(1, 2^k / 4) vectors of 64 bytes, where k <= lut_tree_most.
struct LutOutputs {
    Luts on;
    const std::uint64_t* tables;
    std::uint64_t* out;
    std::uint64_t* scratch;
};

// Bits of each column: out[n, words] from rows of bytes x[m, n] (not zero: 1); out is zero beyond example m.
struct PackColumns {
    const std::uint8_t* x;
    std::uint64_t* out;
    std::size_t m, n, words;
};

constexpr std::size_t lut_most = 24;      // the widest pattern that is counted
constexpr std::size_t lut_tree_most = 10;  // up to here a table is walked as a tree of multiplexers

using LutCountsLoop = void (*)(const LutCounts&);
using LutOutputsLoop = void (*)(const LutOutputs&);
// Words first … last of every column.
using PackColumnsLoop = void (*)(const PackColumns&, std::size_t first, std::size_t last);

struct LutLoops {
    LutCountsLoop counts;
    LutOutputsLoop outputs;
    PackColumnsLoop pack;
};

namespace plain { LutLoops lut_loops(); }
#ifdef ROTE_X86
namespace v2 { LutLoops lut_loops(); }
namespace avx2 { LutLoops lut_loops(); }
namespace avx512 { LutLoops lut_loops(); }
#endif

// Which example of its 512 stands at each place, where patterns are as wide as `k` bits.
inline std::size_t lut_order(std::size_t place, std::size_t k) {
    const std::size_t row = place / 64, at = place % 64;
    const std::size_t parts = k <= 16 ? 2 : 4;  // indices that share the bytes of a word
    const std::size_t lanes = 64 / parts;
    return 8 * (at % lanes * parts + at / lanes) + row;
}

}  // namespace rote
