package diffusion

import (
	"fmt"

	"github.com/manifold-gen/manifold/services/diffusion/internal/unet"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/bench"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// Workloads lists the networks of this family that can be measured: published shapes, random weights.
func Workloads() []bench.Workload {
	var l []bench.Workload
	for _, n := range []int{1, 4, 16} {
		l = append(l, bench.Workload{
			Name: fmt.Sprintf("ddpm-cifar10-32/f32/%d", n), Unit: "pictures", Items: float64(n),
			Flops: float64(n) * unet.CIFAR10FLOPs, Bytes: 4 * unet.CIFAR10Parameters,
			New: func() func() {
				cfg := unet.CIFAR10()
				d := unet.NewDDPM(cfg)
				nn.Init(d, 1)
				d.Pack()
				x := tensor.New(tensor.Float32, n, cfg.Size, cfg.Size, cfg.Channels)
				y := tensor.New(tensor.Float32, n, cfg.Size, cfg.Size, cfg.Channels)
				timesteps := make([]float32, n)
				for i := range timesteps {
					timesteps[i] = float32(1 + 997*i%1000)
				}
				for i := range x.F32() {
					x.F32()[i] = float32(i%255)/127.5 - 1
				}
				return func() { d.Forward(y, x, timesteps) }
			},
		})
	}
	return l
}
