// Sums over examples of products, their largest and smallest clamped or left out: the inner loop.
#pragma once
#include <cstddef>

namespace rote {

// left[m, rows] and right[m, columns], row strides given; for each coordinate (r, j) the m products
// left[i, r] * right[i, j] are sorted, and out[r * out_row + j * out_column] receives
// scale * (the sum of all but the c largest and the c smallest + clamp * c * (their two neighbours)).
// Needs m > 2 c and scratch of clamped_scratch(m) bytes, 64 of them aligned. Where a factor or a product
// is not finite, the coordinate becomes NaN.
template <class T>
struct Clamped {
    const T *left, *right;
    T* out;
    std::size_t m, rows, columns, left_stride, right_stride;
    std::ptrdiff_t out_row, out_column;
    std::size_t c;
    T clamp, scale;
    void* scratch;
};

constexpr std::size_t clamped_rows = 64;   // rows whose products are listed at a time
constexpr std::size_t clamped_bytes = 256;  // of one example in a panel: four vectors of the widest kind

// Two panels' worth of products, one of them for the sort; lists of row entries; a tile of results.
constexpr std::size_t clamped_scratch(std::size_t m) {
    return (m + 1) * (2 * clamped_bytes + 16 * clamped_rows) + clamped_rows * (clamped_bytes + 64) + 4096;
}

template <class T>
using ClampedLoop = void (*)(const Clamped<T>&);

#define ROTE_CLAMPED(isa)                     \
    namespace isa {                           \
    void clamped(const Clamped<float>&);      \
    void clamped(const Clamped<double>&);     \
    }
ROTE_CLAMPED(plain)
#ifdef ROTE_X86
ROTE_CLAMPED(v2)
ROTE_CLAMPED(avx2)
ROTE_CLAMPED(avx512)
#endif
#undef ROTE_CLAMPED

}  // namespace rote
