package check

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tracked lists the committed and to-be-committed files of the repository.
func tracked(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		t.Skipf("not a git checkout: %v", err)
	}
	var l []string
	for f := range bytes.SplitSeq(out, []byte{0}) {
		if len(f) > 0 {
			l = append(l, string(f))
		}
	}
	return l
}

// TestNoMachinePaths keeps paths of one machine out of the repository: only the CI script may know where
// data lies beside the checkout.
func TestNoMachinePaths(t *testing.T) {
	bad := regexp.MustCompile(`(^|[^\w.])/(work|root)/[a-z_.]`)
	for _, name := range tracked(t) {
		if name == "tools/check/words_test.go" || strings.HasPrefix(name, ".ci/") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || bytes.IndexByte(b, 0) >= 0 {
			continue
		}
		if m := bad.Find(b); m != nil {
			t.Errorf("%s names a path of one machine: %q", name, m)
		}
	}
}

// TestSizes keeps a clone small: single files at most 10 MB, the whole tree at most 100 MB.
func TestSizes(t *testing.T) {
	var total int64
	for _, name := range tracked(t) {
		st, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			continue
		}
		total += st.Size()
		if st.Size() > 10<<20 {
			t.Errorf("%s has %d bytes, over 10 MB", name, st.Size())
		}
	}
	if total > 100<<20 {
		t.Errorf("the tree has %d bytes, over 100 MB", total)
	}
}

// TestAssemblyIsGenerated: every assembly file names its generator.
func TestAssemblyIsGenerated(t *testing.T) {
	for _, name := range tracked(t) {
		if strings.HasSuffix(name, ".s") && !strings.Contains(read(t, filepath.Join(root, name)), "DO NOT EDIT") {
			t.Errorf("%s is not marked as generated", name)
		}
	}
}
