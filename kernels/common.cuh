// Shared by all kernels: number formats, warp and block sums, products on matrix units, and the order of launches.
//
// No header is included, so that the same text compiles with nvcc and, without a toolkit, with NVRTC.
#pragma once

#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// How many bytes of a struct are before a field, where the host has a twin of it. NVRTC cannot ask for that; other compilers have.
#ifdef __CUDACC_RTC__
#define FIELD_AT(type, field, bytes) static_assert(true, "")
#else
#define FIELD_AT(type, field, bytes) static_assert(__builtin_offsetof(type, field) == bytes, "as in src/cuda/arguments.rs")
#endif

// Every kernel calls this before it touches what an earlier kernel has written or reads. On devices of compute capability
// 9.0 and up, kernels are launched before their predecessor has ended and wait here; what is constant (weights) may be
// read before.
__device__ __forceinline__ void wait_for_previous() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Lets the next kernel start as soon as there is room; it still waits for the end of this one.
__device__ __forceinline__ void allow_next() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

// tests/kernels/simt.h has stand-ins for a CPU.
#ifndef SIMT
// Has a value worked out here. The compiler would rather do it where it is used, which may be after a wait.
__device__ __forceinline__ void settle(u32& v) { asm volatile("" : "+r"(v)); }
template <class T>
__device__ __forceinline__ void settle(T*& p) { asm volatile("" : "+l"(p)); }

#define DYNAMIC_SHARED(type, name) extern __shared__ type name[]

__device__ __forceinline__ float f16_to_f32(u16 h) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}

__device__ __forceinline__ u16 f32_to_f16(float f) {
    u16 h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
}

// 16 bytes of weights, which nothing reads again soon.
__device__ __forceinline__ uint4 load_once(const void* p) {
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(p));
    return v;
}

// Four 8 x 8 matrices of 16-bit values in shared memory; lane l gives the address of row l % 8 of matrix l / 8. It gets two
// neighbours of row l / 4 of each, 2·(l % 4) and the one after it.
__device__ __forceinline__ void load_matrices(u32 (&r)[4], const u16* p) {
    const u32 at = (u32)__cvta_generic_to_shared(p);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at));
}

// The same of the transposed matrices.
__device__ __forceinline__ void load_transposed(u32 (&r)[4], const u16* p) {
    const u32 at = (u32)__cvta_generic_to_shared(p);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at));
}

// 16 bytes to shared memory, in the background on devices of compute capability 8.0 and up. Copies up to a call of
// `end_of_copies` are a group; `wait_for_copies` leaves the last N groups under way.
__device__ __forceinline__ void copy_async(void* to, const void* from) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((u32)__cvta_generic_to_shared(to)), "l"(from) : "memory");
#else
    *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
#endif
}
// The same, or 16 bytes of zeros if not `there`; the address must be one that could be read.
__device__ __forceinline__ void copy_async_or_zero(void* to, const void* from, bool there) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((u32)__cvta_generic_to_shared(to)), "l"(from), "r"(there ? 16 : 0)
                 : "memory");
#else
    *reinterpret_cast<uint4*>(to) = there ? *reinterpret_cast<const uint4*>(from) : make_uint4(0, 0, 0, 0);
#endif
}
// The same for BYTES bytes, 4 or 8.
template <int BYTES>
__device__ __forceinline__ void copy_async_few(void* to, const void* from) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"((u32)__cvta_generic_to_shared(to)), "l"(from), "n"(BYTES) : "memory");
#else
    for (int i = 0; i < BYTES / 4; i++) static_cast<u32*>(to)[i] = static_cast<const u32*>(from)[i];
#endif
}
__device__ __forceinline__ void end_of_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int N>
__device__ __forceinline__ void wait_for_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

// 2^v, to about 2^-22 of it.
__device__ __forceinline__ float power_of_2(float v) {
    float p;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(p) : "f"(v));
    return p;
}

// Brings 128 bytes into the L2 cache. It reads nothing, so that it may come before `wait_for_previous`.
__device__ __forceinline__ void prefetch(const void* p) { asm volatile("prefetch.global.L2 [%0];" ::"l"(p)); }

#endif

