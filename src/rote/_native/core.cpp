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
#include <utility>
#include <vector>

#include "and_counts.hpp"
#include "calling.hpp"
#include "clamped.hpp"
#include "gf2.hpp"
#include "luts.hpp"

namespace nb = nanobind;
using nb::literals::operator""_a;

namespace rote {

void bind_circuits(nb::module_& module);  // core_circuits.cpp

namespace {

using Words = nb::ndarray<const std::uint64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

std::vector<std::string> instruction_sets() {
    std::vector<std::string> found;
    for (Isa isa : every_isa)
        if (runs_here(isa)) found.emplace_back(name(isa));
    return found;
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

using Fanins = nb::ndarray<const std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Outputs = nb::ndarray<std::uint64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Weights = nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using LutTotals = nb::ndarray<std::uint32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

LutLoops lut_loops_for(Isa isa) {
#ifdef ROTE_X86
    switch (isa) {
        case Isa::avx512: return avx512::lut_loops();
        case Isa::avx2: return avx2::lut_loops();
        case Isa::v2: return v2::lut_loops();
        default: break;
    }
#endif
    (void)isa;
    return plain::lut_loops();
}

Luts luts_on(const Words& bits, const Fanins& fanins, std::size_t m, std::size_t most) {
    const Luts on{bits.data(), fanins.data(), fanins.shape(0), fanins.shape(1), bits.shape(1), m};
    if (on.words != (m + 63) / 64 || on.k < 1 || on.k > most)
        throw std::invalid_argument("`bits` must be [n, ceil(m / 64)] and `fanins` [luts, k], k not too large");
    for (std::size_t i = 0; i < on.luts * on.k; ++i)
        if (on.fanins[i] < 0 || static_cast<std::size_t>(on.fanins[i]) >= bits.shape(0))
            throw std::invalid_argument("`fanins` must name rows of `bits`");
    return on;
}

void lut_counts(Words bits, Fanins fanins, std::size_t m, Weights weights, LutTotals counts, std::size_t threads,
                const std::string& isa) {
    const Luts on = luts_on(bits, fanins, m, lut_most);
    const std::size_t entries = std::size_t{1} << on.k, padded = (m + 511) / 512 * 512;
    if (counts.shape(0) != on.luts || counts.shape(1) != entries || (weights.shape(0) && weights.shape(0) != m))
        throw std::invalid_argument("`counts` must be [luts, 2^k], and `weights` empty or [m]");
    const LutCountsLoop loop = lut_loops_for(chosen(isa)).counts;
    const std::uint32_t *given = weights.shape(0) ? weights.data() : nullptr;
    std::uint32_t* out = counts.data();
    nb::gil_scoped_release released;
    std::vector<std::uint32_t> ordered(given ? padded : 0);
    for (std::size_t place = 0; place < ordered.size(); ++place) {
        const std::size_t e = place / 512 * 512 + lut_order(place % 512, on.k);
        ordered[place] = e < m ? given[e] : 0;
    }
    in_parts(on.luts, threads, [=, &ordered](std::size_t first, std::size_t last) {
        std::vector<std::uint32_t> scratch(4 * entries);
        LutCounts part{on, given ? ordered.data() : nullptr, out + first * entries, scratch.data()};
        part.on.fanins += first * on.k;
        part.on.luts = last - first;
        loop(part);
    });
}

void lut_outputs(Words bits, Fanins fanins, std::size_t m, Words tables, Outputs out, std::size_t threads,
                 const std::string& isa) {
    const Luts on = luts_on(bits, fanins, m, 16);
    const std::size_t table_words = on.k > 6 ? std::size_t{1} << (on.k - 6) : 1;
    if (tables.shape(0) != on.luts || tables.shape(1) != table_words || out.shape(0) != on.luts ||
        out.shape(1) != on.words)
        throw std::invalid_argument("`tables` must be [luts, max(1, 2^k / 64)] and `out` [luts, words]");
    const LutOutputsLoop loop = lut_loops_for(chosen(isa)).outputs;
    const std::uint64_t* answers = tables.data();
    std::uint64_t* first_out = out.data();
    nb::gil_scoped_release released;
    in_parts(on.luts, threads, [=](std::size_t first, std::size_t last) {
        const std::size_t nodes = on.k > lut_tree_most ? 0 : std::size_t{1} << (on.k > 2 ? on.k - 2 : 0);
        std::vector<std::uint64_t> scratch(8 * nodes + 8);
        std::uint64_t* aligned = scratch.data();
        while (reinterpret_cast<std::uintptr_t>(aligned) % 64) ++aligned;
        LutOutputs part{on, answers + first * table_words, first_out + first * on.words, aligned};
        part.on.fanins += first * on.k;
        part.on.luts = last - first;
        loop(part);
    });
}

void pack_columns(Bytes x, Outputs out, std::size_t threads, const std::string& isa) {
    const PackColumns job{x.data(), out.data(), x.shape(0), x.shape(1), (x.shape(0) + 63) / 64};
    if (out.shape(0) != job.n || out.shape(1) != job.words)
        throw std::invalid_argument("`out` must be [n, ceil(m / 64)] for `x` [m, n]");
    const PackColumnsLoop loop = lut_loops_for(chosen(isa)).pack;
    nb::gil_scoped_release released;
    in_parts(job.words, threads, [=](std::size_t first, std::size_t last) { loop(job, first, last); });
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

Gf2Loops gf2_loops_for(Isa isa) {
#ifdef ROTE_X86
    switch (isa) {
        case Isa::avx512: return avx512::gf2_loops();
        case Isa::avx2: return avx2::gf2_loops();
        case Isa::v2: return v2::gf2_loops();
        default: break;
    }
#endif
    (void)isa;
    return plain::gf2_loops();
}

using Leads = nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::size_t gf2_window_cleared(Outputs rows, std::size_t column, std::size_t width, std::size_t rank, Leads leads,
                               std::size_t threads, const std::string& isa) {
    const Gf2 on{rows.data(), rows.shape(0), rows.shape(1), column, width, rank};
    if (!width || column % 64 + width > 64 || width > gf2_window || column / 64 >= on.words || rank > on.m ||
        leads.shape(0) < gf2_window)
        throw std::invalid_argument("the window must be 1 to 32 columns of one word of `rows`");
    const Gf2Loops loops = gf2_loops_for(chosen(isa));
    std::uint8_t* const found_at = leads.data();
    nb::gil_scoped_release released;
    const std::size_t strips = (on.words - column / 64 + gf2_strip - 1) / gf2_strip;
    const std::size_t entries = strips * gf2_tables * 256 * gf2_strip;
    auto* const tables = static_cast<std::uint64_t*>(scratch_of(8 * entries + 4 * on.m));
    auto* const values = reinterpret_cast<std::uint32_t*>(tables + entries);
    const std::size_t found = loops.pivots(on, values, found_at);
    const std::size_t first = rank + found;
    if (!found || first == on.m) return found;
    loops.tables(on, found_at, found, tables);
    in_parts(on.m - first, threads, [=](std::size_t from, std::size_t to) {
        loops.clear(on, values, tables, first + from, first + to);
    });
    return found;
}

}  // namespace
}  // namespace rote

NB_MODULE(_core, module) {
    module.def("instruction_sets", &rote::instruction_sets);
    module.def("and_counts", &rote::and_counts, "a"_a.noconvert(), "b"_a.noconvert(), "counts"_a.noconvert(),
               "threads"_a, "isa"_a);
    module.def("lut_counts", &rote::lut_counts, "bits"_a.noconvert(), "fanins"_a.noconvert(), "m"_a,
               "weights"_a.noconvert(), "counts"_a.noconvert(), "threads"_a, "isa"_a);
    module.def("lut_outputs", &rote::lut_outputs, "bits"_a.noconvert(), "fanins"_a.noconvert(), "m"_a,
               "tables"_a.noconvert(), "out"_a.noconvert(), "threads"_a, "isa"_a);
    module.def("pack_columns", &rote::pack_columns, "x"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
               "isa"_a);
    rote::bind_circuits(module);
    module.def("gf2_window", &rote::gf2_window_cleared, "rows"_a.noconvert(), "column"_a, "width"_a, "rank"_a,
               "leads"_a.noconvert(), "threads"_a, "isa"_a);
    module.def("clamped", &rote::clamped<float>, "left"_a.noconvert(), "right"_a.noconvert(), "out"_a.noconvert(),
               "c"_a, "clamp"_a, "scale"_a, "threads"_a, "isa"_a);
    module.def("clamped", &rote::clamped<double>, "left"_a.noconvert(), "right"_a.noconvert(), "out"_a.noconvert(),
               "c"_a, "clamp"_a, "scale"_a, "threads"_a, "isa"_a);
}
