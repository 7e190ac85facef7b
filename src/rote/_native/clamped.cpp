// Compiled once per instruction set, with ROTE_ISA naming the namespace; see and_counts.cpp about headers.
//
// A vector holds neighbouring coordinates of one row. While the examples are swept, the C largest and the C
// smallest products of each coordinate stay in registers, sorted; what falls out of them belongs to the middle
// and is summed at once, so nothing is subtracted later and nothing cancels. C is the power of two at or above
// c. Products come in blocks of 2 C: a network sorts the block (Batcher 1968), its upper half meets the largest
// and its lower half the smallest in one step of a bitonic merge each.
#include "clamped.hpp"

namespace rote::ROTE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t vector_bytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t vector_bytes = 32;
#else
constexpr std::size_t vector_bytes = 16;
#endif

#define ROTE_INLINE inline __attribute__((always_inline))

template <class T>
struct Kind;
template <>
struct Kind<float> {
    typedef float Vec __attribute__((vector_size(vector_bytes), may_alias));
    typedef int Bits __attribute__((vector_size(vector_bytes)));
    using Word = int;
    static constexpr Word exponent = 0x7f800000, nan = 0x7fc00000;
    static constexpr float most = __FLT_MAX__;
};
template <>
struct Kind<double> {
    typedef double Vec __attribute__((vector_size(vector_bytes), may_alias));
    typedef long long Bits __attribute__((vector_size(vector_bytes)));
    using Word = long long;
    static constexpr Word exponent = 0x7ff0000000000000, nan = 0x7ff8000000000000;
    static constexpr double most = __DBL_MAX__;
};

// One product that is not skipped: where its example's part of the panel begins, and its left factor.
template <class T>
struct Entry {
    std::size_t at;
    T left;
};

template <class T>
ROTE_INLINE bool odd(T value) {  // infinite or NaN, told by the bits: the compiler may take all for finite
    typename Kind<T>::Word word;
    __builtin_memcpy(&word, &value, sizeof word);
    return (word & Kind<T>::exponent) == Kind<T>::exponent;
}

template <class V>
ROTE_INLINE V larger(V a, V b) { return a > b ? a : b; }
template <class V>
ROTE_INLINE V smaller(V a, V b) { return a < b ? a : b; }

template <class V>
ROTE_INLINE void order(V& high, V& low) {
    const V a = high, b = low;
    high = larger(a, b);
    low = smaller(a, b);
}

// Batcher's odd-even merge of a[lo], a[lo + step], …, n of them whose two halves are sorted, largest first.
template <int lo, int n, int step, class V>
ROTE_INLINE void merge_halves(V* a) {
    if constexpr (n == 2) {
        order(a[lo], a[lo + step]);
    } else {
        merge_halves<lo, n / 2, 2 * step>(a);
        merge_halves<lo + step, n / 2, 2 * step>(a);
#pragma GCC unroll 32
        for (int i = 1; i + 1 < n; i += 2) order(a[lo + i * step], a[lo + (i + 1) * step]);
    }
}

template <int lo, int n, class V>
ROTE_INLINE void sort_block(V* a) {
    if constexpr (n > 1) {
        sort_block<lo, n / 2>(a);
        sort_block<lo + n / 2, n / 2>(a);
        merge_halves<lo, n, 1>(a);
    }
}

// A bitonic sequence of n, sorted, largest first.
template <int lo, int n, class V>
ROTE_INLINE void sort_bitonic(V* a) {
    if constexpr (n > 1) {
#pragma GCC unroll 32
        for (int i = 0; i < n / 2; ++i) order(a[lo + i], a[lo + i + n / 2]);
        sort_bitonic<lo, n / 2>(a);
        sort_bitonic<lo + n / 2, n / 2>(a);
    }
}

template <int C, class T>
struct Lists {
    using V = typename Kind<T>::Vec;
    V high[C], low[C], sum;
    V top, bottom;  // the largest of all that is not in high, the smallest of all that is not in low

    ROTE_INLINE void pass(V value) {
        sum += value;
        top = larger(top, value);
        bottom = smaller(bottom, value);
    }
    ROTE_INLINE void take_block(V* a) {
        sort_block<0, 2 * C>(a);
#pragma GCC unroll 32
        for (int i = 0; i < C; ++i) {
            const V upper = a[C - 1 - i], lower = a[2 * C - 1 - i];
            const V below = smaller(high[i], upper), above = larger(low[i], lower);
            high[i] = larger(high[i], upper);
            low[i] = smaller(low[i], lower);
            sum += below + above;
            top = larger(top, below);
            bottom = smaller(bottom, above);
        }
        // The largest outside `high` fell out of it, or is the best of a lower half; and the other way round.
        top = larger(top, a[C]);
        bottom = smaller(bottom, a[C - 1]);
        sort_bitonic<0, C>(high);
        sort_bitonic<0, C>(low);
    }
    ROTE_INLINE void take_one(V value) {
#pragma GCC unroll 32
        for (int i = 0; i < C; ++i) order(high[i], value);
        order(value, low[0]);
#pragma GCC unroll 32
        for (int i = 1; i < C; ++i) order(low[i - 1], low[i]);
        pass(value);
    }
};