// A row of PIECES pieces of 16 bytes in shared memory has piece i where i ^ turn is: so eight rows below each other have any one
// piece in different banks.
template <int PIECES>
__device__ __forceinline__ u32 turn(u32 row) { return PIECES == 4 ? row / 2 % 4 : row % 8; }
template <int PIECES>
__device__ __forceinline__ u16* piece_in(u16* tile, u32 row, u32 piece) { return tile + (row * PIECES + (piece ^ turn<PIECES>(row))) * 8; }

__device__ __forceinline__ float bf16_to_f32(u16 h) { return __uint_as_float((u32)h << 16); }

// A value with its place as one number, which is larger for a higher value, and of equal ones (0 and -0 are equal) for a lower
// place; never 0 for a finite value. The value is in the upper half.
__device__ __forceinline__ u64 key(float v, u32 id) {
    const u32 bits = __float_as_uint(v == 0.0f ? 0.0f : v);
    return (u64)(bits >> 31 ? ~bits : bits | 0x80000000u) << 32 | (u32)~id;
}
// Bits of the value whose order is in the upper half of a key.
__device__ __forceinline__ u32 value_bits(u32 order) { return order >> 31 ? order ^ 0x80000000u : ~order; }

__device__ __forceinline__ float4 times(float4 a, float4 b) { return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w); }
__device__ __forceinline__ float4 scaled(float4 v, float by) { return times(v, make_float4(by, by, by, by)); }
__device__ __forceinline__ float squares(float4 v) { return v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w; }

__device__ __forceinline__ u16 low16(u32 v) { return (u16)v; }
__device__ __forceinline__ u16 high16(u32 v) { return (u16)(v >> 16); }

__device__ __forceinline__ float warp_sum(float v) {
    for (int i = 16; i > 0; i >>= 1) v += __shfl_xor_sync(~0u, v, i);
    return v;
}

__device__ __forceinline__ float warp_max(float v) {
    for (int i = 16; i > 0; i >>= 1) v = fmaxf(v, __shfl_xor_sync(~0u, v, i));
    return v;
}

// The sum over a block of up to 1024 threads, in an order that depends on their number alone. `part` is shared, 32 values.
__device__ __forceinline__ float block_sum(float v, float* part) {
    const int thread = threadIdx.x + threadIdx.y * blockDim.x, threads = blockDim.x * blockDim.y;
    v = warp_sum(v);
    __syncthreads();
    if (thread % 32 == 0) part[thread / 32] = v;
    __syncthreads();
    v = 0;
    for (int i = 0; i < (threads + 31) / 32; i++) v += part[i];
    return v;
}

// A row of up to 128·N values, a multiple of 4, in the registers of a warp of a block of (32, n): lane l has the fours l, l + 32
// and so on, and zeros behind the end.
template <int N>
__device__ __forceinline__ void read_row(float4 (&v)[N], const float4* row, u32 fours) {
#pragma unroll
    for (int k = 0; k < N; k++) {
        const u32 i = threadIdx.x + 32 * k;
        v[k] = i < fours ? row[i] : make_float4(0, 0, 0, 0);
    }
}
// A lane's share of the sum of its squares.
template <int N>
__device__ __forceinline__ float squares_of_row(const float4 (&v)[N]) {
    float sum = 0;
#pragma unroll
    for (int k = 0; k < N; k++) sum += squares(v[k]);
    return sum;
}
// What RMSNorm multiplies it by, before the weights.
template <int N>
__device__ __forceinline__ float norm_of_row(const float4 (&v)[N], u32 width, float eps) {
    return rsqrtf(warp_sum(squares_of_row(v)) / width + eps);
}
// The largest magnitude that a lane has of it.
template <int N>
__device__ __forceinline__ float largest_of_row(const float4 (&v)[N]) {
    float most = 0;
#pragma unroll
    for (int k = 0; k < N; k++)
        most = fmaxf(most, fmaxf(fmaxf(fabsf(v[k].x), fabsf(v[k].y)), fmaxf(fabsf(v[k].z), fabsf(v[k].w))));
    return most;
}
// Four values of it, normed.
__device__ __forceinline__ float4 normed(float4 v, float factor, float4 weight) { return times(scaled(v, factor), weight); }

__device__ __forceinline__ float silu(float v) { return __fdividef(v, 1.0f + __expf(-v)); }

// ln(1 + exp(v)), exact where exp(v) is small.
__device__ __forceinline__ float softplus(float v) { return fmaxf(v, 0.0f) + log1pf(__expf(-fabsf(v))); }

