module github.com/manifold-gen/manifold/services/vae

go 1.26.0

require (
	github.com/manifold-gen/manifold/proto/gen v0.0.0
	github.com/manifold-gen/manifold/shared v0.0.0
	github.com/manifold-gen/manifold/shared/tensor v0.0.0
)

replace github.com/manifold-gen/manifold/shared/tensor => ../../shared/tensor

replace github.com/manifold-gen/manifold/shared => ../../shared

replace github.com/manifold-gen/manifold/proto/gen => ../../proto/gen
