package table

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/manifold-gen/manifold/shared/fault"
)

func open(t testing.TB, text string, o Options) *File {
	t.Helper()
	f, err := Open(strings.NewReader(text), int64(len(text)), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// infer reads a whole text with what is declared.
func infer(t testing.TB, text string, d Declaration) (*Inferred, *Table) {
	t.Helper()
	f := open(t, text, Options{})
	in, err := f.Infer(d)
	if err != nil {
		t.Fatal(err)
	}
	src, err := f.Source(in.Schema)
	if err != nil {
		t.Fatal(err)
	}
	all, err := ReadAll(src, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return in, all
}

func text(t *Table, row int) string {
	var cells []string
	for j := range t.Schema.Fields {
		cells = append(cells, t.Text(row, j, "?"))
	}
	return strings.Join(cells, "|")
}

const passengers = `Id,Survived,Name,Sex,Age,SibSp,Parch,Fare
1,0,"Braund, Mr. Owen Harris",male,22,1,0,7.25
2,1,"Cumings, Mrs. John ""Flo""",female,38,1,0,71.2833
3,1,"Heikkinen, Miss. Laina",female,,0,2,7.925
4,1,"Allen, Mme.
 two lines",female,35.5,0,0,NaN
5,0,"Uruchurtu, Don. Manuel",male,40,0,0,8
`

func TestInferDeriveAndBins(t *testing.T) {
	d := Declaration{
		Columns: []ColumnSpec{
			{Name: "Name", Drop: true},
			{Name: "Id", Drop: true},
			{Name: "Age", Edges: []float64{16, 38}},
			{Name: "Fare", Quantiles: 2},
			{Name: "Title", Levels: []string{"Miss", "Mr", "Mrs", "rare"}, Other: "rare"},
		},
		Derive: []Derivation{
			{Name: "Title", From: "Name", Match: `, ([^.]*)\.`, Rename: map[string]string{"Mme": "Mrs"}},
			{Name: "Family", Sum: []string{"SibSp", "Parch"}, Plus: 1},
		},
	}
	in, all := infer(t, passengers, d)
	if in.Rows != 5 || all.Rows != 5 {
		t.Fatal(in.Rows, all.Rows)
	}
	want := []string{
		"0|male|[16, 38)|1|0|< 7.9625|Mr|2",
		"1|female|>= 38|1|0|>= 7.9625|Mrs|2",
		"1|female|?|0|2|< 7.9625|Miss|3",
		"1|female|[16, 38)|0|0|?|Mrs|1",
		"0|male|>= 38|0|0|>= 7.9625|rare|1",
	}
	for i, w := range want {
		if got := text(all, i); got != w {
			t.Errorf("row %d: %s, want %s", i, got, w)
		}
	}
	if f := in.Schema.Fields[0]; f.Kind != Categorical || !slices.Equal(f.Levels, []string{"0", "1"}) {
		t.Errorf("%+v", f)
	}
	if f := in.Schema.Fields[len(in.Schema.Fields)-1]; f.Kind != Numeric || !f.Integer || f.Min != 1 || f.Max != 3 {
		t.Errorf("%+v", f)
	}
}

func TestInferNotes(t *testing.T) {
	var b strings.Builder
	b.WriteString("id,ticket,constant,empty,code,level\n")
	for i := range 200 {
		fmt.Fprintf(&b, "%d,t%d,7.5,,%d,%s\n", i+10, i, 9-i%10, []string{"b", "a", "NA"}[i%3])
	}
	in, all := infer(t, b.String(), Declaration{})
	var notes []string
	for _, n := range in.Notes {
		notes = append(notes, n.Column+" "+n.Reason)
	}
	if got := strings.Join(notes, ", "); got != "id IDENTIFIER, ticket IDENTIFIER, constant CONSTANT, empty ALL_MISSING" {
		t.Error(got)
	}
	if got := fmt.Sprint(in.Schema.Fields[1].Levels, in.Schema.Fields[2].Levels); got != "[0 1 2 3 4 5 6 7 8 9] [a b]" {
		t.Error(got)
	}
	if text(all, 2) != "7.5|7|?" {
		t.Error(text(all, 2))
	}
	// Declared, an identifier is a domain like any other, and may hold more than the data do.
	in, _ = infer(t, b.String(), Declaration{Only: true, Columns: []ColumnSpec{
		{Name: "ticket", Kind: "categorical"}, {Name: "level", Levels: []string{"c", "b", "a", "NA"}},
	}})
	if len(in.Schema.Fields) != 2 || len(in.Schema.Fields[0].Levels) != 200 || len(in.Schema.Fields[1].Levels) != 4 {
		t.Errorf("%+v", in.Schema)
	}
}

func TestBadFilesNameLineAndColumn(t *testing.T) {
	many := "a\n"
	for i := range 1200 {
		many += fmt.Sprintf("x%d\n", i)
	}
	cat := Declaration{Columns: []ColumnSpec{{Name: "a", Kind: "categorical"}}}
	num := Declaration{Columns: []ColumnSpec{{Name: "a", Kind: "numeric"}}}
	dom := Declaration{Columns: []ColumnSpec{{Name: "a", Levels: []string{"x", "y"}}}}
	for _, r := range []struct {
		name, text string
		d          Declaration
		reason     string
		says       string
	}{
		{"ragged", "a,b\n1,2\n\n3\n", Declaration{}, "RAGGED_ROW", "line 4: 1 cells, there are 2"},
		{"duplicate", "a,b,a\n1,2,3\n", Declaration{}, "DUPLICATE_COLUMN", "columns 1 and 3 are both named \"a\""},
		{"no name", "a,,c\n1,2,3\n", Declaration{}, "EMPTY_NAME", "column 2"},
		{"NUL", "a,b\nx,y\nx,z\x00\n", Declaration{}, "NUL_BYTE", "line 3, column \"b\""},
		{"not UTF-8", "a,b\nx,y\nx,z\xff\n", Declaration{}, "NOT_UTF8", "line 3, column \"b\""},
		{"no number", "a,b\n1,y\n2x,z\n", num, "NOT_A_NUMBER", "line 3, column \"a\": \"2x\""},
		{"infinite", "a,b\n1,y\n1e999,z\n", num, "NOT_A_NUMBER", "line 3, column \"a\""},
		{"too many levels", many, cat, "TOO_MANY_LEVELS", "line 1002, column \"a\": more than 1000"},
		{"unseen", "a,b\nx,y\nz,z\n", dom, "UNKNOWN_LEVEL", "line 3, column \"a\": \"z\" is none of the 2 levels \"x\", \"y\""},
		{"quote", "a,b\n\"x,y\nz,z\n", Declaration{}, "BAD_QUOTE", "line 2: the quote of cell 1 is not closed"},
		{"bare quote", "a,b\nx,y\"\n", Declaration{}, "BAD_QUOTE", "line 2: cell 2"},
		{"behind quote", "a,b\n\"x\"y,z\n", Declaration{}, "BAD_QUOTE", "line 2: cell 1 goes on"},
		{"empty", "", Declaration{}, "EMPTY_TABLE", "no rows"},
		{"header only", "a,b\n", Declaration{}, "EMPTY_TABLE", "no rows"},
		{"nothing left", "a\n\"\"\n", Declaration{}, "EMPTY_TABLE", "no column is left"},
		{"unknown column", "a\n1\n", Declaration{Columns: []ColumnSpec{{Name: "z"}}}, "NO_SUCH_COLUMN", "\"z\", there are \"a\""},
		{"derive of nothing", "a\n1\n", Declaration{Derive: []Derivation{{Name: "s", Sum: []string{"b"}}}}, "NO_SUCH_COLUMN", "\"b\""},
		{"derive a text", "a\nx\n", Declaration{Derive: []Derivation{{Name: "s", Sum: []string{"a"}}}}, "NOT_A_NUMBER", "line 2, column \"s\": \"x\" of column \"a\""},
		{"long", "a,b\nx," + strings.Repeat("y", 1<<20+1) + "\n", Declaration{}, "CELL_TOO_LONG", "line 2, column \"b\""},
		{"damaged parquet", "PAR1 and no more", Declaration{}, "BAD_PARQUET", ""},
		{"parquet that promises too much", "PAR1\x15\x06\xff\xff\xff\xffPAR1", Declaration{}, "BAD_PARQUET", "a footer of 4294967295, at most 2"},
	} {
		f, err := Open(strings.NewReader(r.text), int64(len(r.text)), Options{})
		if err == nil {
			_, err = f.Infer(r.d)
		}
		var e *fault.Error
		if !errors.As(err, &e) || e.Reason != r.reason || !strings.Contains(err.Error(), r.says) {
			t.Errorf("%s: %v, want %s %q", r.name, err, r.reason, r.says)
		}
	}
	// An unseen category in a later file.
	in, _ := infer(t, "a,n\nx,1.5\ny,2\nx,3\n", Declaration{})
	src, err := open(t, "n,a\n1,x\n1,w\n", Options{}).Source(in.Schema)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ReadAll(src, 100)
	if reasonOf(err) != "UNKNOWN_LEVEL" || !strings.Contains(err.Error(), "line 3") {
		t.Error(err)
	}
}

func TestDeclarationIsChecked(t *testing.T) {
	d := Declaration{
		Columns: []ColumnSpec{
			{Name: "a", Kind: "number"}, {Name: "a"}, {Name: "b", Kind: "numeric", Levels: []string{"x"}},
			{Name: "c", Edges: []float64{2, 1}}, {Name: "d", Quantiles: 1}, {Name: "e", Levels: []string{"x", "x"}, Other: "y"},
		},
		Derive: []Derivation{{Name: "f"}, {Name: "g", From: "a", Match: "("}, {Name: "h", Sum: []string{"a"}, Plus: math.NaN()}},
	}
	err := d.Validate()
	for _, s := range []string{"columns.a.kind", "name of its own", "columns.b.kind", "columns.c.edges", "columns.d.quantiles",
		"columns.e.other", "columns.e.levels", "derive.f", "derive.g.match", "derive.h.plus"} {
		if err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("%s is not in %v", s, err)
		}
	}
}

// TestChunksChangeNothing reads with chunks and readers of all sizes.
func TestChunksChangeNothing(t *testing.T) {
	_, want := infer(t, passengers, Declaration{})
	for _, rows := range []int{1, 2, 3, 5, 100} {
		f := open(t, passengers, Options{})
		src, err := f.Source(want.Schema)
		if err != nil {
			t.Fatal(err)
		}
		chunk := New(want.Schema, rows)
		at := 0
		for {
			n, err := src.Next(chunk)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if text(chunk, i) != text(want, at) {
					t.Errorf("row %d: %s, want %s", at, text(chunk, i), text(want, at))
				}
				at++
			}
		}
		if at != want.Rows {
			t.Errorf("%d rows, want %d", at, want.Rows)
		}
	}
}

func TestWritersRoundTrip(t *testing.T) {
	in, all := infer(t, passengers, Declaration{})
	for name, create := range map[string]func(io.Writer, *Schema) (Writer, error){"csv": NewCSVWriter, "parquet": NewParquetWriter} {
		var b bytes.Buffer
		w, err := create(&b, in.Schema)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Write(all, all.Rows), w.Close()); err != nil {
			t.Fatal(err)
		}
		f, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len()), Options{})
		if err != nil {
			t.Fatal(err)
		}
		src, err := f.Source(in.Schema)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ReadAll(src, 100)
		if err != nil {
			t.Fatal(err)
		}
		for i := range all.Rows {
			if text(back, i) != text(all, i) {
				t.Errorf("%s row %d: %s, want %s", name, i, text(back, i), text(all, i))
			}
		}
		again, err := f.Infer(Declaration{})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range again.Schema.Fields {
			b := in.Schema.Fields[in.Schema.Index(a.Name)]
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("%s: %+v, want %+v", name, a, b)
			}
		}
	}
}

