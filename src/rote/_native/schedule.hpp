// A circuit as a program: each gate's value has a slot, which is free again when it was last read.
#pragma once
#include <cstddef>
#include <cstdint>

#include "circuits.hpp"
#include "simulate.hpp"

namespace rote {

// drivers[outputs]: the literals of the outputs; those that are constants or inputs are no part of a program.
// code[gates] and events[inputs + outputs] are room enough.
struct Scheduling {
    Gates on;
    const std::uint8_t* xors;
    const std::uint32_t* drivers;
    std::size_t outputs;
    bool all;  // also gates that no output needs
    Instruction* code;
    Event* events;
    std::int64_t* reach;  // [32]: how many reads come 2^i … 2^(i+1) - 1 instructions after their slot's last use
};

struct Scheduled {
    std::size_t instructions, events, slots;
};

Scheduled schedule(const Scheduling& job);

}  // namespace rote
