// Package autograd differentiates tensor operations.
//
// A Tape owns an arena and a list of Values. Every operation is a function on Values; a recording tape
// remembers what it was computed from, an inference tape does not. Grad walks the list backwards and
// asks the derivative table (table.go, one row per kind of operation) what each operation passes on.
// The rows are written with the same functions on Values, so a derivative is itself recorded and can be
// differentiated again (createGraph): a gradient penalty or a Hessian needs nothing further.
//
// Invariants:
//   - Every operation's derivative is one row of the table; a test fails for a kind without a row.
//   - A row runs only for the inputs that lie between the values asked for and the loss.
//   - Rows whose forward kernel is a fused derivative (SiLUGrad, SoftmaxGrad, GroupNormGrad ...) name
//     their expansion into primitive operations instead; it is recorded only when such a derivative is
//     itself differentiated.
//   - Contributions to a value are added in the reverse order of recording, which depends on the
//     program alone: gradients have the same bits for every number of threads.
//   - Broadcasting operations are reduced back to the shape of each input by SumTo.
//   - After the first pass of a given program, a tape allocates nothing on the heap: Values, input lists
//     and tensors come from slabs that Reset makes available again. Everything a tape returned is
//     invalid after its Reset.
//   - A recording tape holds every value of the forward until Reset. The walk of Grad adds the gradients
//     asked for, the cotangents that wait to be handed on, and one operation's scratch: cotangents are
//     recycled as soon as they are handed on. With createGraph nothing is recycled.
//   - A Tape is for one goroutine at a time; the tensors of its leaves may be shared by many tapes as
//     long as nobody writes them.
//
// Letters in shape comments: N pictures, H W height and width, C channels, G groups, R rows, B batch,
// T positions, D features, V entries of a table.
package autograd
