module github.com/manifold-gen/manifold/services/diffusion

go 1.26.0

require github.com/manifold-gen/manifold/shared/tensor v0.0.0

require go.uber.org/goleak v1.3.0

require (
	go.yaml.in/yaml/v3 v3.0.5
	golang.org/x/image v0.47.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

require (
	github.com/manifold-gen/manifold/shared v0.0.0
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/manifold-gen/manifold/shared/tensor => ../../shared/tensor

replace github.com/manifold-gen/manifold/shared => ../../shared

replace github.com/manifold-gen/manifold/proto/gen => ../../proto/gen
