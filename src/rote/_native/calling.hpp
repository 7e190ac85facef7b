// What the bindings share: the instruction set chosen, and threads.
#pragma once
#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "isa.hpp"

namespace rote {

constexpr Isa every_isa[] = {Isa::avx512, Isa::avx2, Isa::v2, Isa::plain};  // best first

inline Isa chosen(const std::string& wanted) {
    for (Isa isa : every_isa)
        if (runs_here(isa) && (wanted.empty() || wanted == name(isa))) return isa;
    throw std::invalid_argument("`isa`: this machine or this build has no " + wanted);
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

}  // namespace rote
