// Package neontest checks the NEON instructions that Go's assembler does not know. The kernels write them as
// words, with the instruction in Arm's notation as a comment; a disassembler must read the comment out of the
// word.
package neontest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	word    = regexp.MustCompile(`^\tWORD \$0x([0-9a-f]{8}) // (.+)$`)
	listing = regexp.MustCompile(`^\s+(\S+_arm64\.s):(\d+)\t0x[0-9a-f]+\t+([0-9a-f]{8})\t+(.*?)\s*$`)
	lanes   = regexp.MustCompile(`\.(\d+)([BHSD])$`)
)

// Check builds the test binary of the package in the working directory for arm64 and compares what Go's
// disassembler makes of every word in its arm64 files with the comment beside it.
func Check(t *testing.T) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "arm64.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", bin, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "GOOS=linux", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "go", "tool", "objdump", "-s", "NEON", bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]string{} // by file and line
	for line := range strings.Lines(string(out)) {
		if m := listing.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			read[m[1]+":"+m[2]] = m[4]
		}
	}
	files, err := filepath.Glob("*_arm64.s")
	if err != nil {
		t.Fatal(err)
	}
	words := 0
	for _, file := range files {
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
			key := file + ":" + strconv.Itoa(n+1)
			if got, want := read[key], goSyntax(m[2]); strings.TrimPrefix(got, "V") != want {
				t.Fatalf("%s: word %s reads %q, the comment says %q", key, m[1], got, want)
			}
		}
	}
	if words == 0 {
		t.Error("no words found")
	}
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
