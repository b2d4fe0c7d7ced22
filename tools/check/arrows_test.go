package check

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const prefix = "github.com/manifold-gen/manifold/"

const root = "../.."

// file is one Go file of the repository with what it imports.
type file struct {
	dir     string // folder below the root, with slashes
	name    string
	test    bool
	imports []string // import paths; ours without the prefix and with a leading "./"
}

func files(t *testing.T) []file {
	t.Helper()
	var l []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); path != root && (strings.HasPrefix(n, ".") || n == "node_modules" || n == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		x := file{dir: filepath.ToSlash(rel), name: d.Name(), test: strings.HasSuffix(path, "_test.go")}
		for _, s := range f.Imports {
			p := strings.Trim(s.Path.Value, `"`)
			if strings.HasPrefix(p, prefix) {
				p = "./" + strings.TrimPrefix(p, prefix)
			}
			x.imports = append(x.imports, p)
		}
		l = append(l, x)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(l) < 50 {
		t.Fatalf("only %d Go files found below %s: the walk is wrong", len(l), root)
	}
	return l
}

// under says whether path lies in one of the folders.
func under(path string, folders ...string) bool {
	path = strings.TrimPrefix(path, "./")
	for _, f := range folders {
		if path == f || strings.HasPrefix(path, f+"/") {
			return true
		}
	}
	return false
}

// service returns the family of a path below services/, or "".
func service(path string) string {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(path, "./"), "services/")
	if !ok {
		return ""
	}
	family, _, _ := strings.Cut(rest, "/")
	return family
}

// pure are the packages that know nothing of the network.
var pure = []string{
	"shared/tensor", "shared/dataset", "shared/metric", "shared/tokenize", "shared/train", "shared/modelstore",
	"shared/picture", "shared/classify", "shared/recipe",
}

// testSupport are packages for tests alone: they may read the environment and look at everything.
var testSupport = []string{
	"shared/testkit", "shared/tensor/fusedtest", "shared/tensor/internal/golden", "shared/tensor/internal/neontest",
}

// wireLibraries are what those packages must not import.
var wireLibraries = []string{
	"google.golang.org/grpc", "google.golang.org/protobuf", "go.uber.org/zap", "go.opentelemetry.io", "connectrpc.com",
}

// arrows are the imports that must never exist. Each row says in words what it forbids.
var arrows = []struct {
	name      string
	forbidden func(f file, imp string) bool
}{
	{"shared knows no service, gateway or manifold", func(f file, imp string) bool {
		return under(f.dir, "shared") && under(imp, "services", "gateway", "manifold")
	}},
	{"a service knows no other service, no gateway and no manifold", func(f file, imp string) bool {
		s := service(f.dir)
		if s == "" || !strings.HasPrefix(imp, "./") {
			return false
		}
		other := service(imp)
		return (other != "" && other != s) || under(imp, "gateway", "manifold")
	}},
	{"the gateway knows services through proto/gen alone, and of shared only serve and fault", func(f file, imp string) bool {
		return under(f.dir, "gateway") && !f.test && strings.HasPrefix(imp, "./") &&
			!under(imp, "gateway", "proto/gen", "shared/serve", "shared/fault")
	}},
	{"only manifold imports services, and only their root packages", func(f file, imp string) bool {
		s := service(imp)
		if s == "" || service(f.dir) == s {
			return false
		}
		return !under(f.dir, "manifold") || imp != "./services/"+s
	}},
	{"maths, data and models know nothing of the network", func(f file, imp string) bool {
		return under(f.dir, pure...) && (under(imp, "proto/gen") || hasPrefix(imp, wireLibraries))
	}},
	{"of shared, only serve and wire import proto/gen", func(f file, imp string) bool {
		return under(f.dir, "shared") && !under(f.dir, "shared/serve", "shared/wire") && under(imp, "proto/gen")
	}},
	{"tensor is below autograd, autograd below nn", func(f file, imp string) bool {
		switch {
		case f.test || under(f.dir, testSupport...):
			return false
		case f.dir == "shared/tensor" || under(f.dir, "shared/tensor/internal", "shared/tensor/rng"):
			return under(imp, "shared/tensor/autograd", "shared/tensor/nn", "shared/tensor/optim", "shared/tensor/weights")
		case under(f.dir, "shared/tensor/autograd"):
			return under(imp, "shared/tensor/nn", "shared/tensor/optim")
		}
		return false
	}},
	{"the tensor module imports nothing of ours outside itself", func(f file, imp string) bool {
		return under(f.dir, "shared/tensor") && strings.HasPrefix(imp, "./") && !under(imp, "shared/tensor")
	}},
	{"inside a service only internal/service and the root package speak proto or serve", func(f file, imp string) bool {
		s := service(f.dir)
		if s == "" || f.test {
			return false
		}
		rest := strings.TrimPrefix(f.dir, "services/"+s)
		inner := strings.HasPrefix(rest, "/internal/") && !strings.HasPrefix(rest, "/internal/service")
		return inner && under(imp, "proto/gen", "shared/serve", "shared/wire")
	}},
	{"only tests import test support", func(f file, imp string) bool {
		return !f.test && !under(f.dir, testSupport...) && under(imp, testSupport...)
	}},
	{"flags and the command line belong to commands", func(f file, imp string) bool {
		if f.test || isCommand(f.dir) || under(f.dir, testSupport...) || under(f.dir, "tools") {
			return false
		}
		return imp == "flag" || imp == "github.com/alecthomas/kong"
	}},
	{"no cgo", func(f file, imp string) bool { return imp == "C" }},
}

