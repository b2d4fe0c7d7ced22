package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/serve"
)

// trainingDoor is TrainingService over all families.
type trainingDoor struct{ g *Gateway }

// CreateTrainingJob starts a job with the family that the recipe names, or else with the first one that takes it.
func (d *trainingDoor) CreateTrainingJob(
	ctx context.Context, r *connect.Request[trainingv1.CreateTrainingJobRequest],
) (*connect.Response[trainingv1.CreateTrainingJobResponse], error) {
	if name := familyOf(r.Msg.GetRecipe()); name != "" {
		b, err := d.g.backend(name)
		if err != nil {
			return nil, rpcError(err)
		}
		return unary(ctx, r, b.training.CreateTrainingJob)
	}
	var refused error
	for _, b := range d.g.backends {
		res, err := b.training.CreateTrainingJob(ctx, r.Msg)
		if err == nil {
			return connect.NewResponse(res), nil
		}
		// What a family does not find says more than that a recipe is another's.
		if refused == nil || passOver(refused) && serve.Status(refused).Code() != codes.NotFound {
			refused = err
		}
		if !passOver(err) {
			break
		}
	}
	return nil, rpcError(refused)
}

// GetTrainingJob returns one job.
func (d *trainingDoor) GetTrainingJob(
	ctx context.Context, r *connect.Request[trainingv1.GetTrainingJobRequest],
) (*connect.Response[trainingv1.GetTrainingJobResponse], error) {
	return respond(first(d.g.backends, func(b *backend) (*trainingv1.GetTrainingJobResponse, error) {
		return b.training.GetTrainingJob(ctx, r.Msg)
	}))
}

// CancelTrainingJob stops a job.
func (d *trainingDoor) CancelTrainingJob(
	ctx context.Context, r *connect.Request[trainingv1.CancelTrainingJobRequest],
) (*connect.Response[trainingv1.CancelTrainingJobResponse], error) {
	return respond(first(d.g.backends, func(b *backend) (*trainingv1.CancelTrainingJobResponse, error) {
		return b.training.CancelTrainingJob(ctx, r.Msg)
	}))
}

// WatchTrainingJob streams a job's events.
func (d *trainingDoor) WatchTrainingJob(
	ctx context.Context, r *connect.Request[trainingv1.WatchTrainingJobRequest],
	out *connect.ServerStream[trainingv1.WatchTrainingJobResponse],
) error {
	var begun error // of a stream that broke after events: no other family has them
	_, err := first(d.g.backends, func(b *backend) (struct{}, error) {
		in, err := b.training.WatchTrainingJob(ctx, r.Msg)
		if err != nil {
			return struct{}{}, err
		}
		sent, err := forward(in, out)
		if sent {
			begun, err = err, nil
		}
		return struct{}{}, err
	})
	if begun != nil {
		err = begun
	}
	return rpcError(err)
}

