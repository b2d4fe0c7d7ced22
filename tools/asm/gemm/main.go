// Command gemm writes the assembly of the tile kernels of shared/tensor/internal/gemm: for amd64 with
// avo (AVX-512 and AVX2), for arm64 as plain text (NEON).
//
// A kernel computes a tile of R rows and P panels of 16 columns. For every k it loads one line of every
// panel, broadcasts one element of every row, and multiplies and adds into R x P accumulators; at the
// end of a block it stores the accumulators to C or adds them to it. The loop in tile.go of the package
// is the specification.
//
// For float32, AVX-512 has two more forms of it. A leading kernel also writes the lines of B that it loads one
// after the other, for the tiles below to read. A wide one takes few rows and many panels that lie side by side,
// so that a row-major B is read in long runs.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"
)

// Offsets of the fields of type tile; a test of the package compares them with unsafe.Offsetof.
const (
	offA, offB, offC          = 0, 8, 16
	offSegs, offRowA, offRowC = 24, 32, 40
	offNSeg                   = 48
	offStrideA, offStrideB    = 56, 64
	offPanelB, offAdd         = 72, 80
	offMask, offPack          = 104, 112
	offAhead, offSave         = 120, 128
	offBias, offResidual      = 136, 144
	offFetch, offFetchPanel   = 152, 160
)

// The same for type segment.
const segB, segN, segEnd, segSize = 8, 16, 20, 24

func main() {
	// A flag set of its own: avo's package adds flags to the common one.
	flags := flag.NewFlagSet("gemm", flag.ExitOnError)
	arch := flags.String("target", "amd64", "amd64 or arm64")
	dir := flags.String("dir", ".", "folder of the package")
	_ = flags.Parse(os.Args[1:]) // ends the program on an error
	out := filepath.Join(*dir, "tile_"+*arch+".s")
	stubs := filepath.Join(*dir, "tile_"+*arch+".go")
	switch *arch {
	case "amd64":
		amd64(out, stubs)
	case "arm64":
		arm64(out, stubs)
	default:
		log.Fatalf("target %q: want amd64 or arm64", *arch)
	}
}

// write stores a generated file.
func write(path string, data []byte) {
	if err := os.WriteFile(path, data, 0o644); err != nil {
		log.Fatal(err)
	}
}
