// The instruction sets this build holds and this machine can run.
#pragma once

namespace rote {

enum class Isa { plain, v2, avx2, avx512 };

inline const char* name(Isa isa) {
    switch (isa) {
        case Isa::avx512: return "avx512";
        case Isa::avx2: return "avx2";
        case Isa::v2: return "x86-64-v2";
        default: return "plain";
    }
}

inline bool runs_here(Isa isa) {
#ifdef ROTE_X86
    switch (isa) {
        case Isa::avx512:
            return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512vpopcntdq");
        case Isa::avx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
        case Isa::v2: return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
        default: return true;
    }
#else
    return isa == Isa::plain;
#endif
}

}  // namespace rote
