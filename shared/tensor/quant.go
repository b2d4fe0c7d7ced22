package tensor

import (
	"fmt"
	"sync"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
	"github.com/manifold-gen/manifold/shared/tensor/internal/quant"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// QuantKind is a format of quantised weights, as GGUF files hold them.
type QuantKind uint8

// The formats: blocks of 32 weights (Q8_0, Q4_0) or 256 (Q4_K, Q6_K).
const (
	Q80 = QuantKind(quant.Q80) // 8.5 bits a weight
	Q40 = QuantKind(quant.Q40) // 4.5 bits
	Q4K = QuantKind(quant.Q4K) // 4.5 bits
	Q6K = QuantKind(quant.Q6K) // 6.56 bits
)

// String is the format's name in lower case: "q8_0", "q4_0", "q4_k" or "q6_k".
func (k QuantKind) String() string { return quant.Kind(k).String() }

// Block is the number of weights of a block; rows are whole blocks.
func (k QuantKind) Block() int { return quant.Kind(k).Block() }

// BlockBytes is the size of a block.
func (k QuantKind) BlockBytes() int { return quant.Kind(k).BlockBytes() }

// QuantStep is the number of consecutive elements of a row that share a scale in QuantRows.
const QuantStep = quant.Step

// PackedQuant is a matrix of quantised weights laid out for MatMulQuant. It does not change.
type PackedQuant struct{ p *quant.Packed }

// PackQuant lays out raw, the blocks of n rows (outputs) of k weights each, as a GGUF file holds them; raw is copied.
// It returns an error on wrong sizes and on scales that are not finite.
func PackQuant(kind QuantKind, raw []byte, n, k int) (*PackedQuant, error) {
	p, err := quant.Pack(quant.Kind(kind), raw, n, k)
	if err != nil {
		return nil, fmt.Errorf("tensor.PackQuant: %w", err)
	}
	return &PackedQuant{p}, nil
}

// Kind is the format.
func (w *PackedQuant) Kind() QuantKind { return QuantKind(w.p.Kind()) }

// N is the number of rows: outputs.
func (w *PackedQuant) N() int { return w.p.N() }

// K is the number of weights of a row.
func (w *PackedQuant) K() int { return w.p.K() }

// Bytes is the memory of the weights.
func (w *PackedQuant) Bytes() int { return w.p.Bytes() }

// Rows writes the weights of the rows ids, as Dequantize has them, into dst [len(ids), K]: an embedding whose table is
// the weight of the last product. Ids from outside are to be checked before.
func (w *PackedQuant) Rows(dst *Tensor, ids []int32) {
	if dst.dtype != Float32 || dst.rank != 2 || dst.shape[0] != len(ids) || dst.shape[1] != w.K() {
		panic(shapeError("PackedQuant.Rows", fmt.Sprintf("want [%d, %d] of F32", len(ids), w.K()), dst))
	}
	for i, id := range ids {
		if id < 0 || int(id) >= w.N() {
			panic(shapeError("PackedQuant.Rows", fmt.Sprintf("row %d of %d", id, w.N()), dst))
		}
		w.p.Row(dst.f32[i*w.K():(i+1)*w.K()], int(id))
	}
}

// QuantizeBlocks returns the blocks of the rows of w [N, K], finite Float32, K whole blocks. Q8_0 and Q4_0 follow the
// format's own rule: Q8_0 d = max|w|/127, digits w*(1/d) rounded half away from zero; Q4_0 d = w*/-8 with w* the
// first weight of the largest magnitude, digits floor(w*(1/d) + 8.5), at most 15. The others scale the largest
// magnitude of 16 weights to 31 (Q6_K), or the range of 32 weights and zero to 15 (Q4_K).
func QuantizeBlocks(w *Tensor, kind QuantKind) []byte {
	const op = "QuantizeBlocks"
	if w.dtype != Float32 || w.rank != 2 || !quant.Kind(kind).Valid() || w.shape[1]%kind.Block() != 0 {
		panic(shapeError(op, "want [N, K] of F32, rows of whole blocks", w))
	}
	raw := make([]byte, len(w.f32)/kind.Block()*kind.BlockBytes())
	quant.Kind(kind).Quantize(raw, w.f32)
	return raw
}

// DequantizeBlocks writes the weights of whole blocks into dst [N, K] of Float32: Q8_0 d*q, Q4_0 d*(q-8), Q4_K
// (d*s)*q - dmin*m, Q6_K (d*s)*(q-32), each product and difference rounded. Scales d and dmin that are infinite or NaN,
// which PackQuant refuses, give the infinities and NaN of that arithmetic, a NaN in the same bits everywhere.
func DequantizeBlocks(dst *Tensor, kind QuantKind, raw []byte) {
	const op = "DequantizeBlocks"
	if dst.dtype != Float32 || dst.rank != 2 || !quant.Kind(kind).Valid() || dst.shape[1]%kind.Block() != 0 ||
		len(raw) != len(dst.f32)/kind.Block()*kind.BlockBytes() {
		panic(shapeError(op, fmt.Sprintf("want [N, K] of F32, rows of whole blocks; %d bytes given", len(raw)), dst))
	}
	quant.Kind(kind).Dequantize(dst.f32, raw)
}

// QuantRows holds the rows of the left operand of MatMulQuant, quantised to int8 in steps of 32 elements: the scale
// is a = max|x|/127, the digits are x*(127/max|x|), rounded to nearest, ties to even. Steps whose largest magnitude
// is below 2^-100 count as zeros; a step with an infinity or NaN makes all products of its row NaN. Against the
// float64 product of normals the error of a result is about 0.6 % of its norm.
type QuantRows struct {
	rows *quant.Rows
	n    int
}

// NewQuantRows is room for n rows of k elements, k a multiple of 32.
func NewQuantRows(n, k int) *QuantRows {
	if n < 0 || k < 1 || k%QuantStep != 0 {
		panic(&Error{Op: "NewQuantRows", Shapes: [][]int{{n, k}}, Msg: "want rows of a multiple of 32"})
	}
	return &QuantRows{rows: quant.NewRows(n, k)}
}

// Len is the number of rows held.
func (q *QuantRows) Len() int { return q.n }

// K is the length of a row.
func (q *QuantRows) K() int { return q.rows.K() }

// Quantize sets the rows to those of x [.., K].
func (q *QuantRows) Quantize(x *Tensor) {
	q.begin("QuantRows.Quantize", x, q.K())
	j := newQuantJob()
	j.loop, j.x = quantizeLoop, x.f32
	j.run(q, cheap)
}

// RMSNorm sets the rows to those of RMSNorm(x), bit for bit: x [.., K], gamma [K].
func (q *QuantRows) RMSNorm(x, gamma *Tensor, eps float64) {
	q.begin("QuantRows.RMSNorm", x, q.K())
	vector("QuantRows.RMSNorm", "gamma", gamma, q.K(), x)
	j := newQuantJob()
	j.loop, j.x, j.gamma, j.eps = rmsNormQuantLoop, x.f32, gamma.f32, eps
	j.run(q, cheap)
}

// SwiGLU sets the rows to those of SwiGLU(x), bit for bit: x [.., 2*K].
func (q *QuantRows) SwiGLU(x *Tensor) {
	q.begin("QuantRows.SwiGLU", x, 2*q.K())
	j := newQuantJob()
	j.loop, j.x = swigluQuantLoop, x.f32
	j.run(q, dear)
}

// begin checks x, rows of c elements, and sets the number of rows.
func (q *QuantRows) begin(op string, x *Tensor, c int) {
	if x.dtype != Float32 || x.rank < 1 || x.shape[x.rank-1] != c || len(x.f32)/c > q.rows.Len() {
		panic(shapeError(op, fmt.Sprintf("want at most %d rows of %d F32", q.rows.Len(), c), x))
	}
	q.n = len(x.f32) / c
}

// quantJob is the making of quantised rows on its way through the pool.
type quantJob struct {
	loop     func(j *quantJob, lo, hi int)
	rows     *quant.Rows
	n, size  int
	x, gamma []float32
	eps      float64
}

var quantJobs struct {
	sync.Mutex
	free []*quantJob
}

func newQuantJob() *quantJob {
	quantJobs.Lock()
	defer quantJobs.Unlock()
	if n := len(quantJobs.free); n > 0 {
		j := quantJobs.free[n-1]
		quantJobs.free = quantJobs.free[:n-1]
		return j
	}
	return &quantJob{}
}

// run calls the loop for all rows in pieces of at least grain elements, and frees the job.
func (j *quantJob) run(q *QuantRows, grain int) {
	k := q.K()
	j.rows, j.n = q.rows, q.n
	j.size = min(pool.Chunk(q.n, (grain+k-1)/k), max(1, maxPiece/k))
	pool.Run((j.n+j.size-1)/j.size, j)
	*j = quantJob{}
	quantJobs.Lock()
	quantJobs.free = append(quantJobs.free, j)
	quantJobs.Unlock()
}

// Do implements pool.Task.
func (j *quantJob) Do(part int) {
	lo := part * j.size
	j.loop(j, lo, min(lo+j.size, j.n))
}

func quantizeLoop(j *quantJob, lo, hi int) {
	k := j.rows.K()
	j.rows.Quantize(lo, j.x[lo*k:hi*k])
}

func rmsNormQuantLoop(j *quantJob, lo, hi int) {
	k := j.rows.K()
	b, row := scratch[float32](k)
	defer b.release()
	for r := lo; r < hi; r++ {
		rmsNormRow(row, j.x[r*k:(r+1)*k], j.gamma, j.eps)
		j.rows.Quantize(r, row)
	}
}

func swigluQuantLoop(j *quantJob, lo, hi int) {
	k := j.rows.K()
	b, row := scratch[float32](k)
	defer b.release()
	for r := lo; r < hi; r++ {
		swigluRow(row, j.x[2*r*k:2*(r+1)*k])
		j.rows.Quantize(r, row)
	}
}

// MatMulQuant is the product of x, M rows of K, and the transpose of w, N rows of K, followed by the epilogue: dst
// [.., N] with M rows in all.
//
// Order: a result begins as +0. K is taken in steps of 32, for Q6_K of 16, ascending. Of a step, i is the exact
// integer sum of the digits' products, (q - offset)*digit, and acc = fma(float32(i), w*a, acc), where a is the scale
// of the step in x and w that of the weights: d, or the exact d*s; w*a is rounded. Q4_K then adds acc =
// fma(-(dmin*m), a*s, acc), s the sum of the digits of x, a*s rounded. The bits of a row do not depend on the other
// rows.
func MatMulQuant(dst *Tensor, x *QuantRows, w *PackedQuant, ep *Epilogue) {
	const op = "MatMulQuant"
	n := w.N()
	if dst.dtype != Float32 || dst.rank < 1 || dst.shape[dst.rank-1] != n || len(dst.f32) != x.n*n || w.K() != x.K() {
		msg := fmt.Sprintf("want x [M, %d], got [%d, %d], and dst [.., %d] of F32 with M rows", w.K(), x.n, x.K(), n)
		panic(shapeError(op, msg, dst))
	}
	ep.check(op, dst)
	f := newFinisher[float32](ep, n)
	if f != nil {
		quant.MatMul(dst.f32, x.rows, x.n, w.p, f)
	} else {
		quant.MatMul(dst.f32, x.rows, x.n, w.p, nil)
	}
	f.release()
}

// swigluRow is dst = silu(x[:n])*x[n:], n = len(dst).
func swigluRow[T float](dst, x []T) {
	vec.Map(vec.SiLU, dst, x[:len(dst)])
	vec.Zip(vec.Mul, dst, dst, x[len(dst):])
}
