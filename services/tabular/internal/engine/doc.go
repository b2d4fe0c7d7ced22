// Package engine shares a few workers among the requests of all tables' models.
//
// Invariants:
//   - At most Config.Workers pieces of work run at a time, and at most Config.Queue wait; what would end after its
//     caller's deadline is refused at once.
//   - Pieces are taken in the order in which they came. A long stream of rows is many pieces, so that a question
//     does not wait for a million rows.
//   - Work gets a context that ends with its caller's and with the pool; a piece whose caller is gone before it
//     began never begins.
//   - What a piece gives depends on its request alone.
package engine