func TestCSVWithoutHeader(t *testing.T) {
	f := open(t, "\xef\xbb\xbf1; x\r\n2;y\r\n", Options{NoHeader: true, Comma: ';'})
	if !slices.Equal(f.Names(), []string{"0", "1"}) {
		t.Error(f.Names())
	}
	in, err := f.Infer(Declaration{})
	if err != nil || in.Rows != 2 || in.Schema.Fields[1].Levels[0] != "x" {
		t.Error(in, err)
	}
	f = open(t, "1,x\n2,y", Options{NoHeader: true, Names: []string{"n", "c"}})
	in, err = f.Infer(Declaration{})
	if err != nil || in.Rows != 2 || in.Schema.Fields[1].Name != "c" {
		t.Error(in, err)
	}
}

// compare reads a text with encoding/csv and with the package's own reader, a byte at a time and at once.
func compare(t *testing.T, text string) {
	t.Helper()
	ref := csv.NewReader(strings.NewReader(text))
	ref.TrimLeadingSpace = true
	ref.FieldsPerRecord = -1
	want, wantErr := ref.ReadAll()
	for _, in := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
		r := &csvReader{in: in, comma: ',', limits: Limits{}.orDefault(), buf: make([]byte, 16), line: 1}
		for i := 0; ; i++ {
			cells, err := r.Next()
			if errors.Is(err, io.EOF) {
				if wantErr == nil && i != len(want) {
					t.Fatalf("%q: %d records, want %d", text, i, len(want))
				}
				if wantErr != nil {
					t.Fatalf("%q: no error, want %v", text, wantErr)
				}
				break
			}
			if err != nil {
				if wantErr == nil {
					t.Fatalf("%q: %v, want none", text, err)
				}
				break
			}
			if wantErr != nil {
				continue
			}
			if i >= len(want) || len(cells) != len(want[i]) {
				t.Fatalf("%q: record %d has %d cells, want %q", text, i, len(cells), want)
			}
			for j := range cells {
				if string(cells[j].Text) != strings.TrimSpace(want[i][j]) {
					t.Fatalf("%q: record %d: %q, want %q", text, i, cells[j].Text, want[i])
				}
			}
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{
		"", "a,b\n1,2\n", "a\r\n\r\nb\r\n", "\"x\"\"y\",\"a\nb\r\nc\"\n", " \"q\" , z\n", "a,\"b", "a,b\"c\n", "\"a\"b\n",
		"\"a\",\"b\"\r\nlast,\"\"", "x\r", "\"x\"\r", ",\n,,\n", "\"\"\n\n\"\"", "averyveryverylongcell,\"another very long cell, indeed\"\n",
		"a,\"x\n\",b\nc,d", "\"\r\n\"\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\v\f\u0085\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u1680") {
			return // encoding/csv takes these for white space in front of a quote
		}
		if strings.Contains(s, "\r") && strings.Count(s, "\r\n") != strings.Count(s, "\r") {
			return // it also drops some of several carriage returns
		}
		compare(t, s)
	})
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(passengers))
	in, all := infer(f, passengers, Declaration{})
	var b bytes.Buffer
	w, err := NewParquetWriter(&b, in.Schema)
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(w.Write(all, all.Rows), w.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Open(bytes.NewReader(data), int64(len(data)), Options{Limits: Limits{Rows: 1000, Columns: 50}})
		if err == nil {
			var in *Inferred
			if in, err = file.Infer(Declaration{}); err == nil {
				var src Source
				if src, err = file.Source(in.Schema); err == nil {
					_, err = ReadAll(src, 1000)
				}
			}
			if err != nil && fault.KindOf(err) == fault.Internal {
				t.Error(err)
			}
		}
	})
}