// Two values as sums of two bfloat16 each: hi + lo = v to 2^-17 of v. The first is in the lower half.
__device__ __forceinline__ void split_bf16(float x, float y, u32& hi, u32& lo) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(hi) : "f"(y), "f"(x));
    const float rx = x - bf16_to_f32(low16(hi)), ry = y - bf16_to_f32(high16(hi));
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(lo) : "f"(ry), "f"(rx));
#else
    // Cut off instead of rounded: hi + lo still holds 16 bits of the value.
    const u32 a = __float_as_uint(x), b = __float_as_uint(y);
    hi = (a >> 16) | (b & 0xffff0000u);
    const float rx = x - __uint_as_float(a & 0xffff0000u), ry = y - __uint_as_float(b & 0xffff0000u);
    lo = (__float_as_uint(rx) >> 16) | (__float_as_uint(ry) & 0xffff0000u);
#endif
}

// Two values as f16, the first in the lower half.
__device__ __forceinline__ u32 pack_f16(float x, float y) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    u32 both;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(y), "f"(x));
    return both;
#else
    return f32_to_f16(x) | ((u32)f32_to_f16(y) << 16);
#endif
}

// Two values as sums of two f16 each, for values of at most about 1.
__device__ __forceinline__ void split_f16(float x, float y, u32& hi, u32& lo) {
    hi = pack_f16(x, y);
    lo = pack_f16(x - f16_to_f32(low16(hi)), y - f16_to_f32(high16(hi)));
}

// d (16 x 8) += a (16 x 16) · b (16 x 8) by one warp. With g = lane / 4 and t = lane % 4, a lane holds
//   a: rows g, g + 8 (of the first two), columns 2t, 2t + 1; then the same rows, columns 2t + 8, 2t + 9
//   b: rows 2t, 2t + 1, then 2t + 8, 2t + 9, of column g
//   d: row g, columns 2t, 2t + 1; then row g + 8
struct Bf16 {};
struct F16 {};

#ifndef SIMT
// What matrix units do, for bfloat16 on devices before compute capability 8.0. A function of its own: inlined, it takes
// the compiler minutes.
static __device__ __noinline__ float4 mma_by_lanes(float4 d, uint4 a, uint2 b) {
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    for (int k = 0; k < 8; k++) {
        const int from = k % 4;
        const bool second = k >= 4;
        const u32 up = __shfl_sync(~0u, second ? a.z : a.x, g * 4 + from);
        const u32 down = __shfl_sync(~0u, second ? a.w : a.y, g * 4 + from);
        const u32 left = __shfl_sync(~0u, second ? b.y : b.x, 8 * t + from);
        const u32 right = __shfl_sync(~0u, second ? b.y : b.x, 8 * t + 4 + from);
        d.x += bf16_to_f32(low16(up)) * bf16_to_f32(low16(left)) + bf16_to_f32(high16(up)) * bf16_to_f32(high16(left));
        d.y += bf16_to_f32(low16(up)) * bf16_to_f32(low16(right)) + bf16_to_f32(high16(up)) * bf16_to_f32(high16(right));
        d.z += bf16_to_f32(low16(down)) * bf16_to_f32(low16(left)) + bf16_to_f32(high16(down)) * bf16_to_f32(high16(left));
        d.w += bf16_to_f32(low16(down)) * bf16_to_f32(low16(right)) + bf16_to_f32(high16(down)) * bf16_to_f32(high16(right));
    }
    return d;
}
#endif

__device__ __forceinline__ void mma(Bf16, float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(SIMT)
    mma_by_warp(d, a, b, bf16_to_f32);
#else
    const float4 sum = mma_by_lanes(make_float4(d[0], d[1], d[2], d[3]), make_uint4(a[0], a[1], a[2], a[3]),
                                    make_uint2(b[0], b[1]));
    d[0] = sum.x, d[1] = sum.y, d[2] = sum.z, d[3] = sum.w;
#endif
}

__device__ __forceinline__ void mma(F16, float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(SIMT)
    mma_by_warp(d, a, b, f16_to_f32);
#elif defined(__CUDA_ARCH__)
    // Turing multiplies eight values of k at once.
#pragma unroll
    for (int half = 0; half < 2; half++)
        asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
#endif
}