template <class T>
ROTE_INLINE typename Kind<T>::Vec product(const char* panel, const Entry<T>& entry) {
    using V = typename Kind<T>::Vec;
    return *reinterpret_cast<const V*>(panel + entry.at) * entry.left;
}

// NaN where the largest or the smallest product is not finite.
template <class T>
ROTE_INLINE void mark(typename Kind<T>::Vec& result, typename Kind<T>::Vec high, typename Kind<T>::Vec low) {
    using B = typename Kind<T>::Bits;
    const B e = B{} + Kind<T>::exponent;
    const B bad = (((B)high & e) == e) | (((B)low & e) == e);
    result = (typename Kind<T>::Vec)((B)result | (bad & (B{} + Kind<T>::nan)));
}

// One vector of coordinates of one row: n products, and `zeros` examples whose product is 0.
template <int C, class T>
typename Kind<T>::Vec one(const Clamped<T>& job, const char* panel, const Entry<T>* entries, std::size_t n,
                          std::size_t zeros) {
    using V = typename Kind<T>::Vec;
    const V nothing{};
    // The lists begin with zeros as far as there are any; those left belong to the middle, or fill a block up.
    const std::size_t used = zeros < 2 * C ? zeros : 2 * C, first = 2 * C - used;
    const std::size_t rest = (n - first) % (2 * C);
    V a[2 * C];
    if (first == 0) {
#pragma GCC unroll 32
        for (int k = 0; k < 2 * C; ++k) a[k] = nothing;
    } else {
#pragma GCC unroll 32
        for (std::size_t k = 0; k < 2 * C; ++k) a[k] = k < first ? product(panel, entries[k]) : nothing;
        sort_block<0, 2 * C>(a);
    }
    Lists<C, T> lists;
#pragma GCC unroll 32
    for (int k = 0; k < C; ++k) {
        lists.high[k] = a[k];
        lists.low[k] = a[C + k];
    }
    const bool left_over = zeros > used;
    lists.sum = nothing;
    lists.top = larger(nothing + (left_over ? T(0) : -Kind<T>::most), a[C]);
    lists.bottom = smaller(nothing + (left_over ? T(0) : Kind<T>::most), a[C - 1]);
    const Entry<T>*e = entries + first, *end = entries + n;
    for (; e + 2 * C <= end; e += 2 * C) {
#pragma GCC unroll 32
        for (int k = 0; k < 2 * C; ++k) a[k] = product(panel, e[k]);
        lists.take_block(a);
    }
    if (rest && zeros - used >= 2 * C - rest) {
#pragma GCC unroll 32
        for (std::size_t k = 0; k < 2 * C; ++k) a[k] = k < rest ? product(panel, e[k]) : nothing;
        lists.take_block(a);
    } else {
        for (; e < end; ++e) lists.take_one(product(panel, *e));
    }
    V result = lists.sum, upper = lists.top, lower = lists.bottom;
    if (job.c < C) {
        V high[C], low[C];  // indexed at run time, so not those in registers
#pragma GCC unroll 32
        for (int k = 0; k < C; ++k) {
            high[k] = lists.high[k];
            low[k] = lists.low[k];
        }
        for (std::size_t k = job.c; k < C; ++k) result += high[k] + low[C - 1 - k];
        upper = high[job.c];
        lower = low[C - 1 - job.c];
    }
    result = (result + (upper + lower) * (job.clamp * T(job.c))) * job.scale;
    mark<T>(result, lists.high[0], lists.low[C - 1]);
    return result;
}

// For any c and m: all products sorted in the scratch by merge exchange (Knuth, 5.2.2, algorithm M).
template <class T>
typename Kind<T>::Vec sorted(const Clamped<T>& job, const char* panel, const Entry<T>* entries, std::size_t n,
                             std::size_t zeros, typename Kind<T>::Vec* a) {
    using V = typename Kind<T>::Vec;
    for (std::size_t i = 0; i < n; ++i) a[i] = product(panel, entries[i]);
    for (std::size_t i = 0; i < zeros && i < 2 * job.c + 1; ++i) a[n++] = V{};  // further zeros add nothing
    std::size_t half = 1;
    while (2 * half < n) half *= 2;
    for (std::size_t p = n > 1 ? half : 0; p > 0; p /= 2) {
        for (std::size_t q = half, r = 0, d = p;; d = q - p, q /= 2, r = p) {
            for (std::size_t i = 0; i + d < n; ++i)
                if ((i & p) == r) order(a[i], a[i + d]);
            if (q == p) break;
        }
    }
    V result{};
    for (std::size_t i = job.c; i + job.c < n; ++i) result += a[i];
    result = (result + (a[job.c] + a[n - 1 - job.c]) * (job.clamp * T(job.c))) * job.scale;
    mark<T>(result, a[0], a[n - 1]);
    return result;
}

template <class T>
struct Scratch {
    typename Kind<T>::Vec* sort;
    char* panel;
    T* tile;
    Entry<T>* entries;
    std::size_t counts[clamped_rows];
    bool odd_rows[clamped_rows], odd_columns[clamped_bytes / sizeof(T)];
};

