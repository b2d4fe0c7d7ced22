package diffusion

import "github.com/manifold-gen/manifold/shared/tensor/bench"

// Workloads lists the networks of this family that can be measured: published shapes, random weights.
func Workloads() []bench.Workload { return nil }