// What the values of a row, of at most `most`, are divided by before they are taken as sums of two numbers of 16 bits: a power
// of two that lets f16, which goes up to 2^16, hold the largest and 28 binary digits below it. With its inverse.
__device__ __forceinline__ float unit_of(F16, float most, float& inverse) {
    const u32 exponent = __float_as_uint(most) >> 23;
    const u32 up = exponent < 15 ? 253 : 268 - exponent;  // 2^(14 - exponent), both in 8 bits with a bias of 127
    inverse = __uint_as_float(up << 23);
    return __uint_as_float((254 - up) << 23);
}
__device__ __forceinline__ float unit_of(Bf16, float, float& inverse) { return inverse = 1.0f; }
__device__ __forceinline__ void split_pair(F16, float x, float y, u32& hi, u32& lo) { split_f16(x, y, hi, lo); }
__device__ __forceinline__ void split_pair(Bf16, float x, float y, u32& hi, u32& lo) { split_bf16(x, y, hi, lo); }
template <class Half>
__device__ __forceinline__ void split_four(Half half, float4 v, float inverse, uint2& hi, uint2& lo) {
    split_pair(half, v.x * inverse, v.y * inverse, hi.x, lo.x);
    split_pair(half, v.z * inverse, v.w * inverse, hi.y, lo.y);
}

// Operands of f32 as sums of two bfloat16.
struct SplitA {
    u32 hi[4], lo[4];
};
struct SplitB {
    u32 hi[2], lo[2];
};

// d += a · b, exact to about 2^-16 of each product.
__device__ __forceinline__ void mma_split(float (&d)[4], const SplitA& a, const SplitB& b) {
    mma(Bf16(), d, a.lo, b.hi);
    mma(Bf16(), d, a.hi, b.lo);
    mma(Bf16(), d, a.hi, b.hi);
}

// Two tiles of 8 columns: d += a · b. `hi` and `lo` have b's k 0 .. 7 and 8 .. 15 of the first, then of the second.
__device__ __forceinline__ void mma_two(float (&d)[4], float (&e)[4], const SplitA& a, const u32 (&hi)[4], const u32 (&lo)[4]) {
    const u32 d_hi[2] = {hi[0], hi[1]}, e_hi[2] = {hi[2], hi[3]}, d_lo[2] = {lo[0], lo[1]}, e_lo[2] = {lo[2], lo[3]};
    mma(Bf16(), d, a.lo, d_hi);
    mma(Bf16(), e, a.lo, e_hi);
    mma(Bf16(), d, a.hi, d_lo);
    mma(Bf16(), e, a.hi, e_lo);
    mma(Bf16(), d, a.hi, d_hi);
    mma(Bf16(), e, a.hi, e_hi);
}

// ---- 16 whole rows a warp, in registers ----------------------------------------------------------------------------------
// Products of such rows read only the other factor from shared memory, and what a product leaves is in the places of a factor
// of the next one.

// A lane's share of a row of up to 8·N values, a multiple of 8: of every eight the pair from 2·(lane % 4) on, zeros behind the end.
template <int N>
__device__ __forceinline__ void read_pairs(float2 (&v)[N], const float* row, u32 cols) {
#pragma unroll
    for (u32 i = 0; i < N; i++)
        v[i] = 8 * i < cols ? *reinterpret_cast<const float2*>(row + 8 * i + threadIdx.x % 4 * 2) : make_float2(0, 0);
}

// Over the four lanes that have a row.
__device__ __forceinline__ float row_sum(float v) {
    for (int i = 1; i < 4; i <<= 1) v += __shfl_xor_sync(~0u, v, i);
    return v;
}
__device__ __forceinline__ float row_max(float v) {
    for (int i = 1; i < 4; i <<= 1) v = fmaxf(v, __shfl_xor_sync(~0u, v, i));
    return v;
}

// No value normed with `weight` is larger than √cols times the largest weight: one unit does for all rows.
template <class Half, int N>
__device__ __forceinline__ float unit_of_norm(Half half, const float* weight, u32 cols, float& inverse) {
    float2 v[N];
    read_pairs(v, weight, cols);
    float most = 0;
#pragma unroll
    for (int i = 0; i < N; i++) most = fmaxf(most, fmaxf(fabsf(v[i].x), fabsf(v[i].y)));
    return unit_of(half, sqrtf(cols) * row_max(most), inverse);
}

