package dataset

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

func TestTablesAreWhole(t *testing.T) {
	if names := TableNames(); !slices.IsSorted(names) {
		t.Error(names)
	}
	for _, e := range tables() {
		if e.Title == "" || e.Licence == "" || e.Citation == "" || e.Homepage == "" || len(e.Sources) != 1 || e.Target == "" {
			t.Errorf("%s lacks something: %+v", e.Name, e)
		}
		at := 0
		for i, name := range []string{"train", "select", "report"} {
			if s := e.Splits[i]; s.Name != name || s.From != at || s.To <= s.From {
				t.Errorf("%s: split %+v", e.Name, s)
			}
			at = e.Splits[i].To
		}
		if from, to, err := e.Rows("select"); err != nil || from != e.Splits[1].From || to != e.Splits[1].To {
			t.Error(from, to, err)
		}
		for name := range e.Domains {
			if e.Columns != nil && !slices.Contains(e.Columns, name) {
				t.Errorf("%s has no column %s", e.Name, name)
			}
		}
	}
	_, err := LookupTable("titanik")
	wantFault(t, "unknown", err, fault.NotFound, "there are adult, titanic, wine-white")
}

// TestRegisteredTables opens the real ones.
func TestRegisteredTables(t *testing.T) {
	dir := os.Getenv("MANIFOLD_DATA")
	if dir == "" {
		if os.Getenv("MANIFOLD_REQUIRE_DATA") == "1" {
			t.Fatal("MANIFOLD_DATA is not set")
		}
		t.Skip("MANIFOLD_DATA is not set")
	}
	l := &Locator{Dirs: []string{dir}, Offline: true}
	for _, e := range tables() {
		path, _, err := l.FindTable(t.Context(), e.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ReadCSV(bytes.NewReader(b), CSV{NoHeader: e.Columns != nil})
		if err != nil {
			t.Fatal(err)
		}
		if _, to, _ := e.Rows(""); to != c.Rows || (e.Columns != nil && len(e.Columns) != len(c.Columns)) {
			t.Errorf("%s: %d rows of %d columns, want %d of %d", e.Name, c.Rows, len(c.Columns), to, len(e.Columns))
		}
	}
}
