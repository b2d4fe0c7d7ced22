package tensor_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// golden is one case of testdata/ops.safetensors, which tools/reference/ops.py made with PyTorch: inputs are
// float32, outputs are float64 computed from them in float64.
type golden struct {
	Op       string
	Attrs    map[string]any
	TorchErr []float64 `json:"torch_err"`

	name string
	in   []*tensor.Tensor
	ids  []int32 // the integer input, where there is one
	want []*tensor.Tensor
}

func (g *golden) num(key string) float64 {
	v, ok := g.Attrs[key].(float64)
	if !ok {
		panic(fmt.Sprintf("%s: attribute %q is %v", g.name, key, g.Attrs[key]))
	}
	return v
}

func (g *golden) int(key string) int { return int(g.num(key)) }

func (g *golden) bool(key string) bool {
	v, _ := g.Attrs[key].(bool)
	return v
}

func (g *golden) ints(key string) []int {
	var out []int
	for _, v := range g.Attrs[key].([]any) {
		out = append(out, int(v.(float64)))
	}
	return out
}

// like is a result of want[i]'s shape, filled with NaN to show what an operation leaves out.
func (g *golden) like(i int) *tensor.Tensor { return fresh(g.in[0].DType(), g.want[i].Shape()...) }

func fresh(d tensor.DType, shape ...int) *tensor.Tensor {
	t := tensor.New(d, shape...)
	t.Fill(math.NaN())
	return t
}

// to is the case with inputs of another type.
func (g *golden) to(d tensor.DType) *golden {
	h := *g
	h.in = nil
	for _, x := range g.in {
		h.in = append(h.in, x.To(d))
	}
	return &h
}

func readGoldens(t *testing.T) []*golden {
	t.Helper()
	f, err := weights.Open("testdata/ops.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	var cases map[string]*golden
	if err := json.Unmarshal([]byte(f.Metadata["cases"]), &cases); err != nil {
		t.Fatal(err)
	}
	var list []*golden
	for name, g := range cases {
		g.name = name
		for i := 0; ; i++ {
			key := fmt.Sprintf("%s.in%d", name, i)
			info, ok := f.Info(key)
			if !ok {
				break
			}
			if info.DType == weights.I32 {
				ids, err := f.Ints(key)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range ids {
					g.ids = append(g.ids, int32(v))
				}
				continue
			}
			x, err := f.Tensor(key)
			if err != nil {
				t.Fatal(err)
			}
			g.in = append(g.in, x.Clone())
		}
		for i := 0; ; i++ {
			key := fmt.Sprintf("%s.out%d", name, i)
			if _, ok := f.Info(key); !ok {
				break
			}
			x, err := f.Tensor(key)
			if err != nil {
				t.Fatal(err)
			}
			g.want = append(g.want, x.Clone())
		}
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b *golden) int { return strings.Compare(a.name, b.name) })
	return list
}

// TestGoldens compares every operation with PyTorch: float32 norm-wise within three times PyTorch's own
// float32 error, float64 within 1e-12, moved elements exactly.
func TestGoldens(t *testing.T) {
	for _, g := range readGoldens(t) {
		run, ok := operations[g.Op]
		if !ok {
			if !composed[g.Op] && !strings.HasSuffix(g.Op, "_grad") {
				t.Errorf("%s: no row for operation %q", g.name, g.Op)
			}
			continue
		}
		for _, d := range []tensor.DType{tensor.Float32, tensor.Float64} {
			got := run(g.to(d))
			if len(got) == 0 {
				continue // a variant that belongs to another package
			}
			for i, y := range got {
				g.compare(t, i, y, d)
			}
		}
	}
}

func (g *golden) compare(t *testing.T, i int, got *tensor.Tensor, d tensor.DType) {
	t.Helper()
	want := g.want[i]
	if got.Len() != want.Len() {
		t.Errorf("%s: out%d has shape %v, want %v", g.name, i, got.Shape(), want.Shape())
		return
	}
	a, b := got.To(tensor.Float64).F64(), want.F64()
	if g.bool("elementwise") {
		for k := range a {
			if g.Op == "gelu" && b[k] == 0 {
				b[k] = 0 // GELU's zeros are +0 by its own rule; PyTorch's keep the sign of x
			}
			if !closeTo(a[k], b[k], d) {
				t.Errorf("%s %s: out%d[%d] = %g, want %g", g.name, d, i, k, a[k], b[k])
			}
		}
		return
	}
	limit := max(2e-6, 3*g.TorchErr[i])
	if d == tensor.Float64 {
		limit = 1e-12
	}
	var diff, norm float64
	for k := range a {
		if math.IsInf(b[k], 0) && a[k] == b[k] {
			continue
		}
		diff += (a[k] - b[k]) * (a[k] - b[k])
		norm += b[k] * b[k]
	}
	if !(math.Sqrt(diff) <= limit*math.Sqrt(norm)) {
		t.Errorf("%s %s: out%d is off by %.3g, at most %.3g", g.name, d, i, math.Sqrt(diff/norm), limit)
	}
}

// closeTo compares special values: a float32 result with the expected value narrowed.
func closeTo(a, b float64, d tensor.DType) bool {
	if math.IsNaN(b) {
		return math.IsNaN(a)
	}
	tol := 1e-12*math.Abs(b) + 1e-300
	if d == tensor.Float32 {
		b = float64(float32(b))
		tol = 1e-6*math.Abs(b) + 1e-37
	}
	if b == 0 && a == 0 {
		return math.Signbit(a) == math.Signbit(b)
	}
	return a == b || math.Abs(a-b) <= tol
}

// TestEveryOperationHasGolden walks the package's exported functions on tensors: each must be named by a row
// below, and each row must have a case in the file.
func TestEveryOperationHasGolden(t *testing.T) {
	have := map[string]bool{}
	for _, g := range readGoldens(t) {
		have[g.Op] = true
	}
	covered := map[string]bool{}
	for op, names := range covers {
		if _, ok := operations[op]; !ok || !have[op] {
			t.Errorf("operation %q has a row: %v, a case: %v", op, ok, have[op])
		}
		for _, name := range names {
			covered[name] = true
		}
	}
	for op := range operations {
		if _, ok := covers[op]; !ok {
			t.Errorf("row %q does not say what it covers", op)
		}
	}
	for _, name := range exportedOperations(t) {
		if !covered[name] && closedForm[name] == "" {
			t.Errorf("%s has no golden case", name)
		}
	}
}

// exportedOperations lists the exported functions whose first parameter is a tensor.
func exportedOperations(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || len(f.Type.Params.List) == 0 {
				continue
			}
			if star, ok := f.Type.Params.List[0].Type.(*ast.StarExpr); ok {
				if id, ok := star.X.(*ast.Ident); ok && id.Name == "Tensor" {
					names = append(names, f.Name.Name)
				}
			}
		}
	}
	if len(names) < 50 {
		t.Fatalf("only %d operations found", len(names))
	}
	return names
}
