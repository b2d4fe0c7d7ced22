// Package neontest checks the NEON instructions that Go's assembler does not know. The kernels write them as
// words, with the instruction in Arm's notation as a comment; a disassembler must read the comment out of the
// word.
package neontest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	word    = regexp.MustCompile(`^\tWORD \$0x([0-9a-f]{8}) // (.+)$`)
	listing = regexp.MustCompile(`^\s+\S+_arm64\.s:(\d+)\t0x[0-9a-f]+\t+[0-9a-f]{8}\t+(.*?)\s*$`)
	lanes   = regexp.MustCompile(`\.(\d+)([BHSD])$`)
)

// Check compares, for every word in the arm64 files of the working directory, what Go's disassembler makes of it
// with the comment beside it.
func Check(t *testing.T) {
	t.Helper()
	if runtime.GOARCH == "arm64" {
		t.Skip("needs the Go command, which an emulated arm64 lacks")
	}
	files, err := filepath.Glob("*_arm64.s")
	if err != nil {
		t.Fatal(err)
	}
	words := 0
	for _, file := range files {
		read := disassemble(t, file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(text), "\n") {
			m := word.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			words++
			if got, want := read[n+1], goSyntax(m[2]); strings.TrimPrefix(got, "V") != want {
				t.Fatalf("%s:%d: word %s reads %q, the comment says %q", file, n+1, m[1], got, want)
			}
		}
	}
	if words == 0 {
		t.Error("no words found")
	}
}

// disassemble assembles a file and returns the instructions by line.
func disassemble(t *testing.T, file string) map[int]string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	object := filepath.Join(t.TempDir(), "object")
	include := filepath.Join(strings.TrimSpace(string(root)), "pkg", "include")
	assemble := exec.CommandContext(t.Context(), "go", "tool", "asm", "-p", "kernels", "-I", include, "-o", object, file)
	assemble.Env = append(os.Environ(), "GOARCH=arm64")
	if out, err := assemble.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "go", "tool", "objdump", object).Output()
	if err != nil {
		t.Fatal(err)
	}
	read := map[int]string{}
	for line := range strings.Lines(string(out)) {
		if m := listing.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			n, _ := strconv.Atoi(m[1]) // digits by the pattern
			read[n] = m[2]
		}
	}
	return read
}

// goSyntax turns an instruction in Arm's notation into the one of Go's disassembler, without the V in front of
// some names: operands reversed, V1.4S as V1.S4, #1 as $1.
func goSyntax(s string) string {
	name, rest, _ := strings.Cut(s, " ")
	operands := strings.Split(rest, ", ")
	for i, o := range operands {
		operands[i] = strings.Replace(lanes.ReplaceAllString(o, ".$2$1"), "#", "$", 1)
	}
	slices.Reverse(operands)
	return name + " " + strings.Join(operands, ", ")
}
