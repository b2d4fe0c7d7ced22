package naivebayes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// benchRows are lines of a class, four numbers and three categories: about 50 bytes each.
func benchRows(n int) []byte {
	var b bytes.Buffer
	b.WriteString("class,a,b,c,d,colour,size,place\n")
	u := make([]float64, 8)
	for i := range n {
		rng.New(1).Uniform64(u, uint64(i), 0, rng.General)
		fmt.Fprintf(&b, "%s,%.4f,%.3f,%d,%.2f,%s,%s,%s\n", []string{"yes", "no"}[int(2*u[0])], 10*u[1], 100*u[2], int(5000*u[3]),
			1000*u[4], []string{"red", "green", "blue"}[int(3*u[5])], []string{"small", "large"}[int(2*u[6])],
			[]string{"north", "south", "east", "west"}[int(4*u[7])])
	}
	return b.Bytes()
}

// repeated is a file of a head and then the same body again and again.
type repeated struct {
	head, body []byte
	size       int64
}

func (r *repeated) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off < r.size {
		from := r.head
		if off >= int64(len(r.head)) {
			at := (off - int64(len(r.head))) % int64(len(r.body))
			from = r.body[at:]
		} else {
			from = from[off:]
		}
		k := copy(p[n:], from)
		k = int(min(int64(k), r.size-off))
		n += k
		off += int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// BenchmarkFitCSV streams a million rows of CSV into a fit, and says what reading and counting cost apart.
func BenchmarkFitCSV(b *testing.B) {
	const rows, times = 20_000, 50
	text := benchRows(rows)
	cut := bytes.IndexByte(text, '\n') + 1
	file := &repeated{text[:cut], text[cut:], int64(cut) + times*int64(len(text)-cut)}
	f, err := table.Open(file, file.size, table.Options{})
	if err != nil {
		b.Fatal(err)
	}
	small, err := table.Open(bytes.NewReader(text), int64(len(text)), table.Options{})
	if err != nil {
		b.Fatal(err)
	}
	in, err := small.Infer(table.Declaration{})
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range []struct {
		name string
		run  func() error
	}{
		{"bytes", func() error { // what moving them costs
			buf := make([]byte, 1<<20)
			_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.NewSectionReader(file, 0, file.size)}, buf)
			return err
		}},
		{"cells", func() error {
			r, err := f.Records()
			for err == nil {
				_, err = r.Next()
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}},
		{"rows", func() error {
			s, err := f.Source(in.Schema)
			if err != nil {
				return err
			}
			t := table.New(in.Schema, 4096)
			for err == nil {
				_, err = s.Next(t)
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}},
		{"infer", func() error { _, err := f.Infer(table.Declaration{}); return err }},
		{"fit", func() error {
			s, err := f.Source(in.Schema)
			if err == nil {
				_, err = Fit(s, Default(0))
			}
			return err
		}},
	} {
		b.Run(r.name, func(b *testing.B) {
			b.SetBytes(file.size)
			b.ReportAllocs()
			for b.Loop() {
				if err := r.run(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows*times*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
