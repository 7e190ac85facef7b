// The Python face of the passes over circuits and of their simulation.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "calling.hpp"
#include "circuits.hpp"
#include "schedule.hpp"
#include "simulate.hpp"

namespace nb = nanobind;
using nb::literals::operator""_a;

namespace rote {
namespace {

template <class T, int dimensions>
using Array = nb::ndarray<T, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;
using Literals = Array<const std::uint32_t, 2>;
using Marks = Array<std::uint8_t, 1>;
using Tables = Array<const std::uint8_t, 1>;

// Every gate after its fan-ins, or no loop here may run.
Gates gates_of(const Literals& fanins, std::size_t first) {
    const Gates on{fanins.data(), fanins.shape(0), first};
    for (std::size_t i = 0; i < 2 * on.gates; ++i)
        if (on.fanins[i] >> 1 >= first + i / 2) throw std::invalid_argument("a gate must stand after its fan-ins");
    return on;
}

void circuit_levels(std::size_t inputs, Literals fanins, Array<std::int32_t, 1> levels) {
    const Gates on = gates_of(fanins, 1 + inputs);
    if (levels.shape(0) != on.first + on.gates) throw std::invalid_argument("`levels` must be [nodes]");
    std::int32_t* out = levels.data();
    nb::gil_scoped_release released;
    find_levels(on, out);
}

void circuit_mark(std::size_t inputs, Literals fanins, Marks marks) {
    const Gates on = gates_of(fanins, 1 + inputs);
    if (marks.shape(0) != on.first + on.gates) throw std::invalid_argument("`marks` must be [nodes]");
    std::uint8_t* out = marks.data();
    nb::gil_scoped_release released;
    mark_read(on, out);
}

std::size_t circuit_rewrite(Literals fanins, Tables tables, Array<std::uint32_t, 1> became, Array<std::uint32_t, 2> made, Marks xors,
                            std::uint32_t first_new, bool share) {
    const std::size_t gates = fanins.shape(0);
    if (became.shape(0) < gates || tables.shape(0) != gates || made.shape(0) != gates || made.shape(1) != 2 ||
        xors.shape(0) != gates || fanins.shape(1) != 2)
        throw std::invalid_argument("`became` must be [nodes], `made` [gates, 2], `tables` and `xors` [gates]");
    const Gates on = gates_of(fanins, became.shape(0) - gates);
    const Rewrite job{on, tables.data(), became.data(), made.data(), xors.data(), first_new, share};
    nb::gil_scoped_release released;
    return rewrite_gates(job);
}

std::tuple<std::size_t, std::size_t, std::size_t> circuit_schedule(
    std::size_t inputs, Literals fanins, Tables xors, Array<const std::uint32_t, 1> drivers, bool all,
    Array<std::uint32_t, 2> code, Array<std::uint32_t, 2> events, Array<std::int64_t, 1> reach) {
    const Gates on = gates_of(fanins, 1 + inputs);
    const std::size_t outputs = drivers.shape(0);
    if (xors.shape(0) != on.gates || code.shape(0) != on.gates || code.shape(1) != 3 || events.shape(1) != 4 ||
        events.shape(0) != inputs + outputs || reach.shape(0) != 32)
        throw std::invalid_argument("`code` must be [gates, 3], `events` [inputs + outputs, 4], `reach` [32]");
    for (std::size_t o = 0; o < outputs; ++o)
        if (drivers.data()[o] >> 1 >= on.first + on.gates) throw std::invalid_argument("`drivers` must name nodes");
    const Scheduling job{on,
                         xors.data(),
                         drivers.data(),
                         outputs,
                         all,
                         reinterpret_cast<Instruction*>(code.data()),
                         reinterpret_cast<Event*>(events.data()),
                         reach.data()};
    nb::gil_scoped_release released;
    const Scheduled done = schedule(job);
    return {done.instructions, done.events, done.slots};
}

SimulateLoop simulate_for(Isa isa) {
#ifdef ROTE_X86
    switch (isa) {
        case Isa::avx512: return avx512::simulate;
        case Isa::avx2: return avx2::simulate;
        case Isa::v2: return v2::simulate;
        default: break;
    }
#endif
    (void)isa;
    return plain::simulate;
}

// No program may touch what is not there.
void check_program(const Simulation& job, std::size_t inputs, std::size_t outputs) {
    bool wrong = false;
    for (std::size_t i = 0; i < job.instructions; ++i) {
        const Instruction& gate = job.code[i];
        wrong |= std::max({gate.a, gate.b, gate.out}) >> 1 >= job.slots;
    }
    std::size_t before = 0;
    for (std::size_t e = 0; e < job.event_count; ++e) {
        const Event& event = job.events[e];
        const bool out = event.kind == store || event.kind == gather;
        wrong |= event.slot >= job.slots || event.at < before || event.at > job.instructions ||
                 event.kind >= event_kinds || (event.kind == load && event.what >= inputs) ||
                 (out && event.what >> 1 >= outputs);
        before = event.at;
    }
    if (wrong) throw std::invalid_argument("`code` and `events` must name slots and rows that are there, in order");
}

void circuit_simulate(Array<const std::uint32_t, 2> code, Array<const std::uint32_t, 2> events, std::size_t slots,
                      Array<const std::uint64_t, 2> rows, Array<std::uint64_t, 2> out, Array<std::uint32_t, 1> ones,
                      std::size_t m, std::tuple<std::size_t, std::size_t> span, std::size_t vectors,
                      std::tuple<std::uint64_t, std::uint32_t, std::uint64_t, std::uint64_t> random,
                      Array<const std::uint64_t, 1> thresholds, bool xors, std::size_t threads, const std::string& isa) {
    const auto [key, first_gate, k, before] = random;
    const auto [first, last] = span;
    Simulation whole{reinterpret_cast<const Instruction*>(code.data()),
                     code.shape(0),
                     reinterpret_cast<const Event*>(events.data()),
                     events.shape(0),
                     slots,
                     rows.data(),
                     out.data(),
                     ones.shape(0) ? ones.data() : nullptr,
                     (m + 63) / 64,
                     m,
                     first,
                     last,
                     k ? widest_block : vectors,
                     first_gate,
                     key,
                     before,
                     {k, thresholds.data(), thresholds.shape(0)},
                     xors,
                     nullptr};
    if (code.shape(1) != 3 || events.shape(1) != 4 || rows.shape(1) != whole.words || out.shape(1) != whole.words ||
        (ones.shape(0) && ones.shape(0) != whole.instructions) || last > whole.words || !slots)
        throw std::invalid_argument("`rows` and `out` must be [n, ceil(m / 64)], and `ones` empty or one a gate");
    if (vectors < 1 || vectors > widest_block || (k && (whole.ones || first % noise_words || before % noise_words)) || k > 63 ||
        (k > noise_hashed && !whole.noise.most))
        throw std::invalid_argument("`vectors` must be 1 to 8, and noise is added without counts, in whole blocks");
    const SimulateLoop loop = simulate_for(chosen(isa));
    nb::gil_scoped_release released;
    check_program(whole, rows.shape(0), out.shape(0));
    if (first >= last) return;
    if (!k) {  // blocks as even as may be, and as many for each thread
        const std::size_t all = (last - first + 7) / 8, parts = std::max<std::size_t>(1, std::min(threads, all));
        const std::size_t each = ((all + vectors - 1) / vectors + parts - 1) / parts * parts;
        whole.vectors = (all + each - 1) / each;
    }
    const std::size_t step = 8 * whole.vectors, blocks = (last - first + step - 1) / step;
    std::mutex adding;
    std::vector<std::vector<std::uint32_t>> counted;  // by the other threads
    in_parts(blocks, threads, [=, &adding, &counted](std::size_t from, std::size_t to) {
        Simulation part = whole;
        part.first = first + from * step;
        part.last = std::min(last, first + to * step);
        std::size_t room = slots * 8 * step + 64;
        const std::unique_ptr<char[]> held(new char[room]);  // not kept: a circuit may have many slots
        void* aligned = held.get();
        part.arena = static_cast<char*>(std::align(64, slots * 8 * step, aligned, room));
        std::vector<std::uint32_t> own(from && whole.ones ? whole.instructions : 0);
        if (!own.empty()) part.ones = own.data();
        loop(part);
        const std::lock_guard<std::mutex> lock(adding);
        if (!own.empty()) counted.push_back(std::move(own));
    });
    for (const std::vector<std::uint32_t>& own : counted)
        for (std::size_t i = 0; i < own.size(); ++i) whole.ones[i] += own[i];
}

}  // namespace

void bind_circuits(nb::module_& module) {
    module.def("circuit_levels", &circuit_levels, "inputs"_a, "fanins"_a.noconvert(), "levels"_a.noconvert());
    module.def("circuit_mark", &circuit_mark, "inputs"_a, "fanins"_a.noconvert(), "marks"_a.noconvert());
    module.def("circuit_rewrite", &circuit_rewrite, "fanins"_a.noconvert(), "tables"_a.noconvert(),
               "became"_a.noconvert(), "made"_a.noconvert(), "xors"_a.noconvert(), "first_new"_a, "share"_a);
    module.def("circuit_schedule", &circuit_schedule, "inputs"_a, "fanins"_a.noconvert(), "xors"_a.noconvert(),
               "drivers"_a.noconvert(), "all"_a, "code"_a.noconvert(), "events"_a.noconvert(), "reach"_a.noconvert());
    module.def("circuit_simulate", &circuit_simulate, "code"_a.noconvert(), "events"_a.noconvert(), "slots"_a,
               "rows"_a.noconvert(), "out"_a.noconvert(), "ones"_a.noconvert(), "m"_a, "span"_a, "vectors"_a,
               "random"_a, "thresholds"_a.noconvert(), "xors"_a, "threads"_a, "isa"_a);
}

}  // namespace rote
