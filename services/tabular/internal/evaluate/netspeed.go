package evaluate

import (
	"io"
	"runtime"
	"time"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/networks"
	"github.com/manifold-gen/manifold/services/tabular/internal/structure"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// NetworkSpeed is what a network's work costs on this machine.
type NetworkSpeed struct {
	Network string `json:"network"`
	Fields  int    `json:"fields"`
	Rows    int    `json:"rows"`
	// Streamed is rows a second of pairwise counts, drawing the rows not counted; Tree the seconds of the tree from them.
	Streamed float64 `json:"chow_liu_rows_per_second"`
	Tree     float64 `json:"tree_seconds"`
	// HeapMiB is the greatest heap that was seen while streaming.
	HeapMiB float64 `json:"heap_mib"`
	// Drawn and Conditioned are rows a second, without conditions and given one.
	Drawn       float64 `json:"sampled_rows_per_second"`
	Conditioned float64 `json:"sampled_rows_per_second_given"`
	// Eliminate is the milliseconds of one marginal given one field, Propagate of all marginals together.
	Eliminate float64 `json:"variable_elimination_ms"`
	Propagate float64 `json:"junction_tree_ms"`
}

// drawn is a source of rows that a network draws.
type drawn struct {
	n      *bayesnet.Network
	rows   int
	at     int
	stream rng.Stream
	spent  time.Duration
	heap   uint64
}

// Schema implements table.Source.
func (d *drawn) Schema() *table.Schema { return d.n.Schema() }

// Next implements table.Source.
func (d *drawn) Next(t *table.Table) (int, error) {
	begin := time.Now()
	defer func() { d.spent += time.Since(begin) }()
	rows := min(t.Rows, d.rows-d.at)
	if rows == 0 {
		return 0, io.EOF
	}
	part := &table.Table{Schema: t.Schema, Rows: rows, Columns: t.Columns}
	if err := d.n.Sample(part, d.stream, uint64(d.at), nil); err != nil { //nolint:gosec // not negative
		return 0, err
	}
	if d.at += rows; d.at%(1<<20) < rows {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		d.heap = max(d.heap, m.HeapSys)
	}
	return rows, nil
}

// Speed streams rows that a network draws through pairwise counts, and times sampling and exact inference.
func Speed(network string, rows int) (*NetworkSpeed, error) {
	if rows < 1 || rows > 1_000_000_000 {
		return nil, fault.E(fault.Invalid, "INVALID_ROWS", "evaluate.Speed", "%d rows; allowed are 1 to 1000000000", rows)
	}
	n, err := networks.Load(network)
	if err != nil {
		return nil, err
	}
	out := &NetworkSpeed{Network: network, Fields: len(n.Nodes()), Rows: rows}
	src := &drawn{n: n, rows: rows, stream: rng.New(1)}
	begin := time.Now()
	p, err := structure.CountPairs(src)
	if err != nil {
		return nil, err
	}
	out.Streamed = float64(rows) / (time.Since(begin) - src.spent).Seconds()
	out.Drawn = float64(rows) / src.spent.Seconds()
	out.HeapMiB = float64(src.heap) / (1 << 20)
	begin = time.Now()
	if _, _, err := structure.ChowLiu(p, 0); err != nil {
		return nil, err
	}
	out.Tree = time.Since(begin).Seconds()
	last := len(n.Nodes()) - 1
	given := []model.Term{{Field: last, Codes: []int32{0}}}
	t := table.New(n.Schema(), min(rows, 200_000))
	begin = time.Now()
	if err := n.Sample(t, rng.New(2), 0, given); err != nil {
		return nil, err
	}
	out.Conditioned = float64(t.Rows) / time.Since(begin).Seconds()
	const times = 200
	begin = time.Now()
	for i := range times {
		if _, err := n.Query(&model.Query{Targets: []int{i % last}, Given: given,
			Method: model.VariableElimination}); err != nil {
			return nil, err
		}
	}
	out.Eliminate = time.Since(begin).Seconds() * 1000 / times
	begin = time.Now()
	for range times {
		tree, err := n.Propagate(given, nil)
		if err != nil {
			return nil, err
		}
		for v := range n.Nodes() {
			if _, err := tree.Marginal(v); err != nil {
				return nil, err
			}
		}
	}
	out.Propagate = time.Since(begin).Seconds() * 1000 / times
	return out, nil
}
