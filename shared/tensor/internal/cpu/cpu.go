// Package cpu holds the one choice of instruction set that every kernel family follows.
//
// Invariant: the choice changes speed, never a bit of any result.
package cpu

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/cpu"
)

// ISA is an instruction set for which kernels exist.
type ISA uint32

// The instruction sets, from the one that runs everywhere to the widest. There is a zero value that
// means "not chosen yet", so that no init function is needed.
const (
	unset ISA = iota
	Portable
	NEON
	AVX2 // with FMA
	AVX512
)

var active atomic.Uint32

// String is the name used by flags and reports.
func (i ISA) String() string {
	switch i {
	case AVX512:
		return "avx512"
	case AVX2:
		return "avx2"
	case NEON:
		return "neon"
	default:
		return "portable"
	}
}

// Available lists what this machine can run, best first.
func Available() []ISA {
	var l []ISA
	switch runtime.GOARCH {
	case "amd64":
		if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ {
			l = append(l, AVX512)
		}
		if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
			l = append(l, AVX2)
		}
	case "arm64":
		l = append(l, NEON)
	}
	return append(l, Portable)
}

// Active is the instruction set in use: the best available one unless Set chose another.
func Active() ISA {
	if i := ISA(active.Load()); i != unset {
		return i
	}
	i := Available()[0]
	active.CompareAndSwap(uint32(unset), uint32(i))
	return ISA(active.Load())
}

// Set chooses the instruction set by name; "auto" is the best available one. It must not be called
// while kernels run.
func Set(name string) error {
	var names []string
	for _, i := range Available() {
		if name == i.String() || name == "auto" {
			active.Store(uint32(i))
			return nil
		}
		names = append(names, i.String())
	}
	return fmt.Errorf("kernels %q: this machine offers auto, %s", name, strings.Join(names, ", "))
}
