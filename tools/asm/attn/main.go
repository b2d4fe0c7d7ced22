// Command attn writes the row kernels of shared/tensor/internal/attn for AVX-512 and AVX2, with their Go stubs.
//
// Usage: attn FOLDER. One description of a kernel is emitted for both widths, so that every lane does the same
// arithmetic. The loops in rows.go of the package are the specification; the exponential is the one of package vec for
// arguments of at most 0.
package main

import (
	"log"
	"os"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: attn FOLDER-OF-PACKAGE-ATTN")
	}
	if err := os.Chdir(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	// The flags of avo's Generate.
	os.Args = []string{os.Args[0], "-pkg", "attn", "-out", "rows_amd64.s", "-stubs", "rows_amd64.go"}
	ConstraintExpr("amd64")
	for _, lanes := range []int{16, 8} {
		m := &machine{lanes: lanes, mems: map[string]Mem{}}
		m.weigh()
		m.weighGrad()
		m.scaleRows()
	}
	Generate()
}