func TestParseNumber(t *testing.T) {
	for s, want := range map[string]float64{
		"0": 0, "-0": 0, "1.": 1, ".5": 0.5, "+3": 3, "71.2833": 71.2833, "123456789012345": 123456789012345, "0.1": 0.1,
		"1e3": 1000, "12345678901234567890": 12345678901234567890, "0.000000000000001": 1e-15, "-2.5e-3": -0.0025,
		"3.14159265358979312": 3.14159265358979312,
	} {
		if got, ok := parseNumber([]byte(s)); !ok || got != want {
			t.Errorf("%s: %v %v", s, got, ok)
		}
	}
	for _, s := range []string{"", ".", "-", "1e", "inf", "NaN", "0x1p3", "1_0", "1 2", "--1", "1.2.3", "1e400", "１"} {
		if got, ok := parseNumber([]byte(s)); ok {
			t.Errorf("%s is read as %v", s, got)
		}
	}
}

func TestSketch(t *testing.T) {
	var a, b Sketch
	for i := range 300_000 {
		a.Add(int64(i), float64(i))
		b.Add(int64(299_999-i), float64(299_999-i))
	}
	if a.Exact() || len(a.values) > sketchSize || len(a.values) < sketchSize/2 || !slices.Equal(a.Values(), b.Values()) {
		t.Error(len(a.values))
	}
	if q := a.Quantile(0.5); math.Abs(q-150_000) > 2000 { // 3 standard errors are 1200 to 1800
		t.Error(q)
	}
}
