//! Benchmarks: the fused scan beside its definition, and beside the machine's copy bandwidth
