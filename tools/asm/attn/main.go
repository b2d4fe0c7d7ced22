// Command attn writes the row kernels of shared/tensor/internal/attn for AVX-512, AVX2 and NEON, with their Go stubs.
//
// Usage: attn FOLDER. One description of a kernel is emitted for all of them, so that every lane does the same
// arithmetic. The loops in rows.go of the package are the specification; the exponential is the one of package vec for
// arguments of at most 0.
package main

import (
	"log"
	"os"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/printer"

	"github.com/manifold-gen/manifold/tools/asm/neon"
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
	for _, m := range []*machine{{lanes: 16}, {lanes: 8}, {lanes: 16, neon: true}} {
		m.mems = map[string]Mem{}
		m.weigh()
		m.weighGrad()
		m.scaleRows()
	}
	neon.Intercept("NEON", "rows_arm64", printer.Config{Argv: []string{"tools/asm/attn"}, Pkg: "attn"})
	Generate()
}
