package picture

import "testing"

// BenchmarkEncodePNG is the price of one preview at the size of MNIST.
func BenchmarkEncodePNG(b *testing.B) {
	p := sample(28, 28, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodePNG(p, Text{KeySeed, "1"}); err != nil {
			b.Fatal(err)
		}
	}
}
