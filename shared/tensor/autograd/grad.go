package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// Grad returns the gradients of loss, a value of one element, with respect to wrt, in wrt's order and
// shapes; a value that the loss does not depend on gets zeros. With createGraph the derivatives are
// recorded and can be differentiated again; without, their buffers are recycled while the walk goes on
// and only the gradients themselves remain. The result is valid until the tape's Reset.
//
// It panics with *tensor.Error on an inference tape, on a loss of more than one element, and if a value
// of wrt can have no gradient (a Const, or computed from Consts alone).
func (t *Tape) Grad(loss *Value, wrt []*Value, createGraph bool) []*Value {
	if loss.Len() != 1 {
		panic(&tensor.Error{Op: "Grad", Shapes: [][]int{loss.Shape()}, Msg: "the loss must have one element"})
	}
	one := t.arena.New(loss.DType(), loss.Shape()...)
	one.Fill(1)
	return t.Pull(loss, t.Const(one), wrt, createGraph)
}

// Into says where the next Grad or Pull shall put the gradient with respect to v: into dst, of v's type and shape,
// which may belong to anybody, instead of memory of the tape. What dst held is overwritten, with zeros if the loss does
// not depend on v.
func (t *Tape) Into(v *Value, dst *tensor.Tensor) {
	if v.tape != t || !v.SameShape(dst) || v.DType() != dst.DType() {
		panic(&tensor.Error{Op: "Into", Shapes: [][]int{v.Shape(), dst.Shape()}, Msg: "value and gradient differ"})
	}
	v.sink = dst
}

// Pull is the vector-Jacobian product: for y of any shape and a cotangent dy of that shape it returns
// the gradients of sum(y*dy) with respect to wrt, as Grad does. dy is treated as a constant unless it
// lies on the tape as more than that.
func (t *Tape) Pull(y, dy *Value, wrt []*Value, createGraph bool) []*Value {
	t.checkPull(y, dy, wrt)
	lowest := t.markPaths(y, wrt)
	w := walker{tape: t, born: t.values.total, graph: createGraph, once: t.once && !createGraph}
	t.recording = createGraph
	if y.path == t.walk {
		w.give(y, dy)
		w.sweep(y.index, lowest)
	}
	t.recording = true

	grads := t.lists.take(len(wrt))
	for i, x := range wrt {
		grads[i] = t.gradient(x)
	}
	for _, x := range wrt {
		x.acc, x.sink, x.want = nil, nil, false
	}
	return grads
}

// gradient is what x has collected, in its sink if it has one.
func (t *Tape) gradient(x *Value) *Value {
	switch {
	case x.sink == nil && x.acc == nil:
		return t.Zeros(x.DType(), x.Shape()...)
	case x.sink == nil || x.acc != nil && x.acc.Tensor == x.sink:
		return x.acc
	case x.acc == nil:
		x.sink.Zero()
	default:
		x.sink.CopyFrom(x.acc.Tensor)
	}
	return t.Const(x.sink)
}

func (t *Tape) checkPull(y, dy *Value, wrt []*Value) {
	switch {
	case t.inference:
		panic(&tensor.Error{Op: "Grad", Msg: "an inference tape records nothing"})
	case y.tape != t:
		panic(&tensor.Error{Op: "Grad", Msg: "the value lies on another tape"})
	case !y.SameShape(dy.Tensor) || y.DType() != dy.DType():
		panic(&tensor.Error{Op: "Grad", Shapes: [][]int{y.Shape(), dy.Shape()}, Msg: "value and cotangent differ"})
	}
	for _, x := range wrt {
		if x.tape != t || !x.needs {
			panic(&tensor.Error{Op: "Grad", Shapes: [][]int{x.Shape()},
				Msg: "no gradient can reach this value: it is a Const, or lies on another tape"})
		}
	}
}

// markPaths numbers a new walk and marks every value up to y that depends on one of wrt. It returns the
// position of the first of wrt.
func (t *Tape) markPaths(y *Value, wrt []*Value) int {
	t.walk++
	lowest := y.index + 1
	for _, x := range wrt {
		x.path, x.want = t.walk, true
		lowest = min(lowest, x.index)
	}
	for i := lowest; i <= y.index; i++ {
		v := t.values.at(i)
		for _, x := range v.in {
			if x.path == t.walk {
				v.path = t.walk
				break
			}
		}
	}
	return lowest
}

