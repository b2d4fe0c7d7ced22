module github.com/manifold-gen/manifold/services/tabular

go 1.26.0

require (
	github.com/manifold-gen/manifold/shared v0.0.0
	github.com/manifold-gen/manifold/shared/tensor v0.0.0
	github.com/parquet-go/parquet-go v0.32.0
)

require (
	github.com/alecthomas/assert/v2 v2.11.0 // indirect
	github.com/alecthomas/repr v0.5.2 // indirect
	golang.org/x/image v0.47.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

require (
	github.com/andybalholm/brotli v1.1.1 // indirect
	github.com/klauspost/compress v1.20.1 // indirect
	github.com/parquet-go/bitpack v1.0.0 // indirect
	github.com/parquet-go/jsonlite v1.0.0 // indirect
	github.com/pierrec/lz4/v4 v4.1.21 // indirect
	github.com/twpayne/go-geom v1.6.1 // indirect
	pgregory.net/rapid v1.3.0
)

require (
	github.com/google/uuid v1.6.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	gonum.org/v1/gonum v0.17.0
)

replace github.com/manifold-gen/manifold/shared/tensor => ../../shared/tensor

replace github.com/manifold-gen/manifold/shared => ../../shared

replace github.com/manifold-gen/manifold/proto/gen => ../../proto/gen