// UploadDataset passes an upload on, message by message, to the family that its header names.
func (d *trainingDoor) UploadDataset(
	ctx context.Context, in *connect.ClientStream[trainingv1.UploadDatasetRequest],
) (*connect.Response[trainingv1.UploadDatasetResponse], error) {
	b := d.g.backends[0]
	begun := in.Receive()
	if name := in.Msg().GetHeader().GetFamily(); begun && name != "" {
		var err error
		if b, err = d.g.backend(name); err != nil {
			return nil, rpcError(err)
		}
	}
	out, err := b.training.UploadDataset(ctx)
	if err != nil {
		return nil, rpcError(err)
	}
	for ; begun; begun = in.Receive() {
		if err := out.Send(in.Msg()); err != nil {
			break // the reason comes with CloseAndRecv
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	return respond(out.CloseAndRecv())
}

// ListTrainingJobs merges the jobs of all families, newest first. A family that does not answer is left out, and named
// in the header manifold-warning.
func (d *trainingDoor) ListTrainingJobs(
	ctx context.Context, r *connect.Request[trainingv1.ListTrainingJobsRequest],
) (*connect.Response[trainingv1.ListTrainingJobsResponse], error) {
	const op = "gateway.ListTrainingJobs"
	size, err := pageSize(op, r.Msg.GetPageSize())
	if err != nil {
		return nil, rpcError(err)
	}
	at, err := parseJobsToken(op, r.Msg.GetPageToken())
	if err != nil {
		return nil, rpcError(err)
	}
	m := &merge{}
	for _, b := range d.g.backends {
		token, more := at[b.family]
		if at != nil && !more {
			continue // all of its jobs were listed
		}
		if err := m.add(ctx, b, size, token); err != nil && ctx.Err() != nil {
			return nil, rpcError(err)
		}
	}
	if len(m.lists) == 0 && m.down != nil {
		return nil, rpcError(m.down)
	}
	page := &trainingv1.ListTrainingJobsResponse{Jobs: m.take(int(size))}
	if page.NextPageToken, err = m.token(ctx); err != nil {
		return nil, rpcError(err)
	}
	res := connect.NewResponse(page)
	warnSilent(res.Header(), m.silent)
	return res, nil
}

// merge is the newest jobs of several families.
type merge struct {
	lists  []*jobList
	silent []string
	down   error
}

// jobList is a page of one family.
type jobList struct {
	b     *backend
	token string // that it was asked for with
	next  string
	jobs  []*trainingv1.TrainingJob
	taken int
}

func (m *merge) add(ctx context.Context, b *backend, size int32, token string) error {
	res, err := b.training.ListTrainingJobs(ctx, &trainingv1.ListTrainingJobsRequest{PageSize: size, PageToken: token})
	if status.Code(err) == codes.Unimplemented {
		return nil // a service without training has no jobs
	}
	if err != nil {
		m.silent, m.down = append(m.silent, b.family), err
		return err
	}
	m.lists = append(m.lists, &jobList{b: b, token: token, next: res.GetNextPageToken(), jobs: res.GetJobs()})
	return nil
}

// take returns the newest jobs of all lists.
func (m *merge) take(n int) []*trainingv1.TrainingJob {
	var page []*trainingv1.TrainingJob
	for len(page) < n {
		var newest *jobList
		for _, l := range m.lists {
			if l.taken < len(l.jobs) && (newest == nil || newer(l.jobs[l.taken], newest.jobs[newest.taken])) {
				newest = l
			}
		}
		if newest == nil {
			break
		}
		page = append(page, newest.jobs[newest.taken])
		newest.taken++
	}
	return page
}

func newer(a, b *trainingv1.TrainingJob) bool {
	x, y := a.GetCreateTime().AsTime(), b.GetCreateTime().AsTime()
	if !x.Equal(y) {
		return x.After(y)
	}
	return a.GetId() > b.GetId()
}

// token says where the next page begins in every family that has more; it is empty where none has.
func (m *merge) token(ctx context.Context) (string, error) {
	at := make(map[string]string)
	for _, l := range m.lists {
		switch {
		case l.taken == 0 && len(l.jobs) > 0:
			at[l.b.family] = l.token
		case l.taken < len(l.jobs):
			next, err := l.after(ctx)
			if err != nil {
				return "", err
			}
			at[l.b.family] = next
		case l.next != "":
			at[l.b.family] = l.next
		}
	}
	if len(at) == 0 {
		return "", nil
	}
	text, err := json.Marshal(at)
	return base64.RawURLEncoding.EncodeToString(text), err
}

// after asks a family for its token after the last job that was taken from its page: for a page of that length. Jobs
// that were created since then lie before it on a first page.
func (l *jobList) after(ctx context.Context) (string, error) {
	last := l.jobs[l.taken-1].GetId()
	for n := l.taken; n <= l.taken+16 && n <= maxPage; n++ {
		res, err := l.b.training.ListTrainingJobs(ctx,
			&trainingv1.ListTrainingJobsRequest{PageSize: int32(n), PageToken: l.token})
		if err != nil {
			return "", err
		}
		if jobs := res.GetJobs(); len(jobs) > 0 && jobs[len(jobs)-1].GetId() == last {
			return res.GetNextPageToken(), nil
		}
	}
	return "", fault.E(fault.Unavailable, "JOBS_CHANGE", "gateway.ListTrainingJobs",
		"jobs are created faster than they can be listed; ask again")
}

// parseJobsToken is the reverse of token; nil for the first page.
func parseJobsToken(op, token string) (map[string]string, error) {
	if token == "" {
		return nil, nil
	}
	at := map[string]string{}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &at)
	}
	for name := range at {
		if !slices.Contains(familyNames(), name) {
			err = errors.New("unknown family")
		}
	}
	if err != nil || len(at) == 0 {
		return nil, fault.InvalidField(op, "page_token", "%.40q was not given by this server", token)
	}
	return at, nil
}
