// Gaussian elimination over GF(2), a window of columns at a time: the inner loops, compiled once per instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rote {

constexpr std::size_t gf2_window = 32;  // columns that one pass over the rows clears
constexpr std::size_t gf2_tables = 4;   // tables of 256 sums of pivots, one for each byte of a window
constexpr std::size_t gf2_strip = 64;   // words of a row whose tables stay in the second-level cache

// rows[m, words], changed in place; the first `rank` rows are pivots already. The window is the columns
// column … column + width - 1, all within one word; rows from `rank` on are zero before it.
struct Gf2 {
    std::uint64_t* rows;
    std::size_t m, words, column, width, rank;
};

// Finds pivots for the window among the rows from `rank` on, frees each one's column from the others, moves them to
// the front, and says how many there are. values[m] receives the window's bits of every row as they were, in the
// rows' new order, and leads[found] the pivots' columns within the window.
using Gf2PivotsLoop = std::size_t (*)(const Gf2&, std::uint32_t* values, std::uint8_t* leads);
// tables[strips, gf2_tables * 256, gf2_strip]: for each byte of a window, the sum of the pivots that clear it.
using Gf2TablesLoop = void (*)(const Gf2&, const std::uint8_t* leads, std::size_t found, std::uint64_t* tables);
// Clears the window in rows first … last.
using Gf2ClearLoop = void (*)(const Gf2&, const std::uint32_t* values, const std::uint64_t* tables, std::size_t first,
                              std::size_t last);

struct Gf2Loops {
    Gf2PivotsLoop pivots;
    Gf2TablesLoop tables;
    Gf2ClearLoop clear;
};

namespace plain { Gf2Loops gf2_loops(); }
#ifdef ROTE_X86
namespace v2 { Gf2Loops gf2_loops(); }
namespace avx2 { Gf2Loops gf2_loops(); }
namespace avx512 { Gf2Loops gf2_loops(); }
#endif

}  // namespace rote
