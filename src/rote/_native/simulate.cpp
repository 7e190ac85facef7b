// Compiled once per instruction set, with ROTE_ISA naming the namespace; see and_counts.cpp about headers.
//
// A block of examples goes through all gates before the next one does, so that its values stay in the cache. A
// gate reads two slots and writes one, which may be one of the two. Complements and kinds are masks, not branches:
// which gate comes next cannot be foreseen.
#include "simulate.hpp"

namespace rote::ROTE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t vector_bytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t vector_bytes = 32;
#else
constexpr std::size_t vector_bytes = 16;
#endif
typedef std::uint64_t Vec __attribute__((vector_size(vector_bytes), may_alias));

#define ROTE_INLINE inline __attribute__((always_inline))

ROTE_INLINE Vec splat(std::uint64_t x) { return Vec{} + x; }
// All ones where the lowest bit is set.
ROTE_INLINE Vec mask_of(std::uint32_t bit) { return splat(std::uint64_t{0} - (bit & 1)); }

ROTE_INLINE std::uint64_t mixed(std::uint64_t z) {  // splitmix64 (Steele, Lea and Flood 2014)
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
constexpr std::uint64_t golden = 0x9e3779b97f4a7c15u;
ROTE_INLINE std::uint64_t hashed(std::uint64_t key, std::uint64_t i) { return mixed(key + golden * (i + 1)); }

// The sum of the lanes, by halves: left to itself the compiler takes them out one by one.
ROTE_INLINE std::uint32_t total(Vec lanes) {
#if defined(__AVX512F__)
    lanes += __builtin_shufflevector(lanes, lanes, 4, 5, 6, 7, 0, 1, 2, 3);
    lanes += __builtin_shufflevector(lanes, lanes, 2, 3, 0, 1, 6, 7, 4, 5);
    lanes += __builtin_shufflevector(lanes, lanes, 1, 0, 3, 2, 5, 4, 7, 6);
#elif defined(__AVX2__)
    lanes += __builtin_shufflevector(lanes, lanes, 2, 3, 0, 1);
    lanes += __builtin_shufflevector(lanes, lanes, 1, 0, 3, 2);
#else
    lanes += __builtin_shufflevector(lanes, lanes, 1, 0);
#endif
    return static_cast<std::uint32_t>(lanes[0]);
}

#if defined(__AVX2__) && !defined(__AVX512VPOPCNTDQ__) || !defined(__POPCNT__)
// No instruction counts the bits of a vector, or none at all: carry-save adders turn many vectors into few that
// are counted (Muła, Kurz and Lemire 2018).
ROTE_INLINE Vec carry(Vec& low, Vec x, Vec y) {
    const Vec u = low ^ x;
    const Vec c = (low & x) | (u & y);
    low = u ^ y;
    return c;
}

ROTE_INLINE Vec byte_counts(Vec x) {
    x -= (x >> 1) & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    return (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
}

// Of up to 32 vectors: a byte holds at most 64 fours, and 48 bits that are left.
template <std::size_t n>
ROTE_INLINE std::uint32_t bits_of(const Vec* r) {
    Vec ones{}, twos{}, bytes{};
    std::size_t i = 0;
#pragma GCC unroll 8
    for (; i + 4 <= n; i += 4) {
        const Vec t0 = carry(ones, r[i], r[i + 1]), t1 = carry(ones, r[i + 2], r[i + 3]);
        bytes += byte_counts(carry(twos, t0, t1));
    }
    Vec pairs = (bytes & 0x00ff00ff00ff00ffu) + (bytes >> 8 & 0x00ff00ff00ff00ffu);
    pairs <<= 2;
    bytes = byte_counts(ones) + 2 * byte_counts(twos);
    for (; i < n; ++i) bytes += byte_counts(r[i]);
    pairs += (bytes & 0x00ff00ff00ff00ffu) + (bytes >> 8 & 0x00ff00ff00ff00ffu);
    pairs += pairs >> 16;
    pairs = (pairs & 0xffff) + (pairs >> 32 & 0xffff);
    return total(pairs);
}
#else
// How many bits each lane has; where an instruction counts them in a vector, the loop becomes that one.
ROTE_INLINE Vec lane_counts(const Vec* r) {
    Vec counts{};
    const std::uint64_t* words = reinterpret_cast<const std::uint64_t*>(r);
#pragma GCC unroll 1
    for (std::size_t w = 0; w < vector_bytes / 8; ++w) counts[w] = static_cast<std::uint64_t>(__builtin_popcountll(words[w]));
    return counts;
}

template <std::size_t n>
ROTE_INLINE std::uint32_t bits_of(const Vec* r) {
    Vec lanes = lane_counts(r);
#pragma GCC unroll 32
    for (std::size_t v = 1; v < n; ++v) lanes += lane_counts(r + v);
    return total(lanes);
}
#endif

// A block at work: its words, how many of them are examples', and the mask of the last example word.
struct Block {
    const Simulation& job;
    std::size_t first, valid;
    std::uint64_t tail;  // of word valid - 1
};

void happen(const Block& on, const Event& event, std::uint64_t* slot, std::size_t width) {
    const Simulation& job = on.job;
    switch (event.kind) {
        case load: {
            const std::uint64_t* row = job.rows + event.what * job.words + on.first;
            for (std::size_t w = 0; w < on.valid; ++w) slot[w] = row[w];
            for (std::size_t w = on.valid; w < width; ++w) slot[w] = 0;
            return;
        }
        case store:
        case gather: {
            std::uint64_t* row = job.out + (event.what >> 1) * job.words + on.first;
            const std::uint64_t flipped = std::uint64_t{0} - (event.what & 1);
            const std::uint64_t last = (slot[on.valid - 1] ^ flipped) & on.tail;
            if (event.kind == store) {
                for (std::size_t w = 0; w + 1 < on.valid; ++w) row[w] = slot[w] ^ flipped;
                row[on.valid - 1] = last;
            } else {
                for (std::size_t w = 0; w + 1 < on.valid; ++w) row[w] |= slot[w] ^ flipped;
                row[on.valid - 1] |= last;
            }
            return;
        }
        case flip: {
            const std::size_t word = event.what / 64;
            if (word >= on.first && word < on.first + on.valid) slot[word - on.first] ^= std::uint64_t{1} << event.what % 64;
            return;
        }
        default: {
            const std::uint64_t key = hashed(job.key, event.what);
            // Where the value is rare, take the hash: (slot & ~rare) | (hash & rare).
            const std::uint64_t by_value = event.kind == random_bit ? 0 : ~std::uint64_t{0};
            const std::uint64_t zeros = event.kind == maybe_one ? ~std::uint64_t{0} : 0;
            for (std::size_t w = 0; w < on.valid; ++w) {
                const std::uint64_t rare = (slot[w] ^ zeros) | ~by_value;
                slot[w] = (slot[w] & ~rare) | (hashed(key, job.before + on.first + w) & rare);
            }
        }
    }
}

// Blocks of noise_words words that begin at a multiple of noise_words.
ROTE_INLINE void add_noise(const Block& on, std::uint32_t node, std::uint64_t* slot) {
    const Noise& noise = on.job.noise;
    const std::uint64_t key = hashed(on.job.key, node);
    if (noise.k <= noise_hashed) {
        std::uint64_t flips[noise_words];
        for (std::uint64_t j = 0; j < noise.k; ++j)
            for (std::size_t w = 0; w < noise_words; ++w) {
                const std::uint64_t drawn = hashed(key, noise.k * (on.job.before + on.first + w) + j);
                flips[w] = j ? flips[w] & drawn : drawn;
            }
        for (std::size_t w = 0; w < noise_words; ++w) slot[w] ^= flips[w];
        return;
    }
    const std::uint64_t drawn = hashed(key, (on.job.before + on.first) / noise_words);
    if (drawn < noise.thresholds[0]) return;
    std::size_t flips = 1;
    while (flips < noise.most && drawn >= noise.thresholds[flips]) ++flips;
    std::uint64_t taken[noise_words] = {};
    for (std::uint64_t j = 0; flips; ++j) {
        const std::uint64_t place = hashed(drawn, j) % (64 * noise_words), bit = std::uint64_t{1} << place % 64;
        if (taken[place / 64] & bit) continue;
        taken[place / 64] |= bit;
        slot[place / 64] ^= bit;
        --flips;
    }
}

// What is read so many instructions later is asked for now: a processor does not look that far ahead.
constexpr std::size_t ahead = 12;

template <int vectors, bool xors, bool counting, bool noisy>
void run(const Block& on) {
    const Simulation& job = on.job;
    constexpr std::size_t n = vectors * 64 / vector_bytes, width = vectors * 8;
    alignas(64) Vec masks[n];
    if (counting) {
        std::uint64_t* words = reinterpret_cast<std::uint64_t*>(masks);
        for (std::size_t w = 0; w < width; ++w) words[w] = w < on.valid ? ~std::uint64_t{0} : 0;
        words[on.valid - 1] = on.tail;
    }
    const bool whole = on.valid == width && on.tail == ~std::uint64_t{0};
    char* const arena = job.arena;
    const Instruction* code = job.code;
    std::size_t i = 0;
    for (std::size_t e = 0;; ++e) {
        const std::size_t end = e < job.event_count ? job.events[e].at : job.instructions;
        for (; i < end; ++i) {
            const Instruction gate = code[i];
            const Instruction& soon = code[i + ahead < job.instructions ? i + ahead : i];
            for (std::size_t line = 0; line < vectors; ++line) {
                __builtin_prefetch(arena + std::size_t{soon.a >> 1} * (vectors * 64) + 64 * line);
                __builtin_prefetch(arena + std::size_t{soon.b >> 1} * (vectors * 64) + 64 * line);
            }
            const Vec* a = reinterpret_cast<const Vec*>(arena + std::size_t{gate.a >> 1} * (vectors * 64));
            const Vec* b = reinterpret_cast<const Vec*>(arena + std::size_t{gate.b >> 1} * (vectors * 64));
            Vec* out = reinterpret_cast<Vec*>(arena + std::size_t{gate.out >> 1} * (vectors * 64));
            const Vec not_a = mask_of(gate.a), not_b = mask_of(gate.b), is_xor = mask_of(gate.out);
#pragma GCC unroll 32
            for (std::size_t v = 0; v < n; ++v) {
                const Vec x = a[v] ^ not_a, y = b[v] ^ not_b;
                out[v] = xors ? (x & (y | is_xor)) ^ (y & is_xor) : x & y;
            }
            if (counting) {
                if (whole) {
                    job.ones[i] += bits_of<n>(out);
                } else {
                    alignas(64) Vec kept[n];
                    for (std::size_t v = 0; v < n; ++v) kept[v] = out[v] & masks[v];
                    job.ones[i] += bits_of<n>(kept);
                }
            }
            if (noisy) add_noise(on, job.first_gate + static_cast<std::uint32_t>(i), reinterpret_cast<std::uint64_t*>(out));
        }
        if (e == job.event_count) return;
        const Event& event = job.events[e];
        happen(on, event, reinterpret_cast<std::uint64_t*>(arena + std::size_t{event.slot} * (vectors * 64)), width);
    }
}

template <int vectors>
void run_as(const Block& on) {
    const Simulation& job = on.job;
    if (job.ones) job.xors ? run<vectors, true, true, false>(on) : run<vectors, false, true, false>(on);
    else job.xors ? run<vectors, true, false, false>(on) : run<vectors, false, false, false>(on);
}

}  // namespace

void simulate(const Simulation& job) {
    for (std::size_t first = job.first; first < job.last; first += 8 * job.vectors) {
        const std::size_t left = job.last - first, valid = left < 8 * job.vectors ? left : 8 * job.vectors;
        const bool end = first + valid == job.words && job.m % 64;
        const Block on{job, first, valid, end ? (std::uint64_t{1} << job.m % 64) - 1 : ~std::uint64_t{0}};
        std::uint64_t* constant = reinterpret_cast<std::uint64_t*>(job.arena);
        for (std::size_t w = 0; w < 8 * job.vectors; ++w) constant[w] = 0;
        if (job.noise.k) {
            run<8, true, false, true>(on);
            continue;
        }
        switch (job.vectors) {
            case 1: run_as<1>(on); break;
            case 2: run_as<2>(on); break;
            case 3: run_as<3>(on); break;
            case 4: run_as<4>(on); break;
            case 5: run_as<5>(on); break;
            case 6: run_as<6>(on); break;
            case 7: run_as<7>(on); break;
            default: run_as<8>(on);
        }
    }
}

}  // namespace rote::ROTE_ISA
