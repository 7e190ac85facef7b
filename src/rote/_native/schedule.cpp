#include "schedule.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace rote {
namespace {

constexpr std::uint32_t nowhere = 0xffffffff;
enum Need : std::uint8_t { by_output = 1, by_gate = 2 };    // of a node
enum Dies : std::uint8_t { first_dies = 1, second_dies = 2 };  // at a gate

// Last freed, first taken, so that what is written was touched a moment ago.
class Slots {
public:
    std::uint32_t take() {
        if (free_.empty()) {
            touched_.push_back(0);
            return static_cast<std::uint32_t>(touched_.size());
        }
        const std::uint32_t slot = free_.back();
        free_.pop_back();
        return slot;
    }
    void give(std::uint32_t slot) { free_.push_back(slot); }
    // How long ago the slot was used; it is used now.
    std::uint32_t age(std::uint32_t slot, std::uint32_t now) {
        const std::uint32_t before = touched_[slot - 1];
        touched_[slot - 1] = now;
        return now - before;
    }
    std::size_t count() const { return touched_.size() + 1; }

private:
    std::vector<std::uint32_t> free_, touched_;  // slot 0 is not among them
};

}  // namespace

Scheduled schedule(const Scheduling& job) {
    const Gates& on = job.on;
    std::vector<std::uint8_t> need(on.first + on.gates), dies(on.gates);
    std::vector<std::uint32_t> stores;  // outputs, by node
    for (std::size_t o = 0; o < job.outputs; ++o) {
        need[job.drivers[o] >> 1] |= by_output;
        if (job.drivers[o] >> 1 >= on.first) stores.push_back(static_cast<std::uint32_t>(o));
    }
    std::stable_sort(stores.begin(), stores.end(),
                     [&](std::uint32_t x, std::uint32_t y) { return job.drivers[x] >> 1 < job.drivers[y] >> 1; });
    for (std::size_t g = on.gates; g-- > 0;) {
        if (!job.all && !need[on.first + g]) continue;
        for (int side = 0; side < 2; ++side) {
            std::uint8_t& of = need[on.fanins[2 * g + side] >> 1];
            if (!(of & by_gate)) dies[g] |= side ? second_dies : first_dies;
            of |= by_gate;
        }
    }
    Slots slots;
    std::vector<std::uint32_t> place(on.first + on.gates, nowhere);
    place[0] = 0;
    std::uint32_t n = 0;
    std::size_t events = 0;
    auto stored = stores.begin();
    for (std::size_t g = 0; g < on.gates; ++g) {
        const std::size_t node = on.first + g;
        if (!job.all && !need[node]) continue;
        std::uint32_t read[2];
        for (int side = 0; side < 2; ++side) {
            const std::uint32_t literal = on.fanins[2 * g + side], from = literal >> 1;
            if (place[from] == nowhere) {
                place[from] = slots.take();
                job.events[events++] = {n, load, place[from], from - 1};
            }
            read[side] = 2 * place[from] + (literal & 1);
            if (!from) continue;
            const std::uint32_t age = slots.age(place[from], n);
            ++job.reach[age ? 31 - __builtin_clz(age) : 0];
        }
        if (dies[g] & second_dies && read[1] >> 1) slots.give(read[1] >> 1);
        if (dies[g] & first_dies && read[0] >> 1) slots.give(read[0] >> 1);
        place[node] = slots.take();
        slots.age(place[node], n);
        job.code[n++] = {read[0], read[1], 2 * place[node] + job.xors[g]};
        for (; stored != stores.end() && job.drivers[*stored] >> 1 == node; ++stored)
            job.events[events++] = {n, store, place[node], 2 * *stored + (job.drivers[*stored] & 1)};
        if (!(need[node] & by_gate)) slots.give(place[node]);
    }
    return {n, events, slots.count()};
}

}  // namespace rote