func isCommand(dir string) bool {
	return under(dir, "manifold") || strings.Contains("/"+dir+"/", "/cmd/")
}

func hasPrefix(imp string, l []string) bool {
	for _, p := range l {
		if imp == p || strings.HasPrefix(imp, p+"/") {
			return true
		}
	}
	return false
}

func TestArrows(t *testing.T) {
	l := files(t)
	for _, a := range arrows {
		t.Run(strings.ReplaceAll(a.name, " ", "_"), func(t *testing.T) {
			for _, f := range l {
				for _, imp := range f.imports {
					if a.forbidden(f, imp) {
						t.Errorf("%s/%s imports %s", f.dir, f.name, imp)
					}
				}
			}
		})
	}
}

// TestArrowsBite makes sure that every rule can fail.
func TestArrowsBite(t *testing.T) {
	bad := []struct{ dir, imp string }{
		{"shared/train", "./services/diffusion"},
		{"services/vae/internal/vae", "./services/diffusion"},
		{"gateway", "./shared/tensor"},
		{"gateway", "./services/diffusion"},
		{"shared/tensor/rng", "google.golang.org/grpc/codes"},
		{"shared/batch", "./proto/gen/manifold/model/v1"},
		{"shared/tensor/autograd", "./shared/tensor/nn"},
		{"shared/tensor/weights", "./shared/fault"},
		{"services/diffusion/internal/unet", "./shared/serve"},
		{"shared/train", "./shared/tensor/fusedtest"},
		{"shared/serve", "flag"},
		{"shared/tensor/internal/vec", "C"},
	}
	if len(bad) != len(arrows) {
		t.Fatalf("%d bad examples for %d rules", len(bad), len(arrows))
	}
	for i, b := range bad {
		if !arrows[i].forbidden(file{dir: b.dir, name: "x.go"}, b.imp) {
			t.Errorf("rule %q does not forbid %s importing %s", arrows[i].name, b.dir, b.imp)
		}
	}
}

// TestNoEnvironmentInLibraries forbids reading the environment outside commands, tests and testkit, and
// init functions everywhere.
func TestNoEnvironmentInLibraries(t *testing.T) {
	for _, f := range files(t) {
		if f.test || under(f.dir, "proto/gen", "tools") {
			continue
		}
		text := read(t, filepath.Join(root, f.dir, f.name))
		if !isCommand(f.dir) && !under(f.dir, testSupport...) {
			for _, call := range []string{"os.Getenv(", "os.LookupEnv(", "os.Environ("} {
				if strings.Contains(text, call) {
					t.Errorf("%s/%s calls %s): pass the value in", f.dir, f.name, call)
				}
			}
		}
		if strings.Contains(text, "\nfunc init()") {
			t.Errorf("%s/%s has an init function: wire in main", f.dir, f.name)
		}
	}
}
