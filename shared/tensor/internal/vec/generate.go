package vec

//go:generate go run -C ../../../../tools/asm/vec . ../../../shared/tensor/internal/vec
//go:generate gofmt -w .
