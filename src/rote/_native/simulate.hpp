// Simulating a circuit on many examples at once: its program, and the loop, compiled once per instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rote {

// One gate. a and b: 2 * slot + complement; out: 2 * slot, + 1 for an exclusive or. Slot 0 is the constant 0.
struct Instruction {
    std::uint32_t a, b, out;
};

// What happens to a slot before instruction `at`.
struct Event {
    std::uint32_t at, kind, slot, what;
};
enum EventKind : std::uint32_t {
    load,        // row `what` of the inputs comes in
    store,       // goes out to row what / 2, complemented where what is odd
    gather,      // as store, but joins what the row has
    flip,        // the bit of example `what` is flipped
    maybe_zero,  // ones become random bits of node `what`
    maybe_one,   // zeros become random bits of node `what`
    random_bit,  // all become random bits of node `what`
    event_kinds
};

// Every gate's value is flipped with probability 2^-k. Up to noise_hashed, k hashed words are ANDed; beyond, the
// flips in noise_words words are counted first: thresholds[i] * 2^-64 is the probability of at most i.
constexpr std::size_t noise_words = 64;
constexpr std::uint64_t noise_hashed = 5;
struct Noise {
    std::uint64_t k;  // 0: none
    const std::uint64_t* thresholds;
    std::size_t most;
};

constexpr std::size_t widest_block = 8;  // vectors of 64 bytes

// rows[inputs, words] and out[outputs, words]: packed, zero beyond example m. ones: null, or a count for each
// instruction. Of the words, those from `first` to `last` are simulated, `vectors` times eight at a time.
struct Simulation {
    const Instruction* code;
    std::size_t instructions;
    const Event* events;
    std::size_t event_count;
    std::size_t slots;
    const std::uint64_t* rows;
    std::uint64_t* out;
    std::uint32_t* ones;
    std::size_t words, m, first, last, vectors;
    std::uint32_t first_gate;  // the node of instruction 0, where hashes ask for it
    std::uint64_t key;         // of all that is random
    std::uint64_t before;      // how many words of other examples come before these, for the hashes
    Noise noise;
    bool xors;     // whether there are exclusive ors
    char* arena;   // slots * vectors * 64 bytes, 64-byte aligned
};

using SimulateLoop = void (*)(const Simulation&);
namespace plain { void simulate(const Simulation&); }
#ifdef ROTE_X86
namespace v2 { void simulate(const Simulation&); }
namespace avx2 { void simulate(const Simulation&); }
namespace avx512 { void simulate(const Simulation&); }
#endif

}  // namespace rote
