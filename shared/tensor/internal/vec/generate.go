package vec

//go:generate go run -C ../../../../tools/asm/vec . -dir ../../../shared/tensor/internal/vec -out ../../../shared/tensor/internal/vec/kernels_amd64.s -stubs ../../../shared/tensor/internal/vec/kernels_amd64.go -pkg vec
//go:generate gofmt -w .