// walker is one walk backwards over the tape.
type walker struct {
	tape  *Tape
	born  int  // values from here on were made by the walk, which may recycle them
	graph bool // derivatives are recorded for further differentiation
	once  bool // values are recycled when the walk has passed them
}

// sweep hands cotangents from the values at positions from .. to, in descending order, to their inputs.
func (w *walker) sweep(from, to int) {
	for i := from; i >= to; i-- {
		v := w.tape.values.at(i)
		if v.acc == nil || v.path != w.tape.walk {
			w.leave(v)
			continue
		}
		mark := w.tape.values.total
		w.pass(v, v.acc)
		g := v.acc
		if !v.want {
			v.acc = nil
			w.drop(g)
		}
		w.tidy(mark)
		w.leave(v)
	}
}

// leave recycles a value that no derivative to come reads: all that use it were recorded after it. What the walk itself
// recorded is always its to recycle.
func (w *walker) leave(v *Value) {
	if !w.graph && !v.want && (w.once || v.index >= w.born) {
		w.tape.pass(v)
	}
}

// pass runs v's row of the derivative table for the inputs on the path.
func (w *walker) pass(v, g *Value) {
	r := &table[v.op]
	switch {
	case r.expand != nil && (r.fused == nil || w.graph):
		w.through(v, g, r.expand)
	case r.fused != nil:
		ds := r.fused(v, g)
		for i, x := range v.in {
			if x.path == w.tape.walk {
				w.give(x, ds[i])
			}
		}
	case r.each != nil:
		for i, x := range v.in {
			if x.path == w.tape.walk {
				if v.op == OpKnown {
					w.tape.dest = w.sink(x)
				}
				d := r.each(v, g, i)
				w.tape.dest, w.tape.taken = nil, nil
				w.give(x, d)
			}
		}
	default:
		for i, x := range v.in {
			if x.path == w.tape.walk && r.pulls[i] != nil {
				t := w.tape
				t.dest = w.sink(x)
				d := r.pulls[i](v, g)
				t.dest, t.taken = nil, nil
				w.give(x, d)
			}
		}
	}
}

// through differentiates v by recording its expansion into primitive operations and sweeping over that.
func (w *walker) through(v, g *Value, expand func(v *Value) *Value) {
	t := w.tape
	mark := t.values.total
	t.recording = true
	e := expand(v)
	t.recording = w.graph
	w.give(e, g)
	w.sweep(e.index, mark)
}

// give adds the cotangent d to what x has collected, after undoing a broadcast of x.
func (w *walker) give(x, d *Value) {
	if !x.SameShape(d.Tensor) {
		w.tape.dest = w.sink(x)
		d = SumTo(d, x.Shape()...)
		w.tape.dest, w.tape.taken = nil, nil
	}
	hold(d)
	old := x.acc
	switch {
	case old == nil:
		x.acc = d
	case w.alone(old):
		tensor.Add(old.Tensor, old.Tensor, d.Tensor)
		w.drop(d)
	default:
		x.acc = Add(old, d)
		hold(x.acc)
		w.drop(old)
		w.drop(d)
	}
}

// alone says whether the walk made v's buffer and nothing else shows it, so that it may be written.
func (w *walker) alone(v *Value) bool {
	return !w.graph && v.owner != nil && v.owner.uses == 1 && v.owner.index >= w.born
}

// sink is where the first cotangent of x goes, or nil. A derivative that is recorded stays on the tape.
func (w *walker) sink(x *Value) *tensor.Tensor {
	if x.acc != nil || w.graph {
		return nil
	}
	return x.sink
}

func hold(v *Value) {
	if v.owner != nil {
		v.owner.uses++
	}
}

func (w *walker) drop(v *Value) {
	o := v.owner
	if o == nil {
		return
	}
	o.uses--
	if o.uses == 0 && o.index >= w.born && !w.graph {
		w.tape.recycle(o)
	}
}

// tidy recycles what a row computed on the way and no cotangent shows.
func (w *walker) tidy(mark int) {
	if w.graph {
		return
	}
	for i := mark; i < w.tape.values.total; i++ {
		if v := w.tape.values.at(i); v.owner == v && v.uses == 0 {
			w.tape.recycle(v)
		}
	}
}
