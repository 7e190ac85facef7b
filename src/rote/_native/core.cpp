// The Python face of the loops: checks shapes, lets the interpreter go, splits the work among threads.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "and_counts.hpp"
#include "clamped.hpp"
#include "isa.hpp"

namespace nb = nanobind;
using nb::literals::operator""_a;

namespace rote {
namespace {

using Words = nb::ndarray<const std::uint64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Best first.
constexpr Isa all[] = {Isa::avx512, Isa::avx2, Isa::v2, Isa::plain};

std::vector<std::string> instruction_sets() {
    std::vector<std::string> found;
    for (Isa isa : all)
        if (runs_here(isa)) found.emplace_back(name(isa));
    return found;
}

Isa chosen(const std::string& wanted) {
    for (Isa isa : all)
        if (runs_here(isa) && (wanted.empty() || wanted == name(isa))) return isa;
    throw std::invalid_argument("`isa`: this machine or this build has no " + wanted);
}

AndCountsLoop loop_for(Isa isa) {
#ifdef ROTE_X86
    switch (isa) {
        case Isa::avx512: return avx512::and_counts;
        case Isa::avx2: return avx2::and_counts;
        case Isa::v2: return v2::and_counts;
        default: break;
    }
#endif
    (void)isa;
    return plain::and_counts;
}

// Runs job(first, last) over parts of 0 … n, one per thread, this thread included.
template <class Job>
void in_parts(std::size_t n, std::size_t threads, Job job) {
    const std::size_t parts = std::max<std::size_t>(1, std::min(threads, n));
    std::vector<std::thread> others;
    others.reserve(parts);
    for (std::size_t p = 1; p < parts; ++p) {
        const std::size_t first = n * p / parts, last = n * (p + 1) / parts;
        try {
            others.emplace_back(job, first, last);
        } catch (const std::system_error&) {  // no more threads to be had: slower, not wrong
            job(first, last);
        }
    }
    job(0, n / parts);
    for (std::thread& other : others) other.join();
}

void and_counts(Words a, Words b, Counts counts, std::size_t threads, const std::string& isa) {
    if (a.shape(1) != b.shape(1) || counts.shape(0) != a.shape(0) || counts.shape(1) != b.shape(0))
        throw std::invalid_argument("`counts` must be [a, b] for rows [a, words] and [b, words]");
    const AndCountsLoop loop = loop_for(chosen(isa));
    const AndCounts whole{a.data(),   b.data(),   counts.data(), a.shape(0),
                          b.shape(0), a.shape(1), b.shape(0)};
    nb::gil_scoped_release released;
    const bool by_rows = whole.a_rows >= whole.b_rows;
    in_parts(by_rows ? whole.a_rows : whole.b_rows, threads, [=](std::size_t first, std::size_t last) {
        AndCounts part = whole;
        if (by_rows) {
            part.a += first * whole.words;
            part.counts += first * whole.stride;
            part.a_rows = last - first;
        } else {
            part.b += first * whole.words;
            part.counts += first;
            part.b_rows = last - first;
        }
        loop(part);
    });
}

// At least so many bytes, 64 of them aligned, this thread's until it asks again.
void* scratch_of(std::size_t bytes) {
    thread_local std::unique_ptr<char[]> kept;
    thread_local std::size_t room = 0;
    if (room < bytes + 64) {
        kept.reset(new char[bytes + 64]);
        room = bytes + 64;
    }
    void* start = kept.get();
    std::size_t space = room;
    return std::align(64, bytes, start, space);
}

template <class T>
ClampedLoop<T> clamped_for(Isa isa) {
#ifdef ROTE_X86
    switch (isa) {
        case Isa::avx512: return avx512::clamped;
        case Isa::avx2: return avx2::clamped;
        case Isa::v2: return v2::clamped;
        default: break;
    }
#endif
    (void)isa;
    return plain::clamped;
}

template <class T>
using Factors = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Vectors of 16 numbers that the sweep visits: the nonzero entries of one side times the width of the other.
template <class T>
std::size_t visits(const Factors<T>& by_entry, const Factors<T>& by_vector) {
    const std::size_t entries = by_entry.shape(0) * by_entry.shape(1);
    const std::size_t zeros = static_cast<std::size_t>(std::count(by_entry.data(), by_entry.data() + entries, T(0)));
    return (entries - zeros) * ((by_vector.shape(1) + 15) / 16);
}

template <class T>
void clamped(Factors<T> left, Factors<T> right, nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu> out,
             std::size_t c, T clamp, T scale, std::size_t threads, const std::string& isa) {
    if (left.shape(0) != right.shape(0) || out.shape(0) != left.shape(1) || out.shape(1) != right.shape(1))
        throw std::invalid_argument("`out` must be [p, d] for factors [m, p] and [m, d]");
    if (left.shape(0) <= 2 * c) throw std::invalid_argument("`c` must be below half the number of examples");
    const ClampedLoop<T> loop = clamped_for<T>(chosen(isa));
    nb::gil_scoped_release released;
    Clamped<T> whole{left.data(),   right.data(),   out.data(),     left.shape(0), left.shape(1), right.shape(1),
                     left.shape(1), right.shape(1), std::ptrdiff_t(out.shape(1)), 1, c, clamp, scale, nullptr};
    if (visits(right, left) < visits(left, right)) {  // the side with more zeros is the one whose zeros are skipped
        std::swap(whole.left, whole.right);
        std::swap(whole.rows, whole.columns);
        std::swap(whole.left_stride, whole.right_stride);
        std::swap(whole.out_row, whole.out_column);
    }
    const bool by_rows = whole.rows >= whole.columns;
    const std::size_t grain = by_rows ? clamped_rows : clamped_bytes / sizeof(T);
    const std::size_t n = by_rows ? whole.rows : whole.columns;
    in_parts((n + grain - 1) / grain, threads, [=](std::size_t first, std::size_t last) {
        first *= grain;
        last = std::min(last * grain, n);
        if (first >= last) return;
        Clamped<T> part = whole;
        (by_rows ? part.left : part.right) += first;
        part.out += static_cast<std::ptrdiff_t>(first) * (by_rows ? whole.out_row : whole.out_column);
        (by_rows ? part.rows : part.columns) = last - first;
        part.scratch = scratch_of(clamped_scratch(whole.m));
        loop(part);
    });
}

}  // namespace
}  // namespace rote

NB_MODULE(_core, module) {
    module.def("instruction_sets", &rote::instruction_sets);
    module.def("and_counts", &rote::and_counts, "a"_a.noconvert(), "b"_a.noconvert(), "counts"_a.noconvert(),
               "threads"_a, "isa"_a);
    module.def("clamped", &rote::clamped<float>, "left"_a.noconvert(), "right"_a.noconvert(), "out"_a.noconvert(),
               "c"_a, "clamp"_a, "scale"_a, "threads"_a, "isa"_a);
    module.def("clamped", &rote::clamped<double>, "left"_a.noconvert(), "right"_a.noconvert(), "out"_a.noconvert(),
               "c"_a, "clamp"_a, "scale"_a, "threads"_a, "isa"_a);
}
