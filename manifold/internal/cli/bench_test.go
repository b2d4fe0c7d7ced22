package cli

import (
	"strings"
	"testing"
)

func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		name     string
		training bool
		want     string // the beginning of every name
		least    int
		most     int
	}{
		{"product/f32/16x384x1536", false, "product/f32/16x384x1536", 1, 1},
		{"product/f32/1", false, "", 0, 0}, // not a whole part of a name
		{"product/f32", false, "product/f32/", 6, 99},
		{"product/f32/", false, "product/f32/", 6, 99},
		{"product/f32", true, "", 0, 0},
		{"mnist", false, "", 0, 0},
		{"", false, "", 0, 0},
	} {
		l := networks(c.name, c.training)
		if len(l) < c.least || len(l) > c.most {
			t.Errorf("%q names %d networks, want %d to %d", c.name, len(l), c.least, c.most)
		}
		for _, w := range l {
			if !strings.HasPrefix(w.Name, c.want) {
				t.Errorf("%q names %s", c.name, w.Name)
			}
		}
	}
}
