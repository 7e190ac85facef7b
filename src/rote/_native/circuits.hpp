// Passes over the gates of a circuit, one gate after another; nothing here has vectors.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rote {

// Nodes: 0 is the constant 0, then come the inputs, then the gates. A literal is 2 * node + complement.
// fanins[gates, 2]: literals; a gate stands after its fan-ins.
struct Gates {
    const std::uint32_t* fanins;
    std::size_t gates, first;  // first: the node of the first gate
};

void find_levels(const Gates& on, std::int32_t* level);
void mark_read(const Gates& on, std::uint8_t* marks);

// became[first + gates]: the literal that each node becomes; those before the first gate are given.
// tables[gates]: bit a + 2 b answers fan-ins a and b. Gives the number of new gates.
struct Rewrite {
    Gates on;
    const std::uint8_t* tables;
    std::uint32_t* became;
    std::uint32_t* fanins;  // [gates, 2]
    std::uint8_t* xors;     // [gates]
    std::uint32_t first_new;
    bool share;
};
std::size_t rewrite_gates(const Rewrite& job);

}  // namespace rote