// Rows g and g + 8 of 16, g = lane / 4, normed and split.
template <class Half, int K>
__device__ __forceinline__ void read_normed(Half half, SplitA (&a)[K], const float* up, const float* down, const float* weight,
                                            float eps, u32 cols, float inverse) {
    float2 v[2][2 * K];
    read_pairs(v[0], up, cols);
    read_pairs(v[1], down, cols);
    float factor[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float sum = 0;
#pragma unroll
        for (int i = 0; i < 2 * K; i++) sum += v[r][i].x * v[r][i].x + v[r][i].y * v[r][i].y;
        factor[r] = rsqrtf(row_sum(sum) / cols + eps);
    }
    float2 by[2 * K];
    read_pairs(by, weight, cols);
#pragma unroll
    for (int i = 0; i < 2 * K; i++)
#pragma unroll
        for (int r = 0; r < 2; r++)
            split_pair(half, v[r][i].x * factor[r] * by[i].x * inverse, v[r][i].y * factor[r] * by[i].y * inverse,
                       a[i / 2].hi[i % 2 * 2 + r], a[i / 2].lo[i % 2 * 2 + r]);
}

// Products of 16 rows with N times eight rows of weights in shared memory, 16 values of k: those of sixteen of them are
// piece(j, row, 0) and piece(j, row, 1). One sum after the other, so that none waits for itself.
template <int N, class Half, class Piece>
__device__ __forceinline__ void mma_rows(Half half, float (*acc)[4], const SplitA& a, Piece piece) {
    const u32 lane = threadIdx.x % 32;
    u32 b[N][2];
#pragma unroll
    for (int j = 0; j < N; j += 2) {
        u32 r[4];
        load_matrices(r, piece(j / 2, lane / 16 * 8 + lane % 8, lane / 8 % 2));
        b[j][0] = r[0], b[j][1] = r[1], b[j + 1][0] = r[2], b[j + 1][1] = r[3];
    }
#pragma unroll
    for (int j = 0; j < N; j++) mma(half, acc[j], a.lo, b[j]);
#pragma unroll
    for (int j = 0; j < N; j++) mma(half, acc[j], a.hi, b[j]);
}

// Units that grow: sums of products are in those of the largest values so far. A change is a power of two, which is exact, so
// that a row's sums do not depend on when it comes.
template <class Half>
struct GrowingUnit {
    float unit[2];
    __device__ __forceinline__ GrowingUnit() {
        float inverse;
        unit[0] = unit[1] = unit_of(Half(), 0.0f, inverse);
    }
    // 16 by 16 values, as a product leaves them, become a factor of the next one, whose sums so far are `acc`.
    template <int N>
    __device__ __forceinline__ SplitA take(const float (&left)[4], const float (&right)[4], float (&acc)[N][4]) {
        float inverse[2], shrink[2];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float most = row_max(fmaxf(fmaxf(fabsf(left[2 * r]), fabsf(left[2 * r + 1])),
                                             fmaxf(fabsf(right[2 * r]), fabsf(right[2 * r + 1]))));
            const float before = unit[r];
            unit[r] = fmaxf(before, unit_of(Half(), most, inverse[r]));
            inverse[r] = __uint_as_float((254u << 23) - __float_as_uint(unit[r]));
            shrink[r] = before * inverse[r];
        }
        if (__ballot_sync(~0u, shrink[0] != 1.0f || shrink[1] != 1.0f)) {
#pragma unroll
            for (int j = 0; j < N; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) acc[j][i] *= shrink[i / 2];
        }
        SplitA a;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            split_pair(Half(), left[2 * r] * inverse[r], left[2 * r + 1] * inverse[r], a.hi[r], a.lo[r]);
            split_pair(Half(), right[2 * r] * inverse[r], right[2 * r + 1] * inverse[r], a.hi[2 + r], a.lo[2 + r]);
        }
        return a;
    }
};

