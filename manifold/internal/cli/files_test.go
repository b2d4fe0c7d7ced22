package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	old, link, device := filepath.Join(dir, "old.png"), filepath.Join(dir, "link.png"), filepath.Join(dir, "null")
	if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{link: old, device: os.DevNull} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{old, link, filepath.Join(dir, "new.png"), device} {
		if err := writable(name); err != nil {
			t.Error(err)
		}
		if err := writeFile(name, []byte(name)); err != nil {
			t.Error(err)
		}
	}
	if got, err := os.ReadFile(old); err != nil || !bytes.Equal(got, []byte(link)) {
		t.Errorf("the target of the link holds %q, %v", got, err)
	}
	for _, name := range []string{link, device} {
		if info, err := os.Lstat(name); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the link %s was replaced: %v", name, err)
		}
	}
	for name, want := range map[string]string{
		dir:                             "is a folder",
		filepath.Join(dir, "no", "a.x"): "no such file or directory",
		filepath.Join(old, "a.x"):       "not a directory",
	} {
		for _, err := range []error{writable(name), writeFile(name, nil)} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), ".manifold") {
				t.Errorf("%s: error %v, want one with %q", name, err, want)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".manifold*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
