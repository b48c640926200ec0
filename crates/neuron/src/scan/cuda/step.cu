// One step of neurons to which their own spikes return, forward and backward. All else of their
// block, and what binds steps together, is on the Rust side. It defines, before this text: TZ the
// type of currents and their gradient · TO that of spikes and theirs · STATES of the neuron ·
// PARAMETERS of it that are learnt · FORWARD or BACKWARD, and the neuron (neuron::Source).
//
// States [STATES][n] before a step are kept, and the way back charges from them again.

#define THREADS 256
#define EACH(i, n) \
  for (size i = (size)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (size)gridDim.x * blockDim.x)
#if PARAMETERS
#define LEARNED , learned
#define LEARNED_SUMS , learned, q
#else
#define LEARNED
#define LEARNED_SUMS
#endif

// States of neuron `i`; 0 where there are none yet.
__device__ __forceinline__ Carried states(const real* all, size n, size i) {
  Carried v;
#pragma unroll
  for (int s = 0; s < STATES; ++s) v.at[s] = all ? all[s * n + i] : real(0);
  return v;
}

#ifdef FORWARD
// Spikes `out` [n], states `after` the step, and how many fired, added to `spikes`.
extern "C" __global__ void __launch_bounds__(THREADS)
step(const TZ* x, const real* before, real* after, const real* learned_, TO* out, unsigned* spikes, size n) {
  __shared__ unsigned total;
  if (!threadIdx.x) total = 0;
  __syncthreads();
#if PARAMETERS
  real learned[PARAMETERS];
  for (int i = 0; i < PARAMETERS; ++i) learned[i] = learned_[i];
#endif
  unsigned fired = 0;
  EACH(i, n) {
    Carried v = states(before, n, i);
    Kept k;
    charge(load(x + i), v, k LEARNED);
    const bool o = fires(k);
    fired += o;
    store(out + i, o ? real(1) : real(0));
    for (int s = 0; s < STATES; ++s) after[s * n + i] = v.at[s];
  }
  if (fired) atomicAdd(&total, fired);
  __syncthreads();
  if (!threadIdx.x && total) atomicAdd(spikes, total);
}
#endif

#ifdef BACKWARD
// ∂L/∂x into `d` from ∂L/∂o, `g`. `m` [STATES][n] has the gradients of the states that the step
// carried on, unless it is the `last`, and receives those of the states before it; each neuron's
// gradients of the parameters are added to `sums` [PARAMETERS][n], which the last step begins.
extern "C" __global__ void __launch_bounds__(THREADS)
step_gradient(const TZ* x, const real* before, const TO* g, real* m, const real* learned_, real* sums, TZ* d, size n,
              int last) {
#if PARAMETERS
  real learned[PARAMETERS], q[PARAMETERS];
  for (int i = 0; i < PARAMETERS; ++i) learned[i] = learned_[i];
#endif
  EACH(i, n) {
    Carried v = states(before, n, i), back = states(last ? 0 : m, n, i);
    Kept k;
    charge(load(x + i), v, k LEARNED);
#if PARAMETERS
    for (int j = 0; j < PARAMETERS; ++j) q[j] = last ? real(0) : sums[j * n + i];
#endif
    store(d + i, backward(k, load(g + i), back LEARNED_SUMS));
    for (int s = 0; s < STATES; ++s) m[s * n + i] = back.at[s];
#if PARAMETERS
    for (int j = 0; j < PARAMETERS; ++j) sums[j * n + i] = q[j];
#endif
  }
}

// Σ of each row of `sums` [PARAMETERS][n] over a block's neurons, into part [blocks][PARAMETERS].
extern "C" __global__ void __launch_bounds__(THREADS)
learned_part(const real* sums, double* part, size n) {
  __shared__ double of_threads[THREADS];
  for (int j = 0; j < PARAMETERS; ++j) {
    double sum = 0;
    EACH(i, n) sum += double(sums[j * n + i]);
    of_threads[threadIdx.x] = sum;
    __syncthreads();
    for (unsigned half = THREADS / 2; half; half /= 2) {
      if (threadIdx.x < half) of_threads[threadIdx.x] += of_threads[threadIdx.x + half];
      __syncthreads();
    }
    if (!threadIdx.x) part[(size)blockIdx.x * PARAMETERS + j] = of_threads[0];
    __syncthreads();
  }
}
#endif