// Two warps have sums of products of the same 16 rows by 8·N columns, in units of their own. Each finishes half of the columns,
// with what the other has of them, and adds them to x, rows of `cols` values: rows row0 + g and row0 + g + 8, before `end`.
// `given` is 64·N bytes of shared memory a thread.
template <class Half, int N>
__device__ __forceinline__ void add_halves(const float (&acc)[N][4], const GrowingUnit<Half>& units, void* given, float* x, u32 row0,
                                           u32 end, u32 cols) {
    const int OWN = N / 2;
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, half = warp % 2, row = row0 + lane / 4;
    const u32 column = half * (OWN * 8) + lane % 4 * 2;
    float4* const all = static_cast<float4*>(given) + lane;
    auto part_of = [&](int j, bool second) {
        auto of = [&](int i) { return (second ? acc[OWN + j][i] : acc[j][i]) * units.unit[i / 2]; };
        return make_float4(of(0), of(1), of(2), of(3));
    };
    __syncthreads();
#pragma unroll
    for (int j = 0; j < OWN; j++) all[(warp * OWN + j) * 32] = part_of(j, !half);
    __syncthreads();
    auto there = [&](int j, int r) { return row + 8 * r < end && column + 8 * j < cols; };
    auto place = [&](int j, int r) { return reinterpret_cast<float2*>(x + (u64)(row + 8 * r) * cols + column + 8 * j); };
    // All is read before any is written.
    float2 before[OWN][2];
#pragma unroll
    for (int j = 0; j < OWN; j++)
#pragma unroll
        for (int r = 0; r < 2; r++) before[j][r] = there(j, r) ? *place(j, r) : make_float2(0, 0);
#pragma unroll
    for (int j = 0; j < OWN; j++) {
        const float4 own = part_of(j, half), other = all[((warp ^ 1) * OWN + j) * 32];
        const float2 sums[2] = {make_float2(own.x + other.x, own.y + other.y), make_float2(own.z + other.z, own.w + other.w)};
#pragma unroll
        for (int r = 0; r < 2; r++)
            if (there(j, r)) *place(j, r) = make_float2(before[j][r].x + sums[r].x, before[j][r].y + sums[r].y);
    }
}

// Shape and constants of the mixer of a Mamba-2 block; channels are those of the convolution, projected is the width of a row
// of z, x, B, C and dt.
struct Ssm {
    u32 inner, heads, state, groups, taps;
    float dt_min, dt_max;
    u32 channels, projected;
};
static_assert(sizeof(Ssm) == 36, "as in src/cuda/arguments.rs");
FIELD_AT(Ssm, inner, 0); FIELD_AT(Ssm, heads, 4); FIELD_AT(Ssm, state, 8); FIELD_AT(Ssm, groups, 12);
FIELD_AT(Ssm, taps, 16); FIELD_AT(Ssm, dt_min, 20); FIELD_AT(Ssm, dt_max, 24); FIELD_AT(Ssm, channels, 28);
FIELD_AT(Ssm, projected, 32);

// How weights are stored on the device; `src/cuda/weight.rs` makes these layouts. All rows are whole.
//   F32, F16, BF16  q: (rows, cols)
//   Q8_0            q: (rows, cols) i8;      scales: (rows, cols/32) f16
//   Q4_0            q: (rows, cols/32, 16), value j of 32 in the low half of byte j, j + 16 in the high half;
//                   scales: (rows, cols/32) f16
//   Q4_K            q: as Q4_0;              scales: (rows, cols/32, 2) u8, scale and minimum;
//                   more: (rows, cols/256, 2) f16, their factors d and dmin
//   Q6_K            q: as Q4_0, low 4 bits;  scales: (rows, cols/16) i8;
//                   more: (rows, cols/256) f16;
//                   bits: (rows, cols/32, 2) u32: the high 2 bits of value 4k + b at 2·(k % 4) of byte b of word k / 4
enum Type { TF32 = 0, TF16 = 1, TBF16 = 2, TQ8_0 = 3, TQ4_0 = 4, TQ4_K = 5, TQ6_K = 6 };

struct Weight {
    const u8* q;
    const u8* scales;
    const u8* more;
    const u32* bits;
    u32 rows, cols;
};
static_assert(sizeof(Weight) == 40, "as in src/cuda/arguments.rs");
FIELD_AT(Weight, q, 0); FIELD_AT(Weight, scales, 8); FIELD_AT(Weight, more, 16); FIELD_AT(Weight, bits, 24);
FIELD_AT(Weight, rows, 32); FIELD_AT(Weight, cols, 36);

// Four values of 6 bits, k-th of eight groups in a block of 32, less 32.
__device__ __forceinline__ u32 six_bits(const uint4& low, const uint2& bits, int k) {
    const u32 words[4] = {low.x, low.y, low.z, low.w};
    const u32 nibbles = (words[k % 4] >> (k / 4 * 4)) & 0x0f0f0f0fu;
    const u32 high = ((k / 4 ? bits.y : bits.x) >> (2 * (k % 4))) & 0x03030303u;
    return __vsub4(nibbles | high << 4, 0x20202020u);
}

