package fusedtest

import (
	"fmt"
	"strings"
	"testing"
)

// recorder keeps the errors of a test that is meant to fail.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// TestFindsFusedProducts checks that exactly the open functions are found, on both targets.
func TestFindsFusedProducts(t *testing.T) {
	r := &recorder{TB: t}
	Check(r, nil, "./testdata/fused")
	for _, target := range []string{"arm64", "amd64 v3"} {
		for name, want := range map[string]bool{"Open ": true, "OpenLater ": true, "Closed ": false, "Explicit ": false} {
			found := false
			for _, e := range r.errors {
				found = found || (strings.HasPrefix(e, target) && strings.Contains(e, "fused."+name))
			}
			if found != want {
				t.Errorf("%s: %s found: %v, want %v", target, name, found, want)
			}
		}
	}
	r = &recorder{TB: t}
	Check(r, []string{".Open", ".OpenLater"}, "./testdata/fused")
	if len(r.errors) > 0 {
		t.Errorf("functions named as exact were reported: %q", r.errors)
	}
}