// The products of each row that are to be visited.
template <class T>
void list_rows(const Clamped<T>& job, std::size_t first, std::size_t rows, Scratch<T>& s) {
    for (std::size_t r = 0; r < rows; ++r) s.counts[r] = s.odd_rows[r] = 0;
    for (std::size_t i = 0; i < job.m; ++i) {
        const T* left = job.left + i * job.left_stride + first;
        for (std::size_t r = 0; r < rows; ++r) {
            s.entries[r * job.m + s.counts[r]] = {i * clamped_bytes, left[r]};
            s.odd_rows[r] |= odd(left[r]);
            s.counts[r] += left[r] != 0 || odd(left[r]);
        }
    }
}

template <class T>
void pack(const Clamped<T>& job, std::size_t first, std::size_t columns, Scratch<T>& s) {
    constexpr std::size_t width = clamped_bytes / sizeof(T);
    for (std::size_t j = 0; j < width; ++j) s.odd_columns[j] = false;
    for (std::size_t i = 0; i < job.m; ++i) {
        const T* right = job.right + i * job.right_stride + first;
        T* panel = reinterpret_cast<T*>(s.panel + i * clamped_bytes);
        for (std::size_t j = 0; j < columns; ++j) {
            panel[j] = right[j];
            s.odd_columns[j] |= odd(right[j]);
        }
        for (std::size_t j = columns; j < width; ++j) panel[j] = 0;
    }
}

template <class T>
void put(const Clamped<T>& job, T* out, std::size_t rows, std::size_t columns, const Scratch<T>& s) {
    constexpr std::size_t width = clamped_bytes / sizeof(T);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t j = 0; j < columns; ++j)
            if (s.odd_rows[r] || s.odd_columns[j]) {
                const typename Kind<T>::Word nan = Kind<T>::nan;
                __builtin_memcpy(s.tile + r * width + j, &nan, sizeof nan);
            }
    if (job.out_column == 1) {
        for (std::size_t r = 0; r < rows; ++r)
            __builtin_memcpy(out + static_cast<std::ptrdiff_t>(r) * job.out_row, s.tile + r * width,
                             columns * sizeof(T));
        return;
    }
    for (std::size_t j = 0; j < columns; ++j)
        for (std::size_t r = 0; r < rows; ++r)
            out[static_cast<std::ptrdiff_t>(r) * job.out_row + static_cast<std::ptrdiff_t>(j) * job.out_column] =
                s.tile[r * width + j];
}

template <int C, class T>
void sweep(const Clamped<T>& job, std::size_t rows, std::size_t columns, Scratch<T>& s) {
    using V = typename Kind<T>::Vec;
    for (std::size_t r = 0; r < rows; ++r) {
        const Entry<T>* entries = s.entries + r * job.m;
        const std::size_t n = s.counts[r], zeros = job.m - n;
        V* tile = reinterpret_cast<V*>(s.tile) + r * (clamped_bytes / vector_bytes);
        for (std::size_t at = 0; at < columns * sizeof(T); at += vector_bytes, ++tile) {
            if constexpr (C == 0)
                *tile = sorted(job, s.panel + at, entries, n, zeros, s.sort);
            else
                *tile = one<C>(job, s.panel + at, entries, n, zeros);
        }
    }
}

template <class T>
void whole(const Clamped<T>& job) {
    constexpr std::size_t width = clamped_bytes / sizeof(T);
    Scratch<T> s;
    char* free = static_cast<char*>(job.scratch);
    s.panel = free;
    s.sort = reinterpret_cast<typename Kind<T>::Vec*>(free += clamped_bytes * (job.m + 1));
    s.tile = reinterpret_cast<T*>(free += clamped_bytes * (job.m + 1));
    s.entries = reinterpret_cast<Entry<T>*>(free + clamped_bytes * clamped_rows);
    auto* loop = &sweep<0, T>;
    if (job.c <= 1 && job.m >= 2) loop = &sweep<1, T>;
    else if (job.c <= 2 && job.m >= 4) loop = &sweep<2, T>;
    else if (job.c <= 4 && job.m >= 8) loop = &sweep<4, T>;
    else if (job.c <= 8 && job.m >= 16) loop = &sweep<8, T>;
    else if (job.c <= 16 && job.m >= 32) loop = &sweep<16, T>;
    for (std::size_t first = 0; first < job.rows; first += clamped_rows) {
        const std::size_t rows = job.rows - first < clamped_rows ? job.rows - first : clamped_rows;
        list_rows(job, first, rows, s);
        for (std::size_t j = 0; j < job.columns; j += width) {
            const std::size_t columns = job.columns - j < width ? job.columns - j : width;
            pack(job, j, columns, s);
            loop(job, rows, columns, s);
            put(job, job.out + static_cast<std::ptrdiff_t>(first) * job.out_row +
                         static_cast<std::ptrdiff_t>(j) * job.out_column, rows, columns, s);
        }
    }
}

}  // namespace

void clamped(const Clamped<float>& job) { whole(job); }
void clamped(const Clamped<double>& job) { whole(job); }

}  // namespace rote::ROTE_ISA
