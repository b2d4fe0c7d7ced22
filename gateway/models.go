package gateway

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Sizes of pages, as the services have them.
const (
	defaultPage = 100
	maxPage     = 1000
)

// warnSilent tells a client which families are missing in an answer.
func warnSilent(h http.Header, silent []string) {
	if len(silent) > 0 {
		h.Set("Manifold-Warning", "no answer from: "+strings.Join(silent, ", "))
	}
}

// modelDoor is ModelService over all families.
type modelDoor struct{ backends []*backend }

// ListModels returns a page of all families' models, family by family. One that does not answer is left out, and named
// in the header manifold-warning.
func (d *modelDoor) ListModels(
	ctx context.Context, r *connect.Request[modelv1.ListModelsRequest],
) (*connect.Response[modelv1.ListModelsResponse], error) {
	const op = "gateway.ListModels"
	at, token, err := parseToken(d.backends, op, r.Msg.GetPageToken())
	if err != nil {
		return nil, rpcError(err)
	}
	size, err := pageSize(op, r.Msg.GetPageSize())
	if err != nil {
		return nil, rpcError(err)
	}
	all := &modelv1.ListModelsResponse{}
	var silent []string
	var down error
	answered := false
	for ; at < len(d.backends); at, token = at+1, "" {
		room := size - int32(len(all.Models))
		if room == 0 {
			all.NextPageToken = pageToken(d.backends[at], "")
			break
		}
		m, err := d.backends[at].models.ListModels(ctx, &modelv1.ListModelsRequest{PageSize: room, PageToken: token})
		if err != nil {
			if token != "" || ctx.Err() != nil {
				return nil, rpcError(err) // the rest of what was begun must not be lost, and a wrong token is said
			}
			silent, down = append(silent, d.backends[at].family), err
			continue
		}
		answered = true
		all.Models = append(all.Models, m.GetModels()...)
		if m.GetNextPageToken() != "" {
			all.NextPageToken = pageToken(d.backends[at], m.GetNextPageToken())
			break
		}
	}
	if !answered && down != nil {
		return nil, rpcError(down)
	}
	res := connect.NewResponse(all)
	warnSilent(res.Header(), silent)
	return res, nil
}

func pageSize(op string, n int32) (int32, error) {
	if n < 0 || n > maxPage {
		return 0, fault.InvalidField(op, "page_size", "%d, want 0 to %d", n, maxPage)
	}
	if n == 0 {
		n = defaultPage
	}
	return n, nil
}

// pageToken names the family that a page ended in, with the family's own token.
func pageToken(b *backend, token string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(b.family + ":" + token))
}

// parseToken finds the backend that a page begins in, and the token for it.
func parseToken(bs []*backend, op, token string) (at int, inner string, err error) {
	if token == "" {
		return 0, "", nil
	}
	raw, _ := base64.RawURLEncoding.DecodeString(token) // what cannot be decoded names no family
	name, inner, ok := strings.Cut(string(raw), ":")
	for i, b := range bs {
		if ok && b.family == name {
			return i, inner, nil
		}
	}
	return 0, "", fault.InvalidField(op, "page_token", "%.40q was not given by this server", token)
}

// listAll walks the pages of one family.
func listAll(ctx context.Context, b *backend) ([]*modelv1.Model, error) {
	var l []*modelv1.Model
	for token := ""; ; {
		m, err := b.models.ListModels(ctx, &modelv1.ListModelsRequest{PageSize: maxPage, PageToken: token})
		if err != nil {
			return nil, err
		}
		l = append(l, m.GetModels()...)
		if token = m.GetNextPageToken(); token == "" {
			return l, nil
		}
	}
}

// GetModel returns one model.
func (d *modelDoor) GetModel(
	ctx context.Context, r *connect.Request[modelv1.GetModelRequest],
) (*connect.Response[modelv1.GetModelResponse], error) {
	return respond(first(d.backends, func(b *backend) (*modelv1.GetModelResponse, error) {
		return b.models.GetModel(ctx, r.Msg)
	}))
}

// LoadModel loads a model in the replica that answers.
func (d *modelDoor) LoadModel(
	ctx context.Context, r *connect.Request[modelv1.LoadModelRequest],
) (*connect.Response[modelv1.LoadModelResponse], error) {
	return respond(first(d.backends, func(b *backend) (*modelv1.LoadModelResponse, error) {
		return b.models.LoadModel(ctx, r.Msg)
	}))
}

// UnloadModel releases a model in the replica that answers.
func (d *modelDoor) UnloadModel(
	ctx context.Context, r *connect.Request[modelv1.UnloadModelRequest],
) (*connect.Response[modelv1.UnloadModelResponse], error) {
	return respond(first(d.backends, func(b *backend) (*modelv1.UnloadModelResponse, error) {
		return b.models.UnloadModel(ctx, r.Msg)
	}))
}
