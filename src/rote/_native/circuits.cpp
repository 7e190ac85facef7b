#include "circuits.hpp"

#include <algorithm>
#include <vector>

namespace rote {
namespace {

// The literal of a function of two literals that needs no gate; `none` where it needs one.
constexpr std::uint32_t none = 0xffffffff;

inline std::uint32_t simple(std::uint32_t a, std::uint32_t b, unsigned table) {
    unsigned low, high;
    std::uint32_t of;
    if (a < 2 && b < 2) return table >> (a + 2 * b) & 1;
    if (b < 2) {
        low = table >> 2 * b & 1, high = table >> (2 * b + 1) & 1, of = a;
    } else if (a < 2) {
        low = table >> a & 1, high = table >> (a + 2) & 1, of = b;
    } else if (a >> 1 == b >> 1) {
        const unsigned other = a ^ b;
        low = table >> 2 * other & 1, high = table >> (3 - 2 * other) & 1, of = a;
    } else {
        switch (table) {
            case 0: case 15: return table & 1;
            case 10: case 5: return a ^ (table & 1);
            case 12: case 3: return b ^ (table & 1);
            default: return none;
        }
    }
    return low == high ? low : of ^ low;
}

// Which new gate computes what: open addressing, places of gates plus one.
class Known {
public:
    explicit Known(const Rewrite& job) : job_(job) {
        std::size_t room = 16;
        while (room < 2 * job.on.gates) room *= 2;
        at_.assign(job.share ? room : 0, 0);
    }
    // The place of the gate (a, b, xor), which becomes `next` where it is new.
    std::size_t place(std::uint32_t a, std::uint32_t b, std::uint8_t is_xor, std::size_t next) {
        const std::uint64_t key = (std::uint64_t{a} << 32 | b) * 2 + is_xor;
        std::size_t i = static_cast<std::size_t>((key * 0x9e3779b97f4a7c15u) >> 20) & (at_.size() - 1);
        for (; at_[i]; i = (i + 1) & (at_.size() - 1)) {
            const std::size_t gate = at_[i] - 1;
            if (job_.fanins[2 * gate] == a && job_.fanins[2 * gate + 1] == b && job_.xors[gate] == is_xor) return gate;
        }
        at_[i] = static_cast<std::uint32_t>(next + 1);
        return next;
    }

private:
    const Rewrite& job_;
    std::vector<std::uint32_t> at_;
};

}  // namespace

void find_levels(const Gates& on, std::int32_t* level) {
    for (std::size_t i = 0; i < on.first; ++i) level[i] = 0;
    for (std::size_t g = 0; g < on.gates; ++g)
        level[on.first + g] = 1 + std::max(level[on.fanins[2 * g] >> 1], level[on.fanins[2 * g + 1] >> 1]);
}

void mark_read(const Gates& on, std::uint8_t* marks) {
    for (std::size_t g = on.gates; g-- > 0;)
        if (marks[on.first + g]) marks[on.fanins[2 * g] >> 1] = marks[on.fanins[2 * g + 1] >> 1] = 1;
}

std::size_t rewrite_gates(const Rewrite& job) {
    Known known(job);
    std::size_t made = 0;
    for (std::size_t g = 0; g < job.on.gates; ++g) {
        const std::uint32_t f = job.on.fanins[2 * g], h = job.on.fanins[2 * g + 1];
        std::uint32_t a = job.became[f >> 1] ^ (f & 1), b = job.became[h >> 1] ^ (h & 1);
        const unsigned table = job.tables[g] & 15;
        std::uint32_t found = simple(a, b, table);
        if (found == none) {
            const std::uint8_t is_xor = table == 6 || table == 9;
            std::uint32_t flip;
            if (is_xor) {
                flip = table & 1;
            } else {
                flip = (table & (table - 1)) != 0;  // three patterns of four: the complement of an AND
                const unsigned p = static_cast<unsigned>(__builtin_ctz(flip ? 15 - table : table));
                a ^= ~p & 1, b ^= ~p >> 1 & 1;
            }
            std::size_t place = made;
            if (job.share) {
                if (is_xor) flip ^= (a ^ b) & 1, a &= ~1u, b &= ~1u;
                if (a > b) std::swap(a, b);
                place = known.place(a, b, is_xor, made);
            }
            if (place == made) {
                job.fanins[2 * made] = a, job.fanins[2 * made + 1] = b, job.xors[made] = is_xor;
                ++made;
            }
            found = 2 * (job.first_new + static_cast<std::uint32_t>(place)) + flip;
        }
        job.became[job.on.first + g] = found;
    }
    return made;
}

}  // namespace rote
