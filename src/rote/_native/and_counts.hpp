// Counts of the bits that two packed rows share: the inner loop, compiled once per instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rote {

// Rows a[a_rows, words] and b[b_rows, words], both contiguous; counts[a_rows, stride] receives, in its first
// b_rows columns, the number of bits set in both rows.
struct AndCounts {
    const std::uint64_t* a;
    const std::uint64_t* b;
    std::int64_t* counts;
    std::size_t a_rows, b_rows, words, stride;
};

using AndCountsLoop = void (*)(const AndCounts&);

namespace plain { void and_counts(const AndCounts&); }
#ifdef ROTE_X86
namespace v2 { void and_counts(const AndCounts&); }
namespace avx2 { void and_counts(const AndCounts&); }
namespace avx512 { void and_counts(const AndCounts&); }
#endif

}  // namespace rote