// Quantized values k0 .. k0 + 15 of a row, k0 a multiple of 16: value i is scale · out[i] - less.
template <int T>
__device__ __forceinline__ void integers16(const Weight& w, u32 row, u32 k0, float (&out)[16], float& scale, float& less) {
    const u64 block = (u64)row * (w.cols / 32) + k0 / 32;
    const bool upper = k0 % 32 != 0;
    less = 0;
    if (T == TQ8_0) {
        scale = f16_to_f32(reinterpret_cast<const u16*>(w.scales)[block]);
        const uint4 v = *reinterpret_cast<const uint4*>(w.q + (u64)row * w.cols + k0);
        const u32 words[4] = {v.x, v.y, v.z, v.w};
        for (int i = 0; i < 16; i++) out[i] = (float)(i8)(words[i / 4] >> (i % 4 * 8));
        return;
    }
    const uint4 v = *reinterpret_cast<const uint4*>(w.q + block * 16);
    const u32 words[4] = {v.x, v.y, v.z, v.w};
    if (T == TQ6_K) {
        const float d = f16_to_f32(reinterpret_cast<const u16*>(w.more)[block / 8]);
        scale = d * (float)reinterpret_cast<const i8*>(w.scales)[block * 2 + upper];
        const uint2 bits = *reinterpret_cast<const uint2*>(w.bits + block * 2);
        for (int k = 0; k < 4; k++) {
            const u32 four = six_bits(v, bits, upper * 4 + k);
            for (int b = 0; b < 4; b++) out[4 * k + b] = (float)(i8)(four >> (8 * b));
        }
        return;
    }
    int middle = 0;
    if (T == TQ4_0) {
        scale = f16_to_f32(reinterpret_cast<const u16*>(w.scales)[block]);
        middle = 8;
    } else {
        const u32 factors = reinterpret_cast<const u32*>(w.more)[block / 8];
        scale = f16_to_f32(low16(factors)) * (float)w.scales[block * 2];
        less = f16_to_f32(high16(factors)) * (float)w.scales[block * 2 + 1];
    }
    for (int i = 0; i < 16; i++) out[i] = (float)((int)((words[i / 4] >> (i % 4 * 8 + upper * 4)) & 15) - middle);
}

// Values k0 .. k0 + 15 of a row, k0 a multiple of 16. Past the end of the row of plain floats there are zeros.
template <int T>
__device__ __forceinline__ void load16(const Weight& w, u32 row, u32 k0, float (&out)[16]) {
    if (T == TF32 || T == TF16 || T == TBF16) {
        const u64 at = (u64)row * w.cols + k0;
        if (w.cols % 16 == 0) {
            if (T == TF32) {
                for (int i = 0; i < 4; i++) {
                    const float4 v = reinterpret_cast<const float4*>(w.q + at * 4)[i];
                    out[4 * i] = v.x, out[4 * i + 1] = v.y, out[4 * i + 2] = v.z, out[4 * i + 3] = v.w;
                }
            } else {
                for (int i = 0; i < 2; i++) {
                    const uint4 v = reinterpret_cast<const uint4*>(w.q + at * 2)[i];
                    const u32 words[4] = {v.x, v.y, v.z, v.w};
                    for (int j = 0; j < 4; j++) {
                        out[8 * i + 2 * j] = T == TF16 ? f16_to_f32(low16(words[j])) : bf16_to_f32(low16(words[j]));
                        out[8 * i + 2 * j + 1] = T == TF16 ? f16_to_f32(high16(words[j])) : bf16_to_f32(high16(words[j]));
                    }
                }
            }
        } else {
            for (u32 i = 0; i < 16; i++) {
                const u16* halves = reinterpret_cast<const u16*>(w.q);
                out[i] = k0 + i >= w.cols ? 0.0f
                         : T == TF32      ? reinterpret_cast<const float*>(w.q)[at + i]
                         : T == TF16      ? f16_to_f32(halves[at + i])
                                          : bf16_to_f32(halves[at + i]);
            }
        }
        return;
    }
    float scale, less;
    integers16<T>(w, row, k0, out, scale, less);
    for (int i = 0; i < 16; i++) out[i] = scale * out[i] - less;
}
