package gateway

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/serve"
)

// family is one kind of service that may stand behind the door.
type family struct {
	name    string
	service string // gRPC service whose health decides whether a replica is used
	// mount makes the door of the family's own service, where it has a backend.
	mount func(g *Gateway, b *backend, opts ...connect.HandlerOption) (path string, h http.Handler)
}

// families are all that this gateway knows, in the order in which they are asked for what may belong to any of them.
var families = []family{
	{"diffusion", diffusionv1.DiffusionService_ServiceDesc.ServiceName, mountDiffusion},
	{"vae", vaev1.VaeService_ServiceDesc.ServiceName, mountVae},
	{"tabular", tabularv1.TabularService_ServiceDesc.ServiceName, mountTabular},
	{"lm", lmv1.LmService_ServiceDesc.ServiceName, mountLm},
}

// familyNames lists the families that this gateway knows.
func familyNames() []string {
	var l []string
	for _, f := range families {
		l = append(l, f.name)
	}
	return l
}

// findFamily returns a family by its name.
func findFamily(name string) (family, bool) {
	for _, f := range families {
		if f.name == name {
			return f, true
		}
	}
	return family{}, false
}

// backend returns that of a family; the error says which ones there are.
func (g *Gateway) backend(name string) (*backend, error) {
	var there []string
	for _, b := range g.backends {
		if b.family == name {
			return b, nil
		}
		there = append(there, b.family)
	}
	return nil, fault.E(fault.NotFound, "FAMILY_NOT_HERE", "gateway",
		"no service of the family %.80q stands behind this door; there are: %s", name, strings.Join(there, ", "))
}

// absent answers calls to a family that has no backend.
func (g *Gateway) absent(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := g.backend(name)
		refuse(w, r, err)
	})
}

// first tries the families in turn until one knows what is asked for. A family that does not answer is passed over: its
// error is returned only where no other family knows either. Errors are gRPC statuses or *fault.Error.
func first[T any](bs []*backend, call func(*backend) (T, error)) (T, error) {
	var none T
	var missing, down error
	for _, b := range bs {
		res, err := call(b)
		switch serve.Status(err).Code() {
		case codes.OK:
			return res, nil
		case codes.NotFound:
			missing = err
		case codes.Unimplemented: // a service without training, for instance
			if missing == nil {
				missing = err
			}
		case codes.Unavailable:
			down = err
		default:
			return none, err
		}
	}
	if down != nil {
		return none, down
	}
	return none, missing
}

// recipeFamily finds the field of that name at the left margin of a recipe. What is written in another way, for
// instance in braces, is found out by asking the families.
var recipeFamily = regexp.MustCompile(`(?m)^family:[ \t]*["']?([A-Za-z0-9_-]+)["']?[ \t]*(?:#.*)?\r?$`)

// familyOf is the family that a recipe names, or "".
func familyOf(recipe string) string {
	m := recipeFamily.FindStringSubmatch(recipe)
	if m == nil {
		return ""
	}
	return m[1]
}

// passOver tells whether an error about a recipe leaves it to another family.
func passOver(err error) bool {
	var f *fault.Error
	code := serve.Status(err).Code()
	return code == codes.NotFound || code == codes.Unimplemented ||
		errors.As(serve.FromStatus("gateway", err), &f) && f.Reason == "WRONG_FAMILY"
}
